//! The only module that reads files: those of `spec/`, as texts.

use std::fs;
use std::path::Path;

use crate::chapters::CHAPTERS;
use crate::error::SpecError;

/// Where each of upstream's clauses stands.
pub(crate) const UPSTREAM: &str = "upstream.tsv";
/// The config's properties.
pub(crate) const PROPERTIES: &str = "properties.tsv";
/// The clauses that call for no requirement.
pub(crate) const NO_REQUIREMENT: &str = "no-requirement.tsv";

/// The texts of one state of `spec/`, not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Name and text of every chapter, in the order in which a reader meets them.
    pub chapters: Vec<(String, String)>,
    /// `upstream.tsv`.
    pub upstream: String,
    /// `properties.tsv`.
    pub properties: String,
    /// `no-requirement.tsv`; the first states of this project had none.
    pub no_requirement: Option<String>,
}

impl Sources {
    /// Those that this crate carries.
    pub fn embedded() -> Self {
        Self {
            chapters: CHAPTERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            upstream: include_str!("../upstream.tsv").to_owned(),
            properties: include_str!("../properties.tsv").to_owned(),
            no_requirement: Some(include_str!("../no-requirement.tsv").to_owned()),
        }
    }

    /// Those in a directory: the `spec/` of a checkout. Chapters that this crate does not know come
    /// last, by their names.
    ///
    /// # Errors
    ///
    /// The first file that is missing or can't be read, and one among the chapters that is none.
    pub fn read(directory: &Path) -> Result<Self, SpecError> {
        let mut chapters = chapters(directory)?;
        let known = |name: &str| CHAPTERS.iter().position(|(it, _)| *it == name).unwrap_or(CHAPTERS.len());
        chapters.sort_by(|(one, _), (other, _)| (known(one), one).cmp(&(known(other), other)));
        let has_set_aside = directory.join(NO_REQUIREMENT).exists();
        Ok(Self {
            chapters,
            upstream: text(directory, UPSTREAM)?,
            properties: text(directory, PROPERTIES)?,
            no_requirement: has_set_aside.then(|| text(directory, NO_REQUIREMENT)).transpose()?,
        })
    }
}

/// Name and text of each file in `chapters/`. Hidden ones are an editor's.
fn chapters(directory: &Path) -> Result<Vec<(String, String)>, SpecError> {
    let failed = |error| SpecError::of("chapters", format!("read {}: {error}", directory.join("chapters").display()));
    let mut chapters = Vec::new();
    for entry in fs::read_dir(directory.join("chapters")).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let file = format!("chapters/{name}");
        let Some(stem) = name.strip_suffix(".md") else {
            return Err(SpecError::of(file, "it lies among the chapters and is none"));
        };
        chapters.push((stem.to_owned(), text(directory, &file)?));
    }
    Ok(chapters)
}

fn text(directory: &Path, file: &str) -> Result<String, SpecError> {
    let path = directory.join(file);
    fs::read_to_string(&path).map_err(|error| SpecError::of(file, format!("read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_this_directory_is_what_is_embedded() {
        let read = Sources::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let embedded = Sources::embedded();
        let names = |sources: &Sources| sources.chapters.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&embedded));
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let error = Sources::read(Path::new("/nowhere/at-all")).unwrap_err();
        assert!(error.to_string().starts_with("chapters: read /nowhere/at-all/chapters: "), "{error}");
    }
}

//! The files that are linted, by their paths in a checkout.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use ocf_schema::{Kind, schema};

use crate::profile;

/// The folders of a checkout, below which files of these endings are read.
const FOLDERS: [(&str, &str); 2] = [("schema", ".json"), ("fixtures", ".json")];

/// Further folders of a checkout, which an author who only writes the specification may lack.
const OPTIONAL: [(&str, &str); 3] =
    [("conformance/profiles", ".json"), ("schema/src/rules", ".rs"), ("conformance/src/expect", ".rs")];

/// Texts by path.
#[derive(Debug)]
pub(super) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// What this program carries; of its own sources nothing.
    pub(super) fn embedded() -> Self {
        let mut files = BTreeMap::new();
        let mut add = |path: String, text: &str| files.insert(path, text.to_owned());
        for kind in Kind::ALL {
            add(schema_path(kind), schema::text(kind));
        }
        let fixtures = |folder: &'static str, all: &'static [(&'static str, &'static str)]| {
            all.iter().map(move |(name, text)| (format!("fixtures/{folder}{name}.json"), *text))
        };
        let bases = fixtures("base/", ocf_fixtures::BASES).chain(fixtures("static/base/", ocf_fixtures::STATIC_BASES));
        for (path, text) in
            bases.chain(fixtures("", ocf_fixtures::CASES)).chain(fixtures("static/", ocf_fixtures::STATIC))
        {
            add(path, text);
        }
        for (name, text) in profile::EMBEDDED {
            add(format!("conformance/profiles/{name}.json"), text);
        }
        Self(files)
    }

    /// What a checkout holds. Links are passed over.
    pub(super) fn read(directory: &Path) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        let optional = OPTIONAL.into_iter().filter(|(folder, _)| directory.join(folder).is_dir());
        for (folder, ending) in FOLDERS.into_iter().chain(optional) {
            let failed = |e: io::Error| format!("read {}: {e}", directory.join(folder).display());
            collect(&directory.join(folder), folder, ending, &mut files).map_err(failed)?;
        }
        Ok(Self(files))
    }

    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// The files whose paths begin so, in their order.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.0.range(prefix.to_owned()..);
        all.take_while(move |(path, _)| path.starts_with(prefix)).map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The place of a literal in a folder of sources: where it is found, else the file of this stem.
    pub(super) fn place_of(&self, folder: &str, stem: &str, literal: &str) -> (String, Option<usize>) {
        let own = format!("{folder}/{stem}.rs");
        let first = self.get(&own).map(|text| (own.as_str(), text));
        for (path, text) in first.into_iter().chain(self.below(folder)) {
            if let Some(line) = text.lines().position(|line| line.contains(literal)) {
                return (path.to_owned(), Some(line + 1));
            }
        }
        (own, None)
    }

    #[cfg(test)]
    pub(super) fn replace(&mut self, path: &str, what: &str, by: &str) {
        let text = self.0.get_mut(path).unwrap();
        assert!(text.contains(what), "{path}: {what}");
        *text = text.replacen(what, by, 1);
    }
}

/// Where the schema of a kind lies.
pub(super) fn schema_path(kind: Kind) -> String {
    let folder = if Kind::FORMAT.contains(&kind) { "schema" } else { "schema/suite" };
    format!("{folder}/{}.json", kind.as_str())
}

fn collect(folder: &Path, name: &str, ending: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, own) = (entry.file_type()?, entry.file_name());
        let Some(own) = own.to_str().filter(|it| !it.starts_with('.')) else { continue };
        let name = format!("{name}/{own}");
        if kind.is_dir() && own != "target" {
            collect(&entry.path(), &name, ending, files)?;
        } else if kind.is_file() && own.ends_with(ending) {
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

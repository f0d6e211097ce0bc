//! What one state of this project's sources holds: the specification, upstream's tables, the schemas of the format,
//! the cases and the static fixtures.
//!
//! The laws of `expect` and the rules of the schema crate are not among it: they are this program's own, whatever
//! edition they are used with.

mod amendment;
mod document;
mod files;
mod impact;
mod judged;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use ocf_schema::{Kind, Validator};
use ocf_spec::{Sources, Specification, VERSIONS, Version};
use serde_json::Value;

use crate::judge::visible;
pub use amendment::{Amendments, Entry, Replacement, Rewording, versions};
pub use document::Document;
use files::Files;
pub use impact::{Impact, Rejudged, Stale, Turned, between, stale};
pub use judged::{Fault, Judged, shown, unkept};

/// One state of the sources.
#[derive(Clone, Debug)]
pub struct Edition {
    /// What it was asked for by, for readers.
    pub name: String,
    /// The one version of the format that it is looked at in; none if it was asked for as a whole.
    pub version: Option<Version>,
    /// Every requirement, and the tables that tie them to upstream's text.
    pub specification: Cow<'static, Specification>,
    /// The texts of both.
    pub sources: Sources,
    /// The schemas of the format, for all versions.
    pub schemas: BTreeMap<Kind, Value>,
    /// The bases of cases, by their stem.
    pub bases: BTreeMap<String, Value>,
    /// The cases, by `CHAPTER/NAME`.
    pub cases: BTreeMap<String, Value>,
    /// A right document of each kind other than config.json, by the kind's word.
    pub static_bases: BTreeMap<String, Value>,
    /// The files of wrong documents, by their chapter.
    pub static_fixtures: BTreeMap<String, Value>,
    /// Configs of the shape that engines write, by their stem.
    pub engines: BTreeMap<String, Value>,
}

impl Edition {
    /// What this program carries.
    ///
    /// # Panics
    ///
    /// Never in a tested build: tests parse the same embedded bytes.
    pub fn embedded() -> Self {
        let parse = |text: &str| serde_json::from_str(text).expect("a test proves that what is embedded is JSON");
        let parsed = |all: &[(&str, &str)]| all.iter().map(|(name, text)| ((*name).to_owned(), parse(text))).collect();
        let schema = |kind: Kind| (kind, parse(ocf_schema::schema::text(kind)));
        Self {
            name: "this program".to_owned(),
            version: None,
            specification: Cow::Borrowed(Specification::embedded()),
            sources: Sources::embedded(),
            schemas: Kind::FORMAT.into_iter().map(schema).collect(),
            bases: parsed(ocf_fixtures::BASES),
            cases: parsed(ocf_fixtures::CASES),
            static_bases: parsed(ocf_fixtures::STATIC_BASES),
            static_fixtures: parsed(ocf_fixtures::STATIC),
            engines: parsed(ocf_fixtures::ENGINES),
        }
    }

    /// What a checkout of the project holds.
    ///
    /// # Errors
    ///
    /// What can't be read, or does not fit its grammar.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let name = directory.display().to_string();
        let files = Files::of_directory(directory)?;
        Self::of(&files, name).map_err(|why| format!("{}: {why}", directory.display()))
    }

    /// What a revision of the project's repository holds. Nothing is written to its work tree or its index.
    ///
    /// # Errors
    ///
    /// A revision that git does not know, and as for [`Edition::read`].
    pub fn at_revision(repository: &Path, revision: &str) -> Result<Self, String> {
        let files = Files::of_revision(repository, revision)?;
        Self::of(&files, revision.to_owned()).map_err(|why| format!("revision {revision}: {why}"))
    }

    /// The edition that a word of the command line means: a released version of the format (what this program
    /// carries, looked at in that version), else a directory, else a revision of the repository around the current
    /// directory.
    ///
    /// # Errors
    ///
    /// What was tried, and why it was not that.
    pub fn named(word: &str) -> Result<Self, String> {
        if let Ok(version) = word.parse::<Version>()
            && version.is_released()
        {
            return Ok(Self { name: version.to_string(), version: Some(version), ..Self::embedded() });
        }
        let directory = Path::new(word);
        if directory.is_dir() {
            return Self::read(directory);
        }
        files::check_revision(Path::new("."), word).map_err(|why| unknown(word, &why))?;
        Self::at_revision(Path::new("."), word)
    }

    /// The versions that it is looked at in: one, or every one there is.
    pub fn versions(&self) -> Vec<Version> {
        self.version.map_or_else(|| VERSIONS.to_vec(), |version| vec![version])
    }

    /// What validates documents of `kind` under `version`, by this edition's schema and requirements.
    ///
    /// # Errors
    ///
    /// What is wrong with the schema.
    pub fn validator(&self, kind: Kind, version: Version) -> Result<Validator<'_>, String> {
        let about = |why: &dyn std::fmt::Display| format!("{}, {version}: {why}", self.name);
        let schema = self.schemas.get(&kind).ok_or_else(|| about(&format!("no schema of {}", kind.as_str())))?;
        Validator::new(kind, schema, &self.specification, version).map_err(|why| about(&why))
    }

    /// The documents of its static fixtures and cases, and its configs of the shape that engines write, by their names.
    pub fn documents(&self) -> Vec<Document> {
        document::of(self)
    }

    fn of(files: &Files, name: String) -> Result<Self, String> {
        let sources = files.sources()?;
        let schema = |kind: Kind| Ok((kind, files.json(&format!("schema/{}.json", kind.as_str()))?));
        Ok(Self {
            name,
            version: None,
            specification: Cow::Owned(files::specification(&sources)?),
            sources,
            schemas: Kind::FORMAT.into_iter().map(schema).collect::<Result<_, String>>()?,
            bases: files.fixtures("fixtures/base")?,
            cases: files.cases()?,
            static_bases: files.fixtures("fixtures/static/base")?,
            static_fixtures: files.fixtures("fixtures/static")?,
            engines: files.fixtures("fixtures/engines")?,
        })
    }
}

fn unknown(word: &str, why: &str) -> String {
    let versions: Vec<String> = VERSIONS.iter().map(ToString::to_string).collect();
    let (word, why, versions) = (visible(word), visible(why), versions.join(" "));
    format!("{word}: no version of the format ({versions}), no directory, and no revision of a repository here ({why})")
}

//! A requirement and its parts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::version::{VERSIONS, Version};

/// A chapter: the requirements about one noun of the format, or about one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// The stem of its file, and the first part of its requirements' ids.
    pub name: String,
    /// What the chapter is about, in one paragraph.
    pub introduction: String,
    /// In the order of the file.
    pub requirements: Vec<Requirement>,
}

/// One obligation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its name, for good.
    pub id: RequirementId,
    /// How strongly it binds.
    pub level: Level,
    /// Who owes it.
    pub party: Party,
    /// The first version in which it holds.
    pub since: Version,
    /// The first version in which it no longer holds; `None` if it holds to this day.
    pub until: Option<Version>,
    /// What holds in its place from then on, beside the requirements that carry a clause of its own.
    pub replaced_by: Vec<RequirementId>,
    /// Where it is from.
    pub source: Source,
    /// Ids of the upstream clauses that it carries, as in [`crate::upstream::clauses`].
    pub clauses: Vec<String>,
    /// Names of the leaf properties whose effect it decides, as in [`crate::upstream::properties`].
    pub properties: Vec<String>,
    /// Facts of a host without which it can't be decided, of the closed list in the grammar.
    pub needs: Vec<String>,
    /// How an unclear text is read here, and why.
    pub reading: Option<String>,
    /// Why nothing can decide it; `None` if something can.
    pub not_checked: Option<String>,
    /// Kept out of every verdict.
    pub draft: bool,
    /// The obligation itself.
    pub sentence: String,
    /// The line of its heading in its chapter's file; the first is 1.
    pub line: usize,
}

impl Requirement {
    /// Whether it binds under version `version` of the format.
    pub fn applies(&self, version: Version) -> bool {
        Binding::from(self).applies(version)
    }

    /// The last version in which it held; `None` if it holds to this day.
    pub fn last(&self) -> Option<Version> {
        let until = self.until?;
        VERSIONS.into_iter().rfind(|it| *it < until)
    }
}

/// A requirement's id: `chapter.name`, both kebab-case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequirementId(String);

/// A text that can't be a requirement's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId(String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no id: chapter.name, each of lower-case words joined by `-`, no word a number", self.0)
    }
}

impl std::error::Error for InvalidId {}

impl RequirementId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The chapter it belongs to.
    pub fn chapter(&self) -> &str {
        self.0.split_once('.').map_or("", |(chapter, _)| chapter)
    }
}

impl FromStr for RequirementId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('.') {
            Some((chapter, name)) if is_kebab_case(chapter) && is_kebab_case(name) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId(text.to_owned())),
        }
    }
}

fn is_kebab_case(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(|word| {
            word.bytes().any(|b| b.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RequirementId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RequirementId> for String {
    fn from(id: RequirementId) -> Self {
        id.0
    }
}

/// How strongly a requirement binds, in the words of RFC 2119.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// `MUST`, also for REQUIRED and SHALL.
    #[serde(rename = "MUST")]
    Must,
    /// `MUST NOT`, also for SHALL NOT.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// `SHOULD`, also for RECOMMENDED.
    #[serde(rename = "SHOULD")]
    Should,
    /// `SHOULD NOT`, also for NOT RECOMMENDED.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// `MAY`, also for OPTIONAL.
    #[serde(rename = "MAY")]
    May,
}

impl Level {
    const ALL: [(Self, &str); 5] = [
        (Self::Must, "MUST"),
        (Self::MustNot, "MUST NOT"),
        (Self::Should, "SHOULD"),
        (Self::ShouldNot, "SHOULD NOT"),
        (Self::May, "MAY"),
    ];

    /// The words as RFC 2119 writes them.
    pub fn as_str(self) -> &'static str {
        word(&Self::ALL, self)
    }

    /// MUST or MUST NOT.
    pub fn is_must(self) -> bool {
        matches!(self, Self::Must | Self::MustNot)
    }

    /// SHOULD or SHOULD NOT.
    pub fn is_should(self) -> bool {
        matches!(self, Self::Should | Self::ShouldNot)
    }
}

/// Who owes a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The runtime.
    Runtime,
    /// The config's author.
    Config,
    /// Whoever calls the runtime.
    Caller,
    /// Whoever makes a bundle from an image.
    Converter,
}

impl Party {
    const ALL: [(Self, &str); 4] = [
        (Self::Runtime, "runtime"),
        (Self::Config, "config"),
        (Self::Caller, "caller"),
        (Self::Converter, "converter"),
    ];

    /// The word that chapter files and reports use.
    pub fn as_str(self) -> &'static str {
        word(&Self::ALL, self)
    }
}

/// A word that names no level, or no party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no {}: one of {}", self.word, self.what, self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        value("level", &Self::ALL, text)
    }
}

impl FromStr for Party {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        value("party", &Self::ALL, text)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn word<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(it, _)| *it == value).map_or("", |(_, word)| word)
}

fn value<T: Copy>(what: &'static str, all: &[(T, &'static str)], text: &str) -> Result<T, UnknownWord> {
    let found = all.iter().find(|(_, word)| *word == text);
    found.map(|(value, _)| *value).ok_or_else(|| UnknownWord {
        what,
        word: text.to_owned(),
        known: all.iter().map(|(_, word)| *word).collect(),
    })
}

/// Where a requirement is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A section of upstream's text.
    Upstream {
        /// The file, such as `runtime.md`.
        file: String,
        /// The anchor of the section's heading.
        anchor: String,
    },
    /// This project: upstream is silent.
    Ours,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream { file, anchor } => write!(f, "{file}#{anchor}"),
            Self::Ours => f.write_str("ours"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_chapter_and_name() {
        let id: RequirementId = "masked-paths.file-reads-nothing".parse().unwrap();
        assert_eq!(id.chapter(), "masked-paths");
        assert_eq!(id.as_str(), "masked-paths.file-reads-nothing");
        assert!("cgroups.v2-path".parse::<RequirementId>().is_ok());
    }

    #[test]
    fn other_texts_are_no_id() {
        let texts = [
            "",
            "hooks",
            "hooks.",
            ".path",
            "hooks.a.b",
            "Hooks.path",
            "hooks.Path",
            "hooks.two--dashes",
            "hooks.-path",
            "hooks.path-",
            "hooks.under_score",
            "hooks.3",
            "hooks.rule-3",
            "hooks.3rd",
            "hooks.two words",
        ];
        for text in texts {
            assert!(text.parse::<RequirementId>().is_err(), "{text}");
        }
    }

    #[test]
    fn level_and_party_are_the_same_word_everywhere() {
        for (level, word) in Level::ALL {
            assert_eq!(level.to_string(), word);
            assert_eq!(word.parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), word);
        }
        for (party, word) in Party::ALL {
            assert_eq!(party.to_string(), word);
            assert_eq!(word.parse(), Ok(party));
            assert_eq!(serde_json::to_value(party).unwrap(), word);
        }
    }

    #[test]
    fn every_level_is_of_one_strength() {
        let strengths = Level::ALL.map(|(level, _)| (level.is_must(), level.is_should()));
        assert_eq!(strengths, [(true, false), (true, false), (false, true), (false, true), (false, false)]);
    }
}

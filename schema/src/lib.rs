//! What a document of the format, or of this suite, has to look like, without running anything.
//!
//! A [JSON Schema](schema) for each [`Kind`] of document says what it can: types, ranges, required
//! properties. The [`rules`] say what it can't: what holds between one part of a document and
//! another. Each constraint of either names the requirement that it enforces, so a [`Finding`] is
//! a statement about the specification and not about a schema.

pub mod compare;
mod hint;
mod limited;
mod message;
mod misspelt;
mod place;
mod project;
pub mod rules;
pub mod schema;
mod text;
mod validate;

pub use place::{Position, Span};
pub use project::projected;
pub use text::{Fault, LARGEST, MOST_VALUES, Text};
pub use validate::{InvalidSchema, MOST_FINDINGS, Validator, embedded, validate, validate_bytes};

use std::collections::BTreeSet;
use std::fmt;

use ocf_spec::{Level, RequirementId};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `config.json` of a bundle.
    Config,
    /// What a runtime's `state` operation, and the hooks' standard input, give.
    State,
    /// What a runtime says of its features.
    Features,
    /// A case kept as a file.
    Fixture,
    /// How to call one runtime, and what can be seen of it.
    Adapter,
    /// One line of recorded evidence.
    Evidence,
    /// A named set of requirements.
    Profile,
    /// The verdicts of one runtime on one host.
    Report,
    /// A chapter's wrong documents, which nobody has to run.
    Static,
    /// What `ocf validate` found.
    Validation,
    /// What `ocf spec export` writes.
    Requirements,
}

impl Kind {
    /// Every kind: the format's own first, then this suite's.
    pub const ALL: [Self; 11] = [
        Self::Config,
        Self::State,
        Self::Features,
        Self::Fixture,
        Self::Adapter,
        Self::Evidence,
        Self::Profile,
        Self::Report,
        Self::Static,
        Self::Validation,
        Self::Requirements,
    ];

    /// The kinds of document that the specification itself describes.
    pub const FORMAT: [Self; 3] = [Self::Config, Self::State, Self::Features];

    /// The word for it on the command line and in fixtures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::State => "state",
            Self::Features => "features",
            Self::Fixture => "fixture",
            Self::Adapter => "adapter",
            Self::Evidence => "evidence",
            Self::Profile => "profile",
            Self::Report => "report",
            Self::Static => "static",
            Self::Validation => "validation",
            Self::Requirements => "requirements",
        }
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is broken, yet it looks unintended.
    Note,
    /// A SHOULD is broken, or no kernel known today knows the value.
    Warning,
    /// A MUST is broken.
    Error,
}

impl Severity {
    /// The severity of breaking a requirement of this level.
    pub fn of(level: Level) -> Self {
        match level {
            Level::Must | Level::MustNot => Self::Error,
            Level::Should | Level::ShouldNot => Self::Warning,
            Level::May => Self::Note,
        }
    }

    /// The word that a reader sees.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it offends against; `None` for a text that is no JSON at all, for a mere note, and where
    /// a format of this suite is concerned, which no requirement speaks of.
    pub requirement: Option<RequirementId>,
    /// How much it weighs.
    pub severity: Severity,
    /// Where: a JSON Pointer (RFC 6901) to the value, or to the object that lacks one.
    pub pointer: String,
    /// It is the name of the member there that is wrong, not its value.
    pub of_name: bool,
    /// What is wrong there, in one sentence.
    pub message: String,
    /// What would mend it, where that is certain enough to say.
    pub hint: Option<String>,
    /// Where in the text; `None` if the document was not given as a text.
    pub span: Option<Span>,
}

/// Every requirement that [`validate`] can find a document of `kind` to offend against.
pub fn enforced(kind: Kind) -> BTreeSet<RequirementId> {
    let by_rules = rules::of(kind).filter_map(rules::Rule::id);
    let by_schema = schema::requirements(schema::document(kind));
    by_schema.into_iter().chain(by_rules).chain(text::enforced(kind)).collect()
}

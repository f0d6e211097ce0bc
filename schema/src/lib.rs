//! What a document of the format, or of this suite, has to look like, without running anything.
//!
//! A [JSON Schema](schema) for each [`Kind`] of document says what it can: types, ranges, required
//! properties. The [`rules`] say what it can't: what holds between one part of a document and
//! another. Each constraint of either names the requirement that it enforces, so a [`Finding`] is
//! a statement about the specification and not about a schema.

mod message;
pub mod rules;
pub mod schema;
mod text;
mod validate;

pub use validate::{validate, validate_bytes};

use std::collections::BTreeSet;

use ocf_spec::RequirementId;

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
}

impl Kind {
    /// Every kind: the format's own first, then this suite's.
    pub const ALL: [Self; 8] = [
        Self::Config,
        Self::State,
        Self::Features,
        Self::Fixture,
        Self::Adapter,
        Self::Evidence,
        Self::Profile,
        Self::Report,
    ];
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it offends against; `None` for a text that is no JSON at all, and where a format of
    /// this suite is concerned, which no requirement speaks of.
    pub requirement: Option<RequirementId>,
    /// Where: a JSON Pointer (RFC 6901) to the value, or to the object that lacks one.
    pub pointer: String,
    /// What is wrong there, in one sentence.
    pub message: String,
}

/// Every requirement that [`validate`] can find a document of `kind` to offend against.
pub fn enforced(kind: Kind) -> BTreeSet<RequirementId> {
    let by_rules = rules::of(kind).filter_map(rules::Rule::id);
    schema::of(kind).requirements().into_iter().chain(by_rules).collect()
}

//! What ties requirements to upstream's text: the anchors of its clauses, and the config's properties.
//!
//! Upstream's words are not kept, only where each clause stands and a digest of its sentence, so
//! that a changed text is found mechanically: by [`check`].

mod check;
mod properties;
mod tables;
mod text;

pub use check::{AbsentFile, Carried, Change, Comparison, Sentence, check};
pub use properties::{SchemaError, properties_of};
pub use tables::{Clause, Property, Repository, SetAside, Tables, Why};
pub(crate) use text::sentences;
pub use text::{Found, MarkdownFiles, digest, linked, normalise, scan};

/// Every clause, in the order of upstream's files.
pub fn clauses() -> &'static [Clause] {
    &Tables::embedded().clauses
}

/// The clause of this id.
pub fn clause(id: &str) -> Option<&'static Clause> {
    Tables::embedded().clause(id)
}

/// Every property of every platform, in alphabetical order.
pub fn properties() -> &'static [Property] {
    &Tables::embedded().properties
}

/// The property of this name.
pub fn property(name: &str) -> Option<&'static Property> {
    Tables::embedded().property(name)
}

/// Whether some clause stands below this anchor of this file.
pub fn is_anchor(file: &str, anchor: &str) -> bool {
    Tables::embedded().is_anchor(file, anchor)
}

//! How much requirements bind, and when: all that a validator needs of them, as long as it finds nothing.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::chapters::CHAPTERS;
use crate::grammar::bindings;
use crate::requirement::{Level, Requirement};
use crate::specification::Specification;
use crate::version::Version;

/// How strongly a requirement binds, and in which versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// How strongly.
    pub level: Level,
    /// The first version in which it holds.
    pub since: Version,
    /// The first version in which it no longer holds; `None` if it holds to this day.
    pub until: Option<Version>,
}

impl Binding {
    /// Whether it binds under version `version` of the format.
    pub fn applies(&self, version: Version) -> bool {
        self.since <= version && self.until.is_none_or(|until| version < until)
    }
}

impl From<&Requirement> for Binding {
    fn from(requirement: &Requirement) -> Self {
        Self { level: requirement.level, since: requirement.since, until: requirement.until }
    }
}

/// Of each id, how it binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bindings<'s>(HashMap<&'s str, Binding>);

impl<'s> Bindings<'s> {
    /// Those of the specification that this crate carries, read without parsing it: at the start of a program that
    /// validates one document, little else takes time.
    pub fn embedded() -> &'static Bindings<'static> {
        static EMBEDDED: OnceLock<Bindings<'static>> = OnceLock::new();
        EMBEDDED.get_or_init(|| Bindings(CHAPTERS.iter().flat_map(|(_, text)| bindings(text)).collect()))
    }

    /// Those of a specification.
    pub fn of(specification: &'s Specification) -> Self {
        Self(specification.requirements().map(|it| (it.id.as_str(), Binding::from(it))).collect())
    }

    /// How the requirement of this id binds.
    pub fn get(&self, id: &str) -> Option<&Binding> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_quickly_is_what_is_parsed() {
        assert_eq!(*Bindings::embedded(), Bindings::of(Specification::embedded()));
        assert!(Bindings::embedded().get("hooks.poststart-failure-continues").unwrap().until.is_some());
    }
}

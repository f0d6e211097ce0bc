//! What holds between one part of a document and another, which JSON Schema can't say.
//!
//! A rule looks at a document that may be wrong in any other way too: it passes over what it
//! can't read, for the schema has found that already.

use ocf_spec::RequirementId;
use serde_json::Value;

use crate::Kind;

mod annotations;
mod devices;
mod features;
mod mounts;
mod namespaces;
mod rlimits;

/// One statement about a whole document.
pub struct Rule {
    /// The requirement that it enforces; `None` while its chapter is not written.
    pub requirement: Option<&'static str>,
    /// Finds every place that offends against it.
    pub offences: fn(&Value) -> Vec<Offence>,
}

/// A place that offends against a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// A JSON Pointer to it.
    pub pointer: String,
    /// What is wrong there, in one sentence.
    pub message: String,
}

impl Rule {
    /// The requirement as an id.
    pub fn id(&self) -> Option<RequirementId> {
        let id = self.requirement?.parse();
        Some(id.expect("a test proves that each rule's requirement exists"))
    }
}

/// The rules for documents of `kind`.
pub fn of(kind: Kind) -> impl Iterator<Item = &'static Rule> {
    let chapters: &[&[Rule]] = match kind {
        Kind::Config => &[mounts::RULES, rlimits::RULES, namespaces::RULES, devices::RULES, annotations::RULES],
        Kind::Features => &[features::RULES],
        _ => &[],
    };
    chapters.iter().flat_map(|rules| rules.iter())
}

/// The entries of the list at `pointer`, each with its own pointer; none if there is no such list.
fn entries<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let list = document.pointer(pointer).and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let pointers = (0..list.len()).map(|index| format!("{pointer}/{index}")).collect::<Vec<_>>();
    pointers.into_iter().zip(list)
}

/// Every entry whose `key` an earlier entry has too, with the earlier one's pointer.
fn repeated<'a, K: PartialEq>(
    entries: impl Iterator<Item = (String, &'a Value)>,
    key: impl Fn(&'a Value) -> Option<K>,
) -> Vec<(String, String, K)> {
    let mut seen: Vec<(String, K)> = Vec::new();
    let mut repeated = Vec::new();
    for (pointer, entry) in entries {
        let Some(key) = key(entry) else { continue };
        match seen.iter().find(|(_, other)| *other == key) {
            Some((first, _)) => repeated.push((pointer, first.clone(), key)),
            None => seen.push((pointer, key)),
        }
    }
    repeated
}

//! What holds between one part of a document and another, which JSON Schema can't say.
//!
//! A rule looks at a document that may be wrong in any other way too: it passes over what it
//! can't read, for the schema has found that already.

use std::collections::HashMap;
use std::hash::Hash;

use ocf_spec::RequirementId;
use serde_json::Value;

use crate::Kind;

mod annotations;
mod block_io;
mod conversion;
mod cpu;
mod devices;
mod features;
mod freebsd;
mod hostname;
mod hugepage_limits;
mod memory;
mod memory_policy;
mod mounts;
mod namespaces;
mod net_devices;
mod network;
mod pids;
mod process;
mod rdma;
mod rlimits;
mod root;
mod seccomp;
mod sysctl;
mod unified;
mod windows;
mod zos;

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
        Kind::Config => &[
            root::RULES,
            mounts::RULES,
            process::RULES,
            rlimits::RULES,
            hostname::RULES,
            namespaces::RULES,
            memory::RULES,
            cpu::RULES,
            pids::RULES,
            block_io::RULES,
            hugepage_limits::RULES,
            network::RULES,
            rdma::RULES,
            unified::RULES,
            devices::RULES,
            net_devices::RULES,
            memory_policy::RULES,
            seccomp::RULES,
            sysctl::RULES,
            annotations::RULES,
            windows::RULES,
            zos::RULES,
            freebsd::RULES,
            conversion::RULES,
        ],
        Kind::Features => &[features::RULES],
        _ => &[],
    };
    chapters.iter().flat_map(|rules| rules.iter())
}

/// What lies at a pointer in which nothing is escaped and no entry of a list is named: [`Value::pointer`] unescapes each
/// name into a new text.
fn at<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(document, |value, name| value.get(name))
}

/// The entries of the list at `pointer`, each with its own pointer; none if there is no such list.
fn entries<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let list = at(document, pointer).and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let pointers = (0..list.len()).map(|index| format!("{pointer}/{index}")).collect::<Vec<_>>();
    pointers.into_iter().zip(list)
}

/// Every entry whose `key` an earlier entry has too, with the earlier one's pointer.
fn repeated<'a, K: Eq + Hash>(
    entries: impl Iterator<Item = (String, &'a Value)>,
    key: impl Fn(&'a Value) -> Option<K>,
) -> Vec<(String, String, K)> {
    let mut seen: HashMap<K, String> = HashMap::new();
    let mut repeated = Vec::new();
    for (pointer, entry) in entries {
        let Some(key) = key(entry) else { continue };
        match seen.get(&key) {
            Some(first) => repeated.push((pointer, first.clone(), key)),
            None => drop(seen.insert(key, pointer)),
        }
    }
    repeated
}

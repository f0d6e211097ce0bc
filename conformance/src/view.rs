//! What each chapter sees of a config: a small view of its own, or the offence against it.
//!
//! `ask` and `expect` get the same view, so that a fact is never expected which was not asked for.

use ocf_spec::Version;
use serde_json::Value;

pub mod annotations;
pub mod block_io;
pub mod capabilities;
pub mod cgroups;
pub mod cpu;
pub mod devices;
pub mod hooks;
pub mod hostname;
pub mod hugepage_limits;
pub mod intel_rdt;
pub mod lifecycle;
pub mod masked_paths;
pub mod memory;
pub mod memory_policy;
pub mod mounts;
pub mod namespaces;
pub mod net_devices;
pub mod network;
pub mod personality;
pub mod pids;
pub mod process;
pub mod rdma;
pub mod readonly_paths;
pub mod rlimits;
pub mod root;
pub mod seccomp;
pub mod sysctl;
pub mod tree;
pub mod unified;
pub mod user;
pub mod version;

/// A config that breaks a rule of a chapter: the chapter derives nothing from it but the refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// The requirement *of the runtime* that demands an error, if there is one. An offence against a rule
    /// that binds only the author has none: what a runtime does then is not judged.
    pub refusal: Option<&'static str>,
    /// What is wrong, in one sentence, for the report.
    pub what: String,
}

impl Offence {
    /// An offence that a requirement of the runtime demands to be refused.
    pub fn refused(requirement: &'static str, what: impl Into<String>) -> Self {
        Self { refusal: Some(requirement), what: what.into() }
    }

    /// An offence against the author's duties only.
    pub fn authors(what: impl Into<String>) -> Self {
        Self { refusal: None, what: what.into() }
    }
}

/// The string at a pointer, if there is one.
pub fn text<'a>(config: &'a Value, pointer: &str) -> Option<&'a str> {
    config.pointer(pointer).and_then(Value::as_str)
}

/// The value at a pointer as what `read` takes it for; none if it is not there.
///
/// A value of another type is one that the format does not allow, so every runtime owes an error; null is what
/// many a writer leaves for nothing, so it is held against the author only.
pub fn typed<'a, T>(
    config: &'a Value,
    pointer: &str,
    what: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, Offence> {
    match config.pointer(pointer) {
        None => Ok(None),
        Some(Value::Null) => Err(Offence::authors(format!("{pointer} is null"))),
        Some(value) => match read(value) {
            Some(found) => Ok(Some(found)),
            None => Err(Offence::refused("errors.invalid-value", format!("{pointer} is not {what}"))),
        },
    }
}

/// The object at a pointer, if there is one.
pub fn object<'a>(config: &'a Value, pointer: &str) -> Result<Option<&'a Value>, Offence> {
    typed(config, pointer, "an object", |value| value.is_object().then_some(value))
}

/// The integer of 64 bits at a pointer, if there is one.
pub fn integer(config: &Value, pointer: &str) -> Result<Option<i64>, Offence> {
    typed(config, pointer, "an integer of 64 bits", Value::as_i64)
}

/// The unsigned integer of 64 bits at a pointer, if there is one.
pub fn natural(config: &Value, pointer: &str) -> Result<Option<u64>, Offence> {
    typed(config, pointer, "an unsigned integer", Value::as_u64)
}

/// The boolean at a pointer, if there is one.
pub fn boolean(config: &Value, pointer: &str) -> Result<Option<bool>, Offence> {
    typed(config, pointer, "a boolean", Value::as_bool)
}

/// The strings of an array.
pub fn strings(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// The entries of the array of objects at a pointer; none if it is not there.
pub fn objects<'a>(config: &'a Value, pointer: &str) -> Result<Option<&'a [Value]>, Offence> {
    let all_objects = |value: &'a Value| value.as_array().filter(|all| all.iter().all(Value::is_object));
    Ok(typed(config, pointer, "an array of objects", all_objects)?.map(Vec::as_slice))
}

/// Whether the config declares that it complies with `since` or a later version of the specification.
pub fn declares(config: &Value, since: Version) -> bool {
    let declared = text(config, "/ociVersion").and_then(|version| version.parse::<Version>().ok());
    declared.is_some_and(|version| version >= since)
}

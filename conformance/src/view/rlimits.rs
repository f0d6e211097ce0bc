//! The resource limits.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, objects, typed};
use crate::host::LIMITS;

/// One entry of `process.rlimits`; its values are in the unit of the limit, and the greatest value of 64 bits is none.
pub struct Rlimit<'a> {
    /// The limit's name.
    pub name: &'a str,
    /// The value in force.
    pub soft: u64,
    /// Its ceiling.
    pub hard: u64,
}

/// The limits, if the config lists one.
pub fn view(config: &Value) -> Result<Option<Vec<Rlimit<'_>>>, Offence> {
    let entries = objects(config, "/process/rlimits")?.unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let limit = rlimit(entry)?;
        if !LIMITS.contains(&limit.name) {
            return Err(Offence::refused(
                "rlimits.unknown-type-refused",
                format!("no limit is named {:?}", limit.name),
            ));
        }
        if !seen.insert(limit.name) {
            return Err(Offence::refused("rlimits.duplicate-refused", format!("{} stands there twice", limit.name)));
        }
        found.push(limit);
    }
    Ok((!found.is_empty()).then_some(found))
}

fn rlimit(entry: &Value) -> Result<Rlimit<'_>, Offence> {
    let lacks = |name: &str| Offence::authors(format!("an entry of process.rlimits has no {name}"));
    let value = |name: &str| {
        let value = typed(entry, &format!("/{name}"), "an unsigned integer", Value::as_u64)?;
        value.ok_or_else(|| lacks(name))
    };
    let name = typed(entry, "/type", "a string", Value::as_str)?.ok_or_else(|| lacks("type"))?;
    Ok(Rlimit { name, soft: value("soft")?, hard: value("hard")? })
}

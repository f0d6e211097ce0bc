//! One device, one node.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("devices.numbers-unique"), offences: duplicates }];

/// A FIFO has no numbers, so there may be several.
fn duplicates(config: &Value) -> Vec<Offence> {
    let device = |node: &'_ Value| {
        let kind = node.get("type")?.as_str()?.to_owned();
        Some((kind, node.get("major")?.as_i64()?, node.get("minor")?.as_i64()?))
    };
    repeated(entries(config, "/linux/devices"), device)
        .into_iter()
        .filter(|(_, _, (kind, ..))| kind != "p")
        .map(|(pointer, first, (kind, major, minor))| Offence {
            pointer,
            message: format!("the device {kind:?} {major}:{minor} stands already at {first}"),
        })
        .collect()
}

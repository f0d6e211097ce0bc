//! One type, one namespace; and, while z/OS had them, one device, one node.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("zos.namespace-duplicate-refused"), offences: namespaces },
    Rule { requirement: Some("zos.device-numbers-unique"), offences: devices },
];

fn namespaces(config: &Value) -> Vec<Offence> {
    repeated(entries(config, "/zos/namespaces"), |it| it.get("type")?.as_str())
        .into_iter()
        .map(|(pointer, first, kind)| Offence {
            pointer,
            message: format!("a namespace of type {kind:?} stands already at {first}"),
        })
        .collect()
}

/// A FIFO has no numbers, so there may be several.
fn devices(config: &Value) -> Vec<Offence> {
    let device = |node: &'_ Value| {
        let kind = node.get("type")?.as_str().filter(|it| matches!(*it, "c" | "b" | "u"))?.to_owned();
        Some((kind, node.get("major")?.as_i64()?, node.get("minor")?.as_i64()?))
    };
    repeated(entries(config, "/zos/devices"), device)
        .into_iter()
        .map(|(pointer, first, (kind, major, minor))| Offence {
            pointer,
            message: format!("the device {kind:?} {major}:{minor} stands already at {first}"),
        })
        .collect()
}

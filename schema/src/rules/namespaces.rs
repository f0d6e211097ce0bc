//! One type, one namespace.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("namespaces.duplicate-refused"), offences: duplicates }];

fn duplicates(config: &Value) -> Vec<Offence> {
    let kind = |namespace: &'_ Value| Some(namespace.get("type")?.as_str()?.to_owned());
    repeated(entries(config, "/linux/namespaces"), kind)
        .into_iter()
        .map(|(pointer, first, kind)| Offence {
            pointer,
            message: format!("a namespace of type {kind:?} stands already at {first}"),
        })
        .collect()
}

/// Whether the container has a user namespace other than the runtime's own.
pub(super) fn has_user_namespace(config: &Value) -> bool {
    entries(config, "/linux/namespaces")
        .any(|(_, namespace)| namespace.get("type").and_then(Value::as_str) == Some("user"))
}

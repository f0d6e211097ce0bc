//! One interface, one priority.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("network.priority-names-unique"), offences: duplicates }];

fn duplicates(config: &Value) -> Vec<Offence> {
    let name = |priority: &'_ Value| Some(priority.get("name")?.as_str()?.to_owned());
    repeated(entries(config, "/linux/resources/network/priorities"), name)
        .into_iter()
        .map(|(pointer, first, _)| Offence {
            pointer,
            message: format!("this interface has a priority already at {first}"),
        })
        .collect()
}

//! One resource, one limit.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("rlimits.duplicate-refused"), offences: duplicates }];

fn duplicates(config: &Value) -> Vec<Offence> {
    let resource = |limit: &'_ Value| Some(limit.get("type")?.as_str()?.to_owned());
    repeated(entries(config, "/process/rlimits"), resource)
        .into_iter()
        .map(|(pointer, first, resource)| Offence {
            pointer,
            message: format!("{resource:?} is limited already at {first}"),
        })
        .collect()
}

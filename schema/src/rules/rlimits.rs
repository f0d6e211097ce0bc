//! One resource, one limit, and that below its ceiling.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};
use crate::message::text_quoted;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("rlimits.duplicate-refused"), offences: duplicates },
    Rule { requirement: Some("rlimits.soft-within-hard"), offences: soft_above_hard },
];

fn duplicates(config: &Value) -> Vec<Offence> {
    let resource = |limit: &'_ Value| Some(limit.get("type")?.as_str()?.to_owned());
    repeated(entries(config, "/process/rlimits"), resource)
        .into_iter()
        .map(|(pointer, first, resource)| Offence {
            pointer,
            message: format!("{} is limited already at {first}", text_quoted(&resource)),
        })
        .collect()
}

fn soft_above_hard(config: &Value) -> Vec<Offence> {
    let values = |limit: &Value| Some((limit.get("soft")?.as_u64()?, limit.get("hard")?.as_u64()?));
    entries(config, "/process/rlimits")
        .filter_map(|(pointer, limit)| Some((pointer, values(limit)?)))
        .filter(|(_, (soft, hard))| soft > hard)
        .map(|(pointer, (soft, hard))| Offence {
            pointer: format!("{pointer}/soft"),
            message: format!("{soft} is more than the hard limit, {hard}"),
        })
        .collect()
}

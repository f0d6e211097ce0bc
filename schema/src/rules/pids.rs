//! A number of tasks that kernels take.

use serde_json::Value;

use super::{Offence, Rule, at};

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("pids.limit-in-kernel-range"), offences: out_of_range }];

const LIMIT: &str = "/linux/resources/pids/limit";
/// As many process ids as there can be on a machine of 64 bits.
const GREATEST: i64 = 4_194_304;

fn out_of_range(config: &Value) -> Vec<Offence> {
    let limit = at(config, LIMIT).and_then(Value::as_i64).filter(|limit| !(-1..=GREATEST).contains(limit));
    let offence = limit.map(|limit| Offence {
        pointer: LIMIT.to_owned(),
        message: format!("{limit} is not from -1 to {GREATEST}, as kernels take it"),
    });
    Vec::from_iter(offence)
}

//! Limits of memory that can't stand beside one another, or that are not recommended.

use serde_json::Value;

use super::{Offence, Rule, at};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("memory.swap-at-least-limit"), offences: swap_below_limit },
    Rule { requirement: Some("memory.reservation-within-limit"), offences: reservation_above_limit },
    Rule { requirement: Some("memory.kernel-not-recommended"), offences: |config| not_recommended(config, "kernel") },
    Rule {
        requirement: Some("memory.kernel-tcp-not-recommended"),
        offences: |config| not_recommended(config, "kernelTCP"),
    },
];

const MEMORY: &str = "/linux/resources/memory";

fn swap_below_limit(config: &Value) -> Vec<Offence> {
    let offence = match (positive(config, "swap"), positive(config, "limit")) {
        (Some(swap), Some(limit)) if swap < limit => Some(Offence {
            pointer: format!("{MEMORY}/swap"),
            message: format!("memory and swap together are {swap}, less than the limit of memory, {limit}"),
        }),
        _ => None,
    };
    Vec::from_iter(offence)
}

fn reservation_above_limit(config: &Value) -> Vec<Offence> {
    let offence = match (positive(config, "reservation"), positive(config, "limit")) {
        (Some(reservation), Some(limit)) if reservation > limit => Some(Offence {
            pointer: format!("{MEMORY}/reservation"),
            message: format!("{reservation} is more than the limit of memory, {limit}"),
        }),
        _ => None,
    };
    Vec::from_iter(offence)
}

/// -1 asks for no limit, so it asks for nothing that is not recommended.
fn not_recommended(config: &Value, name: &str) -> Vec<Offence> {
    let limit = bytes(config, name).filter(|limit| *limit >= 0);
    let offence = limit.map(|_| Offence {
        pointer: format!("{MEMORY}/{name}"),
        message: "this limit is not recommended, and newer kernels have none".to_owned(),
    });
    Vec::from_iter(offence)
}

/// A number of bytes; neither no limit, nor 0, which often stands for a value that is not set.
fn positive(config: &Value, name: &str) -> Option<i64> {
    bytes(config, name).filter(|bytes| *bytes > 0)
}

fn bytes(config: &Value, name: &str) -> Option<i64> {
    at(config, MEMORY)?.get(name)?.as_i64()
}

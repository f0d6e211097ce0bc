//! A device without a limit, and limits that no kernel takes.

use serde_json::Value;

use super::{Offence, Rule, at};
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("rdma.either"), offences: devices_without_limit },
    Rule { requirement: Some("rdma.in-kernel-range"), offences: out_of_range },
];

/// What can be limited.
const LIMITS: [&str; 2] = ["hcaHandles", "hcaObjects"];
/// The kernel keeps the numbers as signed integers of 32 bits.
const GREATEST: u64 = i32::MAX.unsigned_abs() as u64;

fn devices_without_limit(config: &Value) -> Vec<Offence> {
    let lacks_both = |device: &Value| device.is_object() && LIMITS.iter().all(|name| device.get(name).is_none());
    devices(config)
        .filter(|(_, device)| lacks_both(device))
        .map(|(pointer, _)| Offence { pointer, message: "neither hcaHandles nor hcaObjects is there".to_owned() })
        .collect()
}

fn out_of_range(config: &Value) -> Vec<Offence> {
    let limits =
        devices(config).flat_map(|(pointer, device)| LIMITS.map(|name| (joined(&pointer, name), device.get(name))));
    limits.filter_map(|(pointer, limit)| beyond(pointer, limit?)).collect()
}

fn beyond(pointer: String, limit: &Value) -> Option<Offence> {
    // What is no unsigned integer of 32 bits, the schema has found already.
    let limit = limit.as_u64().filter(|limit| *limit > GREATEST && *limit <= u64::from(u32::MAX))?;
    Some(Offence { pointer, message: format!("{limit} is more than {GREATEST}, the most that kernels take") })
}

/// Each device's limits, with a pointer to them.
fn devices(config: &Value) -> impl Iterator<Item = (String, &Value)> {
    let devices = at(config, "/linux/resources/rdma").and_then(Value::as_object);
    devices.into_iter().flatten().map(|(name, device)| (joined("/linux/resources/rdma", name), device))
}

//! One value for one device, and weights that some kernel knows.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::{Offence, Rule, at, entries, repeated};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("block-io.device-weight-either"), offences: devices_without_weight },
    Rule { requirement: Some("block-io.weights-in-kernel-range"), offences: weights_out_of_range },
    Rule { requirement: Some("block-io.devices-unique"), offences: duplicates },
];

const BLOCK_IO: &str = "/linux/resources/blockIO";
const WEIGHTS: &str = "/linux/resources/blockIO/weightDevice";
/// The lists of devices.
const LISTS: [&str; 5] = [
    "weightDevice",
    "throttleReadBpsDevice",
    "throttleWriteBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteIOPSDevice",
];
/// Each weight, and from where to where a scheduler knows it: BFQ the one, CFQ the other. Engines write 0 for what
/// nobody set.
const KNOWN: [(&str, RangeInclusive<u64>); 2] = [("weight", 1..=1_000), ("leafWeight", 10..=1_000)];

fn devices_without_weight(config: &Value) -> Vec<Offence> {
    let lacks_both = |entry: &Value| entry.is_object() && KNOWN.iter().all(|(name, _)| entry.get(name).is_none());
    entries(config, WEIGHTS)
        .filter(|(_, entry)| lacks_both(entry))
        .map(|(pointer, _)| Offence { pointer, message: "neither weight nor leafWeight is there".to_owned() })
        .collect()
}

fn weights_out_of_range(config: &Value) -> Vec<Offence> {
    let of_all_devices = at(config, BLOCK_IO).map(|limits| (BLOCK_IO.to_owned(), limits));
    of_all_devices
        .into_iter()
        .chain(entries(config, WEIGHTS))
        .flat_map(|(pointer, weights)| KNOWN.iter().filter_map(move |known| out_of_range(&pointer, weights, known)))
        .collect()
}

fn out_of_range(pointer: &str, weights: &Value, (name, known): &(&str, RangeInclusive<u64>)) -> Option<Offence> {
    // What is no unsigned integer of 16 bits, the schema has found already.
    let weight = weights.get(name)?.as_u64().filter(|weight| *weight <= u64::from(u16::MAX))?;
    let message = || format!("{weight} is not from {} to {}, as kernels take it", known.start(), known.end());
    (weight != 0 && !known.contains(&weight))
        .then(|| Offence { pointer: format!("{pointer}/{name}"), message: message() })
}

fn duplicates(config: &Value) -> Vec<Offence> {
    let device = |entry: &'_ Value| Some((entry.get("major")?.as_i64()?, entry.get("minor")?.as_i64()?));
    let lists = LISTS.iter().map(|list| format!("{BLOCK_IO}/{list}"));
    lists
        .flat_map(|list| repeated(entries(config, &list), device))
        .map(|(pointer, first, (major, minor))| Offence {
            pointer,
            message: format!("the device {major}:{minor} stands already at {first}"),
        })
        .collect()
}

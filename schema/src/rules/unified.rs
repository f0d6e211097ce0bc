//! One file of the cgroup, one value.

use std::collections::HashMap;

use serde_json::Value;

use super::{Offence, Rule, at, entries};
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("unified.overlapping"), offences: overlapping }];

const RESOURCES: &str = "/linux/resources";

/// Files of cgroup v2, each with a property, below `linux.resources`, that sets it. Files with a line
/// for each device are left out: two properties may speak of two devices.
const SET: [(&str, &str); 11] = [
    ("memory.max", "memory/limit"),
    ("memory.low", "memory/reservation"),
    ("memory.swap.max", "memory/swap"),
    ("cpu.weight", "cpu/shares"),
    ("cpu.max", "cpu/quota"),
    ("cpu.max", "cpu/period"),
    ("cpu.max.burst", "cpu/burst"),
    ("cpu.idle", "cpu/idle"),
    ("cpuset.cpus", "cpu/cpus"),
    ("cpuset.mems", "cpu/mems"),
    ("pids.max", "pids/limit"),
];

fn overlapping(config: &Value) -> Vec<Offence> {
    let unified = format!("{RESOURCES}/unified");
    let Some(files) = at(config, &unified).and_then(Value::as_object) else {
        return Vec::new();
    };
    let set = set_by_properties(config);
    let both = files.keys().filter_map(|file| Some((file, set.get(file)?)));
    both.map(|(file, property)| Offence {
        pointer: joined(&unified, file),
        message: format!("{property} sets this file too"),
    })
    .collect()
}

/// Each file that a property of the config sets, and a pointer to that property.
fn set_by_properties(config: &Value) -> HashMap<String, String> {
    let fixed = SET.iter().map(|(file, property)| ((*file).to_owned(), format!("{RESOURCES}/{property}")));
    let fixed = fixed.filter(|(_, pointer)| at(config, pointer).is_some());
    let huge_pages = entries(config, "/linux/resources/hugepageLimits").filter_map(|(pointer, limit)| {
        Some((format!("hugetlb.{}.rsvd.max", limit.get("pageSize")?.as_str()?), pointer))
    });
    fixed.chain(huge_pages).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn huge_pages_set_the_file_of_their_size() {
        let config = |file: &str| {
            json!({"linux": {"resources": {
                "hugepageLimits": [{"pageSize": "1GB", "limit": 0}, {"pageSize": "2MB", "limit": 0}],
                "unified": {file: "max"},
            }}})
        };
        let found = overlapping(&config("hugetlb.2MB.rsvd.max"));
        assert_eq!(found[0].message, "/linux/resources/hugepageLimits/1 sets this file too");
        assert_eq!(overlapping(&config("hugetlb.64KB.rsvd.max")), []);
    }
}

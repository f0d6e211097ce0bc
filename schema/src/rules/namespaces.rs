//! One type, one namespace; and id mappings and clock offsets, which need a namespace of their type.

use serde_json::{Map, Value};

use super::{Offence, Rule, at, entries, repeated};
use crate::message::text_quoted;
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("namespaces.duplicate-refused"), offences: duplicates },
    Rule { requirement: Some("namespaces.mapping-in-kernel-range"), offences: mappings_out_of_range },
    Rule { requirement: Some("namespaces.mappings-disjoint"), offences: mappings_overlapping },
    Rule { requirement: Some("namespaces.mappings-without-namespace-refused"), offences: mappings_without_namespace },
    Rule {
        requirement: Some("namespaces.time-offset-nanoseconds-in-kernel-range"),
        offences: nanoseconds_out_of_range,
    },
    Rule {
        requirement: Some("namespaces.time-offsets-without-namespace-refused"),
        offences: time_offsets_without_namespace,
    },
];

/// Every type of namespace, in whichever version it came.
const TYPES: [&str; 8] = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];

/// The lists of mappings of the user namespace.
const MAPPINGS: [&str; 2] = ["/linux/uidMappings", "/linux/gidMappings"];

/// The greatest number of 32 bits is no id: system calls take it for "unchanged".
const NO_ID: u64 = u32::MAX as u64;

/// As many nanoseconds as there are in a second.
const SECOND: u64 = 1_000_000_000;

/// Whether the config lists a namespace of the type `kind`; `None` if it can't be told, since the
/// list can't be read, or holds an entry of no known type, which may have meant this one.
pub(super) fn lists(config: &Value, kind: &str) -> Option<bool> {
    let Some(linux) = config.get("linux") else {
        return Some(false);
    };
    let Some(namespaces) = linux.as_object()?.get("namespaces") else {
        return Some(false);
    };
    let mut kinds = namespaces.as_array()?.iter().map(|it| it.get("type").and_then(Value::as_str));
    if kinds.clone().any(|it| it == Some(kind)) {
        return Some(true);
    }
    kinds.all(|it| it.is_some_and(|it| TYPES.contains(&it))).then_some(false)
}

fn duplicates(config: &Value) -> Vec<Offence> {
    let kind = |namespace: &'_ Value| Some(namespace.get("type")?.as_str()?.to_owned());
    repeated(entries(config, "/linux/namespaces"), kind)
        .into_iter()
        .map(|(pointer, first, kind)| Offence {
            pointer,
            message: format!("a namespace of type {} stands already at {first}", text_quoted(&kind)),
        })
        .collect()
}

fn mappings_out_of_range(config: &Value) -> Vec<Offence> {
    let mut offences = Vec::new();
    for list in MAPPINGS {
        let container = ranges(config, list, "containerID");
        let host = ranges(config, list, "hostID");
        for (container, host) in container.into_iter().zip(host) {
            let message = if container.size == 0 {
                "the range is empty, which kernels refuse"
            } else if container.end() > NO_ID || host.end() > NO_ID {
                "the range reaches 4294967295, which stands for no id"
            } else {
                continue;
            };
            offences.push(Offence { pointer: container.pointer, message: message.to_owned() });
        }
    }
    offences
}

fn mappings_overlapping(config: &Value) -> Vec<Offence> {
    let sides = [("containerID", "the container's"), ("hostID", "the host's")];
    let lists = MAPPINGS.into_iter().flat_map(|list| sides.map(|(side, whose)| (list, side, whose)));
    lists.flat_map(|(list, side, whose)| overlapping(ranges(config, list, side), whose)).collect()
}

/// An offence for each range that begins within another.
fn overlapping(mut ranges: Vec<Range>, whose: &str) -> Vec<Offence> {
    ranges.retain(|range| range.size > 0);
    // A stable order: of two that begin together, the later in the list comes later here.
    ranges.sort_by_key(|range| range.first);
    let mut offences = Vec::new();
    let mut ranges = ranges.into_iter();
    let Some(mut furthest) = ranges.next() else {
        return offences;
    };
    for range in ranges {
        if range.first < furthest.end() {
            let message = format!("{whose} id {} is in the range at {} too", range.first, furthest.pointer);
            offences.push(Offence { pointer: range.pointer.clone(), message });
        }
        if range.end() > furthest.end() {
            furthest = range;
        }
    }
    offences
}

/// One side of one mapping.
struct Range {
    /// To the mapping.
    pointer: String,
    first: u64,
    size: u64,
}

impl Range {
    /// The first id that is no longer in it.
    fn end(&self) -> u64 {
        self.first + self.size
    }
}

/// One side of each mapping of a list that can be read.
fn ranges(config: &Value, list: &str, side: &str) -> Vec<Range> {
    let other = if side == "hostID" { "containerID" } else { "hostID" };
    let numbers = |mapping: &Value| {
        small(mapping, other)?;
        Some((small(mapping, side)?, small(mapping, "size")?))
    };
    let readable = entries(config, list).filter_map(|(pointer, mapping)| Some((pointer, numbers(mapping)?)));
    readable.map(|(pointer, (first, size))| Range { pointer, first, size }).collect()
}

fn mappings_without_namespace(config: &Value) -> Vec<Offence> {
    if lists(config, "user") != Some(false) {
        return Vec::new();
    }
    let are_there = |list: &&str| entries(config, list).next().is_some();
    let offence = |list: &str| Offence {
        pointer: list.to_owned(),
        message: "there is no namespace of type \"user\" to be mapped".to_owned(),
    };
    MAPPINGS.into_iter().filter(are_there).map(offence).collect()
}

fn nanoseconds_out_of_range(config: &Value) -> Vec<Offence> {
    offsets(config)
        .filter_map(|(pointer, offset)| Some((pointer, small(offset, "nanosecs")?)))
        .filter(|(_, nanoseconds)| *nanoseconds >= SECOND)
        .map(|(pointer, nanoseconds)| Offence {
            pointer: joined(&pointer, "nanosecs"),
            message: format!("{nanoseconds} nanoseconds are a second or more, which belongs into `secs`"),
        })
        .collect()
}

fn time_offsets_without_namespace(config: &Value) -> Vec<Offence> {
    if lists(config, "time") != Some(false) {
        return Vec::new();
    }
    let seconds = |offset: &Value| offset.get("secs").and_then(Value::as_i64).unwrap_or(0);
    offsets(config)
        .filter(|(_, offset)| seconds(offset) != 0 || small(offset, "nanosecs").unwrap_or(0) != 0)
        .map(|(pointer, _)| Offence {
            pointer,
            message: "there is no namespace of type \"time\" whose clock could differ".to_owned(),
        })
        .collect()
}

/// The offset of each clock, with its pointer.
fn offsets(config: &Value) -> impl Iterator<Item = (String, &Value)> {
    let offsets = at(config, "/linux/timeOffsets").and_then(Value::as_object);
    offsets.into_iter().flat_map(Map::iter).map(|(clock, offset)| (joined("/linux/timeOffsets", clock), offset))
}

/// An unsigned number of 32 bits.
fn small(object: &Value, name: &str) -> Option<u64> {
    object.get(name)?.as_u64().filter(|number| *number <= u64::from(u32::MAX))
}

//! What the mode of a memory policy wants of its nodes and its flags.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, Rule, at};
use crate::message::text_quoted;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("memory-policy.nodes-range-ascending"), offences: ranges_reversed },
    Rule { requirement: Some("memory-policy.nodes-forbidden"), offences: nodes_unwanted },
    Rule { requirement: Some("memory-policy.nodes-needed"), offences: nodes_missing },
    Rule { requirement: Some("memory-policy.node-flags-exclusive"), offences: node_flags_together },
    Rule { requirement: Some("memory-policy.balancing-mode"), offences: balancing_of_other_mode },
    Rule { requirement: Some("memory-policy.node-flags-without-nodes"), offences: node_flags_without_nodes },
];

const NODE_FLAGS: [&str; 2] = ["MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

/// What of the policy can be read.
struct Policy<'a> {
    mode: &'a str,
    /// `None` if it is neither left out nor a list of nodes.
    has_nodes: Option<bool>,
    flags: BTreeSet<&'a str>,
}

impl<'a> Policy<'a> {
    fn of(config: &'a Value) -> Option<Self> {
        let policy = at(config, "/linux/memoryPolicy")?;
        let flags = policy.get("flags").and_then(Value::as_array);
        Some(Self {
            mode: policy.get("mode")?.as_str()?,
            has_nodes: policy.get("nodes").map_or(Some(false), |nodes| Some(!ranges(nodes.as_str()?)?.is_empty())),
            flags: flags.into_iter().flatten().filter_map(Value::as_str).collect(),
        })
    }

    fn has_node_flag(&self) -> bool {
        NODE_FLAGS.iter().any(|flag| self.flags.contains(flag))
    }
}

fn ranges_reversed(config: &Value) -> Vec<Offence> {
    let nodes = at(config, "/linux/memoryPolicy/nodes").and_then(Value::as_str);
    let ranges = nodes.and_then(ranges).unwrap_or_default();
    let reversed = ranges.into_iter().find(|(first, last)| is_less(last, first));
    offence(reversed, "nodes", |(first, last)| {
        format!("the range from {} to {} runs downwards", text_quoted(first), text_quoted(last))
    })
}

fn nodes_unwanted(config: &Value) -> Vec<Offence> {
    let unwanted = |it: &Policy<'_>| ["MPOL_DEFAULT", "MPOL_LOCAL"].contains(&it.mode) && it.has_nodes == Some(true);
    offence(Policy::of(config).filter(unwanted), "nodes", |it| format!("{} goes with no nodes", it.mode))
}

fn nodes_missing(config: &Value) -> Vec<Offence> {
    const MODES: [&str; 4] = ["MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED_MANY"];
    let missing = |it: &Policy<'_>| MODES.contains(&it.mode) && it.has_nodes == Some(false);
    offence(Policy::of(config).filter(missing), "", |it| format!("{} needs at least one node", it.mode))
}

fn node_flags_together(config: &Value) -> Vec<Offence> {
    let together = |it: &Policy<'_>| NODE_FLAGS.iter().all(|flag| it.flags.contains(flag));
    offence(Policy::of(config).filter(together), "flags", |_| {
        format!("{} exclude each other", NODE_FLAGS.join(" and "))
    })
}

fn balancing_of_other_mode(config: &Value) -> Vec<Offence> {
    const MODES: [&str; 5] =
        ["MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED", "MPOL_LOCAL"];
    let wrong = |it: &Policy<'_>| MODES.contains(&it.mode) && it.flags.contains("MPOL_F_NUMA_BALANCING");
    let message = |it: Policy<'_>| format!("Linux does not take MPOL_F_NUMA_BALANCING with {}", it.mode);
    offence(Policy::of(config).filter(wrong), "flags", message)
}

fn node_flags_without_nodes(config: &Value) -> Vec<Offence> {
    let wrong = |it: &Policy<'_>| {
        let no_nodes = it.mode == "MPOL_LOCAL" || it.mode == "MPOL_PREFERRED" && it.has_nodes == Some(false);
        no_nodes && it.has_node_flag()
    };
    let message = |it: Policy<'_>| format!("Linux takes no flag about nodes with {} without nodes", it.mode);
    offence(Policy::of(config).filter(wrong), "flags", message)
}

/// An offence at this property of the policy, or at the policy itself.
fn offence<T>(found: Option<T>, property: &str, message: impl FnOnce(T) -> String) -> Vec<Offence> {
    let pointer = match property {
        "" => "/linux/memoryPolicy".to_owned(),
        property => format!("/linux/memoryPolicy/{property}"),
    };
    found.map(|it| Offence { pointer, message: message(it) }).into_iter().collect()
}

/// The ranges of a list of nodes, a single node being one of itself; `None` if it is no such list.
fn ranges(list: &str) -> Option<Vec<(&str, &str)>> {
    if list.is_empty() {
        return Some(Vec::new());
    }
    list.split(',').map(|entry| entry.split_once('-').or(Some((entry, entry))).filter(is_range)).collect()
}

fn is_range((first, last): &(&str, &str)) -> bool {
    [first, last].iter().all(|it| !it.is_empty() && it.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Compares decimal numbers of any length.
fn is_less(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|it| it.trim_start_matches('0'));
    (one.len(), one) < (other.len(), other)
}

//! From which NUMA nodes the container's memory comes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, strings, typed};
use crate::number_list;

/// Modes, without `MPOL_`, and whether each needs nodes: none where either is right.
const MODES: [(&str, Option<bool>); 7] = [
    ("DEFAULT", Some(false)),
    ("BIND", Some(true)),
    ("INTERLEAVE", Some(true)),
    ("WEIGHTED_INTERLEAVE", Some(true)),
    ("PREFERRED", None),
    ("PREFERRED_MANY", Some(true)),
    ("LOCAL", Some(false)),
];
const BALANCING: &str = "MPOL_F_NUMA_BALANCING";
const RELATIVE: &str = "MPOL_F_RELATIVE_NODES";
const STATIC: &str = "MPOL_F_STATIC_NODES";
/// No kernel has as many nodes.
const MOST_NODES: u32 = 1024;

/// `linux.memoryPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// `mode`.
    pub mode: String,
    /// The nodes that `nodes` names.
    pub nodes: BTreeSet<u32>,
    /// `flags`.
    pub flags: BTreeSet<String>,
}

/// The view.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    if typed(config, "/linux/memoryPolicy", "an object", Value::as_object)?.is_none() {
        return Ok(None);
    }
    let invalid = |what: String| Offence::refused("errors.invalid-value", what);
    let mode = typed(config, "/linux/memoryPolicy/mode", "a string", Value::as_str)?;
    let mode = mode.ok_or_else(|| Offence::authors("linux.memoryPolicy lacks mode"))?;
    let known = MODES.iter().find(|(name, _)| mode.strip_prefix("MPOL_") == Some(name));
    let (_, needs) = known.ok_or_else(|| invalid(format!("{mode} is no mode of a memory policy")))?;
    let list = typed(config, "/linux/memoryPolicy/nodes", "a string", Value::as_str)?.unwrap_or_default();
    let nodes = nodes(list).ok_or_else(|| invalid(format!("{list:?} is no list of nodes")))?;
    let flags = typed(config, "/linux/memoryPolicy/flags", "an array of strings", strings)?.unwrap_or_default();
    if let Some(flag) = flags.iter().find(|it| ![BALANCING, RELATIVE, STATIC].contains(it)) {
        return Err(invalid(format!("{flag} is no flag of a memory policy")));
    }
    if needs.is_some_and(|needs| needs == nodes.is_empty()) {
        return Err(Offence::authors(format!("{mode} with {} nodes", nodes.len())));
    }
    Ok(Some(View { mode: mode.to_owned(), nodes, flags: flags.into_iter().map(str::to_owned).collect() }))
}

/// The numbers that a list of numbers and ranges names; none if it is no such list.
pub fn nodes(list: &str) -> Option<BTreeSet<u32>> {
    // It is a runtime that reads it, and not the kernel, which passes over blanks and empty parts.
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && !part.is_empty();
    let numbers = number_list::parse(list).filter(|_| list.is_empty() || list.split(',').all(is_plain))?;
    let node = |number| u32::try_from(number).ok().filter(|node| *node < MOST_NODES);
    numbers.into_iter().map(node).collect()
}

impl View {
    /// Whether set_mempolicy(2) takes the flags with the mode, whatever the nodes.
    pub fn fits(&self) -> bool {
        let has = |flag: &str| self.flags.contains(flag);
        let balanced = ["MPOL_BIND", "MPOL_PREFERRED_MANY"].contains(&self.mode.as_str());
        let nodeless = self.nodes.is_empty() && self.mode != "MPOL_DEFAULT";
        !(has(RELATIVE) && has(STATIC))
            && (!has(BALANCING) || balanced)
            && !(nodeless && (has(RELATIVE) || has(STATIC)))
    }

    /// Whether the nodes keep the numbers that the config gives them.
    pub fn keeps_numbers(&self) -> bool {
        self.flags.contains(RELATIVE) || self.flags.contains(STATIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nodes_is_read_as_the_kernel_reads_it() {
        assert_eq!(nodes("0,2-4"), Some([0, 2, 3, 4].into()));
        assert_eq!(nodes(""), Some(BTreeSet::new()));
        for wrong in ["1-", "-1", "a", "1,,2", "3-1", "+1", "99999"] {
            assert_eq!(nodes(wrong), None, "{wrong}");
        }
    }
}

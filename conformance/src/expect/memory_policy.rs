//! From which NUMA nodes the container's memory comes, as get_mempolicy(2) tells it inside.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Subject, expect as expected, inside, refused};
use crate::ask::memory_policy::raised;
use crate::case::Try;
use crate::expectation::{Expectation, Matcher};
use crate::view::memory_policy::{self, View};

/// Each flag with its requirement.
const FLAGS: [(&str, &str); 3] = [
    ("memory-policy.flag-balancing", "MPOL_F_NUMA_BALANCING"),
    ("memory-policy.flag-relative-nodes", "MPOL_F_RELATIVE_NODES"),
    ("memory-policy.flag-static-nodes", "MPOL_F_STATIC_NODES"),
];

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let (Some(create), Some(start)) = (subject.created(), subject.started()) else { return Vec::new() };
    let fact = |name: &str| inside(&start, &format!("memory-policy{name}"));
    match memory_policy::view(subject.config) {
        Ok(Some(view)) if !view.fits() || has_none_of(subject, &view) => {
            vec![refused("memory-policy.unappliable-refused", &create)]
        }
        Ok(Some(view)) => applied(subject, &view, &start),
        Ok(None) => vec![expected("memory-policy.unset", &start, fact(""), Matcher::PRESENT)],
        Err(offence) => subject.refusal(&offence),
    }
}

/// Whether the machine has none of the nodes: then the kernel takes no such policy.
fn has_none_of(subject: &Subject<'_>, view: &View) -> bool {
    let all = &subject.host.nodes;
    !all.is_empty() && !view.nodes.is_empty() && view.nodes.is_disjoint(all)
}

fn applied(subject: &Subject<'_>, view: &View, start: &str) -> Vec<Expectation> {
    let here =
        |id: &str, name: &str, matcher| expected(id, start, inside(start, &format!("memory-policy/{name}")), matcher);
    let mut all = Vec::new();
    all.extend(by_mode(view).map(|id| here(id, "mode", Matcher::Equals(json!(view.mode)))));
    for (id, flag) in FLAGS {
        // The default policy keeps no flag.
        let kept = view.flags.contains(flag) && view.mode != "MPOL_DEFAULT";
        let matcher = if kept { Matcher::Contains(json!(flag)) } else { Matcher::Lacks(json!(flag)) };
        all.push(here(id, "flags", matcher));
    }
    all.extend(
        nodes(subject, view).map(|nodes| here("memory-policy.nodes-applied", "nodes", Matcher::Equals(json!(nodes)))),
    );
    if let Some(child) = raised(subject.case, subject.config).and_then(|it| it.fact(&Try::MemoryPolicy {})) {
        let own = Matcher::Equals(json!(view.mode));
        let mode = by_mode(view).map(|_| expected("memory-policy.children", start, format!("{child}/mode"), own));
        all.extend(mode);
    }
    all
}

fn by_mode(view: &View) -> Option<&'static str> {
    Some(match view.mode.as_str() {
        "MPOL_DEFAULT" => "memory-policy.default",
        "MPOL_BIND" => "memory-policy.bind",
        "MPOL_INTERLEAVE" => "memory-policy.interleave",
        "MPOL_WEIGHTED_INTERLEAVE" => "memory-policy.weighted-interleave",
        // Without a node the kernel makes it MPOL_LOCAL.
        "MPOL_PREFERRED" if !view.nodes.is_empty() => "memory-policy.preferred",
        "MPOL_PREFERRED_MANY" => "memory-policy.preferred-many",
        "MPOL_LOCAL" => "memory-policy.local",
        _ => return None,
    })
}

/// The nodes that the kernel tells; none where the container's cpuset has a say that nobody here can know.
fn nodes(subject: &Subject<'_>, view: &View) -> Option<Vec<u32>> {
    let limited = subject.config.pointer("/linux/resources/cpu/mems").is_some();
    let is_one = view.mode == "MPOL_PREFERRED";
    if view.keeps_numbers() {
        return (!is_one || view.nodes.len() == 1).then(|| view.nodes.iter().copied().collect());
    }
    let found: BTreeSet<u32> = view.nodes.intersection(&subject.host.nodes).copied().collect();
    let count = if is_one { 1 } else { found.len() };
    (!limited && !subject.host.nodes.is_empty()).then(|| found.into_iter().take(count).collect())
}

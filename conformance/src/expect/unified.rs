//! Files of cgroup v2 that the config names itself.

use serde_json::{Value, json};

use super::Subject;
use super::resources::{Resources, is_shown};
use crate::expectation::{Expectation, Matcher};
use crate::view::unified::{self, Entry};

/// Files that take one value and show it as it is, and whether another property stands for them.
const FILES: [(&str, bool); 16] = [
    ("cgroup.max.depth", false),
    ("cgroup.max.descendants", false),
    ("cpu.idle", true),
    ("cpu.max", true),
    ("cpu.max.burst", true),
    ("cpu.weight", true),
    ("hugetlb.2MB.max", true),
    ("memory.high", false),
    ("memory.low", true),
    ("memory.max", true),
    ("memory.min", false),
    ("memory.oom.group", false),
    ("memory.swap.high", false),
    ("memory.swap.max", true),
    ("misc.max", false),
    ("pids.max", true),
];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let entries = match unified::view(subject.config) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let lacks = |entry: &&Entry<'_>| entry.controller.is_some_and(|it| !subject.host.cgroups.v2.contains(it));
    if entries.iter().any(|entry| lacks(&entry)) {
        return vec![resources.refused("unified.missing-controller-refused")];
    }
    if entries.iter().any(|entry| resources.is_missing("unified-files", entry.file)) {
        return vec![resources.refused("unified.unknown-file-refused")];
    }
    if !subject.host.cgroups.unified {
        return Vec::new();
    }
    entries.iter().flat_map(|entry| written(&resources, entry)).collect()
}

fn written(resources: &Resources<'_>, entry: &Entry<'_>) -> Vec<Expectation> {
    let mut all = Vec::new();
    all.extend(entry.controller.map(|controller| {
        resources.shows("unified.controllers-enabled", "cgroup.controllers", Matcher::Contains(json!(controller)))
    }));
    let known = FILES.iter().find(|(file, _)| *file == entry.file);
    let Some(((file, has_property), value)) = known.zip(shown(entry)) else { return all };
    if entry.overlaps {
        all.push(resources.is("unified.overlapping-value", file, value));
        return all;
    }
    all.push(resources.is("unified.written", file, value.clone()));
    if !has_property {
        all.push(resources.is("unified.unknown-written", file, value));
    }
    all
}

/// What the kernel shows when this was written; none if that is not sure.
fn shown(entry: &Entry<'_>) -> Option<Value> {
    let is_bytes = matches!(entry.controller, Some("memory" | "hugetlb")) && entry.file != "memory.oom.group";
    let value = |text: &str| match text.parse::<u64>() {
        Ok(number) if is_bytes && number > 0 && !is_shown(number) => None,
        Ok(number) => Some(json!(number)),
        Err(_) => (text == "max").then(|| json!(text)),
    };
    match entry.file {
        "cpu.max" => {
            let words: Vec<_> = entry.text.split(' ').map(value).collect::<Option<_>>()?;
            (words.len() == 2).then_some(Value::Array(words))
        }
        _ => value(entry.text.trim()),
    }
}

//! What of upstream no requirement carries yet. The figures are exact: who maps a clause or a
//! property lowers its figure here, so that progress, and loss, is seen in the change.

use std::collections::{BTreeMap, BTreeSet};

use ocf_spec::Specification;
use ocf_spec::upstream::{clauses, properties};

/// Of each of upstream's files, how many of its clauses no requirement names.
const UNMAPPED_CLAUSES: &[(&str, usize)] = &[
    ("bundle.md", 4),
    ("config-linux.md", 150),
    ("config.md", 26),
    ("features-linux.md", 41),
    ("features.md", 21),
    ("glossary.md", 2),
    ("runtime-linux.md", 0),
    ("runtime.md", 0),
    ("spec.md", 6),
];

/// Of each part of config.json, how many of its leaf properties no requirement decides.
const UNMAPPED_PROPERTIES: &[(&str, usize)] = &[
    ("annotations", 0),
    ("domainname", 0),
    ("hooks", 0),
    ("hostname", 0),
    ("linux.cgroupsPath", 0),
    ("linux.devices", 0),
    ("linux.gidMappings", 0),
    ("linux.intelRdt", 5),
    ("linux.maskedPaths", 0),
    ("linux.memoryPolicy", 3),
    ("linux.mountLabel", 0),
    ("linux.namespaces", 0),
    ("linux.netDevices", 1),
    ("linux.personality", 2),
    ("linux.readonlyPaths", 0),
    ("linux.resources", 44),
    ("linux.rootfsPropagation", 0),
    ("linux.seccomp", 13),
    ("linux.sysctl", 0),
    ("linux.timeOffsets", 0),
    ("linux.uidMappings", 0),
    ("mounts", 0),
    ("ociVersion", 0),
    ("process", 0),
    ("root", 0),
];

#[test]
fn unmapped_clauses_are_as_many_as_stated() {
    let mapped: BTreeSet<&str> = Specification::embedded()
        .requirements()
        .flat_map(|requirement| &requirement.clauses)
        .map(String::as_str)
        .collect();
    let mut unmapped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for clause in clauses() {
        let ids = unmapped.entry(clause.file).or_default();
        ids.extend((!mapped.contains(clause.id)).then_some(clause.id));
    }
    assert_figures("UNMAPPED_CLAUSES", &unmapped, UNMAPPED_CLAUSES);
}

#[test]
fn undecided_properties_are_as_many_as_stated() {
    let decided: BTreeSet<&str> = Specification::embedded()
        .requirements()
        .flat_map(|requirement| &requirement.properties)
        .map(String::as_str)
        .collect();
    let mut undecided: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for property in properties().iter().filter(|property| property.is_linux_leaf()) {
        let names = undecided.entry(part(property.name)).or_default();
        names.extend((!decided.contains(property.name)).then_some(property.name));
    }
    assert_figures("UNMAPPED_PROPERTIES", &undecided, UNMAPPED_PROPERTIES);
}

/// The part of config.json that a property belongs to: its first name, and below `linux` its second.
fn part(property: &str) -> &str {
    let is_end = |c: char| matches!(c, '.' | '[');
    let top = property.find(is_end).unwrap_or(property.len());
    match property.strip_prefix("linux.") {
        Some(rest) => &property[.."linux.".len() + rest.find(is_end).unwrap_or(rest.len())],
        None => &property[..top],
    }
}

fn assert_figures(name: &str, found: &BTreeMap<&str, Vec<&str>>, stated: &[(&str, usize)]) {
    let stated: BTreeMap<&str, usize> = stated.iter().copied().collect();
    let differing: Vec<String> = found
        .iter()
        .filter(|(area, unmapped)| stated.get(*area) != Some(&unmapped.len()))
        .map(|(area, unmapped)| format!("(\"{area}\", {}), // {}", unmapped.len(), unmapped.join(" ")))
        .collect();
    assert!(differing.is_empty(), "{name} is to have\n{}", differing.join("\n"));
    assert_eq!(stated.len(), found.len(), "{name} names an area that is none");
}

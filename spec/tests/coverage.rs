//! Nothing of upstream is unmapped: a requirement stands for every clause, or a reason why none does,
//! and for every leaf property that applies to Linux. And none of them is lost without a word.

use ocf_spec::Specification;
use ocf_spec::coverage::{Coverage, by_area};

/// How many normative keywords each of upstream's files has, in the releases that were read.
const CLAUSES: &[(&str, usize)] = &[
    ("spec.md", 6),
    ("bundle.md", 4),
    ("runtime.md", 66),
    ("runtime-linux.md", 3),
    ("config.md", 283),
    ("config-linux.md", 220),
    ("features.md", 21),
    ("features-linux.md", 41),
    ("glossary.md", 2),
    ("config-freebsd.md", 33),
    ("config-solaris.md", 14),
    ("config-vm.md", 24),
    ("config-windows.md", 35),
    ("config-zos.md", 10),
    ("image-spec/conversion.md", 39),
];

/// How many leaf properties the config has for Linux.
const PROPERTIES: usize = 172;

#[test]
fn every_clause_has_a_requirement_or_a_reason() {
    let coverage = Coverage::of(Specification::embedded());
    let unmapped: Vec<&str> = coverage.unmapped_clauses().map(|it| it.id.as_str()).collect();
    assert_eq!(unmapped, [""; 0]);
}

#[test]
fn every_leaf_property_has_a_requirement() {
    let coverage = Coverage::of(Specification::embedded());
    let unmapped: Vec<&str> = coverage.unmapped_properties().map(|it| it.name.as_str()).collect();
    assert_eq!(unmapped, [""; 0]);
}

#[test]
fn no_clause_or_property_is_lost() {
    let coverage = Coverage::of(Specification::embedded());
    let mut found: Vec<(&str, usize)> = by_area(&coverage.clauses, |it| it.file.as_str())
        .into_iter()
        .map(|(file, share)| (file, share.total()))
        .collect();
    let mut stated = CLAUSES.to_vec();
    found.sort_unstable();
    stated.sort_unstable();
    assert_eq!(found, stated);
    assert_eq!(coverage.properties.len(), PROPERTIES);
}

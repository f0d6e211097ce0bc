//! Our own formats against their schemas: every file that the suite brings, and what it says of itself.

use std::collections::BTreeMap;

use ocf_conformance::case::Case;
use ocf_conformance::{adapter, profile, suite};
use ocf_schema::{Kind, validate_bytes};
use ocf_spec::{Party, Specification, VERSIONS};

fn assert_valid(kind: Kind, name: &str, text: &str) {
    let findings = validate_bytes(kind, text.as_bytes(), VERSIONS[VERSIONS.len() - 1]);
    assert!(findings.is_empty(), "{name}: {findings:#?}");
}

#[test]
fn every_adapter_and_profile_satisfies_its_schema() {
    for (name, text) in adapter::EMBEDDED {
        assert_valid(Kind::Adapter, name, text);
    }
    for (name, text) in profile::EMBEDDED {
        assert_valid(Kind::Profile, name, text);
    }
}

#[test]
fn every_fixture_satisfies_its_schema() {
    for (name, text) in ocf_fixtures::CASES {
        assert_valid(Kind::Fixture, name, text);
    }
}

#[test]
fn every_fixture_is_written_like_the_others() {
    for (name, text) in ocf_fixtures::CASES.iter().chain(ocf_fixtures::BASES) {
        assert!(text.ends_with("}\n") && text.starts_with("{\n"), "{name}: one object, and a line end after it");
        assert!(!text.contains('\t') && !text.contains('\r'), "{name}: tabs or carriage returns");
        let long = text.lines().position(|line| line.chars().count() > 140);
        assert_eq!(long, None, "{name}: a line of more than 140 characters");
    }
}

#[test]
fn every_fixture_and_its_control_make_a_config() {
    let bases: BTreeMap<_, _> =
        ocf_fixtures::BASES.iter().map(|(stem, _)| (*stem, suite::base(stem).unwrap())).collect();
    for (name, case) in suite::fixtures().unwrap() {
        let control = case.control().unwrap_or_else(|e| panic!("{name}: {e}"));
        for case in [Some(case), control].into_iter().flatten() {
            let base = &bases[case.base.as_deref().unwrap_or("plain")];
            case.config(base, VERSIONS[0]).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn descriptions_are_short_unique_and_say_what_is() {
    let mut seen = BTreeMap::new();
    for (name, case) in suite::fixtures().unwrap() {
        assert!(case.about.chars().count() <= 100, "{name}: {} is too long", case.about);
        assert!(!case.about.split(' ').any(|word| word == "should"), "{name}: {}", case.about);
        if let Some(other) = seen.insert(case.about.clone(), name.clone()) {
            panic!("{name} and {other} are about the same: {}", case.about);
        }
    }
}

#[test]
fn every_fixture_lies_in_a_chapter_and_names_what_a_runtime_owes() {
    let specification = Specification::embedded();
    for (name, case) in suite::fixtures().unwrap() {
        let chapter = name.split('/').next().unwrap();
        assert!(specification.chapters.iter().any(|c| c.name == chapter), "{name}: no such chapter");
        let cited = case.requirements.iter().chain(case.expect.iter().map(|it| &it.requirement));
        for id in cited {
            let requirement =
                specification.get(id.as_str()).unwrap_or_else(|| panic!("{name}: no requirement is named {id}"));
            assert_eq!(requirement.party, Party::Runtime, "{name}: {id}");
        }
    }
}

#[test]
fn a_case_that_serde_would_misread_is_an_error() {
    let refused = |text: &str| Case::parse(text).unwrap_err().to_string();
    assert!(refused(r#"{"about": "x", "step": []}"#).contains("unknown field"));
    assert!(refused(r#"{"about": "x", "steps": ["create", "create"]}"#).contains("given twice"));
    assert!(refused(r#"{"about": "x", "steps": [{"creat": {}}]}"#).contains("a step"));
    assert!(refused(r#"{"about": "x", "config": {}, "patch": []}"#).contains("at most one"));
    assert!(refused(r#"{"about": "x", "questions": [{"name": "q", "read": "/", "at": "later"}]}"#).contains("no step"));
}

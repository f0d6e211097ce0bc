//! The configs that engines write are right, in the version that each states; of what in them is
//! no more than unusual, the list here is complete.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use ocf_fixtures::ENGINES;
use ocf_schema::{Finding, Kind, Severity, validate_bytes};
use ocf_spec::{VERSIONS, Version};
use serde_json::Value;

/// Engine, requirement and place of every finding.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("buildah-run", "root.path-conventional", "/root/path"),
    ("docker", "root.path-conventional", "/root/path"),
    ("docker-systemd", "root.path-conventional", "/root/path"),
    ("docker-userns", "root.path-conventional", "/root/path"),
    ("podman", "root.path-conventional", "/root/path"),
    ("podman-pod", "root.path-conventional", "/root/path"),
    ("podman-rootless", "root.path-conventional", "/root/path"),
];

/// The version that a config states; of what precedes a release, that release.
fn stated(text: &str) -> Version {
    let config: Value = serde_json::from_str(text).unwrap();
    let stated = config["ociVersion"].as_str().unwrap();
    let release = stated.split('-').next().unwrap();
    VERSIONS.iter().find(|it| it.to_string() == release).copied().unwrap()
}

fn all() -> Vec<(&'static str, Finding)> {
    let findings = |text: &str| validate_bytes(Kind::Config, text.as_bytes(), stated(text));
    ENGINES.iter().flat_map(|(engine, text)| findings(text).into_iter().map(move |it| (*engine, it))).collect()
}

#[test]
fn nothing_that_an_engine_writes_is_an_error() {
    let errors: Vec<_> = all().into_iter().filter(|(_, finding)| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn what_is_unusual_is_as_listed() {
    let found = all();
    let id = |finding: &Finding| finding.requirement.as_ref().map_or_else(String::new, ToString::to_string);
    let found: Vec<_> = found.iter().map(|(engine, it)| (*engine, id(it), it.pointer.as_str())).collect();
    let found: Vec<_> = found.iter().map(|(engine, id, pointer)| (*engine, id.as_str(), *pointer)).collect();
    assert_eq!(found, EXPECTED, "{found:#?}");
}

#[test]
fn each_engine_is_there() {
    for engine in ["buildah", "ctr", "docker", "kubernetes", "podman"] {
        assert!(ENGINES.iter().any(|(stem, _)| stem.starts_with(engine)), "{engine}");
    }
}

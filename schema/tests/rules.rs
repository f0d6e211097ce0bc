//! Each rule with a document that offends against it and one that, nearly the same, does not.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::BTreeSet;

use ocf_schema::{Finding, Kind, rules, validate, validate_bytes};
use ocf_spec::{Specification, VERSIONS, Version};
use serde_json::{Value, json};

const NEWEST: Version = VERSIONS[6];

/// A merge patch on the right config, what it offends against and where, and a patch that is right.
struct Example {
    wrong: Value,
    requirement: &'static str,
    pointer: &'static str,
    right: Value,
}

fn examples() -> Vec<Example> {
    let example = |requirement, wrong, pointer, right| Example { wrong, requirement, pointer, right };
    let mapping = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    let mapped = |options: Value| json!({"mounts": [{"destination": "/a", "uidMappings": mapping, "gidMappings": mapping, "options": options}]});
    let unmapped = |namespaces: Value| {
        json!({
            "mounts": [{"destination": "/a", "options": ["bind", "ridmap"]}],
            "linux": {"namespaces": namespaces},
        })
    };
    let limits = |kinds: [&str; 2]| json!({"process": {"rlimits": kinds.map(|kind| json!({"type": kind, "soft": 1, "hard": 1}))}});
    let nodes = |minors: [u64; 2]| {
        json!({"linux": {"devices": minors.map(|minor| json!({
            "type": "c", "path": format!("/dev/{minor}"), "major": 1, "minor": minor
        }))}})
    };
    vec![
        example(
            "mounts.id-mappings-with-option",
            mapped(json!(["bind"])),
            "/mounts/0",
            mapped(json!(["bind", "ridmap"])),
        ),
        example(
            "mounts.id-mapping-without-user-namespace-refused",
            unmapped(json!([{"type": "mount"}])),
            "/mounts/0",
            unmapped(json!([{"type": "mount"}, {"type": "user"}])),
        ),
        example(
            "rlimits.duplicate-refused",
            limits(["RLIMIT_CPU", "RLIMIT_CPU"]),
            "/process/rlimits/1",
            limits(["RLIMIT_CPU", "RLIMIT_CORE"]),
        ),
        example(
            "namespaces.duplicate-refused",
            json!({"linux": {"namespaces": [{"type": "user"}, {"type": "uts"}, {"type": "uts", "path": "/a"}]}}),
            "/linux/namespaces/2",
            json!({"linux": {"namespaces": [{"type": "user"}, {"type": "uts"}, {"type": "ipc", "path": "/a"}]}}),
        ),
        example("devices.numbers-unique", nodes([7, 7]), "/linux/devices/1", nodes([7, 8])),
        example(
            "annotations.reserved-key",
            json!({"annotations": {"org.opencontainers.image.exposedPorts": ""}}),
            "/annotations/org.opencontainers.image.exposedPorts",
            json!({"annotations": {"org.opencontainers.image.variant": "v8"}}),
        ),
    ]
}

fn right_config() -> Value {
    serde_json::from_str(include_str!("right/config.json")).unwrap()
}

fn patched(patch: &Value) -> Value {
    let mut config = right_config();
    merge(&mut config, patch);
    config
}

/// A merge patch (RFC 7396) that removes nothing.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn ids(findings: &[Finding]) -> Vec<(&str, &str)> {
    findings.iter().map(|it| (id(it), it.pointer.as_str())).collect()
}

fn id(finding: &Finding) -> &str {
    finding.requirement.as_ref().map_or("", |id| id.as_str())
}

#[test]
fn each_rule_finds_its_offence_and_passes_the_control() {
    for Example { wrong, requirement, pointer, right } in examples() {
        let findings = validate(Kind::Config, &patched(&wrong), NEWEST);
        assert_eq!(ids(&findings), [(requirement, pointer)], "{findings:?}");
        assert_eq!(validate(Kind::Config, &patched(&right), NEWEST), [], "{requirement}");
    }
}

#[test]
fn each_rule_of_a_config_has_an_example() {
    let rules = rules::of(Kind::Config).filter_map(|rule| rule.requirement);
    let examples = examples().into_iter().map(|it| it.requirement);
    assert_eq!(rules.collect::<BTreeSet<_>>(), examples.collect());
}

#[test]
fn a_rule_is_silent_before_its_requirement_came() {
    for Example { wrong, requirement, .. } in examples() {
        let binding = Specification::embedded().get(requirement).unwrap();
        for version in VERSIONS {
            let findings = validate(Kind::Config, &patched(&wrong), version);
            let found = findings.iter().any(|it| it.requirement.as_ref() == Some(&binding.id));
            assert_eq!(found, binding.applies(version), "{requirement} {version}");
        }
    }
}

#[test]
fn a_rule_passes_over_what_it_cannot_read() {
    let scalars = [json!(null), json!(7), json!("text"), json!([]), json!({}), json!([7, {}, []])];
    for place in ["/mounts", "/process/rlimits", "/linux/namespaces", "/linux/devices", "/annotations"] {
        for scalar in &scalars {
            let mut config = right_config();
            *config.pointer_mut(place).unwrap() = scalar.clone();
            for rule in rules::of(Kind::Config) {
                assert_eq!((rule.offences)(&config), [], "{place} {scalar}");
            }
        }
    }
}

#[test]
fn several_fifos_are_several_devices() {
    let fifos = json!({"linux": {"devices": [
        {"type": "p", "path": "/a", "major": 0, "minor": 0},
        {"type": "p", "path": "/b", "major": 0, "minor": 0},
    ]}});
    assert_eq!(validate(Kind::Config, &patched(&fifos), NEWEST), []);
}

#[test]
fn a_relative_destination_was_forbidden_and_is_discouraged() {
    let config = patched(&json!({"mounts": [{"destination": "data"}]}));
    let requirement = |version: &str| {
        let findings = validate(Kind::Config, &config, version.parse().unwrap());
        ids(&findings).first().unwrap().0.to_owned()
    };
    assert_eq!(requirement("1.1.0"), "mounts.destination-must-be-absolute");
    assert_eq!(requirement("1.2.0"), "mounts.destination-should-be-absolute");
}

#[test]
fn a_time_namespace_came_with_its_version() {
    let config = patched(&json!({"linux": {"namespaces": [{"type": "time"}, {"type": "user"}]}}));
    let before = validate(Kind::Config, &config, "1.0.2".parse().unwrap());
    assert_eq!(ids(&before), [("namespaces.type-before-time", "/linux/namespaces/0/type")]);
    assert_eq!(validate(Kind::Config, &config, "1.1.0".parse().unwrap()), []);
}

#[test]
fn a_property_of_a_later_version_is_an_unknown_one() {
    let config = patched(&json!({"domainname": 7, "process": {"user": {"umask": "022"}}}));
    assert_eq!(validate(Kind::Config, &config, "1.0.0".parse().unwrap()), []);
    assert_eq!(validate(Kind::Config, &config, "1.0.2".parse().unwrap()).len(), 1);
    assert_eq!(validate(Kind::Config, &config, "1.1.0".parse().unwrap()).len(), 2);
}

#[test]
fn windows_needs_neither_root_nor_arguments_nor_ids() {
    let config = json!({"ociVersion": "1.3.0", "windows": {}, "process": {"cwd": "/", "user": {"username": "a"}}});
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
    let config = json!({"ociVersion": "1.3.0", "process": {"cwd": "/", "user": {"username": "a"}}});
    let expected = [
        ("root.required", ""),
        ("process.args-required", "/process"),
        ("user.uid-required", "/process/user"),
        ("user.gid-required", "/process/user"),
    ];
    let findings = validate(Kind::Config, &config, NEWEST);
    assert_eq!(ids(&findings).into_iter().collect::<BTreeSet<_>>(), expected.into());
}

#[test]
fn prose_decides_against_the_schema_of_upstream() {
    let config = patched(&json!({"linux": {
        "devices": [{"type": "c", "path": "/a", "major": 1, "minor": 3, "fileMode": 4095}],
        "resources": {"pids": {}},
    }}));
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
    let state = json!({"ociVersion": "1.3.0", "id": "a", "status": "paused", "bundle": "/b"});
    assert_eq!(validate(Kind::State, &state, NEWEST), []);
    let features =
        json!({"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "hooks": null, "linux": {"seccomp": null}});
    assert_eq!(validate(Kind::Features, &features, NEWEST), []);
}

#[test]
fn features_have_nothing_that_their_version_does_not_define() {
    let features = |min: &str, max: &str, linux: Value| {
        let document = json!({"ociVersionMin": min, "ociVersionMax": max, "linux": linux});
        let findings = validate(Kind::Features, &document, NEWEST);
        findings.into_iter().map(|it| it.pointer).collect::<Vec<_>>()
    };
    let idmap = json!({"mountExtensions": {"idmap": {"enabled": true}}});
    assert_eq!(features("1.0.0", "1.2.0", idmap.clone()), [""; 0]);
    assert_eq!(features("1.0.0", "1.1.0", idmap), ["/linux/mountExtensions"]);
    assert_eq!(features("1.0.0", "1.3.0", json!({"cgroup": {"v3": true}})), ["/linux/cgroup/v3"]);
    assert_eq!(features("1.1.0", "1.0.2", json!({})), ["/ociVersionMax"]);
    assert_eq!(features("1.0.0", "1.0.0", json!({})), [""; 0]);
}

#[test]
fn a_text_that_is_not_utf8_is_found() {
    let findings = validate_bytes(Kind::Config, b"{\"hostname\": \"\xff\"}", NEWEST);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "the text is not UTF-8 from byte 14 on");
    assert_eq!(findings[0].requirement, carrier("GLO-001"));
}

#[test]
fn a_byte_order_mark_is_found_beside_the_rest() {
    let text = format!("\u{feff}{}", patched(&json!({"hostname": 7})));
    let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
    assert_eq!(ids(&findings), [("", ""), ("hostname.string", "/hostname")]);
    let findings = validate_bytes(Kind::Config, &text.as_bytes()[3..], NEWEST);
    assert_eq!(ids(&findings), [("hostname.string", "/hostname")]);
}

#[test]
fn a_name_given_twice_is_found_beside_the_rest() {
    let text = r#"{"ociVersion": "1.0.0", "root": {"path": "rootfs", "path": "rootfs"}}"#;
    let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].pointer, "/root/path");
    assert_eq!(findings[0].requirement, carrier("GLO-002"));
    let right = r#"{"ociVersion": "1.0.0", "root": {"path": "rootfs"}}"#;
    assert_eq!(validate_bytes(Kind::Config, right.as_bytes(), NEWEST), []);
}

#[test]
fn what_is_no_json_gives_one_finding() {
    let deep = "[".repeat(1_000_000);
    for text in ["", "{", "{} {}", "{\"a\": 01}", "nul", deep.as_str()] {
        let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.starts_with("the text is no JSON: "), "{findings:?}");
    }
}

#[test]
fn a_message_repeats_neither_long_values_nor_what_a_terminal_obeys() {
    let hostile = format!("\u{1b}[2J{}", "x".repeat(100_000));
    let config = patched(&json!({"process": {"cwd": hostile}, "annotations": {"com.example.\u{7}": 1}}));
    let findings = validate(Kind::Config, &config, NEWEST);
    assert_eq!(findings.len(), 2);
    for finding in findings {
        assert!(finding.message.len() < 200 && !finding.message.contains(char::is_control));
    }
}

fn carrier(clause: &str) -> Option<ocf_spec::RequirementId> {
    let mut requirements = Specification::embedded().requirements();
    let found = requirements.find(|it| it.clauses.iter().any(|it| it == clause));
    found.map(|it| it.id.clone())
}

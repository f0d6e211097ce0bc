//! The schemas of this suite's own formats: a right document of each, and what is wrong with it
//! after one change.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use ocf_schema::{Kind, validate};
use ocf_spec::VERSIONS;
use serde_json::{Value, json};

fn right(kind: Kind) -> Vec<Value> {
    let texts: &[&str] = match kind {
        Kind::Fixture => &[include_str!("right/fixture.json")],
        Kind::Adapter => &[include_str!("right/adapter.json")],
        Kind::Evidence => &[include_str!("right/evidence-header.json"), include_str!("right/evidence-case.json")],
        Kind::Profile => &[include_str!("right/profile.json")],
        Kind::Report => &[include_str!("right/report.json")],
        other => panic!("{other:?} is no format of this suite"),
    };
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

const OURS: [Kind; 5] = [Kind::Fixture, Kind::Adapter, Kind::Evidence, Kind::Profile, Kind::Report];

/// Members whose content is not this suite's to describe, or whose names anyone chooses.
const FREE: [&str; 13] = [
    "config",
    "adapter_config",
    "control",
    "rootfs",
    "limits",
    "descriptors",
    "environment",
    "hooks",
    "facts",
    "features",
    "except",
    "equals",
    "summary",
];

fn places(kind: Kind, document: &Value) -> Vec<String> {
    validate(kind, document, VERSIONS[6]).into_iter().map(|it| it.pointer).collect()
}

#[test]
fn a_right_document_of_each_format_offends_against_nothing() {
    for kind in OURS {
        for document in right(kind) {
            assert_eq!(validate(kind, &document, VERSIONS[6]), [], "{kind:?}");
        }
    }
}

#[test]
fn an_unknown_member_is_found_in_every_object() {
    for kind in OURS {
        for document in right(kind) {
            for place in closed_objects(&document) {
                let mut wrong = document.clone();
                let object = wrong.pointer_mut(&place).and_then(Value::as_object_mut).unwrap();
                object.insert("surprise".to_owned(), json!({}));
                let found = places(kind, &wrong);
                assert!(found.iter().any(|it| it.starts_with(&place)), "{kind:?} {place}: {found:?}");
            }
        }
    }
}

#[test]
fn a_value_of_another_type_is_found_wherever_it_stands() {
    for kind in OURS {
        for document in right(kind) {
            for place in typed_values(&document) {
                let mut wrong = document.clone();
                let value = wrong.pointer_mut(&place).unwrap();
                *value = if value.is_boolean() { json!("text") } else { json!(true) };
                assert_ne!(places(kind, &wrong), [""; 0], "{kind:?} {place}");
            }
        }
    }
}

#[test]
fn what_a_fixture_can_not_mean_is_found() {
    let fixture = &right(Kind::Fixture)[0];
    let wrong = [
        ("/about", json!("")),
        ("/requirements/0", json!("masked-paths")),
        ("/spec", json!("=>1.0.0")),
        ("/needs/0", json!("phase-of-moon")),
        ("/rootfs/~1tool", json!({"witness": {}, "file": ""})),
        ("/rootfs/~1tool", json!({"mode": "0644"})),
        ("/caller/umask", json!("0o77")),
        ("/caller/stdout", json!("tty")),
        ("/caller/oom-score-adj", json!(1001)),
        ("/setup/0", json!({"dance": {}})),
        ("/steps/1", json!("pause")),
        ("/steps/1", json!({"start": {}, "state": {}})),
        ("/steps/6/wait/until", json!({})),
        ("/questions/0", json!({"name": "marker"})),
        ("/questions/0", json!({"name": "marker", "read": "/a", "list": "/a"})),
        ("/expect/0/present", json!(false)),
        ("/channel", json!("smoke")),
    ];
    for (place, value) in wrong {
        let mut document = fixture.clone();
        match document.pointer_mut(place) {
            Some(found) => *found = value.clone(),
            None => {
                let (object, name) = place.rsplit_once('/').unwrap();
                document.pointer_mut(object).unwrap()[name] = value.clone();
            }
        }
        let found = places(Kind::Fixture, &document);
        assert!(found.iter().any(|it| place.starts_with(it) && !it.is_empty()), "{place}: {found:?}");
    }
}

#[test]
fn a_fixture_gives_its_config_in_one_way() {
    let mut fixture = right(Kind::Fixture).remove(0);
    fixture["raw"] = json!({"text": "{}"});
    let findings = validate(Kind::Fixture, &fixture, VERSIONS[6]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "\"config\", \"raw\" exclude each other");
    fixture.as_object_mut().unwrap().remove("config");
    assert_eq!(places(Kind::Fixture, &fixture), [""; 0]);
}

#[test]
fn no_requirement_speaks_of_the_formats_of_the_suite() {
    for kind in OURS {
        let findings = validate(kind, &json!({"surprise": 1}), VERSIONS[6]);
        assert!(!findings.is_empty(), "{kind:?}");
        assert!(findings.iter().all(|it| it.requirement.is_none()), "{kind:?}");
    }
}

fn closed_objects(document: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(document, "", &mut |place, value| {
        let name = place.rsplit('/').next().unwrap();
        if value.is_object() && !FREE.contains(&name) {
            places.push(place.to_owned());
        }
    });
    places
}

fn typed_values(document: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(document, "", &mut |place, _| {
        let free = ["/config", "_config", "/features", "/equals"].iter().any(|it| place.ends_with(it));
        if !free {
            places.push(place.to_owned());
        }
    });
    places
}

/// Passes over what lies below a config, a control and facts.
fn walk(value: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    look(place, value);
    if ["/config", "_config", "/control", "/facts"].iter().any(|it| place.ends_with(it)) {
        return;
    }
    let below = |name: &str| format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(members) => members.iter().for_each(|(name, it)| walk(it, &below(name), look)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, it)| walk(it, &below(&index.to_string()), look));
        }
        _ => {}
    }
}

//! The schemas as such: well-formed, self-contained, and true to the specification.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::BTreeSet;

use ocf_schema::{Kind, enforced, schema, validate};
use ocf_spec::{Specification, VERSIONS, Version};
use serde_json::Value;

fn document(kind: Kind) -> Value {
    serde_json::from_str(schema::text(kind)).unwrap()
}

#[test]
fn each_schema_satisfies_the_meta_schema_and_compiles_without_a_network() {
    for kind in Kind::ALL {
        let document = document(kind);
        assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema", "{kind:?}");
        if let Err(error) = jsonschema::draft202012::meta::validate(&document) {
            panic!("{kind:?}: {error} at {}", error.instance_path());
        }
        // The first use compiles it, offline.
        validate(kind, &Value::Null, VERSIONS[0]);
    }
}

#[test]
fn each_schema_has_an_id_of_its_own() {
    let ids: BTreeSet<String> = Kind::ALL.map(|kind| document(kind)["$id"].to_string()).into();
    assert_eq!(ids.len(), Kind::ALL.len());
}

#[test]
fn each_reference_leads_somewhere_in_this_suite() {
    let all = Kind::ALL.map(document);
    for whole in &all {
        visit(whole, "", &mut |place, subschema| {
            if let Some(reference) = subschema.get("$ref").and_then(Value::as_str) {
                let (id, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                let target = all.iter().find(|it| it["$id"] == id);
                let target = if id.is_empty() { Some(whole) } else { target };
                let found = target.and_then(|it| it.pointer(pointer));
                assert!(found.is_some(), "{}{place} refers to {reference}", whole["$id"]);
            }
        });
    }
}

#[test]
fn each_property_is_described() {
    for kind in Kind::ALL {
        let whole = document(kind);
        visit(&whole, "", &mut |place, subschema| {
            // A map of properties may have one of that name.
            let properties = subschema.get("properties").filter(|_| !place.ends_with("/properties"));
            let properties = properties.and_then(Value::as_object);
            let is_condition = ["/if", "/then", "/else"].iter().any(|it| place.contains(it));
            for (name, property) in properties.into_iter().flatten().filter(|_| !is_condition) {
                let described = property.get("description").is_some()
                    || property["$ref"]
                        .as_str()
                        .is_some_and(|it| whole.pointer(&it[1..]).is_some_and(|it| it.get("description").is_some()));
                assert!(described, "{kind:?}: {place}/properties/{name}");
            }
        });
    }
}

#[test]
fn since_and_until_are_released_versions() {
    for kind in Kind::ALL {
        visit(&document(kind), "", &mut |place, subschema| {
            for bound in ["since", "until"] {
                if let Some(Value::String(version)) = subschema.get(bound) {
                    let version: Version = version.parse().unwrap();
                    assert!(version.is_released(), "{kind:?}: {place}/{bound}");
                }
            }
        });
    }
}

#[test]
fn each_requirement_that_a_schema_or_a_rule_names_exists() {
    let specification = Specification::embedded();
    for kind in Kind::ALL {
        for id in enforced(kind) {
            let found = specification.get(id.as_str());
            assert!(found.is_some(), "{kind:?}: {id}; perhaps {:?}", specification.nearest(id.as_str()));
        }
    }
}

#[test]
fn a_config_enforces_the_requirements_of_its_author_and_refusals() {
    assert!(enforced(Kind::Config).len() > 100);
    assert!(enforced(Kind::Config).iter().any(|id| id.as_str() == "rlimits.duplicate-refused"));
    assert!(Kind::ALL[3..].iter().all(|kind| enforced(*kind).is_empty()));
}

/// A runtime lists what it takes in a config, so whatever one schema knows the other knows too.
#[test]
fn features_name_what_a_config_may_say() {
    let mut said: Vec<BTreeSet<String>> = Vec::new();
    visit(&document(Kind::Config), "", &mut |_, subschema| {
        said.extend(subschema.get("pattern").and_then(Value::as_str).and_then(alternatives));
        let properties = subschema.get("properties").and_then(Value::as_object);
        said.extend(properties.map(|them| them.keys().cloned().collect()));
    });
    visit(&document(Kind::Features), "", &mut |place, subschema| {
        let listed = subschema.get("enum").and_then(Value::as_array);
        let listed = listed.map(|all| all.iter().map(|it| it.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>());
        let listed = listed.or(subschema.get("pattern").and_then(Value::as_str).and_then(alternatives));
        assert!(listed.is_none_or(|it| said.iter().any(|names| it.is_subset(names))), "{place}");
    });
}

/// The texts that `^PREFIX(ONE|OTHER)$` matches.
fn alternatives(pattern: &str) -> Option<BTreeSet<String>> {
    let (prefix, rest) = pattern.strip_prefix('^')?.split_once('(')?;
    let all = rest.strip_suffix(")$")?.split('|');
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    all.map(|one| (plain(prefix) && plain(one)).then(|| format!("{prefix}{one}"))).collect()
}

fn visit(schema: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Object(members) => {
            look(place, schema);
            members.iter().for_each(|(name, it)| visit(it, &format!("{place}/{name}"), look));
        }
        Value::Array(items) => items.iter().for_each(|it| visit(it, place, look)),
        _ => {}
    }
}

//! The versions that a runtime claims, and the properties that they define.

use ocf_spec::Version;
use serde_json::Value;

use super::{Offence, Rule};
use crate::Kind;
use crate::schema;
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: None, offences: versions_reversed },
    Rule { requirement: None, offences: undefined_properties },
];

fn versions_reversed(features: &Value) -> Vec<Offence> {
    match (version(features, "ociVersionMin"), version(features, "ociVersionMax")) {
        (Some(min), Some(max)) if max < min => vec![Offence {
            pointer: "/ociVersionMax".to_owned(),
            message: format!("{max} is less than ociVersionMin, {min}"),
        }],
        _ => Vec::new(),
    }
}

fn undefined_properties(features: &Value) -> Vec<Offence> {
    let schema = schema::of(Kind::Features).document();
    let max = version(features, "ociVersionMax");
    max.map_or_else(Vec::new, |max| undefined(features, "", schema, schema, max))
}

/// The properties of `object` and of what it holds that `subschema` does not describe, or only for
/// a version after `max`. What takes any property, such as annotations, has no say here.
fn undefined(object: &Value, pointer: &str, subschema: &Value, schema: &Value, max: Version) -> Vec<Offence> {
    let subschema = resolved(subschema, schema);
    let (Some(members), Some(known)) = (object.as_object(), subschema["properties"].as_object()) else {
        return Vec::new();
    };
    let offences = members.iter().flat_map(|(name, value)| {
        let pointer = joined(pointer, name);
        match known.get(name).filter(|property| since(property).is_none_or(|it| it <= max)) {
            Some(property) => undefined(value, &pointer, property, schema, max),
            None => vec![Offence {
                pointer,
                message: format!("version {max} of the specification defines no such property"),
            }],
        }
    });
    offences.collect()
}

fn resolved<'a>(subschema: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = subschema["$ref"].as_str();
    let target = reference.and_then(|it| schema.pointer(it.trim_start_matches('#')));
    target.unwrap_or(subschema)
}

fn since(property: &Value) -> Option<Version> {
    property["since"].as_str()?.parse().ok()
}

fn version(features: &Value, name: &str) -> Option<Version> {
    features.get(name)?.as_str()?.parse().ok()
}

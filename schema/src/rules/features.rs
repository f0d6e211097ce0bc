//! The versions that a runtime claims, the properties that they define, and whose mount options it names.

use ocf_spec::{VERSIONS, Version};
use serde_json::Value;

use super::{Offence, Rule, entries};
use crate::Kind;
use crate::schema;
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("features.versions-in-order"), offences: versions_reversed },
    Rule { requirement: Some("features.defined-properties"), offences: undefined_properties },
    Rule { requirement: Some("features.mount-options-own"), offences: file_system_options },
];

/// The version that the document came with.
const FIRST: Version = Version::new(1, 1, 0);

/// The newest version whose properties are known.
const NEWEST: Version = VERSIONS[VERSIONS.len() - 1];

/// Options that reach a file system as the data of mount(2): of tmpfs, devpts, proc and overlay, as
/// mount(8) and the kernel's documentation list them. None of them is also one of mount(8) itself.
const OF_FILE_SYSTEMS: [&str; 18] = [
    "gid",
    "hidepid",
    "huge",
    "inode32",
    "inode64",
    "lowerdir",
    "mode",
    "mpol",
    "newinstance",
    "noswap",
    "nr_blocks",
    "nr_inodes",
    "ptmxmode",
    "size",
    "subset",
    "uid",
    "upperdir",
    "workdir",
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
    let schema = schema::document(Kind::Features);
    let defining = defining_version(features);
    defining.map_or_else(Vec::new, |version| undefined(features, "", schema, schema, version))
}

/// The version whose properties the document may have; `None` for one later than we know. What a
/// development version defines nobody can say, so it may have those of any release.
fn defining_version(features: &Value) -> Option<Version> {
    let max = version(features, "ociVersionMax").filter(|max| *max <= NEWEST)?;
    let is_release = !features["ociVersionMax"].as_str()?.contains(['-', '+']);
    Some(if is_release { max.max(FIRST) } else { NEWEST })
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

fn file_system_options(features: &Value) -> Vec<Offence> {
    let own = |option: &str| OF_FILE_SYSTEMS.contains(&option.split('=').next().unwrap_or(option));
    entries(features, "/mountOptions")
        .filter(|(_, option)| option.as_str().is_some_and(own))
        .map(|(pointer, option)| Offence {
            pointer,
            message: format!("{option} is an option that the file system reads"),
        })
        .collect()
}

//! What the options of a mount say about its source and its id mappings.

use serde_json::Value;

use super::{Offence, Rule, entries, namespaces};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("mounts.bind-source-set"), offences: binds_without_source },
    Rule { requirement: Some("mounts.id-mappings-with-option"), offences: mappings_without_option },
    Rule { requirement: Some("mounts.id-mapping-without-user-namespace-refused"), offences: option_without_mappings },
];

/// The options that ask for an id-mapped mount.
const ID_MAPPED: [&str; 2] = ["idmap", "ridmap"];

fn binds_without_source(config: &Value) -> Vec<Offence> {
    entries(config, "/mounts")
        .filter(|(_, mount)| mount.is_object() && mount.get("source").is_none() && is_bind(mount))
        .map(|(pointer, _)| Offence { pointer, message: "there is no source to be bound".to_owned() })
        .collect()
}

/// Whether it binds something anew.
fn is_bind(mount: &Value) -> bool {
    has_option(mount, &["bind", "rbind"]) == Some(true) && has_option(mount, &["remount"]) == Some(false)
}

fn mappings_without_option(config: &Value) -> Vec<Offence> {
    entries(config, "/mounts")
        .filter(|(_, mount)| has_mappings(mount) && has_option(mount, &ID_MAPPED) == Some(false))
        .map(|(pointer, _)| Offence {
            pointer,
            message: "there are mappings without the option idmap or ridmap".to_owned(),
        })
        .collect()
}

/// Where there is a user namespace, the runtime may take its mappings.
fn option_without_mappings(config: &Value) -> Vec<Offence> {
    if namespaces::lists(config, "user") != Some(false) {
        return Vec::new();
    }
    entries(config, "/mounts")
        .filter(|(_, mount)| !has_mappings(mount) && has_option(mount, &ID_MAPPED) == Some(true))
        .map(|(pointer, _)| Offence {
            pointer,
            message: "idmap or ridmap has neither mappings nor a user namespace".to_owned(),
        })
        .collect()
}

/// Whether one of these is among the options; `None` if they are no list.
fn has_option(mount: &Value, names: &[&str]) -> Option<bool> {
    let Some(options) = mount.get("options") else {
        return Some(false);
    };
    Some(options.as_array()?.iter().filter_map(Value::as_str).any(|it| names.contains(&it)))
}

fn has_mappings(mount: &Value) -> bool {
    mount.get("uidMappings").is_some() || mount.get("gidMappings").is_some()
}

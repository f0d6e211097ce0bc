//! A mount's id mappings and the options that speak of them.

use serde_json::Value;

use super::namespaces::has_user_namespace;
use super::{Offence, Rule, entries};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("mounts.id-mappings-with-option"), offences: mappings_without_option },
    Rule { requirement: Some("mounts.id-mapping-without-user-namespace-refused"), offences: option_without_mappings },
];

fn mappings_without_option(config: &Value) -> Vec<Offence> {
    entries(config, "/mounts")
        .filter(|(_, mount)| has_mappings(mount) && is_id_mapped(mount) == Some(false))
        .map(|(pointer, _)| Offence {
            pointer,
            message: "there are mappings without the option idmap or ridmap".to_owned(),
        })
        .collect()
}

/// Where there is a user namespace, the runtime may take its mappings.
fn option_without_mappings(config: &Value) -> Vec<Offence> {
    if has_user_namespace(config) {
        return Vec::new();
    }
    entries(config, "/mounts")
        .filter(|(_, mount)| !has_mappings(mount) && is_id_mapped(mount) == Some(true))
        .map(|(pointer, _)| Offence {
            pointer,
            message: "idmap or ridmap has neither mappings nor a user namespace".to_owned(),
        })
        .collect()
}

/// Whether the options say so; `None` if they are no list.
fn is_id_mapped(mount: &Value) -> Option<bool> {
    let Some(options) = mount.get("options") else {
        return Some(false);
    };
    Some(options.as_array()?.iter().any(|it| it == "idmap" || it == "ridmap"))
}

fn has_mappings(mount: &Value) -> bool {
    mount.get("uidMappings").is_some() || mount.get("gidMappings").is_some()
}

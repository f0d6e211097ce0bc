//! What a runtime does not claim: the text lets it choose which values it supports, if it refuses the others, and its
//! features document says which they are.

use serde_json::Value;

use super::refusal;
use crate::evidence::{Evidence, Header};
use crate::expectation::Refusal;

/// Lists of the features document, with the places of a config's values that they speak of; `*` stands for each item.
const LISTS: [(&str, &str); 9] = [
    ("/linux/namespaces", "/linux/namespaces/*/type"),
    ("/linux/seccomp/actions", "/linux/seccomp/defaultAction"),
    ("/linux/seccomp/actions", "/linux/seccomp/syscalls/*/action"),
    ("/linux/seccomp/operators", "/linux/seccomp/syscalls/*/args/*/op"),
    ("/linux/seccomp/archs", "/linux/seccomp/architectures/*"),
    // What a newer document says of flags depends on the kernel as well.
    ("/linux/seccomp/supportedFlags", "/linux/seccomp/flags/*"),
    ("/linux/seccomp/knownFlags", "/linux/seccomp/flags/*"),
    ("/linux/memoryPolicy/modes", "/linux/memoryPolicy/mode"),
    ("/linux/memoryPolicy/flags", "/linux/memoryPolicy/flags/*"),
];
/// Booleans of the features document, with the property of a config that each speaks of.
const BOOLEANS: [(&str, &str); 5] = [
    ("/linux/seccomp/enabled", "/linux/seccomp"),
    ("/linux/apparmor/enabled", "/process/apparmorProfile"),
    ("/linux/selinux/enabled", "/process/selinuxLabel"),
    ("/linux/intelRdt/enabled", "/linux/intelRdt"),
    ("/linux/netDevices/enabled", "/linux/netDevices"),
];

/// What the case's config asks for and the runtime does not claim, if it refused the bundle; a list or boolean of the
/// document that is not set says nothing.
pub(super) fn unclaimed(header: &Header, evidence: &Evidence) -> Option<String> {
    let (features, config) = (header.features.as_ref()?, evidence.config.as_ref()?);
    if refusal::refused(evidence, &Refusal::default()) != Ok(true) {
        return None;
    }
    let not_listed = LISTS.iter().find_map(|(list, place)| {
        let claimed = features.pointer(list)?.as_array()?;
        let value = values(config, place).into_iter().find(|value| !claimed.contains(value))?;
        Some(format!("{list} lacks {value}"))
    });
    let disabled = || {
        let (place, _) = BOOLEANS.iter().find(|(place, property)| {
            features.pointer(place) == Some(&Value::Bool(false)) && config.pointer(property).is_some()
        })?;
        Some(format!("{place} is false"))
    };
    not_listed.or_else(disabled)
}

fn values<'a>(value: &'a Value, place: &str) -> Vec<&'a Value> {
    match place.split_once("/*") {
        None => value.pointer(place).into_iter().collect(),
        Some((list, rest)) => {
            let items = value.pointer(list).and_then(Value::as_array).into_iter().flatten();
            items.flat_map(|item| values(item, rest)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{case, evidence, header, ran};
    use super::*;

    fn told(features: Value, refuses: bool) -> Option<String> {
        let steps = json!({ "create": { "failed": refuses }, "start": { "failed": false } });
        let journal = if refuses { json!({ "$complete": true }) } else { ran() };
        let entry = json!({ "names": ["getppid"], "action": "SCMP_ACT_NOTIFY" });
        let config = json!({ "linux": { "seccomp": { "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry] } } });
        let evidence =
            Evidence { config: Some(config), ..evidence("a/b", case(), json!({ "steps": steps, "journal": journal })) };
        unclaimed(&Header { features: Some(features), ..header() }, &evidence)
    }

    #[test]
    fn what_is_refused_and_not_claimed_is_named() {
        let actions = |names: Value| json!({ "linux": { "seccomp": { "actions": names } } });
        let without = actions(json!(["SCMP_ACT_ALLOW"]));
        assert_eq!(told(without.clone(), true).as_deref(), Some(r#"/linux/seccomp/actions lacks "SCMP_ACT_NOTIFY""#));
        assert_eq!(told(without, false), None, "it was not refused");
        assert_eq!(told(actions(json!(["SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY"])), true), None, "it is claimed");
        assert_eq!(told(actions(json!(null)), true), None, "nothing is said of it");
        let off = json!({ "linux": { "seccomp": { "enabled": false } } });
        assert_eq!(told(off, true).as_deref(), Some("/linux/seccomp/enabled is false"));
    }
}

//! Names for a UTS namespace that is not the container's own.

use serde_json::Value;

use super::{Offence, Rule, namespaces};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("hostname.runtime-namespace"), offences: |config| shared(config, "hostname") },
    Rule {
        requirement: Some("hostname.domainname-runtime-namespace"),
        offences: |config| shared(config, "domainname"),
    },
];

/// An empty name is what is often written for none.
fn shared(config: &Value, property: &str) -> Vec<Offence> {
    let name = config.get(property).and_then(Value::as_str).filter(|name| !name.is_empty());
    let is_shared = is_for_linux(config) && namespaces::lists(config, "uts") == Some(false);
    let offence = name.filter(|_| is_shared).map(|_| Offence {
        pointer: format!("/{property}"),
        message: "without a namespace of type \"uts\" the name is the runtime's too, which may refuse it".to_owned(),
    });
    Vec::from_iter(offence)
}

/// Without the section of any platform, a config is for Linux.
fn is_for_linux(config: &Value) -> bool {
    let others = ["windows", "solaris", "vm", "zos", "freebsd"];
    config.get("linux").is_some() || others.iter().all(|section| config.get(section).is_none())
}

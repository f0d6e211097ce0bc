//! The conventional name of the root file system's directory. A schema could say it; but most engines name another, and
//! a schema is asked much more quickly of a document that it finds nothing wrong with.

use serde_json::Value;

use super::{Offence, Rule, at};
use crate::message::text_quoted;

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("root.path-conventional"), offences: unconventional }];

fn unconventional(config: &Value) -> Vec<Offence> {
    // On Windows it is the name of a volume.
    if config.get("windows").is_some() {
        return Vec::new();
    }
    let path = at(config, "/root/path").and_then(Value::as_str).filter(|path| *path != "rootfs");
    let offence = path.map(|path| Offence {
        pointer: "/root/path".to_owned(),
        message: format!("{} is not the conventional \"rootfs\"", text_quoted(path)),
    });
    Vec::from_iter(offence)
}

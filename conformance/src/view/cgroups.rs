//! The container's place in the cgroup hierarchy.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, typed};

/// `linux.cgroupsPath`, and what calls for a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The path, as it is written.
    pub path: String,
    /// The controllers without which a property of `linux.resources` can't be applied.
    pub controllers: BTreeSet<&'static str>,
}

/// Properties of `linux.resources`, and the controller that each calls for.
const CALLS_FOR: [(&str, &str); 3] = [("memory", "memory"), ("pids", "pids"), ("devices", "devices")];

/// What is said of the container's cgroup; none when the runtime may choose.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(path) = typed(config, "/linux/cgroupsPath", "a string", Value::as_str)? else { return Ok(None) };
    let asks = |name: &str| match config.pointer(&format!("/linux/resources/{name}")) {
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(Value::Array(entries)) => !entries.is_empty(),
        _ => false,
    };
    let controllers = CALLS_FOR.iter().filter(|(name, _)| asks(name)).map(|(_, controller)| *controller).collect();
    Ok((!path.is_empty()).then(|| View { path: path.to_owned(), controllers }))
}

//! The container's place in the cgroup hierarchy.

use std::collections::BTreeSet;

use serde_json::Value;

use super::namespaces::{self, Way};
use super::{Offence, mounts, typed};

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
    Ok((!path.is_empty()).then(|| View { path: path.to_owned(), controllers: called_for(config) }))
}

/// The controllers that properties of the config call for.
pub fn called_for(config: &Value) -> BTreeSet<&'static str> {
    let asks = |name: &str| match config.pointer(&format!("/linux/resources/{name}")) {
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(Value::Array(entries)) => !entries.is_empty(),
        _ => false,
    };
    CALLS_FOR.iter().filter(|(name, _)| asks(name)).map(|(_, controller)| *controller).collect()
}

/// The user of the host to whom the container's cgroup is to be given, if it is: who is `process.user.uid`, where the
/// container has a cgroup namespace of its own and a mount through which it can write its cgroup.
pub fn new_owner(config: &Value) -> Option<u64> {
    let inside = config.pointer("/process/user/uid").and_then(Value::as_u64)?;
    let namespaces = namespaces::view(config).ok()??;
    if namespaces.way("cgroup") != Way::New || !has_writable_mount(config) {
        return None;
    }
    match namespaces.way("user") {
        Way::Inherited => Some(inside),
        Way::New => namespaces.uid_mappings.iter().find_map(|it| {
            let offset = inside.checked_sub(it.container_id).filter(|offset| *offset < it.size)?;
            it.host_id.checked_add(offset)
        }),
        // Its mappings stand nowhere in the config.
        Way::Path(_) => None,
    }
}

/// Whether an entry of `mounts` is one through which the container can write its cgroup.
pub fn has_writable_mount(config: &Value) -> bool {
    let mounts = mounts::view(config).ok().flatten();
    mounts.is_some_and(|view| {
        view.entries.iter().any(|entry| {
            entry.source.as_deref() == Some("cgroup") && entry.destination == "/sys/fs/cgroup" && !entry.has("ro")
        })
    })
}

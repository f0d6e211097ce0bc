//! The root file system.

use serde_json::Value;

use super::{Offence, typed};

/// How mounts propagate through `/`, by the words of `linux.rootfsPropagation`.
const PROPAGATIONS: [&str; 4] = ["shared", "slave", "private", "unbindable"];

/// A file that tells one root file system from another; the base's says `plain`.
pub const MARKER: &str = "/etc/marker";

/// `root`, and what else the config says of the mount at `/`.
pub struct Root<'a> {
    /// `root.path`.
    pub path: &'a str,
    /// `root.readonly`; false if unset.
    pub readonly: bool,
    /// `linux.rootfsPropagation`.
    pub propagation: Option<&'a str>,
}

/// The root file system, if the config has one.
pub fn view(config: &Value) -> Result<Option<Root<'_>>, Offence> {
    let object = |root| Value::is_object(root).then_some(root);
    let Some(root) = typed(config, "/root", "an object", object)? else { return Ok(None) };
    let path = typed(root, "/path", "a string", Value::as_str)?;
    let propagation = typed(config, "/linux/rootfsPropagation", "a string", Value::as_str)?;
    // Empty is what some writers leave for unset.
    let propagation = propagation.filter(|word| !word.is_empty());
    if let Some(word) = propagation
        && !PROPAGATIONS.contains(&word)
    {
        return Err(Offence::refused("errors.invalid-value", format!("{word:?} is no propagation of the root")));
    }
    Ok(Some(Root {
        path: path.ok_or_else(|| Offence::authors("root has no path"))?,
        readonly: typed(root, "/readonly", "a boolean", Value::as_bool)?.unwrap_or(false),
        propagation,
    }))
}

//! Whose ids the process has, and its umask.

use serde_json::Value;

use super::{Offence, typed};

/// `process.user`.
pub struct User {
    /// The user id.
    pub uid: u64,
    /// The group id.
    pub gid: u64,
    /// The file mode creation mask.
    pub umask: Option<u64>,
    /// Supplementary groups.
    pub additional_gids: Vec<u64>,
}

/// The user, if the config has one. Its ids are those of the container's own user namespace.
pub fn view(config: &Value) -> Result<Option<User>, Offence> {
    let Some(user) = typed(config, "/process/user", "an object", |user| user.is_object().then_some(user))? else {
        return Ok(None);
    };
    let id = |name: &str| typed(user, &format!("/{name}"), "an unsigned integer", Value::as_u64);
    let required = |name: &str| id(name)?.ok_or_else(|| Offence::authors(format!("process.user has no {name}")));
    let numbers = |value: &Value| value.as_array()?.iter().map(Value::as_u64).collect();
    Ok(Some(User {
        uid: required("uid")?,
        gid: required("gid")?,
        umask: id("umask")?,
        additional_gids: typed(user, "/additionalGids", "an array of ids", numbers)?.unwrap_or_default(),
    }))
}

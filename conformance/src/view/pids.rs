//! How many tasks the container can have.

use serde_json::Value;

use super::{Offence, integer, object};

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The most tasks; -1 for no limit.
    pub limit: Option<i64>,
}

/// What is said of tasks; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(pids) = object(config, "/linux/resources/pids")? else { return Ok(None) };
    Ok(Some(View { limit: integer(pids, "/limit")? }))
}

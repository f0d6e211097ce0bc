//! How much memory the container can use.

use serde_json::Value;

use super::{Offence, typed};

/// `linux.resources.memory`, as far as the laws speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Bytes; -1 for no limit.
    pub limit: i64,
    /// Bytes of memory and swap together.
    pub swap: Option<i64>,
    /// Whether a process that goes beyond waits instead of being killed.
    pub keeps_alive: bool,
}

/// What is said of memory; none without a limit.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let pointer = "/linux/resources/memory";
    let Some(memory) = typed(config, pointer, "an object", |it| it.is_object().then_some(it))? else { return Ok(None) };
    let Some(limit) = typed(memory, "/limit", "an integer of 64 bits", Value::as_i64)? else { return Ok(None) };
    let keeps_alive = memory.get("disableOOMKiller") == Some(&Value::Bool(true));
    Ok(Some(View { limit, swap: memory.get("swap").and_then(Value::as_i64), keeps_alive }))
}

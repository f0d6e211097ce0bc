//! How much memory the container can use.

use serde_json::Value;

use super::{Offence, boolean, integer, natural, object};

/// `linux.resources.memory`. Limits are bytes, -1 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Of memory.
    pub limit: Option<i64>,
    /// What the container keeps when memory is short.
    pub reservation: Option<i64>,
    /// Of memory and swap together.
    pub swap: Option<i64>,
    /// Of the kernel's memory.
    pub kernel: Option<i64>,
    /// Of the kernel's memory for TCP.
    pub kernel_tcp: Option<i64>,
    /// How readily the kernel swaps.
    pub swappiness: Option<u64>,
    /// Whether a process that goes beyond waits instead of being killed.
    pub disable_oom_killer: Option<bool>,
    /// Whether the limits hold for the cgroups below.
    pub use_hierarchy: Option<bool>,
}

/// What is said of memory; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(memory) = object(config, "/linux/resources/memory")? else { return Ok(None) };
    Ok(Some(View {
        limit: integer(memory, "/limit")?,
        reservation: integer(memory, "/reservation")?,
        swap: integer(memory, "/swap")?,
        kernel: integer(memory, "/kernel")?,
        kernel_tcp: integer(memory, "/kernelTCP")?,
        swappiness: natural(memory, "/swappiness")?,
        disable_oom_killer: boolean(memory, "/disableOOMKiller")?,
        use_hierarchy: boolean(memory, "/useHierarchy")?,
    }))
}

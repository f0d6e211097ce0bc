//! How much of the processors' time the container can use, and which processors and memory nodes.

use serde_json::Value;

use super::{Offence, integer, natural, object, typed};
use crate::number_list;

/// `linux.resources.cpu`. Times are microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Relative to other cgroups.
    pub shares: Option<u64>,
    /// Of each period; negative for no limit.
    pub quota: Option<i64>,
    /// What may be saved up for a period that needs more.
    pub burst: Option<u64>,
    /// The period.
    pub period: Option<u64>,
    /// Of real-time tasks, of each of their periods.
    pub realtime_runtime: Option<i64>,
    /// The period of real-time tasks.
    pub realtime_period: Option<u64>,
    /// Processors, in their order; none for an empty list or one of a form that the format does not know.
    pub cpus: Option<Vec<u64>>,
    /// Memory nodes, likewise.
    pub mems: Option<Vec<u64>>,
    /// 1 if it runs only when nobody else wants to.
    pub idle: Option<i64>,
}

/// What is said of the processors; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(cpu) = object(config, "/linux/resources/cpu")? else { return Ok(None) };
    let list = |pointer: &str| {
        let text = typed(cpu, pointer, "a string", Value::as_str)?;
        Ok(text.and_then(number_list::parse).filter(|all| !all.is_empty()))
    };
    Ok(Some(View {
        shares: natural(cpu, "/shares")?,
        quota: integer(cpu, "/quota")?,
        burst: natural(cpu, "/burst")?,
        period: natural(cpu, "/period")?,
        realtime_runtime: integer(cpu, "/realtimeRuntime")?,
        realtime_period: natural(cpu, "/realtimePeriod")?,
        cpus: list("/cpus")?,
        mems: list("/mems")?,
        idle: integer(cpu, "/idle")?,
    }))
}

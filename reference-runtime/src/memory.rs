//! How much memory the container can use.

use crate::cgroups::{self, Membership, write};
use crate::error::{Doing, Error, Result};
use oci_spec::runtime::{LinuxMemory, LinuxResources};

/// Sets the limits of memory.
///
/// # Errors
/// Names the limit.
pub fn apply(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let Some(memory) = resources.memory() else { return Ok(()) };
    if memory.limit().or(memory.swap()).or(memory.reservation()).is_none() {
        return Ok(());
    }
    let what = || "limit the memory".to_owned();
    let member = cgroups::with("memory", memberships).doing(what)?;
    if member.hierarchy.is_unified() { on_v2(memory, member).doing(what) } else { on_v1(memory, member).doing(what) }
}

// [memory.limit-set] [memory.limit-unlimited]
fn on_v1(memory: &LinuxMemory, member: &Membership) -> Result<()> {
    if let Some(limit) = memory.limit() {
        write(member, "memory.limit_in_bytes", limit)?;
    }
    // Memory and swap together are never below memory alone, so the limit on memory comes first.
    if let Some(total) = memory.swap() {
        write(member, "memory.memsw.limit_in_bytes", total)?;
    }
    if let Some(reservation) = memory.reservation() {
        write(member, "memory.soft_limit_in_bytes", reservation)?;
    }
    Ok(())
}

fn on_v2(memory: &LinuxMemory, member: &Membership) -> Result<()> {
    if let Some(limit) = memory.limit() {
        write(member, "memory.max", bytes_or_max(limit))?;
    }
    if let Some(total) = memory.swap() {
        write(member, "memory.swap.max", bytes_or_max(swap_alone(total, memory.limit())?))?;
    }
    if let Some(reservation) = memory.reservation() {
        write(member, "memory.low", bytes_or_max(reservation))?;
    }
    Ok(())
}

/// The config counts memory and swap together, as cgroup v1 does, and v2 counts swap alone; -1 is no limit.
fn swap_alone(total: i64, limit: Option<i64>) -> Result<i64> {
    match (total, limit) {
        (..0, _) => Ok(-1),
        (total, Some(limit @ 0..)) if limit <= total => Ok(total - limit),
        _ => Err(Error::new("memory.swap counts the memory too, so on cgroup v2 it needs a memory.limit not above it")),
    }
}

fn bytes_or_max(bytes: i64) -> String {
    if bytes < 0 { "max".into() } else { bytes.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_what_is_left_of_the_total() {
        assert_eq!(swap_alone(300, Some(100)).unwrap(), 200);
        assert_eq!(swap_alone(100, Some(100)).unwrap(), 0);
        assert_eq!(swap_alone(-1, Some(100)).unwrap(), -1);
        swap_alone(100, None).unwrap_err();
        swap_alone(100, Some(-1)).unwrap_err();
        swap_alone(50, Some(100)).unwrap_err();
    }
}

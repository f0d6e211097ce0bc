//! How many tasks the container can have.

use crate::cgroups::{self, Membership, write};
use crate::error::{Doing, Result};
use oci_spec::runtime::LinuxResources;

/// Sets the limit of tasks; 0 is one, and negative means none.
///
/// # Errors
/// Names the limit.
pub fn apply(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let Some(pids) = resources.pids() else { return Ok(()) };
    let limit = if pids.limit() < 0 { "max".to_owned() } else { pids.limit().to_string() };
    let what = || format!("limit the tasks to {limit}");
    write(cgroups::with("pids", memberships).doing(what)?, "pids.max", &limit).doing(what)
}

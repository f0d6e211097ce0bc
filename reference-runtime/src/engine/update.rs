//! The operation that changes the limits of an existing container.

use crate::container::Container;
use crate::error::{Error, Result};
use crate::resources;
use crate::state::{self, Status};
use oci_spec::runtime::LinuxResources;

/// Sets what `limits` names, and leaves the rest as it is.
///
/// # Errors
/// The container is neither created nor running, or a limit can't be set; those before it are.
pub(crate) fn update(container: &Container, limits: &LinuxResources) -> Result<()> {
    let lock = container.lock()?;
    let (record, status) = container.status_under(&lock)?;
    if !matches!(status, Status::Created | Status::Running | Status::Paused) {
        return Err(Error::new(format!("it is {}, neither created nor running", state::name(status))));
    }
    resources::update(limits, &record.cgroups.memberships)
}

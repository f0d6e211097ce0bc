//! The operation that removes a stopped container and what was made for it.

use crate::container::{Container, ContainerId, Process};
use crate::error::{Error, Result};
use crate::hooks;
use crate::state::{self, Status};
use std::path::Path;

/// Deletes a container whatever it is doing, and what killed operations left of its id; nothing is no error, for engines
/// clean up after failures without knowing how far things had come.
///
/// # Errors
/// Something can't be removed.
// [command-line.delete-force]
pub(crate) fn force(root: &Path, id: &ContainerId) -> Result<()> {
    Container::sweep(root, id)?;
    match root.join(id.to_string()).exists() {
        true => delete(&Container::find(root, id)?, true),
        false => Ok(()),
    }
}

/// Deletes a container; `force` ends it first, whatever it is doing.
///
/// # Errors
/// It isn't stopped; then nothing changes.
// [delete.creating-error] [delete.created-error] [delete.running-error] [delete.running-no-effect]
pub(crate) fn delete(container: &Container, force: bool) -> Result<()> {
    let (record, status) = container.status()?;
    match status {
        Status::Stopped => {}
        // [command-line.delete-force]
        Status::Creating if force => record.creator.end()?,
        Status::Created | Status::Running | Status::Paused if force => {
            crate::cgroups::thaw_all(&record.cgroups);
            record.process.map_or(Ok(()), Process::end)?;
        }
        _ => return Err(Error::new(format!("it is {}, not stopped", state::name(status)))),
    }
    let lock = if force { container.seize() } else { container.lock() }?;
    // Asked again under the lock: another operation may have been quicker.
    let (record, status) = container.status_under(&lock)?;
    if status != Status::Stopped {
        return Err(Error::new(format!("it is {}, not stopped", state::name(status))));
    }
    container.destroy(&record)?;
    // [hooks.poststop-after-destruction] [hooks.poststop-before-delete-returns] [hooks.state-status-poststop]
    hooks::run_all("poststop", &record.poststop, &record.state(container.id(), Status::Stopped));
    Ok(())
}

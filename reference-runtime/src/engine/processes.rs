//! All processes of a container, and a signal to each of them.

use crate::cgroups;
use crate::container::Container;
use crate::error::{Doing, Result};
use crate::hooks::pidfd_open;
use crate::kill::{Signal, send};
use nix::errno::Errno;
use nix::unistd::Pid;

/// The ids of all processes in the container's cgroup and below it.
///
/// # Errors
/// There is no such container.
pub(crate) fn processes(container: &Container) -> Result<Vec<i32>> {
    let record = container.record()?;
    // They are in the same place of each hierarchy.
    let Some(member) = record.cgroups.memberships.first() else { return Ok(Vec::new()) };
    let mut pids = cgroups::processes(&member.directory);
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// Sends `signal` to all processes of a container, be its first one alive or not.
///
/// # Errors
/// A process can't be signalled, for another reason than that it has exited.
pub(crate) fn kill_all(container: &Container, signal: Signal) -> Result<()> {
    let record = container.record()?;
    for pid in processes(container)? {
        match pidfd_open(Pid::from_raw(pid)).and_then(|process| send(&process, signal.number())) {
            Err(Errno::ESRCH) => {}
            sent => sent.doing(|| format!("send the signal {} to the process {pid}", signal.number()))?,
        }
    }
    if signal.is_kill() {
        cgroups::thaw_all(&record.cgroups);
    }
    Ok(())
}

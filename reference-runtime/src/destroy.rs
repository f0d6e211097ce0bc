//! Undoes what a creation has made, and nothing else.

use crate::container::Record;
use crate::error::{Doing, Error, Result};
use crate::{cgroups, path_in_root};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::path::{Path, PathBuf};

/// Ends what still runs of the container, and removes what was made.
///
/// # Errors
/// Names what can't be removed.
// [delete.removes-created-resources] [delete.leaves-other-resources]
pub fn destroy(record: &Record) -> Result<()> {
    // A frozen process doesn't die before it is thawed.
    cgroups::thaw_all(&record.cgroups);
    if let Some(process) = record.process {
        process.end()?;
    }
    cgroups::remove(&record.cgroups)?;
    match &record.mount_namespace {
        _ if record.mounts.is_empty() => {}
        None => unmount(&record.mounts)?,
        Some(path) => unmount_in(path, &record.mounts)?,
    }
    path_in_root::unmake(&record.made);
    Ok(())
}

fn unmount(mounts: &[PathBuf]) -> Result<()> {
    for path in mounts.iter().rev() {
        match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // It went with a mount that it was on, or somebody was quicker.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            failed => failed.doing(|| format!("unmount {}", path.display()))?,
        }
    }
    Ok(())
}

/// Unmounts in another mount namespace, from a process that enters it for the purpose.
fn unmount_in(namespace: &Path, mounts: &[PathBuf]) -> Result<()> {
    // A namespace that is gone has taken its mounts along.
    let Ok(fd) = open(namespace, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return Ok(()) };
    let what = || format!("unmount in {}", namespace.display());
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.doing(what)? {
        ForkResult::Child => {
            let done = setns(&fd, CloneFlags::CLONE_NEWNS).doing(what).and_then(|()| unmount(mounts));
            std::process::exit(i32::from(done.is_err()))
        }
        ForkResult::Parent { child } => match waitpid(child, None).doing(what)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => Err(Error::new("it failed")).doing(what),
        },
    }
}

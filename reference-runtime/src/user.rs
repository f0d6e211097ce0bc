//! Whose ids the container process has, and its umask.

use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use oci_spec::runtime::Process;

/// Refuses an id that stands for none, which the kernel would take for "as before", and a mask that no process has.
///
/// # Errors
/// Names the property.
pub fn check(process: &Process) -> Result<()> {
    let user = process.user();
    let groups = user.additional_gids().iter().flatten().map(|gid| ("additionalGids", *gid));
    for (property, id) in groups.chain([("uid", user.uid()), ("gid", user.gid())]) {
        if id == u32::MAX {
            return Err(Error::new(format!("process.user.{property}: {id} is no id")));
        }
    }
    match user.umask() {
        Some(mask) if mask > 0o777 => {
            Err(Error::new(format!("process.user.umask: {mask} is more than 511, octal 777")))
        }
        _ => Ok(()),
    }
}

/// Takes on the ids of `process.user`, keeping the permitted capabilities.
///
/// # Errors
/// An id is not mapped in the user namespace.
pub fn apply(process: &Process) -> Result<()> {
    let user = process.user();
    // [user.umask-applied] [user.umask-unset]
    if let Some(mask) = user.umask() {
        umask(Mode::from_bits_truncate(mask));
    }
    // [user.additional-gids-applied]
    let groups: Vec<Gid> = user.additional_gids().iter().flatten().copied().map(Gid::from_raw).collect();
    match setgroups(&groups) {
        // In a user namespace that has given up changing its groups the caller's remain. // [user.further-gids]
        Err(Errno::EPERM) if groups.is_empty() => {}
        set => set.doing(|| format!("set process.user.additionalGids to {groups:?}"))?,
    }
    // [user.gid-applied]
    let gid = Gid::from_raw(user.gid());
    setresgid(gid, gid, gid).doing(|| format!("set process.user.gid to {gid}"))?;
    // [user.uid-applied]
    nix::sys::prctl::set_keepcaps(true).doing(|| "keep capabilities over a change of user".into())?;
    let uid = Uid::from_raw(user.uid());
    setresuid(uid, uid, uid).doing(|| format!("set process.user.uid to {uid}"))
}

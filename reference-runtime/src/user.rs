//! Whose ids the container process has, and its umask.

use crate::error::{Doing, Result};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use oci_spec::runtime::Process;

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
    setgroups(&groups).doing(|| format!("set the groups {groups:?}"))?;
    // [user.gid-applied]
    let gid = Gid::from_raw(user.gid());
    setresgid(gid, gid, gid).doing(|| format!("set the group id {gid}"))?;
    // [user.uid-applied]
    nix::sys::prctl::set_keepcaps(true).doing(|| "keep capabilities over a change of user".into())?;
    let uid = Uid::from_raw(user.uid());
    setresuid(uid, uid, uid).doing(|| format!("set the user id {uid}"))
}

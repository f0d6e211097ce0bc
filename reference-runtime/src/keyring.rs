//! The session keyring, in which the kernel keeps keys and passwords for a process and its children.

use crate::error::{Doing, Result};
use nix::errno::Errno;
use nix::libc;

/// Gives the calling process a new and empty session keyring, so that a container finds none of the caller's keys.
///
/// It has no name: one that had could be joined by others who know it.
///
/// # Errors
/// The caller has as many keyrings as it may.
pub fn begin() -> Result<()> {
    // SAFETY: a null pointer stands for a keyring without a name.
    let made = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
    match Errno::result(made) {
        // A kernel without keys has none to hide.
        Err(Errno::ENOSYS) => Ok(()),
        made => made.map(drop).doing(|| "make a session keyring".into()),
    }
}

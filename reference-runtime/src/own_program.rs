//! Keeps the runtime's program out of a container's reach.
//!
//! Until it executes the user's program, the container process executes the runtime's, which the container can open
//! through /proc, and overwrite once nobody executes it. So it executes the program through a mount of its own, which is
//! read-only and which no mount namespace has, so that nobody can make it writable again; or else a sealed copy.

use crate::error::{Doing, Result};
use crate::mount_options::{self, Attributes};
use crate::mounts::mount_setattr;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::fexecve;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

const SEALS: SealFlag =
    SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

/// Executes the calling program out of reach, in its place and with its arguments; returns if it is so already.
///
/// # Errors
/// That can't be done.
pub fn seal() -> Result<()> {
    match mount_privately() {
        Ok(program) => execute(&program),
        // The mount that it was executed through belongs to no namespace, and such a one can't be copied.
        Err(Errno::EINVAL) => Ok(()),
        // To mount takes privileges and Linux 5.12.
        Err(_) => seal_copy(),
    }
}

/// A read-only mount of the program's file alone.
fn mount_privately() -> nix::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path ends with a null byte and is constant.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), flags) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    mount_setattr(&program, Attributes { set: mount_options::RDONLY, clear: 0 }, None, 0)?;
    Ok(program)
}

fn seal_copy() -> Result<()> {
    let mut own = File::open("/proc/self/exe").doing(|| "open /proc/self/exe".into())?;
    // Only a file in memory has seals at all.
    if fcntl(&own, FcntlArg::F_GET_SEALS).is_ok_and(|bits| SealFlag::from_bits_truncate(bits).contains(SEALS)) {
        return Ok(());
    }
    // Since Linux 6.3 a file in memory can be denied execution, and with this flag it isn't; before, the flag is unknown.
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let executable = flags | MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let copy = memfd_create("ocf-runtime", executable).or_else(|_| memfd_create("ocf-runtime", flags));
    let mut copy = File::from(copy.doing(|| "make a file in memory".into())?);
    std::io::copy(&mut own, &mut copy).doing(|| "copy the runtime's program".into())?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(SEALS)).doing(|| "seal the copy".into())?;
    execute(&copy)
}

fn execute(program: impl AsFd) -> Result<()> {
    let string = |text: std::ffi::OsString| CString::new(text.into_vec());
    let arguments: Vec<CString> = std::env::args_os().filter_map(|text| string(text).ok()).collect();
    let environment = std::env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let environment: Vec<CString> = environment.filter_map(|text| string(text).ok()).collect();
    fexecve(program, &arguments, &environment).map(drop).doing(|| "execute the runtime's own program".into())
}

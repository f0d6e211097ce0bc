//! Keeps the runtime's program out of a container's reach.
//!
//! Until it executes the user's program, the container process executes the runtime's, which the container can open
//! through /proc, and overwrite once nobody executes it. So it executes a copy that nobody can write to.

use crate::error::{Doing, Result};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::fexecve;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;

/// Executes a sealed copy of the calling program, in its place and with its arguments; returns if it is one already.
///
/// # Errors
/// The copy can't be made or executed.
pub fn seal() -> Result<()> {
    let mut own = File::open("/proc/self/exe").doing(|| "open /proc/self/exe".into())?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    // Only a file in memory has seals at all.
    if fcntl(&own, FcntlArg::F_GET_SEALS).is_ok_and(|bits| SealFlag::from_bits_truncate(bits).contains(seals)) {
        return Ok(());
    }
    // Since Linux 6.3 a file in memory can be denied execution, and with this flag it isn't; before, the flag is unknown.
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let executable = flags | MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let copy = memfd_create("ocf-runtime", executable).or_else(|_| memfd_create("ocf-runtime", flags));
    let mut copy = File::from(copy.doing(|| "make a file in memory".into())?);
    std::io::copy(&mut own, &mut copy).doing(|| "copy the runtime's program".into())?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals)).doing(|| "seal the copy".into())?;
    let string = |text: std::ffi::OsString| CString::new(text.into_vec());
    let arguments: Vec<CString> = std::env::args_os().filter_map(|text| string(text).ok()).collect();
    let environment = std::env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let environment: Vec<CString> = environment.filter_map(|text| string(text).ok()).collect();
    fexecve(&copy, &arguments, &environment).map(drop).doing(|| "execute the copy".into())
}

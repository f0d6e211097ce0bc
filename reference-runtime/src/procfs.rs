//! Files of procfs that the runtime writes to, opened so that the bytes land in no other file.
//!
//! In a mount namespace that is joined somebody else decides what stands at /proc, and what is mounted below it.

use crate::error::{Doing, Error, Result};
use crate::path_in_root::open_scoped;
use nix::fcntl::{OFlag, ResolveFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The inode of the root of each procfs, as of linux/proc_fs.h.
const ROOT: u64 = 1;

/// Opens, for writing, the file at `path` below /proc: one of procfs itself, over which nothing is mounted.
///
/// # Errors
/// /proc is no procfs, or has no such file.
pub fn open_file(path: impl AsRef<Path>) -> Result<File> {
    open_file_in(&open_root()?, path.as_ref())
}

/// As [`open_file`], in a procfs whose root is open already.
///
/// # Errors
/// It has no such file.
pub fn open_file_in(proc: &OwnedFd, path: &Path) -> Result<File> {
    let what = || format!("open /proc/{}", path.display());
    // A link is followed only as far as it stays in this mount, as those of /proc/self do.
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    open_scoped(proc, path, OFlag::O_WRONLY, resolve).map(File::from).doing(what)
}

/// Opens /proc, if it is what it is taken for.
///
/// # Errors
/// It is no procfs.
pub fn open_root() -> Result<OwnedFd> {
    let what = || "open /proc".into();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let proc = open("/proc", flags, Mode::empty()).doing(what)?;
    let is_proc = fstatfs(&proc).doing(what)?.filesystem_type() == PROC_SUPER_MAGIC;
    if !is_proc || fstat(&proc).doing(what)?.st_ino != ROOT {
        return Err(Error::new("it is not the root of a procfs")).doing(what);
    }
    Ok(proc)
}

/// Writes `value` to the file at `path` below /proc, in one call.
///
/// # Errors
/// As for [`open_file`], or the kernel refuses the value.
pub fn write(path: impl AsRef<Path>, value: &str) -> Result<()> {
    let path = path.as_ref();
    let what = || format!("write {value:?} to /proc/{}", path.display());
    // One write(2), and never a part of it: the kernel takes each for a value of its own.
    match open_file(path)?.write(value.as_bytes()).doing(what)? {
        all if all == value.len() => Ok(()),
        _ => Err(Error::new("only a part was taken")).doing(what),
    }
}

//! Copies what a directory held into the tmpfs that is mounted over it (the option `tmpcopyup`).
//!
//! Somebody else may change the directory meanwhile: each file is opened once, and no link is followed.

use crate::error::{Doing, Result};
use crate::path_in_root::fd_path;
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// Copies the contents of the directory `from` into the directory `to`: files, links and directories.
///
/// # Errors
/// Names the file that can't be copied.
// [mounts.option-tmpcopyup]
pub fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let what = || "list the directory to copy".to_owned();
    // Opened anew, for a descriptor that is only a place can't be read from.
    let mut list = Dir::openat(from, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).doing(what)?;
    for entry in list.iter() {
        let entry = entry.doing(what)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            copy_one(from, to, name).doing(|| format!("copy {}", name.display()))?;
        }
    }
    Ok(())
}

fn copy_one(from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> Result<()> {
    let source = openat(from, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
    let source = source.doing(|| "open it".into())?;
    let facts = fstat(&source).doing(|| "look at it".into())?;
    let kind = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT;
    make(&source, &facts, kind, to, name)?;
    let (uid, gid) = (Uid::from_raw(facts.st_uid), Gid::from_raw(facts.st_gid));
    fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).doing(|| "set its owner".into())?;
    if kind == SFlag::S_IFLNK {
        return Ok(());
    }
    let mode = Mode::from_bits_truncate(facts.st_mode);
    fchmodat(to, name, mode, FchmodatFlags::FollowSymlink).doing(|| "set its mode".into())
}

fn make(source: &OwnedFd, facts: &FileStat, kind: SFlag, to: &OwnedFd, name: &OsStr) -> Result<()> {
    let private = Mode::S_IRWXU;
    match kind {
        SFlag::S_IFLNK => {
            let target = readlinkat(source, "").doing(|| "read the link".into())?;
            symlinkat(target.as_os_str(), to, name).doing(|| "make the link".into())
        }
        SFlag::S_IFDIR => {
            mkdirat(to, name, private).doing(|| "make the directory".into())?;
            let made = openat(to, name, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
            copy(source, &made.doing(|| "open the copy".into())?)
        }
        SFlag::S_IFREG => {
            let mut file = File::open(fd_path(source)).doing(|| "open its bytes".into())?;
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let copy = openat(to, name, flags, private).doing(|| "make the copy".into())?;
            std::io::copy(&mut file, &mut File::from(copy)).map(drop).doing(|| "copy its bytes".into())
        }
        node => mknodat(to, name, node, private, facts.st_rdev).doing(|| "make the node".into()),
    }
}

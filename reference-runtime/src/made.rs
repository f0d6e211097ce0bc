//! What a creation makes where it outlasts the container: files in the root file system, mounts in a shared namespace.
//!
//! The container process notes each thing before it makes it. So it can be undone even if everybody who knew was killed.
//! The notes are locked as long as anybody lives who may add to them.

use crate::container::try_lock;
use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, UnlinkatFlags, fork, unlinkat};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a container process may take to find out that its creator is gone, and to end.
const ENDING: Duration = Duration::from_secs(10);

/// A file that notes are appended to, one a line.
#[derive(Debug)]
pub struct Notes(File);

/// What is noted. A path is as the creating process sees it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Note {
    /// Something is made next, where nothing stands.
    Making {
        /// Where.
        path: PathBuf,
        /// The directory above it.
        above: Identity,
    },
    /// It was made.
    Made {
        /// Where.
        path: PathBuf,
        /// The new file, so that no other one is taken for it.
        identity: Identity,
    },
    /// Somebody else was quicker to make it.
    Foreign {
        /// Where.
        path: PathBuf,
    },
    /// Something is mounted next.
    Mounting {
        /// Where.
        path: PathBuf,
        /// The id of the mount that is seen there until then.
        on: u64,
    },
}

/// Device and inode, as of stat(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(u64, u64);

impl From<FileStat> for Identity {
    fn from(stat: FileStat) -> Self {
        Identity(stat.st_dev, stat.st_ino)
    }
}

impl Notes {
    /// Begins notes at `path`.
    ///
    /// # Errors
    /// They can't be made.
    pub fn begin(path: &Path) -> Result<Self> {
        let what = || format!("make {}", path.display());
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(path).doing(what)?;
        // Child processes share the lock with the descriptor.
        try_lock(&file).doing(what)?;
        Ok(Notes(file))
    }

    /// Adds a note.
    ///
    /// # Errors
    /// It can't be written as a whole.
    pub fn add(&self, note: &Note) -> Result<()> {
        let mut line = serde_json::to_vec(note).doing(|| "encode a note".into())?;
        line.push(b'\n');
        (&self.0).write_all(&line).doing(|| "note what is made".into())
    }

    /// Notes that something is mounted next on what `place` is open on.
    ///
    /// # Errors
    /// As for [`Notes::add`].
    pub fn mounting(&self, place: &OwnedFd) -> Result<()> {
        let on = mount_id(place).doing(|| "ask for the id of a mount".into())?;
        self.add(&Note::Mounting { path: crate::path_in_root::real_path(place)?, on })
    }
}

/// Undoes what is noted at `path`, the last first: mounts, in the mount namespace at `namespace`, and then files.
///
/// # Errors
/// Names what can't be undone.
// [delete.removes-created-resources] [errors.environment-unchanged]
pub fn undo(path: &Path, namespace: Option<&Path>) -> Result<()> {
    let notes = read(path).doing(|| format!("read {}", path.display()))?;
    // The last line may be cut, and then what it would have said was not done.
    let notes: Vec<Note> =
        notes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let mounts: Vec<_> = notes.iter().rev().filter_map(Note::mount).collect();
    match namespace {
        _ if mounts.is_empty() => {}
        None => unmount(&mounts)?,
        Some(path) => unmount_in(path, &mounts)?,
    }
    remove_files(&notes);
    Ok(())
}

/// Waits for the end of everybody who may add to the notes at `path`, and that is all who make the container.
///
/// # Errors
/// They don't end.
pub fn await_makers(path: &Path) -> Result<()> {
    open_finished(path).map(drop).doing(|| format!("wait for {}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut notes = Vec::new();
    let Some(mut file) = open_finished(path)? else { return Ok(notes) };
    file.read_to_end(&mut notes).map(|_| notes).doing(|| "read".into())
}

/// Opens the notes, if they were begun, once nobody can add to them any more.
fn open_finished(path: &Path) -> Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.doing(|| "open".into())?,
    };
    let deadline = Instant::now() + ENDING;
    while !try_lock(&file).doing(|| "lock".into())? {
        if Instant::now() >= deadline {
            return Err(Error::new("a process goes on to make the container"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Some(file))
}

impl Note {
    fn mount(&self) -> Option<(&Path, u64)> {
        match self {
            Note::Mounting { path, on } => Some((path, *on)),
            _ => None,
        }
    }
}

fn unmount(mounts: &[(&Path, u64)]) -> Result<()> {
    for (path, on) in mounts {
        // A container may have put a link to elsewhere on the way: none is followed.
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let Ok(found) = openat2(AT_FDCWD, *path, how) else { continue };
        if mount_id(&found).doing(|| "ask for the id of a mount".into())? == *on {
            continue;
        }
        drop(found);
        match umount2(*path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // It went with a mount that it was on, or somebody was quicker.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            failed => failed.doing(|| format!("unmount {}", path.display()))?,
        }
    }
    Ok(())
}

/// Unmounts in another mount namespace, from a process that enters it for the purpose.
fn unmount_in(namespace: &Path, mounts: &[(&Path, u64)]) -> Result<()> {
    // A namespace that is gone has taken its mounts along.
    let Ok(fd) = open(namespace, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return Ok(()) };
    let what = || format!("unmount in {}", namespace.display());
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.doing(what)? {
        ForkResult::Child => {
            let done = setns(&fd, CloneFlags::CLONE_NEWNS).doing(what).and_then(|()| unmount(mounts));
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).doing(what)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => Err(Error::new("it failed")).doing(what),
        },
    }
}

/// Removes what was made, where it still stands as it was made.
///
/// A directory that was filled, a file that was written, and anything put in their place stays.
fn remove_files(notes: &[Note]) {
    let mut known = HashSet::new();
    for note in notes.iter().rev() {
        // Nothing is owed for what is gone or has changed hands, so a failure is no error.
        let _ = match note {
            Note::Made { path, identity } => {
                known.insert(path);
                remove(path, |_, file| file == *identity)
            }
            // Without a word on how it ended: the maker was killed at it.
            Note::Making { path, above } if !known.remove(path) => remove(path, |directory, _| directory == *above),
            Note::Foreign { path } => {
                known.insert(path);
                Ok(())
            }
            _ => Ok(()),
        };
    }
}

/// Removes an unwritten file if `is_ours` says so of the directory above and of the file.
fn remove(path: &Path, is_ours: impl FnOnce(Identity, Identity) -> bool) -> nix::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    // A container may have put a link to elsewhere on the way: none is followed.
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let above = openat2(AT_FDCWD, above, how)?;
    let stat = fstatat(&above, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let written = kind == SFlag::S_IFREG && stat.st_size != 0;
    if written || !is_ours(fstat(&above)?.into(), stat.into()) {
        return Ok(());
    }
    let flag = if kind == SFlag::S_IFDIR { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    unlinkat(&above, name, flag)
}

/// The id of the mount through which `fd` was opened.
pub(crate) fn mount_id(fd: impl AsFd) -> nix::Result<u64> {
    const EMPTY: &CStr = c"";
    // SAFETY: the structure is plain numbers, of which each may be 0.
    let mut facts: libc::statx = unsafe { std::mem::zeroed() };
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the path and the structure outlive the call.
    let result = unsafe { libc::statx(fd, EMPTY.as_ptr(), libc::AT_EMPTY_PATH, libc::STATX_MNT_ID, &raw mut facts) };
    Errno::result(result).map(|_| facts.stx_mnt_id)
}

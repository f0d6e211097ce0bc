//! Programs that were made for earlier containers with the same filter: making one takes longer than all else that a
//! creation does.
//!
//! A fixed number of files below the runtime's root, each for the filters whose hash it is named by. A file holds the
//! whole of what its program was made from, so nothing rests on the hash, and is used only if nobody but this user can
//! have written it. Whatever is wrong with the cache, the program is made anew.

use crate::error::{Doing, Result};
use crate::seccomp;
use libseccomp::ScmpVersion;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use oci_spec::runtime::LinuxSeccomp;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The directory's name, which is no container's.
const DIRECTORY: &str = ".seccomp";

/// How many programs are kept.
const SLOTS: u64 = 32;

/// The most bytes that one of them may take, with what it was made from.
const LARGEST: usize = 256 << 10;

/// The length of each of the two numbers at a file's beginning.
const NUMBER: usize = size_of::<u64>();

/// The program for a filter, kept or made.
///
/// # Errors
/// It can't be made.
pub fn program(root: &Path, seccomp: &LinuxSeccomp) -> Result<Vec<u8>> {
    let key = key(seccomp)?;
    let Ok(cache) = open_directory(root) else { return seccomp::compile(seccomp) };
    let slot = (hash(&key) % SLOTS).to_string();
    if let Some(program) = find(&cache, &slot, &key) {
        return Ok(program);
    }
    let program = seccomp::compile(seccomp)?;
    // The next container's trouble, not this one's.
    let _ = keep(&cache, &slot, &key, &program);
    Ok(program)
}

/// Everything on which a program depends.
fn key(seccomp: &LinuxSeccomp) -> Result<Vec<u8>> {
    let library = ScmpVersion::current().doing(|| "ask libseccomp for its version".into())?.to_string();
    let makers = (env!("CARGO_PKG_VERSION"), library, std::env::consts::ARCH);
    let filter = (seccomp.default_action(), seccomp.default_errno_ret(), seccomp.architectures(), seccomp.syscalls());
    serde_json::to_vec(&(makers, filter)).doing(|| "encode it".into())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn open_directory(root: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(root, flags, Mode::empty())?;
    let enter = || openat(&root, DIRECTORY, flags | OFlag::O_NOFOLLOW, Mode::empty());
    let directory = enter().or_else(|_| mkdirat(&root, DIRECTORY, Mode::S_IRWXU).and_then(|()| enter()))?;
    if is_ours_alone(&fstat(&directory)?, SFlag::S_IFDIR) { Ok(directory) } else { Err(nix::errno::Errno::EPERM) }
}

fn is_ours_alone(stat: &FileStat, kind: SFlag) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == kind.bits() && stat.st_uid == geteuid().as_raw() && stat.st_mode & 0o077 == 0
}

/// The program in a slot, if it is the one for this key.
fn find(cache: &OwnedFd, slot: &str, key: &[u8]) -> Option<Vec<u8>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(cache, slot, flags, Mode::empty()).ok()?;
    let stat = fstat(&file).ok()?;
    let length = usize::try_from(stat.st_size).ok()?;
    if !is_ours_alone(&stat, SFlag::S_IFREG) || stat.st_nlink != 1 || length > LARGEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(length);
    File::from(file).take(LARGEST as u64).read_to_end(&mut bytes).ok()?;
    let (sum, rest) = bytes.split_at_checked(NUMBER)?;
    let (length, rest) = rest.split_at_checked(NUMBER)?;
    let program = rest.strip_prefix(key)?;
    let whole = sum == hash(&bytes[NUMBER..]).to_ne_bytes() && length == (program.len() as u64).to_ne_bytes();
    (whole && !program.is_empty()).then(|| program.to_vec())
}

/// Writes beside the slot and renames, so that readers see all or nothing. Should two meet at it, the sum tells.
fn keep(cache: &OwnedFd, slot: &str, key: &[u8], program: &[u8]) -> std::io::Result<()> {
    let new = format!("{slot}.new");
    let _ = unlinkat(cache, new.as_str(), UnlinkatFlags::NoRemoveDir);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(cache, new.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    let rest = [&(program.len() as u64).to_ne_bytes(), key, program].concat();
    if NUMBER + rest.len() > LARGEST {
        return Ok(());
    }
    file.write_all(&hash(&rest).to_ne_bytes())?;
    file.write_all(&rest)?;
    renameat(cache.as_fd(), new.as_str(), cache.as_fd(), slot)?;
    Ok(())
}

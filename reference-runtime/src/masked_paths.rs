//! Paths whose contents nobody inside the container can read.

use crate::error::{Doing, Error, Result};
use crate::mounts::Place;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, fstat, makedev};
use oci_spec::runtime::Spec;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Refuses relative paths.
///
/// # Errors
/// Names the path.
// [masked-paths.absolute]
pub fn check(spec: &Spec) -> Result<()> {
    match paths(spec).iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(Error::new(format!("linux.maskedPaths: {path:?} is not absolute"))),
        None => Ok(()),
    }
}

/// Hides each path: a directory under an empty one, anything else under /dev/null.
///
/// # Errors
/// Names the path.
pub fn apply(spec: &Spec, place: &Place) -> Result<()> {
    let Some(first) = paths(spec).first() else { return Ok(()) };
    let null = open_null().doing(|| format!("mask {first}"))?;
    paths(spec).iter().try_for_each(|path| mask(path, &null, place).doing(|| format!("mask {path}")))
}

/// Opens /dev/null, which in a joined mount namespace may be anything.
fn open_null() -> Result<OwnedFd> {
    let what = || "open /dev/null".into();
    let null = open("/dev/null", OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).doing(what)?;
    let stat = fstat(&null).doing(what)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if (kind, stat.st_rdev) != (SFlag::S_IFCHR, makedev(1, 3)) {
        return Err(Error::new("it is another file")).doing(what);
    }
    Ok(null)
}

fn mask(path: &str, null: &OwnedFd, place: &Place) -> Result<()> {
    let target = match place.find_to_restrict(Path::new(path)) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()), // [masked-paths.missing]
        found => found.doing(|| "open it".into())?,
    };
    let stat = fstat(&target).doing(|| "look at it".into())?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        // [masked-paths.directory-lists-nothing] [masked-paths.below-directory-unreachable]
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let empty = place.mount(Some(Path::new("tmpfs")), &target, Some("tmpfs"), flags, "nr_blocks=1,nr_inodes=1");
        return empty.map(drop);
    }
    // [masked-paths.file-reads-nothing]
    place.show(null, &target)
}

fn paths(spec: &Spec) -> &[String] {
    spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_deref()).unwrap_or_default()
}

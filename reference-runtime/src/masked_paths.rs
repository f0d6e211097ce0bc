//! Paths whose contents nobody inside the container can read.

use crate::error::{Doing, Error, Result};
use crate::mounts::Place;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use nix::sys::stat::{SFlag, fstat};
use oci_spec::runtime::Spec;
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
    for path in paths(spec) {
        mask(path, place).doing(|| format!("mask {path}"))?;
    }
    Ok(())
}

fn mask(path: &str, place: &Place) -> Result<()> {
    let target = match place.root.find(Path::new(path), OFlag::O_PATH) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()), // [masked-paths.missing]
        found => found.doing(|| "open it".into())?,
    };
    let stat = fstat(&target).doing(|| "look at it".into())?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        // [masked-paths.directory-lists-nothing] [masked-paths.below-directory-unreachable]
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        return place.mount(Some(Path::new("tmpfs")), &target, Some("tmpfs"), flags, "nr_blocks=1,nr_inodes=1");
    }
    // [masked-paths.file-reads-nothing]
    place.mount(Some(Path::new("/dev/null")), &target, None, MsFlags::MS_BIND, "")
}

fn paths(spec: &Spec) -> &[String] {
    spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_deref()).unwrap_or_default()
}

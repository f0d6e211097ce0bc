//! Paths that nobody inside the container can write to.

use crate::error::{Doing, Error, Result};
use crate::mount_options::{self, Attributes};
use crate::mounts::{Place, open_tree, set_attributes};
use crate::path_in_root::fd_path;
use nix::errno::Errno;
use oci_spec::runtime::Spec;
use std::path::Path;

const READONLY: Attributes = Attributes { set: mount_options::RDONLY, clear: 0 };

/// Refuses relative paths.
///
/// # Errors
/// Names the path.
// [readonly-paths.absolute]
pub fn check(spec: &Spec) -> Result<()> {
    match paths(spec).iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(Error::new(format!("linux.readonlyPaths: {path:?} is not absolute"))),
        None => Ok(()),
    }
}

/// Mounts each path on itself, with the mounts below it, and makes that mount read-only.
///
/// # Errors
/// Names the path.
pub fn apply(spec: &Spec, place: &Place) -> Result<()> {
    for path in paths(spec) {
        make_readonly(Path::new(path), place).doing(|| format!("make {path} read-only"))?;
    }
    Ok(())
}

// [readonly-paths.file-not-writable] [readonly-paths.directory-not-writable] [readonly-paths.mounts-below]
fn make_readonly(path: &Path, place: &Place) -> Result<()> {
    let target = match place.find_to_restrict(path) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()), // [readonly-paths.missing]
        found => found.doing(|| "open it".into())?,
    };
    let tree = open_tree(&fd_path(&target), true)?;
    set_attributes(&tree, READONLY, 0)?;
    place.attach(&tree, &target)
}

fn paths(spec: &Spec) -> &[String] {
    spec.linux().as_ref().and_then(|linux| linux.readonly_paths().as_deref()).unwrap_or_default()
}

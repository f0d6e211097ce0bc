//! The root file system of the container: which directory becomes `/`, and how mounts propagate through it.

use crate::error::{Doing, Error, Result};
use crate::mount_options::{self, Attributes};
use crate::mounts::{mount_setattr, nix_mount};
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, fchdir, pivot_root};
use oci_spec::runtime::Spec;
use std::path::{Path, PathBuf};

const READONLY: Attributes = Attributes { set: mount_options::RDONLY, clear: 0 };

/// The directory that `root.path` names: from the bundle's directory, if it is relative.
// [root.path-absolute] [root.path-relative]
pub fn directory(spec: &Spec, bundle: &Path) -> PathBuf {
    bundle.join(spec.root().as_ref().map_or(Path::new(""), |root| root.path()))
}

/// Refuses a propagation type that there isn't.
///
/// # Errors
/// Names the value.
// [root.propagation-value]
pub fn check(spec: &Spec) -> Result<()> {
    propagation(spec).map(drop)
}

fn propagation(spec: &Spec) -> Result<MsFlags> {
    let name = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref());
    match name {
        // [root.propagation-unset]
        None | Some("" | "private") => Ok(MsFlags::MS_PRIVATE),
        Some("slave") => Ok(MsFlags::MS_SLAVE),
        Some("shared") => Ok(MsFlags::MS_SHARED),
        Some("unbindable") => Ok(MsFlags::MS_UNBINDABLE),
        // The recursive forms are ours; callers commonly send them.
        Some("rprivate") => Ok(MsFlags::MS_PRIVATE | MsFlags::MS_REC),
        Some("rslave") => Ok(MsFlags::MS_SLAVE | MsFlags::MS_REC),
        Some("rshared") => Ok(MsFlags::MS_SHARED | MsFlags::MS_REC),
        Some("runbindable") => Ok(MsFlags::MS_UNBINDABLE | MsFlags::MS_REC),
        Some(other) => Err(Error::new(format!("linux.rootfsPropagation: {other:?} is none"))),
    }
}

/// Cuts the way from a new mount namespace back to the runtime's, but not the one from there.
///
/// # Errors
/// The propagation of `/` can't be changed.
pub fn detach() -> Result<()> {
    nix_mount(None, Path::new("/"), None, MsFlags::MS_SLAVE | MsFlags::MS_REC, "")
        .doing(|| "stop mounts from reaching the runtime".into())
}

/// Makes the root directory a mount of its own, which pivot_root(2) and a read-only root ask for.
///
/// # Errors
/// It can't be mounted on itself.
pub fn make_mount(spec: &Spec, root: &Path) -> Result<()> {
    nix_mount(Some(root), root, None, MsFlags::MS_BIND | MsFlags::MS_REC, "")
        .doing(|| format!("mount {} on itself", root.display()))?;
    // A slave keeps the master that it has from the mount it was taken from. // [root.propagation-slave-receives]
    if propagation(spec)?.contains(MsFlags::MS_SLAVE) {
        return Ok(());
    }
    // [root.propagation-private-receives-nothing] [root.propagation-shared-new-group]
    nix_mount(None, root, None, MsFlags::MS_PRIVATE | MsFlags::MS_REC, "")
        .doing(|| format!("make {} private", root.display()))
}

/// Changes `/` to the container's root, for good.
///
/// # Errors
/// Names the step.
pub fn enter(spec: &Spec, root: &Path, own_namespace: bool) -> Result<()> {
    if own_namespace { pivot(root) } else { change(root) }?;
    seal(spec, own_namespace)
}

/// Changes `/`, in a mount namespace that nobody else is in.
fn pivot(root: &Path) -> Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let old = open("/", flags, Mode::empty()).doing(|| "open the old root".into())?;
    chdir(root).doing(|| format!("enter {}", root.display()))?;
    // With one directory as both arguments the old root comes to lie on the new one, and no place for it is needed.
    pivot_root(".", ".").doing(|| format!("change the root to {}", root.display()))?;
    fchdir(&old).doing(|| "enter the old root".into())?;
    // Unmounting the old root has to reach nobody else. // [root.propagation-slave-keeps] [root.propagation-private-keeps]
    nix_mount(None, Path::new("."), None, MsFlags::MS_SLAVE | MsFlags::MS_REC, "")
        .doing(|| "detach the old root".into())?;
    umount2(".", MntFlags::MNT_DETACH).doing(|| "unmount the old root".into())?;
    chdir("/").doing(|| "enter the new root".into())
}

/// Changes `/` of this process alone, in a mount namespace that others are in.
fn change(root: &Path) -> Result<()> {
    chroot(root).doing(|| format!("change the root to {}", root.display()))?;
    chdir("/").doing(|| "enter the new root".into())
}

/// Gives `/` its propagation type and, if so configured, makes it read-only.
fn seal(spec: &Spec, own_namespace: bool) -> Result<()> {
    if own_namespace {
        // [root.propagation-shared] [root.propagation-unbindable]
        nix_mount(None, Path::new("/"), None, propagation(spec)?, "").doing(|| "set the propagation of /".into())?;
    }
    // [root.readonly-true]
    if spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let root = open("/", flags, Mode::empty()).doing(|| "open /".into())?;
        mount_setattr(&root, READONLY, None, 0).doing(|| "make / read-only".into())?;
    }
    Ok(())
}

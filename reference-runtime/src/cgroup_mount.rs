//! Mounts of the type `cgroup`: the container's view of its own cgroups, in the host's layout.

use crate::cgroups::Membership;
use crate::error::{Doing, Error, Result};
use crate::mount_options::{self, Attributes, Options};
use crate::mounts::{Place, open_tree, set_attributes};
use crate::path_in_root::Kind;
use nix::mount::MsFlags;
use nix::unistd::symlinkat;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Shows the container its cgroups below `destination`: one file system on pure v2, else a directory a hierarchy.
///
/// # Errors
/// Names the hierarchy.
pub fn make(place: &Place, destination: &Path, options: &Options) -> Result<OwnedFd> {
    let flags = MsFlags::from_bits_retain(options.flags);
    let target = place.root.find_or_make(destination, Kind::Directory)?;
    place.arrival.complete()?;
    match place.cgroups {
        [] => Err(Error::new("no cgroup hierarchy is mounted")),
        [only] if only.hierarchy.is_unified() => show(place, only, &target, options),
        several => {
            // Read-only comes last, for the hierarchies' directories have yet to be made.
            let writable = flags.difference(MsFlags::MS_RDONLY);
            let all = place.mount(Some(Path::new("tmpfs")), &target, Some("tmpfs"), writable, "mode=755")?;
            for membership in several {
                show_below(place, membership, destination, options)?;
            }
            if flags.contains(MsFlags::MS_RDONLY) {
                set_attributes(&all, Attributes { set: mount_options::RDONLY, clear: 0 }, 0)?;
            }
            Ok(all)
        }
    }
}

fn show_below(place: &Place, membership: &Membership, destination: &Path, options: &Options) -> Result<()> {
    let name = membership.hierarchy.mountpoint.file_name().unwrap_or_default();
    let path = destination.join(name);
    let target = place.root.find_or_make(&path, Kind::Directory)?;
    show(place, membership, &target, options)?;
    // Programs look for `cpu` also where it is mounted with `cpuacct`.
    let single = membership.hierarchy.names.iter().filter(|single| single.as_str() != name && !single.contains('='));
    for single in single {
        let made = place.root.make(&destination.join(single), |parent, link| symlinkat(Path::new(name), parent, link));
        made.doing(|| format!("link {single} to {}", name.display()))?;
    }
    Ok(())
}

/// In a cgroup namespace a new mount begins at the container's cgroup; without one a bind mount does.
fn show(place: &Place, membership: &Membership, target: &OwnedFd, options: &Options) -> Result<OwnedFd> {
    let what = || format!("show {}", membership.hierarchy.mountpoint.display());
    let names = membership.hierarchy.names.join(",");
    if place.cgroup_namespace {
        let typ = if membership.hierarchy.is_unified() { "cgroup2" } else { "cgroup" };
        let flags = MsFlags::from_bits_retain(options.flags);
        let readonly = Attributes { set: u64::from(flags.contains(MsFlags::MS_RDONLY)), clear: 0 };
        // The superblock is the host's own, and would become read-only for it too.
        let flags = flags.difference(MsFlags::MS_RDONLY);
        let data = if typ == "cgroup2" { "" } else { names.as_str() };
        let mounted = place.mount(Some(Path::new("cgroup")), target, Some(typ), flags, data).doing(what)?;
        return set_attributes(&mounted, readonly, 0).map(|()| mounted);
    }
    let tree = open_tree(&membership.directory, false)?;
    set_attributes(&tree, options.own, 0)?;
    place.attach(&tree, target).doing(what).map(|()| tree)
}

//! Bind mounts on which files appear under mapped owners.
//!
//! They are made by the creating process, for the kernel asks for privileges over the file system itself, which the
//! container process has given up in a user namespace. That one only puts them in their place.

use crate::error::{Doing, Error, Result};
use crate::mount_options::{self, Attributes, Options};
use crate::mounts::{mount_setattr, open_tree};
use crate::namespaces;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType as Type, Mount, Spec};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A mount that is nowhere yet, and the entry of `mounts` that it is for.
pub type Prepared = (usize, OwnedFd);

/// Refuses entries that can't be mapped.
///
/// # Errors
/// Says why.
pub fn check(spec: &Spec, entry: &Mount) -> Result<()> {
    let options = mount_options::parse(entry.options().as_deref().unwrap_or_default());
    // [mounts.id-mappings-both]
    let (uids, gids) = own_mappings(entry);
    if uids.is_empty() != gids.is_empty() {
        return Err(Error::new("it has only one of uidMappings and gidMappings"));
    }
    namespaces::check_ranges(uids).doing(|| "uidMappings".into())?;
    namespaces::check_ranges(gids).doing(|| "gidMappings".into())?;
    let mapped = is_mapped(entry, &options);
    if mapped && options.bind.is_none() {
        return Err(Error::new("only a bind mount can be id-mapped"));
    }
    // [mounts.id-mapping-missing-refused] [mounts.id-mapping-without-user-namespace-refused]
    if mapped && mappings(spec, entry).is_none() {
        return Err(Error::new("an id-mapped mount needs mappings, its own or those of a new user namespace"));
    }
    Ok(())
}

/// Makes all id-mapped mounts of the config.
///
/// # Errors
/// Names the entry.
pub fn prepare(spec: &Spec, bundle: &Path) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::new();
    for (index, entry) in spec.mounts().as_deref().unwrap_or_default().iter().enumerate() {
        let options = mount_options::parse(entry.options().as_deref().unwrap_or_default());
        if is_mapped(entry, &options) {
            let what = || format!("map the owners of {}", entry.destination().display());
            let (uids, gids) = mappings(spec, entry).ok_or_else(|| Error::new("there are no mappings")).doing(what)?;
            let source = bundle.join(entry.source().as_deref().unwrap_or(Path::new("")));
            let tree = open_tree(&source, options.bind == Some(true)).doing(what)?;
            let namespace = UserNamespace::make(uids, gids).doing(what)?;
            namespace.map(&tree, options.id_map == Some(true)).doing(what)?;
            prepared.push((index, tree));
        }
    }
    Ok(prepared)
}

fn is_mapped(entry: &Mount, options: &Options) -> bool {
    options.id_map.is_some() || !own_mappings(entry).0.is_empty()
}

fn own_mappings(entry: &Mount) -> Mappings<'_> {
    (entry.uid_mappings().as_deref().unwrap_or_default(), entry.gid_mappings().as_deref().unwrap_or_default())
}

type Mappings<'a> = (&'a [LinuxIdMapping], &'a [LinuxIdMapping]);

// [mounts.id-mapping-own] [mounts.id-mapping-of-container]
fn mappings<'a>(spec: &'a Spec, entry: &'a Mount) -> Option<Mappings<'a>> {
    let own = own_mappings(entry);
    if !own.0.is_empty() {
        return Some(own);
    }
    let linux = spec.linux().as_ref().filter(|_| namespaces::is_new(spec, Type::User))?;
    Some((linux.uid_mappings().as_deref()?, linux.gid_mappings().as_deref()?))
}

/// A user namespace that nobody is in; it only stands for its mappings.
struct UserNamespace(OwnedFd);

impl UserNamespace {
    fn make(uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<Self> {
        let what = || "make a user namespace".to_owned();
        let (mut made, making) = std::io::pipe().doing(what)?;
        let (mapped, mapping) = std::io::pipe().doing(what)?;
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.doing(what)? {
            ForkResult::Child => {
                drop((made, mapping));
                // The child says that it is in, and waits for the end of the other pipe.
                let entered = unshare(CloneFlags::CLONE_NEWUSER).is_ok() && (&making).write_all(b"m").is_ok();
                let _ = (&mapped).read(&mut [0]);
                // SAFETY: _exit(2) has no preconditions.
                unsafe { libc::_exit(i32::from(!entered)) }
            }
            ForkResult::Parent { child } => {
                drop((making, mapped));
                let namespace = made.read_exact(&mut [0]).doing(what).and_then(|()| Self::of(child, uids, gids));
                drop(mapping);
                waitpid(child, None).doing(what)?;
                namespace
            }
        }
    }

    // [mounts.uid-mappings-applied] [mounts.gid-mappings-applied]
    fn of(child: Pid, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<Self> {
        namespaces::write_maps(child, uids, gids)?;
        let path = format!("/proc/{child}/ns/user");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        open(path.as_str(), flags, Mode::empty()).map(UserNamespace).doing(|| format!("open {path}"))
    }

    // [mounts.option-idmap] [mounts.option-ridmap]
    fn map(&self, tree: &OwnedFd, recursive: bool) -> Result<()> {
        let depth = if recursive { libc::AT_RECURSIVE } else { 0 };
        mount_setattr(tree, Attributes::default(), Some(&self.0), depth).doing(|| "set the mapping".into())
    }
}

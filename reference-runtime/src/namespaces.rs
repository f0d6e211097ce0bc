//! Which namespaces the container process is in, and the id mappings of its user namespace.

use crate::channel::{Channel, Message};
use crate::error::{Doing, Error, Result};
use crate::{hostname, sysctl};
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid, setresgid, setresuid};
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespace, LinuxNamespaceType as Type, Spec};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Opens every namespace that is named by path, in the runtime's own mount namespace.
///
/// The user namespace comes last: joining it gives up the privileges that joining the others takes.
///
/// # Errors
/// A path doesn't lead to a namespace of its entry's type.
pub fn open_paths(spec: &Spec) -> Result<Vec<(Type, OwnedFd)>> {
    let mut open = Vec::new();
    for namespace in entries(spec) {
        if let Some(path) = namespace.path() {
            open.push((namespace.typ(), open_path(namespace.typ(), path)?));
        }
    }
    open.sort_by_key(|(typ, _)| *typ == Type::User);
    Ok(open)
}

// [namespaces.path-of-other-type-refused]
fn open_path(typ: Type, path: &Path) -> Result<OwnedFd> {
    let what = || format!("open {} as a {typ} namespace", path.display());
    let fd = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).doing(what)?;
    let nsfs = nix::sys::statfs::fstatfs(&fd).doing(what)?.filesystem_type();
    if nsfs != nix::sys::statfs::NSFS_MAGIC {
        return Err(Error::new("it is no namespace")).doing(what);
    }
    // SAFETY: NS_GET_NSTYPE takes no argument and only reads what the descriptor stands for.
    let found = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&fd), libc::NS_GET_NSTYPE) };
    if found != flag(typ).bits() {
        return Err(Error::new("it is a namespace of another type")).doing(what);
    }
    Ok(fd)
}

/// Joins and makes all namespaces but the pid namespace, which only children of the caller will be in.
///
/// # Errors
/// A namespace can't be joined or made, or its ids not be mapped.
// [namespaces.types-supported]
pub fn enter(spec: &Spec, by_path: &[(Type, OwnedFd)], channel: &Channel) -> Result<()> {
    for (typ, fd) in by_path.iter().filter(|(typ, _)| *typ != Type::User) {
        setns(fd, flag(*typ)).doing(|| format!("join the {typ} namespace"))?;
    }
    if let Some((_, fd)) = by_path.iter().find(|(typ, _)| *typ == Type::User) {
        setns(fd, CloneFlags::CLONE_NEWUSER).doing(|| "join the user namespace".into())?;
        become_root()?;
    }
    // A new user namespace comes first, so that it owns the others.
    if is_new(spec, Type::User) {
        unshare(CloneFlags::CLONE_NEWUSER).doing(|| "make a user namespace".into())?;
        channel.send(&Message::NeedsMappings)?;
        channel.expect(&Message::Mapped)?;
        become_root()?;
    }
    let others = entries(spec).iter().filter(|entry| is_unnamed(entry) && entry.typ() != Type::User);
    for typ in others.map(LinuxNamespace::typ) {
        unshare(flag(typ)).doing(|| format!("make a {typ} namespace"))?;
    }
    set_time_offsets(spec)
}

/// In a user namespace the ids 0 are needed to set the container up; the process's own ids come later.
fn become_root() -> Result<()> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid).doing(|| "become group 0 of the user namespace".into())?;
    setresuid(uid, uid, uid).doing(|| "become user 0 of the user namespace".into())
}

/// Writes the id mappings of the user namespace that `pid` has made.
///
/// # Errors
/// The kernel refuses them.
// [namespaces.uid-mappings-applied] [namespaces.gid-mappings-applied]
pub fn write_mappings(spec: &Spec, pid: Pid) -> Result<()> {
    let linux = spec.linux().as_ref();
    let uids = linux.and_then(|linux| linux.uid_mappings().as_deref()).unwrap_or_default();
    let gids = linux.and_then(|linux| linux.gid_mappings().as_deref()).unwrap_or_default();
    write_maps(pid, uids, gids)
}

pub(crate) fn write_maps(pid: Pid, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<()> {
    for (file, mappings) in [("uid_map", uids), ("gid_map", gids)] {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, lines(mappings)).doing(|| format!("write {file} of the user namespace"))?;
    }
    Ok(())
}

fn lines(mappings: &[LinuxIdMapping]) -> String {
    let line = |map: &LinuxIdMapping| format!("{} {} {}\n", map.container_id(), map.host_id(), map.size());
    mappings.iter().map(line).collect()
}

// [namespaces.time-offset-monotonic] [namespaces.time-offset-boottime]
fn set_time_offsets(spec: &Spec) -> Result<()> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    for (clock, offset) in offsets.into_iter().flatten() {
        let (seconds, nanoseconds) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        std::fs::write("/proc/self/timens_offsets", format!("{clock} {seconds} {nanoseconds}\n"))
            .doing(|| format!("set the offset of the clock {clock}"))?;
    }
    Ok(())
}

/// Refuses contradictions among namespaces and the properties that need one.
///
/// # Errors
/// Names the contradiction.
pub fn check(spec: &Spec) -> Result<()> {
    let all = entries(spec);
    for (index, entry) in all.iter().enumerate() {
        // [namespaces.duplicate-refused]
        if all[..index].iter().any(|earlier| earlier.typ() == entry.typ()) {
            return Err(Error::new(format!("linux.namespaces: {} stands twice", entry.typ())));
        }
        // [namespaces.path-absolute]
        if entry.path().as_ref().is_some_and(|path| !path.as_os_str().is_empty() && path.is_relative()) {
            return Err(Error::new(format!("linux.namespaces: the path of {} is not absolute", entry.typ())));
        }
    }
    check_mappings(spec)?;
    let has = |typ| all.iter().any(|entry| entry.typ() == typ);
    hostname::check(spec, has(Type::Uts))?;
    sysctl::check(spec, has)
}

fn check_mappings(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    let mapped = |list: &Option<Vec<LinuxIdMapping>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let (uids, gids) = (mapped(linux.uid_mappings()), mapped(linux.gid_mappings()));
    if (uids || gids) && !is_new(spec, Type::User) {
        return Err(Error::new("linux.uidMappings and gidMappings need a new user namespace"));
    }
    if is_new(spec, Type::User) && !(uids && gids) {
        return Err(Error::new("a new user namespace needs linux.uidMappings and gidMappings"));
    }
    if linux.time_offsets().as_ref().is_some_and(|map| !map.is_empty()) && !is_new(spec, Type::Time) {
        return Err(Error::new("linux.timeOffsets needs a new time namespace"));
    }
    Ok(())
}

/// Whether the container gets a new namespace of this type.
pub fn is_new(spec: &Spec, typ: Type) -> bool {
    entries(spec).iter().any(|entry| entry.typ() == typ && is_unnamed(entry))
}

/// The path of the existing namespace of this type that the container joins.
pub fn path(spec: &Spec, typ: Type) -> Option<PathBuf> {
    let entry = entries(spec).iter().find(|entry| entry.typ() == typ && !is_unnamed(entry))?;
    entry.path().clone()
}

fn is_unnamed(entry: &LinuxNamespace) -> bool {
    entry.path().as_ref().is_none_or(|path| path.as_os_str().is_empty())
}

fn entries(spec: &Spec) -> &[LinuxNamespace] {
    spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default()
}

/// The flag of clone(2) that stands for this type.
pub fn flag(typ: Type) -> CloneFlags {
    match typ {
        Type::Mount => CloneFlags::CLONE_NEWNS,
        Type::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        Type::Uts => CloneFlags::CLONE_NEWUTS,
        Type::Ipc => CloneFlags::CLONE_NEWIPC,
        Type::User => CloneFlags::CLONE_NEWUSER,
        Type::Pid => CloneFlags::CLONE_NEWPID,
        Type::Network => CloneFlags::CLONE_NEWNET,
        // nix has no name for it: a time namespace can't be made by clone(2), only by clone3(2) and unshare(2).
        Type::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
    }
}

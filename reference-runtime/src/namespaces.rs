//! Which namespaces the container process is in, and the id mappings of its user namespace.

use crate::channel::{Channel, Message};
use crate::error::{Doing, Error, Result};
use crate::rootless::{self, Kind};
use crate::{hostname, procfs, sysctl};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, stat};
use nix::unistd::{Gid, Pid, Uid, setresgid, setresuid};
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespace, LinuxNamespaceType as Type, LinuxTimeOffset, Process, Spec};
use std::fs::File;
use std::io::Write;
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

/// Joins and makes all namespaces that the caller was not born in, but for the cgroup namespace, which follows once it is
/// in its cgroups. Only children of the caller will be in a pid namespace that is made or joined here.
///
/// # Errors
/// A namespace can't be joined or made, or its ids not be mapped.
// [namespaces.types-supported]
pub fn enter(spec: &Spec, by_path: &[(Type, OwnedFd)], born_in: CloneFlags, channel: &Channel) -> Result<()> {
    let new_user = is_new(spec, Type::User);
    let offsets = open_time_offsets(spec)?;
    // Nobody in a namespace that is joined may look into this process before it is the user's program. But as long as it
    // is hidden only root can write its mappings, and in a new user namespace is nobody else.
    if !new_user {
        hide()?;
    }
    let mut forbidden = Vec::new();
    for (typ, fd) in by_path.iter().filter(|(typ, _)| *typ != Type::User) {
        match setns(fd, flag(*typ)) {
            Err(Errno::EPERM) => forbidden.push((*typ, fd)),
            joined => joined.doing(|| format!("join the {typ} namespace"))?,
        }
    }
    if let Some((_, fd)) = by_path.iter().find(|(typ, _)| *typ == Type::User) {
        setns(fd, CloneFlags::CLONE_NEWUSER).doing(|| "join the user namespace".into())?;
        become_root()?;
    }
    // A new user namespace comes first, so that it owns the others.
    if new_user {
        if !born_in.contains(CloneFlags::CLONE_NEWUSER) {
            unshare(CloneFlags::CLONE_NEWUSER).doing(|| "make a user namespace".into())?;
            channel.send(&Message::NeedsMappings)?;
        }
        channel.expect(&Message::Mapped)?;
        become_root()?;
        hide()?;
    }
    // What its caller may not join, root of the user namespace that owns it may.
    for (typ, fd) in forbidden {
        setns(fd, flag(typ)).doing(|| format!("join the {typ} namespace"))?;
    }
    for typ in new(spec).filter(|typ| !matches!(typ, Type::User | Type::Cgroup) && !born_in.contains(flag(*typ))) {
        unshare(flag(typ)).doing(|| format!("make a {typ} namespace"))?;
    }
    set_time_offsets(spec, offsets)
}

/// Makes the cgroup namespace, whose root is the caller's cgroup at this moment.
///
/// # Errors
/// The kernel refuses.
pub fn enter_cgroup_namespace(spec: &Spec) -> Result<()> {
    if !is_new(spec, Type::Cgroup) {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).doing(|| "make a cgroup namespace".into())
}

/// The namespaces that a process of this config can be born in.
pub fn new_at_birth(spec: &Spec) -> CloneFlags {
    new(spec).filter(|typ| *typ != Type::Cgroup).map(flag).collect()
}

fn hide() -> Result<()> {
    nix::sys::prctl::set_dumpable(false).doing(|| "hide from other processes".into())
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
    let (uids, gids) = mappings(spec);
    write_maps(pid, uids, gids)
}

pub(crate) fn write_maps(pid: Pid, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<()> {
    rootless::write_map(pid, Kind::Uid, uids)?;
    rootless::write_map(pid, Kind::Gid, gids)
}

/// The file for the offsets of the clocks, opened by the caller as it was born: later it may not open it any more.
fn open_time_offsets(spec: &Spec) -> Result<Option<File>> {
    let wanted = is_new(spec, Type::Time) && time_offsets(spec).next().is_some();
    wanted.then(|| procfs::open_file("self/timens_offsets")).transpose()
}

// [namespaces.time-offset-monotonic] [namespaces.time-offset-boottime]
fn set_time_offsets(spec: &Spec, file: Option<File>) -> Result<()> {
    let Some(mut file) = file else { return Ok(()) };
    for (clock, seconds, nanoseconds) in time_offsets(spec) {
        file.write_all(format!("{clock} {seconds} {nanoseconds}\n").as_bytes())
            .doing(|| format!("set linux.timeOffsets.{clock} to {seconds} s and {nanoseconds} ns"))?;
    }
    Ok(())
}

/// Clocks, seconds and nanoseconds.
fn time_offsets(spec: &Spec) -> impl Iterator<Item = (&str, i64, u32)> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let parts = |(clock, offset): (_, &LinuxTimeOffset)| {
        (String::as_str(clock), offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0))
    };
    offsets.into_iter().flatten().map(parts)
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
    check_time_offsets(spec)?;
    hostname::check(spec, is_own(spec, Type::Uts))?;
    sysctl::check(spec, |typ| is_own(spec, typ))
}

// [namespaces.mappings-without-namespace-refused]
fn check_mappings(spec: &Spec) -> Result<()> {
    let (uids, gids) = mappings(spec);
    match (is_new(spec, Type::User), uids, gids) {
        (false, [], []) => return Ok(()),
        (false, ..) => return Err(Error::new("linux.uidMappings and gidMappings need a new user namespace")),
        (true, [], _) | (true, _, []) => {
            return Err(Error::new("a new user namespace needs linux.uidMappings and gidMappings"));
        }
        (true, ..) => {}
    }
    check_ranges(uids).doing(|| "linux.uidMappings".into())?;
    check_ranges(gids).doing(|| "linux.gidMappings".into())?;
    let Some(user) = spec.process().as_ref().map(Process::user) else { return Ok(()) };
    check_mapped("process.user.uid", user.uid(), uids)?;
    check_mapped("process.user.gid", user.gid(), gids)?;
    let groups = user.additional_gids().iter().flatten();
    groups.copied().try_for_each(|group| check_mapped("process.user.additionalGids", group, gids))
}

fn check_mapped(property: &str, id: u32, mappings: &[LinuxIdMapping]) -> Result<()> {
    let holds = |map: &LinuxIdMapping| id.checked_sub(map.container_id()).is_some_and(|offset| offset < map.size());
    if mappings.iter().any(holds) {
        return Ok(());
    }
    Err(Error::new(format!("{property}: {id} is not mapped in the user namespace")))
}

/// Refuses mappings that the kernel would: of nothing, of the id that stands for none, and of an id twice.
pub(crate) fn check_ranges(mappings: &[LinuxIdMapping]) -> Result<()> {
    for (side, first) in
        [("containerID", LinuxIdMapping::container_id as fn(&_) -> _), ("hostID", LinuxIdMapping::host_id)]
    {
        let mut ranges: Vec<(u32, u32)> = mappings.iter().map(|map| (first(map), map.size())).collect();
        ranges.sort_unstable();
        if let Some((id, size)) = ranges.iter().find(|(id, size)| *size == 0 || id.checked_add(*size).is_none()) {
            return Err(Error::new(format!("{size} ids from the {side} {id} on can't be mapped")));
        }
        if let Some(pair) = ranges.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
            return Err(Error::new(format!("the {side} {} is mapped twice", pair[1].0)));
        }
    }
    Ok(())
}

fn check_time_offsets(spec: &Spec) -> Result<()> {
    for (clock, seconds, nanoseconds) in time_offsets(spec) {
        let what = || format!("linux.timeOffsets.{clock}");
        if !["monotonic", "boottime"].contains(&clock) {
            return Err(Error::new("no clock of this name can be offset")).doing(what);
        }
        if nanoseconds >= 1_000_000_000 {
            return Err(Error::new(format!("nanosecs: {nanoseconds} is a second or more"))).doing(what);
        }
        // [namespaces.time-offsets-without-namespace-refused]
        if (seconds, nanoseconds) != (0, 0) && !is_new(spec, Type::Time) {
            return Err(Error::new("it needs a new time namespace")).doing(what);
        }
    }
    Ok(())
}

fn mappings(spec: &Spec) -> (&[LinuxIdMapping], &[LinuxIdMapping]) {
    let linux = spec.linux().as_ref();
    let uids = linux.and_then(|linux| linux.uid_mappings().as_deref()).unwrap_or_default();
    (uids, linux.and_then(|linux| linux.gid_mappings().as_deref()).unwrap_or_default())
}

/// Whether the container gets a new namespace of this type.
pub fn is_new(spec: &Spec, typ: Type) -> bool {
    entries(spec).iter().any(|entry| entry.typ() == typ && is_unnamed(entry))
}

/// Whether the container is in another namespace of this type than the runtime.
pub fn is_own(spec: &Spec, typ: Type) -> bool {
    entries(spec).iter().any(|entry| entry.typ() == typ && !is_runtimes_own(entry))
}

/// Whether an entry that has a path names the namespace that the runtime itself is in.
fn is_runtimes_own(entry: &LinuxNamespace) -> bool {
    let name = match entry.typ() {
        Type::Mount => "mnt".into(),
        Type::Network => "net".into(),
        typ => typ.to_string(),
    };
    let own = stat(format!("/proc/self/ns/{name}").as_str());
    let named = entry.path().as_ref().map(|path| stat(path.as_path()));
    matches!((own, named), (Ok(own), Some(Ok(named))) if (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino))
}

/// The path of the existing namespace of this type that the container joins.
pub fn path(spec: &Spec, typ: Type) -> Option<PathBuf> {
    let entry = entries(spec).iter().find(|entry| entry.typ() == typ && !is_unnamed(entry))?;
    entry.path().clone()
}

/// Whether the container joins any existing namespace.
pub fn any_joined(spec: &Spec) -> bool {
    entries(spec).iter().any(|entry| !is_unnamed(entry))
}

fn new(spec: &Spec) -> impl Iterator<Item = Type> {
    entries(spec).iter().filter(|entry| is_unnamed(entry)).map(LinuxNamespace::typ)
}

fn is_unnamed(entry: &LinuxNamespace) -> bool {
    entry.path().as_ref().is_none_or(|path| path.as_os_str().is_empty())
}

fn entries(spec: &Spec) -> &[LinuxNamespace] {
    spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default()
}

/// The name that stands for this type in /proc/PID/ns.
pub fn file(typ: Type) -> &'static str {
    match typ {
        Type::Mount => "mnt",
        Type::Cgroup => "cgroup",
        Type::Uts => "uts",
        Type::Ipc => "ipc",
        Type::User => "user",
        Type::Pid => "pid",
        Type::Network => "net",
        Type::Time => "time",
    }
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

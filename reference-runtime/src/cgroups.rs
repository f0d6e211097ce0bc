//! Where in the cgroup hierarchies the container is. The limits stand in the chapters of their controllers.

use crate::device_rules::Restriction;
use crate::error::{Doing, Error, Result, warn};
use crate::hooks::pidfd_open;
use crate::resources::{self, Moment};
use crate::{cpu, rootless};
use nix::libc;
use nix::unistd::{AccessFlags, Pid, access};
use oci_spec::runtime::{LinuxResources, Spec};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a cgroup may stay populated after all of its processes were killed.
const EMPTYING: Duration = Duration::from_secs(10);

/// A mounted cgroup hierarchy, as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// The names that stand for it in /proc/self/cgroup; none for cgroup v2.
    pub names: Vec<String>,
    /// The runtime's own cgroup, from the mount point.
    own: PathBuf,
}

/// The container's cgroup in one hierarchy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Membership {
    /// The hierarchy.
    pub hierarchy: Hierarchy,
    /// The directory of the container's cgroup.
    pub directory: PathBuf,
}

/// What is kept of the container's cgroups until it is deleted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Placement {
    /// The cgroups that are about to be made, of which nobody knows yet who was the quickest to make them.
    planned: Vec<PathBuf>,
    /// The cgroups that were made for the container, in the order of their making.
    made: Vec<PathBuf>,
    /// The container's cgroups, which were there before or not.
    pub memberships: Vec<Membership>,
}

impl Placement {
    /// Whether the creating process was killed before it told which cgroups it had made.
    pub fn is_uncertain(&self) -> bool {
        !self.planned.is_empty()
    }
}

impl Hierarchy {
    /// Whether this is the one hierarchy of cgroup v2.
    pub fn is_unified(&self) -> bool {
        self.names.is_empty()
    }

    // [cgroups.path-absolute] [cgroups.path-relative] [cgroups.path-unset]
    fn directory(&self, path: Option<&Path>, id: &str) -> PathBuf {
        match path {
            Some(path) if path.is_absolute() => self.mountpoint.join(path.strip_prefix("/").unwrap_or(path)),
            // On v2 beside the runtime's own cgroup: one that has processes can't give controllers to those below it.
            path => {
                let own = if self.is_unified() { self.own.parent().unwrap_or(Path::new("")) } else { &self.own };
                self.mountpoint.join(own).join(path.unwrap_or(Path::new(id)))
            }
        }
    }
}

/// Refuses paths that lead out of the hierarchy or name its root, and limits that can't be read.
///
/// # Errors
/// Names the path.
// [cgroups.path-invalid] [cgroups.path-invalid-refused]
pub fn check(spec: &Spec) -> Result<()> {
    let Some(path) = path(spec) else { return Ok(()) };
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if climbs || path.file_name().is_none() {
        return Err(Error::new(format!("linux.cgroupsPath: {} names no cgroup below the root", path.display())));
    }
    Ok(())
}

fn path(spec: &Spec) -> Option<&Path> {
    let path = spec.linux().as_ref()?.cgroups_path().as_deref()?;
    (!path.as_os_str().is_empty()).then_some(path)
}

fn resources(spec: &Spec) -> Option<&LinuxResources> {
    spec.linux().as_ref()?.resources().as_ref()
}

/// Finds the places of the container's cgroups, and notes which of them have to be made.
///
/// # Errors
/// A cgroup is there already and unfit.
pub fn plan(spec: &Spec, id: &str, placement: &mut Placement) -> Result<Vec<Membership>> {
    let mut memberships = Vec::new();
    for hierarchy in hierarchies()? {
        let directory = hierarchy.directory(path(spec), id);
        if is_indifferent(spec) && !can_be_made(&directory) {
            continue;
        }
        check_fitness(&directory).doing(|| format!("use the cgroup {}", directory.display()))?;
        let above = directory.ancestors().take_while(|path| path.starts_with(&hierarchy.mountpoint));
        let mut missing: Vec<PathBuf> = above.filter(|path| !path.exists()).map(Path::to_owned).collect();
        missing.reverse();
        placement.planned.append(&mut missing);
        memberships.push(Membership { hierarchy, directory });
    }
    placement.memberships.clone_from(&memberships);
    // What can't be had is known before anything is made for it.
    resources(spec).map_or(Ok(()), |resources| resources::check(resources, &memberships))?;
    Ok(memberships)
}

/// Whether the config asks neither for a place nor for limits: then a container whose caller may make no cgroup goes
/// without one, in that of its caller. // [cgroups.path-unset]
fn is_indifferent(spec: &Spec) -> bool {
    let asks_nothing = |resources: &LinuxResources| {
        let mut limits = resources.clone();
        if rootless::is_ordinary() {
            limits.set_devices(None);
        }
        limits == LinuxResources::default()
    };
    path(spec).is_none() && resources(spec).is_none_or(asks_nothing)
}

fn can_be_made(directory: &Path) -> bool {
    let above = directory.ancestors().find(|path| path.exists());
    above.is_some_and(|above| access(above, AccessFlags::W_OK).is_ok())
}

/// The cgroups that the calling process is in.
///
/// # Errors
/// /proc can't be read.
pub fn own() -> Result<Vec<Membership>> {
    let member = |hierarchy: Hierarchy| Membership { directory: hierarchy.mountpoint.join(&hierarchy.own), hierarchy };
    Ok(hierarchies()?.into_iter().map(member).collect())
}

/// Who is in the cgroup already would share the container's limits, and its end. // [cgroups.fitness-checked]
fn check_fitness(directory: &Path) -> Result<()> {
    let holds = |file, text| fs::read_to_string(directory.join(file)).is_ok_and(|found| found.trim() == text);
    if holds("freezer.state", "FROZEN") || holds("cgroup.freeze", "1") {
        return Err(Error::new("it is frozen")); // [cgroups.unfit-refused]
    }
    match fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(processes) if !processes.is_empty() => Err(Error::new("it is in use")),
        _ => Ok(()),
    }
}

/// Makes the planned cgroups and sets the limits that the container process can be born under.
///
/// # Errors
/// Names the cgroup or the limit.
// [cgroups.path-created]
pub fn make(spec: &Spec, memberships: &[Membership], placement: &mut Placement) -> Result<()> {
    for directory in std::mem::take(&mut placement.planned) {
        let what = || format!("make the cgroup {}", directory.display());
        match fs::create_dir(&directory) {
            // Somebody else was quicker, and so it is theirs.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                made.doing(what)?;
                placement.made.push(directory.clone());
            }
        }
        cpu::fill_set(&directory).doing(what)?;
    }
    resources(spec).map_or(Ok(()), |resources| resources::set(resources, memberships, Moment::Birth))
}

/// The container's cgroup on v2, in which a process can be born.
pub fn unified(memberships: &[Membership]) -> Option<&Membership> {
    memberships.iter().find(|member| member.hierarchy.is_unified())
}

/// Moves a process into the container's cgroups.
///
/// # Errors
/// Names the cgroup.
pub fn join<'m>(memberships: impl Iterator<Item = &'m Membership>, pid: Pid) -> Result<()> {
    for membership in memberships {
        let file = membership.directory.join("cgroup.procs");
        fs::write(&file, pid.to_string()).doing(|| format!("join the cgroup {}", membership.directory.display()))?;
    }
    Ok(())
}

/// Moves the process `pid` into the cgroups of a container whose first process is `init`.
///
/// # Errors
/// Names the cgroup.
pub fn join_beside(placement: &Placement, init: i32, pid: Pid) -> Result<()> {
    for membership in &placement.memberships {
        let write = |directory: &Path| fs::write(directory.join("cgroup.procs"), pid.to_string());
        let joined = match write(&membership.directory) {
            // On v2 the container may have divided its cgroup among cgroups below; then it is where its first process is.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                holding(&membership.directory, init).map_or(Err(error), |directory| write(&directory))
            }
            joined => joined,
        };
        joined.doing(|| format!("join the cgroup {}", membership.directory.display()))?;
    }
    Ok(())
}

/// The cgroup at or below `directory` that a process is in.
fn holding(directory: &Path, pid: i32) -> Option<PathBuf> {
    let procs = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    if procs.lines().any(|line| line.parse() == Ok(pid)) {
        return Some(directory.to_owned());
    }
    children(directory).iter().find_map(|child| holding(child, pid))
}

/// Makes ready which devices may be used: the runtime itself is not bound by it while it makes nodes.
///
/// # Errors
/// Names the rule.
pub fn device_restriction<'a>(spec: &Spec, memberships: &'a [Membership]) -> Result<Restriction<'a>> {
    let rules = resources(spec).and_then(|resources| resources.devices().as_deref());
    unless_ordinary(Restriction::prepare(rules.unwrap_or_default(), memberships))
}

/// Sets which devices may be used.
///
/// # Errors
/// The kernel refuses.
pub fn restrict_devices(restriction: &Restriction) -> Result<()> {
    unless_ordinary(restriction.enforce())
}

/// Who may set no rules needs none: in its user namespaces no nodes can be made, and those of the host open to it and its
/// container as the host has it.
fn unless_ordinary<T: Default>(restricted: Result<T>) -> Result<T> {
    match restricted {
        Err(error) if rootless::is_ordinary() => {
            warn(error);
            Ok(T::default())
        }
        restricted => restricted,
    }
}

/// Sets the limits that the container process can't be born under, as that of tasks.
///
/// # Errors
/// Names the limit.
pub fn restrict_tasks(spec: &Spec, memberships: &[Membership]) -> Result<()> {
    resources(spec).map_or(Ok(()), |resources| resources::set(resources, memberships, Moment::End))
}

/// The container's cgroup in the hierarchy that `controller` is bound to, or else that of v2.
pub fn find<'a>(controller: &str, memberships: &'a [Membership]) -> Option<&'a Membership> {
    let on_v1 = memberships.iter().find(|member| member.hierarchy.names.iter().any(|name| name == controller));
    on_v1.or_else(|| memberships.iter().find(|member| member.hierarchy.is_unified()))
}

/// On v2 a controller rules over a cgroup if each cgroup above hands it down.
///
/// # Errors
/// Names the cgroup that can't.
pub fn enable(controller: &str, member: &Membership) -> Result<()> {
    let has = |file: &Path| -> Result<bool> {
        let text = fs::read_to_string(file).doing(|| format!("read {}", file.display()))?;
        Ok(text.split_ascii_whitespace().any(|name| name == controller))
    };
    let root = &member.hierarchy.mountpoint;
    let mut above: Vec<&Path> =
        member.directory.ancestors().skip(1).take_while(|path| path.starts_with(root)).collect();
    above.reverse();
    for directory in above {
        let file = directory.join("cgroup.subtree_control");
        if !has(&file)? {
            fs::write(&file, format!("+{controller}"))
                .doing(|| format!("enable the controller {controller} in {}", directory.display()))?;
        }
    }
    Ok(())
}

/// Writes one limit of the container.
///
/// # Errors
/// Names the file and the value.
pub fn write(member: &Membership, file: &str, value: impl std::fmt::Display) -> Result<()> {
    let path = member.directory.join(file);
    fs::write(&path, value.to_string()).doing(|| format!("write {value} to {}", path.display()))
}

/// Thaws what a freezer may hold in the container's cgroups.
pub fn thaw_all(placement: &Placement) {
    placement.memberships.iter().for_each(|member| thaw(&member.directory));
}

/// The ids of all processes in a cgroup and below it.
pub fn processes(directory: &Path) -> Vec<i32> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // One that this process's pid namespace doesn't have reads as 0.
    let own = text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0);
    own.chain(children(directory).iter().flat_map(|child| processes(child))).collect()
}

/// Ends all processes in the cgroups that were made for the container, and removes these cgroups.
///
/// # Errors
/// A cgroup doesn't become empty.
pub fn remove(placement: &Placement) -> Result<()> {
    placement.planned.iter().rev().for_each(|directory| withdraw(directory));
    let mut removed = HashSet::new();
    for directory in placement.made.iter().rev() {
        // A parent that was made on the way, and that others use by now, is theirs.
        let is_parent = removed.contains(directory);
        removed.extend(directory.parent().map(Path::to_owned));
        if is_parent {
            let _ = fs::remove_dir(directory);
        } else {
            remove_tree(directory).doing(|| format!("remove the cgroup {}", directory.display()))?;
        }
    }
    Ok(())
}

/// Removes a cgroup that was to be made for a container whose processes are no more, unless somebody else uses it.
fn withdraw(directory: &Path) {
    let deadline = Instant::now() + EMPTYING;
    // A process that exits closes its files, by which its end is known, before it leaves its cgroup.
    while fs::remove_dir(directory).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
        && processes(directory).into_iter().all(is_exiting)
        && children(directory).is_empty()
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process has begun to exit, or is no more: PF_EXITING of linux/sched.h among the flags in proc_pid_stat(5).
pub(crate) fn is_exiting(pid: i32) -> bool {
    const PF_EXITING: u64 = 4;
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let flags = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_ascii_whitespace().nth(6)?.parse().ok());
    flags.is_none_or(|flags: u64| flags & PF_EXITING != 0)
}

fn remove_tree(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    kill_all(directory)?;
    for child in children(directory) {
        remove_tree(&child)?;
    }
    let deadline = Instant::now() + EMPTYING;
    loop {
        match fs::remove_dir(directory) {
            // A process that was killed leaves its cgroup only after its exit can be seen.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
                kill_all(directory)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            done => return done.doing(|| "remove its directory".into()),
        }
    }
}

/// Kills what is in the cgroup and below it, and waits until that has exited.
fn kill_all(directory: &Path) -> Result<()> {
    thaw(directory);
    for child in children(directory) {
        kill_all(&child)?;
    }
    let file = directory.join("cgroup.procs");
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    for pid in text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0) {
        // One that can't be opened has exited.
        if let Ok(fd) = pidfd_open(Pid::from_raw(pid)) {
            crate::kill::send(&fd, libc::SIGKILL)
                .or_else(|errno| if errno == nix::errno::Errno::ESRCH { Ok(()) } else { Err(errno) })
                .doing(|| format!("kill the process {pid}"))?;
            crate::kill::await_exit(&fd, EMPTYING).doing(|| format!("wait for the end of the process {pid}"))?;
        }
    }
    Ok(())
}

/// A frozen process of v1 doesn't die before it is thawed.
fn thaw(directory: &Path) {
    for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let path = directory.join(file);
        if path.exists() {
            let _ = fs::write(path, value);
        }
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|typ| typ.is_dir())).map(|entry| entry.path()).collect()
}

/// All hierarchies that are mounted and can be reached, found at run time: any of v1, v2 or both.
///
/// # Errors
/// /proc can't be read.
pub fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").doing(|| "read /proc/self/mountinfo".into())?;
    let memberships = fs::read_to_string("/proc/self/cgroup").doing(|| "read /proc/self/cgroup".into())?;
    Ok(parse(&mountinfo, &memberships, |path| fs::metadata(path).ok().map(|facts| facts.dev())))
}

/// `device` tells which file system is seen at a path, for a later mount may cover an earlier one.
fn parse(mountinfo: &str, memberships: &str, device: impl Fn(&Path) -> Option<libc::dev_t>) -> Vec<Hierarchy> {
    let mounts: Vec<Mount> = mountinfo.lines().rev().filter_map(Mount::parse).collect();
    let seen = |mount: &&Mount| device(&mount.mountpoint) == Some(mount.device);
    let mut found = Vec::new();
    for line in memberships.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(own)) = (fields.next(), fields.next()) else { continue };
        let names: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if let Some(mount) = mounts.iter().filter(|mount| mount.is(&names)).find(seen) {
            // A mount may show a part of the hierarchy only; from its root on is what its paths mean.
            let own = Path::new(own).strip_prefix(&mount.root).unwrap_or(Path::new("")).to_owned();
            found.push(Hierarchy { mountpoint: mount.mountpoint.clone(), names, own });
        }
    }
    found
}

/// A line of /proc/self/mountinfo about a cgroup hierarchy.
struct Mount {
    device: libc::dev_t,
    root: PathBuf,
    mountpoint: PathBuf,
    unified: bool,
    options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let (major, minor) = mount.next()?.split_once(':')?;
        let (root, mountpoint) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let typ = file_system.next()?;
        let options = file_system.nth(1)?.to_owned();
        matches!(typ, "cgroup" | "cgroup2").then_some(Mount {
            device: libc::makedev(major.parse().ok()?, minor.parse().ok()?),
            root: unescape(root),
            mountpoint: unescape(mountpoint),
            unified: typ == "cgroup2",
            options,
        })
    }

    fn is(&self, names: &[String]) -> bool {
        let has = |name: &String| self.options.split(',').any(|option| option == name);
        self.unified == names.is_empty() && names.iter().all(has)
    }
}

/// Blanks and such stand in /proc/self/mountinfo as a backslash and three octal digits.
pub fn unescape(text: &str) -> PathBuf {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    PathBuf::from(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw
";
    const OWN: &str = "3:cpu,cpuacct:/\n2:memory:/outer/in\n1:name=systemd:/\n4:pids:/x\n0::/leaf\n";

    fn devices(path: &Path) -> Option<libc::dev_t> {
        let mount = HYBRID.lines().filter_map(Mount::parse).find(|mount| mount.mountpoint == path)?;
        Some(mount.device)
    }

    #[test]
    fn hierarchies_are_found_in_a_hybrid_layout() {
        let found = parse(HYBRID, OWN, devices);
        assert_eq!(found.len(), 4, "pids is not mounted");
        assert_eq!(found[1].directory(None, "c1"), Path::new("/sys/fs/cgroup/memory/in/c1"));
        assert_eq!(found[1].directory(Some(Path::new("/a/b")), "c1"), Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(found[3].directory(Some(Path::new("rel")), "c1"), Path::new("/sys/fs/cgroup/uni fied/rel"));
    }

    #[test]
    fn a_covered_mount_is_not_used() {
        let found = parse(HYBRID, OWN, |path| if path.ends_with("memory") { Some(1) } else { devices(path) });
        assert!(found.iter().all(|hierarchy| hierarchy.names != ["memory"]));
    }
}

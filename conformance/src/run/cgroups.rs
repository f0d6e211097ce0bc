//! The cgroups of a case: made below our own, seen as a root by the case, removed at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::host::View;
use crate::mountinfo::{self, Mount};

/// Below this name the supervisor sits, beside what the runtime makes.
pub const LEAF: &str = "ocf-supervisor";

/// Bytes of memory that a case may use in all, its files included.
const MEMORY: &str = "1073741824";
/// Processes that a case may have in all.
const PIDS: &str = "512";
/// Microseconds in each second that the real-time tasks of a case may have in all.
const REALTIME: &str = "20000";

/// One mounted hierarchy of this host, and where we are in it.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its controllers, `name=…` among them; empty for version 2.
    pub controllers: BTreeSet<String>,
    /// The directory of our own cgroup; on version 2, where a cgroup with processes can't pass controllers
    /// on, the nearest one above it that does.
    pub own: PathBuf,
}

impl Hierarchy {
    /// The hierarchies that are mounted below /sys/fs/cgroup, each once.
    pub fn mounted() -> io::Result<Vec<Self>> {
        let ours = own_paths(&fs::read_to_string("/proc/self/cgroup")?);
        let mounts = mountinfo::parse(&fs::read_to_string("/proc/self/mountinfo")?);
        let mut found: Vec<Self> = Vec::new();
        for mount in mounts.iter().filter(|m| m.point.starts_with("/sys/fs/cgroup")) {
            let Some(hierarchy) = Self::of(mount, &ours) else { continue };
            if !found.iter().any(|known| known.controllers == hierarchy.controllers) {
                found.push(hierarchy);
            }
        }
        Ok(found)
    }

    fn of(mount: &Mount, ours: &BTreeMap<BTreeSet<String>, String>) -> Option<Self> {
        let controllers: BTreeSet<String> = match mount.kind.as_str() {
            "cgroup2" => BTreeSet::new(),
            "cgroup" => {
                ours.keys().find(|set| !set.is_empty() && set.iter().all(|c| mount.super_options.contains(c)))?.clone()
            }
            _ => return None,
        };
        let path = ours.get(&controllers)?;
        // What is mounted may itself be a part of the hierarchy: in a container, its own cgroup.
        let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(path));
        let below = below.strip_prefix("/").unwrap_or(below);
        let mount_point = PathBuf::from(&mount.point);
        let own = mount_point.join(below);
        let own = if controllers.is_empty() { delegating(&own, &mount_point) } else { own };
        Some(Self { own, mount_point, controllers })
    }

    /// Whether it is version 2.
    pub fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Controllers of version 2 that a cgroup below ours can have: those that are passed on, and in the root,
    /// where processes are no hindrance, those that [`Self::undelegated`] tells.
    pub fn delegated_controllers(&self) -> BTreeSet<String> {
        let mut controllers = self.controllers_in("cgroup.subtree_control");
        controllers.extend(self.undelegated());
        controllers
    }

    /// Controllers of version 2 that are there and not passed on, where we can pass them on.
    pub fn undelegated(&self) -> BTreeSet<String> {
        if !self.is_unified() || self.own != self.mount_point {
            return BTreeSet::new();
        }
        let all = self.controllers_in("cgroup.controllers");
        all.difference(&self.controllers_in("cgroup.subtree_control")).cloned().collect()
    }

    fn controllers_in(&self, file: &str) -> BTreeSet<String> {
        words(&fs::read_to_string(self.own.join(file)).unwrap_or_default())
    }

    /// Its name in facts: the controllers, or `unified`.
    pub fn name(&self) -> String {
        if self.is_unified() {
            return "unified".to_owned();
        }
        self.controllers.iter().map(|c| c.strip_prefix("name=").unwrap_or(c)).collect::<Vec<_>>().join(",")
    }
}

/// The nearest cgroup from `own` up to the mount point that passes memory and pids on; else `own`.
fn delegating(own: &Path, mount_point: &Path) -> PathBuf {
    let passes = |directory: &&Path| {
        let enabled = words(&fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap_or_default());
        ["memory", "pids"].iter().all(|c| enabled.contains(*c))
    };
    own.ancestors().take_while(|a| a.starts_with(mount_point)).find(passes).unwrap_or(own).to_owned()
}

fn own_paths(text: &str) -> BTreeMap<BTreeSet<String>, String> {
    let lines = text.lines().filter_map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>().try_into().ok());
    lines
        .map(|[controllers, path]: [&str; 2]| {
            let set = controllers.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect();
            (set, path.to_owned())
        })
        .collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Makes the cgroup `name` below our own in each hierarchy, with limits, and moves this process into it.
///
/// The cgroup itself is where the caller must be when it enters its new cgroup namespace, so the move is in
/// two steps: [`enter`] first, [`settle`] after the namespace is made.
pub fn enter(hierarchies: &[Hierarchy], name: &str) -> io::Result<()> {
    for hierarchy in hierarchies {
        let directory = hierarchy.own.join(name);
        make(&directory, hierarchy)?;
        for (file, value) in [("memory.limit_in_bytes", MEMORY), ("memory.max", MEMORY), ("pids.max", PIDS)] {
            let file = directory.join(file);
            if file.exists() {
                write(&file, value)?;
            }
        }
        // The sum of the children's can't be more than the parent's, so where there is none to give, none is given.
        let _ = write_existing(&directory.join("cpu.rt_runtime_us"), REALTIME);
        write(&directory.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Moves this process from the case's cgroup into a leaf of it, in each hierarchy that the case sees, by the
/// hierarchies' mounts of the host. Whoever is forked from now on is in the leaf, too.
///
/// No process may stay behind: on version 2 a cgroup that has processes passes no controller on.
pub fn settle(hierarchies: &[Hierarchy], name: &str, view: View) -> io::Result<()> {
    for hierarchy in seen(hierarchies, view) {
        let directory = hierarchy.own.join(name);
        let leaf = directory.join(LEAF);
        fs::create_dir_all(&leaf).map_err(|e| told(&leaf, &e))?;
        inherit_cpuset(&leaf)?;
        write(&leaf.join("cgroup.procs"), "0")?;
        if hierarchy.is_unified() {
            enable_below(&directory);
        }
    }
    Ok(())
}

/// The hierarchies that a view has.
fn seen(hierarchies: &[Hierarchy], view: View) -> impl Iterator<Item = &Hierarchy> {
    hierarchies.iter().filter(move |hierarchy| match view {
        View::Host => true,
        View::V1 => !hierarchy.is_unified(),
        View::V2 => hierarchy.is_unified(),
    })
}

/// Enables for the children of a version 2 cgroup all that it has itself; what can't be enabled stays off.
fn enable_below(directory: &Path) {
    let controllers = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    let enabled = words(&fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap_or_default());
    for controller in words(&controllers).difference(&enabled) {
        // A refusal is no trouble: `doctor` and the facts say which controllers there are.
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

fn make(directory: &Path, hierarchy: &Hierarchy) -> io::Result<()> {
    fs::create_dir(directory).map_err(|e| told(directory, &e))?;
    if hierarchy.controllers.contains("cpuset") { inherit_cpuset(directory) } else { Ok(()) }
}

/// Fills the cpusets of a cgroup and of those above it, below `root`; where there are none there is nothing to do.
pub fn fill_cpuset(root: &Path, directory: &Path) -> io::Result<()> {
    let mut all: Vec<&Path> = directory.ancestors().take_while(|it| it.starts_with(root) && *it != root).collect();
    all.reverse();
    all.into_iter().try_for_each(inherit_cpuset)
}

/// A new v1 cpuset is empty, and takes no process until it is filled.
fn inherit_cpuset(directory: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let mine = directory.join(file);
        let Ok(current) = fs::read_to_string(&mine) else { continue };
        if directory.join("cgroup.clone_children").exists() && current.trim().is_empty() {
            let parents = fs::read_to_string(directory.parent().unwrap_or(directory).join(file))?;
            write(&mine, parents.trim())?;
        }
    }
    Ok(())
}

/// Mounts the hierarchies of the view anew below /sys/fs/cgroup, where this process's cgroup namespace makes
/// its own cgroup the root. Gives the mount points with the hierarchies' names.
pub fn mount_view(hierarchies: &[Hierarchy], view: View) -> io::Result<Vec<(String, PathBuf)>> {
    let root = Path::new("/sys/fs/cgroup");
    let links = links(root);
    let seen: Vec<_> = seen(hierarchies, view).collect();
    // What the host has there gives way first: the kernel mounts no hierarchy on itself.
    let _ = umount2(root, MntFlags::MNT_DETACH);
    let pure = seen.len() == 1 && seen[0].is_unified();
    if pure {
        mount_at(root, "cgroup2", "")?;
        return Ok(vec![("unified".to_owned(), root.to_owned())]);
    }
    mount_at(root, "tmpfs", "mode=755,size=1m")?;
    let mut mounted = Vec::new();
    for hierarchy in seen {
        let Some(stem) = hierarchy.mount_point.file_name() else { continue };
        let point = root.join(stem);
        fs::create_dir(&point).map_err(|e| told(&point, &e))?;
        let options: Vec<&str> = hierarchy.controllers.iter().map(String::as_str).collect();
        let none = if options.iter().any(|o| o.starts_with("name=")) { "none," } else { "" };
        match hierarchy.is_unified() {
            true => mount_at(&point, "cgroup2", "")?,
            false => mount_at(&point, "cgroup", &format!("{none}{}", options.join(",")))?,
        }
        mounted.push((hierarchy.name(), point));
    }
    for (name, target) in links {
        if root.join(&target).exists() {
            std::os::unix::fs::symlink(&target, root.join(name))?;
        }
    }
    Ok(mounted)
}

/// The symbolic links of the host's layout, such as `cpu` to `cpu,cpuacct`.
fn links(root: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into(), fs::read_link(entry.path()).ok()?))).collect()
}

fn mount_at(point: &Path, kind: &str, data: &str) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(kind), point, Some(kind), flags, Some(data))
        .map_err(|e| io::Error::other(format!("mount {kind} ({data}) on {}: {e}", point.display())))
}

/// Removes the cgroup and all below it: thaws, kills, and removes from the deepest up, until it is gone or
/// the time is over. Links are not followed.
pub fn remove(directory: &Path, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        thaw(directory);
        let all = below(directory);
        all.iter().for_each(|cgroup| kill_all(cgroup));
        let gone = all.iter().rev().all(|cgroup| match fs::remove_dir(cgroup) {
            Err(e) => e.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        });
        if gone {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("cgroup {}: it can't be removed", directory.display())));
        }
        // The kernel tells nobody when the last zombie leaves a v1 cgroup.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Thaws the cgroup and all below it, where the hierarchy is one that freezes: frozen processes of version 1 die only
/// when they are thawed, and a pid namespace ends only when all have died.
pub fn thaw(directory: &Path) {
    for cgroup in below(directory) {
        // Other hierarchies don't have the file, and let none be made.
        let _ = fs::write(cgroup.join("freezer.state"), "THAWED");
    }
}

fn kill_all(cgroup: &Path) {
    let Ok(text) = fs::read_to_string(cgroup.join("cgroup.procs")) else { return };
    let own = std::process::id();
    for pid in text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0 && *pid != own) {
        // SAFETY: kill(2) takes numbers only; the process is in a cgroup that only this case uses.
        unsafe { nix::libc::kill(pid.cast_signed(), nix::libc::SIGKILL) };
    }
}

/// The directory and all directories below it, parents first.
pub fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let directories = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path());
        found.extend(directories.collect::<Vec<_>>());
        next += 1;
    }
    found
}

/// Writes to a file that is there, and makes none.
fn write_existing(file: &Path, value: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(file)?, value.as_bytes())
}

/// Writes to a cgroup's file.
pub fn write(file: &Path, value: &str) -> io::Result<()> {
    fs::write(file, value).map_err(|e| io::Error::new(e.kind(), format!("write {value} to {}: {e}", file.display())))
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("make {}: {error}", path.display()))
}

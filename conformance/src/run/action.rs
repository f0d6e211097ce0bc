//! What the host does in a case, inside the case's own namespaces.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, mkfifo, pause, sethostname};

use serde_json::Value;

use super::agent::Agent;
use super::cgroups;
use super::network::{self, Device};
use super::sandbox::Places;
use crate::case::{Action, Placeholders};
use crate::witness::Nonce;

/// What actions have started, and keeps them until the case is over.
#[derive(Default)]
pub struct Held {
    /// Processes that hold a namespace or a cgroup.
    pub processes: Vec<Pid>,
    listeners: Vec<UnixListener>,
    /// Who answers system calls.
    pub agent: Option<Agent>,
}

/// What an action may need to know of the case.
pub struct Stage<'a> {
    /// What placeholders stand for.
    pub known: &'a Placeholders,
    /// The cgroup hierarchies' mount points, by name.
    pub roots: &'a [(String, PathBuf)],
    /// The pid of a container's process.
    pub container: &'a dyn Fn(&str) -> Option<i32>,
    /// The runtime of a call that has not returned yet, by its step.
    pub runtime: &'a dyn Fn(&str) -> Option<Pid>,
    /// The journal.
    pub journal: &'a Path,
    /// By what an agent is known there.
    pub agent: &'a Nonce,
}

/// Does it; an error says what was being done to what.
pub fn act(action: &Action, stage: &Stage<'_>, held: &mut Held) -> Result<(), String> {
    let fill = |text: &str| stage.known.fill(text).map_err(|e| e.to_string());
    let path = |text: &str| fill(text).map(PathBuf::from);
    match action {
        Action::Write { path: place, text, append } => write(&path(place)?, &fill(text)?, *append),
        Action::Replace { path: place, find, with } => replace(&path(place)?, &fill(find)?, &fill(with)?),
        Action::Directory { path: place } => {
            let place = path(place)?;
            fs::create_dir_all(&place).map_err(|e| format!("make {}: {e}", place.display()))
        }
        Action::Remove { path: place } => remove(&path(place)?),
        Action::Rename { from, to } => {
            let (from, to) = (path(from)?, path(to)?);
            fs::rename(&from, &to).map_err(|e| format!("rename {} to {}: {e}", from.display(), to.display()))
        }
        Action::Symlink { path: place, target } => {
            let place = path(place)?;
            std::os::unix::fs::symlink(fill(target)?, &place).map_err(|e| format!("link {}: {e}", place.display()))
        }
        Action::Node { path: place, r#type, major, minor } => node(&path(place)?, r#type, *major, *minor),
        Action::Mount { r#type, source, target, options } => {
            mount_as_told(r#type, &fill(source)?, &path(target)?, options)
        }
        Action::Unmount { target } => {
            let target = path(target)?;
            umount2(&target, MntFlags::UMOUNT_NOFOLLOW).map_err(|e| format!("unmount {}: {e}", target.display()))
        }
        Action::Cgroup { path: place, controller, occupied, container, owner, filled } => {
            let occupant = match container {
                Some(name) => Some((stage.container)(name).ok_or_else(|| format!("cgroup: {name} has no pid"))?),
                None if *occupied => Some(sleeper(|| Ok(None), held)?.as_raw()),
                None => None,
            };
            let directories = cgroup(stage.roots, &fill(place)?, controller.as_deref(), occupant, *owner)?;
            filled.map_or(Ok(()), |mebibytes| fill_with(&directories, mebibytes, &path("${host}/filled")?))
        }
        Action::Patch { container, config } => {
            let config = stage.known.fill_value(config).map_err(|e| e.to_string())?;
            patch(&Places::bundle(container).join("config.json"), &config)
        }
        Action::Namespace { r#type, path: place, hostname } => {
            namespace(r#type, &path(place)?, hostname.as_deref(), held)
        }
        Action::NetDevice { name, network, hardware, mtu, up, addresses, passing } => {
            let device = Device { name, hardware, mtu: *mtu, up: *up, addresses, passing };
            let make = || network::make(&device).map_err(|e| format!("make the network device {name}: {e}"));
            match network {
                Some(place) => network::within(&path(place)?, make)?,
                None => make(),
            }
        }
        Action::Listen { path: place } => {
            let place = path(place)?;
            let listener = UnixListener::bind(&place).map_err(|e| format!("listen on {}: {e}", place.display()))?;
            held.listeners.push(listener);
            Ok(())
        }
        Action::Agent { path: place, answer } => {
            if held.agent.is_some() {
                return Err("agent: there is one already".to_owned());
            }
            let agent = Agent::listen(&path(place)?, answer, stage.journal, stage.agent)?;
            held.processes.push(agent.pid);
            held.agent = Some(agent);
            Ok(())
        }
        Action::Signal { container, signal } => {
            let pid = (stage.container)(container).ok_or_else(|| format!("signal: {container} has no pid"))?;
            let signal = super::process::signal(signal)?;
            kill(Pid::from_raw(pid), signal).map_err(|e| format!("signal {signal} to {pid}: {e}"))
        }
        Action::KillRuntime { step } => {
            let pid = (stage.runtime)(step).ok_or_else(|| format!("kill-runtime: {step} is no call under way"))?;
            kill(pid, Signal::SIGKILL).map_err(|e| format!("kill the runtime of {step}: {e}"))
        }
    }
}

fn write(place: &Path, text: &str, append: bool) -> Result<(), String> {
    let failed = |e: io::Error| format!("write {}: {e}", place.display());
    fs::create_dir_all(place.parent().unwrap_or(place)).map_err(failed)?;
    let mut options = OpenOptions::new();
    let options = if append { options.append(true) } else { options.write(true).truncate(true) };
    let mut file = options.create(true).open(place).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn replace(place: &Path, find: &str, with: &str) -> Result<(), String> {
    let failed = |e: io::Error| format!("replace in {}: {e}", place.display());
    let text = fs::read_to_string(place).map_err(failed)?;
    if !text.contains(find) {
        return Err(format!("replace in {}: {find:?} does not occur", place.display()));
    }
    fs::write(place, text.replacen(find, with, 1)).map_err(failed)
}

fn remove(place: &Path) -> Result<(), String> {
    let failed = |e: io::Error| format!("remove {}: {e}", place.display());
    let kind = fs::symlink_metadata(place).map_err(failed)?.file_type();
    if kind.is_dir() { fs::remove_dir_all(place) } else { fs::remove_file(place) }.map_err(failed)
}

fn node(place: &Path, kind: &str, major: u64, minor: u64) -> Result<(), String> {
    let mode = Mode::from_bits_truncate(0o666);
    let made = match kind {
        "c" | "u" => mknod(place, SFlag::S_IFCHR, mode, makedev(major, minor)),
        "b" => mknod(place, SFlag::S_IFBLK, mode, makedev(major, minor)),
        "p" => mkfifo(place, mode),
        other => return Err(format!("node {}: {other:?} is no type", place.display())),
    };
    made.map_err(|e| format!("make node {}: {e}", place.display()))
}

fn mount_as_told(kind: &str, source: &str, target: &Path, options: &[String]) -> Result<(), String> {
    let mut flags = MsFlags::empty();
    let mut propagation = MsFlags::empty();
    let mut data = Vec::new();
    for option in options {
        match option.as_str() {
            "bind" => flags |= MsFlags::MS_BIND,
            "rbind" => flags |= MsFlags::MS_BIND | MsFlags::MS_REC,
            "ro" => flags |= MsFlags::MS_RDONLY,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "strictatime" => flags |= MsFlags::MS_STRICTATIME,
            "shared" => propagation |= MsFlags::MS_SHARED,
            "slave" => propagation |= MsFlags::MS_SLAVE,
            "private" => propagation |= MsFlags::MS_PRIVATE,
            "unbindable" => propagation |= MsFlags::MS_UNBINDABLE,
            other => data.push(other),
        }
    }
    let failed = |e: nix::Error| format!("mount {kind} {source} on {}: {e}", target.display());
    fs::create_dir_all(target)
        .or_else(|e| if target.exists() { Ok(()) } else { Err(e) })
        .map_err(|e| format!("make {}: {e}", target.display()))?;
    mount(Some(source), target, Some(kind), flags, Some(data.join(",").as_str())).map_err(failed)?;
    let kept = flags & (MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC);
    if flags.contains(MsFlags::MS_BIND) && !kept.is_empty() {
        // A bind mount takes its flags only when it is mounted again.
        mount(None::<&str>, target, None::<&str>, kept | MsFlags::MS_BIND | MsFlags::MS_REMOUNT, None::<&str>)
            .map_err(failed)?;
    }
    if !propagation.is_empty() {
        mount(None::<&str>, target, None::<&str>, propagation, None::<&str>).map_err(failed)?;
    }
    Ok(())
}

fn patch(file: &Path, patch: &Value) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("patch {}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(|e| failed(&e))?;
    let mut config: Value = serde_json::from_str(&text).map_err(|e| failed(&e))?;
    json_patch::merge(&mut config, patch);
    fs::write(file, config.to_string()).map_err(|e| failed(&e))
}

fn cgroup(
    roots: &[(String, PathBuf)],
    place: &str,
    controller: Option<&str>,
    occupant: Option<i32>,
    owner: Option<u32>,
) -> Result<Vec<PathBuf>, String> {
    let wanted = |name: &str| controller.is_none_or(|c| name.split(',').any(|n| n == c));
    let chosen: Vec<_> = roots.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        return Err(format!("cgroup {place}: no hierarchy has {}", controller.unwrap_or("it")));
    }
    let mut directories = Vec::new();
    for (_, root) in chosen {
        let directory = root.join(place.trim_start_matches('/'));
        fs::create_dir_all(&directory).map_err(|e| format!("make {}: {e}", directory.display()))?;
        cgroups::fill_cpuset(root, &directory).map_err(|e| format!("make {}: {e}", directory.display()))?;
        if let Some(uid) = owner {
            chown(&directory, Some(uid), None).map_err(|e| format!("give {} to {uid}: {e}", directory.display()))?;
        }
        if let Some(pid) = occupant {
            let file = directory.join("cgroup.procs");
            fs::write(&file, pid.to_string()).map_err(|e| format!("write {pid} to {}: {e}", file.display()))?;
        }
        directories.push(directory);
    }
    Ok(directories)
}

/// Writes a file from within cgroups, which then hold its memory when the writer has gone.
fn fill_with(cgroups: &[PathBuf], mebibytes: u32, file: &Path) -> Result<(), String> {
    let fill = || -> io::Result<()> {
        let own = std::process::id().to_string();
        cgroups.iter().try_for_each(|directory| fs::write(directory.join("cgroup.procs"), &own))?;
        let mut file = fs::File::create(file)?;
        (0..mebibytes).try_for_each(|_| file.write_all(&[1; 1 << 20]))
    };
    // SAFETY: the supervisor has one thread, so its child may go on as an ordinary program.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Child => {
            let code = i32::from(fill().is_err());
            // SAFETY: _exit(2) has no preconditions; nothing of the parent's may be flushed by this child.
            unsafe { nix::libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            other => Err(format!("fill a cgroup with {mebibytes} MiB: {other:?}")),
        },
    }
}

fn namespace(kind: &str, place: &Path, hostname: Option<&str>, held: &mut Held) -> Result<(), String> {
    let (flag, file) = match kind {
        "network" => (CloneFlags::CLONE_NEWNET, "net"),
        "uts" => (CloneFlags::CLONE_NEWUTS, "uts"),
        "ipc" => (CloneFlags::CLONE_NEWIPC, "ipc"),
        "mount" => (CloneFlags::CLONE_NEWNS, "mnt"),
        "cgroup" => (CloneFlags::CLONE_NEWCGROUP, "cgroup"),
        "user" => (CloneFlags::CLONE_NEWUSER, "user"),
        "pid" => (CloneFlags::CLONE_NEWPID, "pid_for_children"),
        "time" => (CloneFlags::from_bits_retain(nix::libc::CLONE_NEWTIME), "time_for_children"),
        other => return Err(format!("namespace: {other:?} is no type")),
    };
    let made = fs::create_dir_all(place.parent().unwrap_or(place)).and_then(|()| fs::write(place, ""));
    made.map_err(|e| format!("make {}: {e}", place.display()))?;
    let mut bound = Err(format!("namespace {kind}: there is no processor"));
    for processor in processors(kind)? {
        let pid = holder(flag, processor, hostname, held)?;
        if flag == CloneFlags::CLONE_NEWUSER {
            map_every_id(pid)?;
        }
        let source = format!("/proc/{pid}/ns/{file}");
        bound = mount(Some(source.as_str()), place, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(|e| format!("bind {source} on {}: {e}", place.display()));
        if bound.is_ok() {
            break;
        }
    }
    bound
}

/// Each id of a user namespace is the same one outside.
fn map_every_id(holder: Pid) -> Result<(), String> {
    ["uid_map", "gid_map"].into_iter().try_for_each(|file| {
        let file = format!("/proc/{holder}/{file}");
        fs::write(&file, "0 0 4294967295").map_err(|e| format!("write {file}: {e}"))
    })
}

/// On which processors a namespace's holder is tried in turn; none stands for any.
///
/// A mount namespace can be bound only in one with a lower number, lest they hold each other; and Linux 6.18 numbers
/// them in batches by processor. So a later one is lower at times, but not on the processor that made the case's own.
fn processors(kind: &str) -> Result<Vec<Option<usize>>, String> {
    if kind != "mount" {
        return Ok(vec![None]);
    }
    let own = sched_getaffinity(Pid::from_raw(0)).map_err(|e| format!("affinity: {e}"))?;
    Ok((0..CpuSet::count()).filter(|number| own.is_set(*number).unwrap_or(false)).map(Some).collect())
}

/// A process that holds a new namespace.
fn holder(flag: CloneFlags, processor: Option<usize>, hostname: Option<&str>, held: &mut Held) -> Result<Pid, String> {
    sleeper(
        move || {
            if let Some(number) = processor {
                let mut set = CpuSet::new();
                set.set(number)
                    .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
                    .map_err(|e| format!("affinity: {e}"))?;
            }
            unshare(flag).map_err(|e| format!("unshare {flag:?}: {e}"))?;
            if let Some(name) = hostname {
                sethostname(name).map_err(|e| format!("sethostname: {e}"))?;
            }
            if flag != CloneFlags::CLONE_NEWPID {
                return Ok(None);
            }
            // A pid namespace without its first process takes nobody in; that process sleeps as well.
            // SAFETY: one thread, and the child only sleeps.
            match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
                ForkResult::Child => sleep_for_ever(),
                ForkResult::Parent { child } => Ok(Some(child)),
            }
        },
        held,
    )
}

/// A child that does `first`, says how it went, and sleeps until the case is over. `first` may give a further
/// process that it has started.
fn sleeper(first: impl FnOnce() -> Result<Option<Pid>, String>, held: &mut Held) -> Result<Pid, String> {
    let (heard, mut told) = io::pipe().map_err(|e| format!("pipe: {e}"))?;
    // SAFETY: the supervisor has one thread, so its child may go on as an ordinary program.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Child => {
            drop(heard);
            let _ = match first() {
                Ok(further) => writeln!(told, "+{}", further.unwrap_or(Pid::from_raw(0))),
                Err(why) => writeln!(told, "{why}"),
            };
            drop(told);
            sleep_for_ever()
        }
        ForkResult::Parent { child } => {
            drop(told);
            held.processes.push(child);
            // One line: a further process may hold the pipe open for ever.
            let mut answer = String::new();
            BufReader::new(heard).read_line(&mut answer).map_err(|e| format!("pipe: {e}"))?;
            let further = answer.trim().strip_prefix('+').ok_or_else(|| answer.trim().to_owned())?;
            let further: i32 = further.parse().map_err(|e| format!("pid {further:?}: {e}"))?;
            held.processes.extend((further > 0).then(|| Pid::from_raw(further)));
            Ok(child)
        }
    }
}

fn sleep_for_ever() -> ! {
    loop {
        pause();
    }
}

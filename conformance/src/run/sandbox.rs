//! The namespaces of a case: the supervisor becomes pid 1 of its own, so that whatever a runtime forgets or
//! breaks is ours and not the host's, and is gone when the supervisor ends.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getppid, sethostname};

use super::cgroups::{self, Hierarchy};
use super::registry::BASE;
use crate::case::Propagation;
use crate::host::View;

/// The host name that a container without a UTS namespace of its own sees.
pub const HOST_NAME: &str = "ocf-host";

/// Where the parts of a case lie, all on a tmpfs that only the case's mount namespace has.
#[derive(Clone, Debug)]
pub struct Places {
    /// The scratch directory that `${host}` stands for.
    pub host: PathBuf,
    /// Copies of the witness that run as hooks on the host.
    pub hooks: PathBuf,
    /// The private copy of the runtime.
    pub runtime: PathBuf,
    /// The runtime's own root.
    pub state: PathBuf,
    /// Output of calls, and pid files; on a small file system of its own.
    pub output: PathBuf,
    /// The journal.
    pub journal: PathBuf,
}

impl Places {
    /// The directory of the case.
    pub fn base() -> &'static Path {
        Path::new(BASE)
    }

    /// The directory `${host}/outside`: what a case's setup puts there is no runtime's to see or to change.
    pub fn outside(&self) -> PathBuf {
        self.host.join("outside")
    }

    /// Where the runtime tells the pid of a container's process.
    pub fn pid_file(&self, container: &str) -> PathBuf {
        self.output.join(format!("{container}.pid"))
    }

    /// The bundle of a container.
    pub fn bundle(container: &str) -> PathBuf {
        let stem = if container == crate::case::MAIN { "bundle".to_owned() } else { format!("bundle-{container}") };
        Self::base().join(stem)
    }
}

/// Makes this process die with its parent; `parent` is the pid that the parent had when it forked.
pub fn die_with_parent(parent: nix::unistd::Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before the call.
    if getppid() == parent { Ok(()) } else { Err(io::Error::other("the harness is gone")) }
}

/// Moves into the case's cgroup and new namespaces, and forks: `inside` runs as pid 1 there, and this process
/// gives its exit status when it has ended, and with it every process of the case.
pub fn enter(hierarchies: &[Hierarchy], cgroup: &str, view: View, inside: impl FnOnce() -> u8) -> io::Result<u8> {
    cgroups::enter(hierarchies, cgroup)?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWCGROUP
            | CloneFlags::CLONE_NEWPID,
    )
    .map_err(|e| io::Error::other(format!("unshare: {e}")))?;
    cgroups::settle(hierarchies, cgroup, view)?;
    // SAFETY: this process has one thread; the child goes on as an ordinary program.
    match unsafe { fork() }? {
        ForkResult::Child => {
            // In the new pid namespace the parent has no pid, which reads as 0.
            let code = match die_with_parent(nix::unistd::Pid::from_raw(0)) {
                Ok(()) => inside(),
                Err(_) => 1,
            };
            std::process::exit(code.into())
        }
        ForkResult::Parent { child } => loop {
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, code)) => return Ok(u8::try_from(code).unwrap_or(1)),
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    return Err(io::Error::other(format!("the supervisor was killed by {signal}")));
                }
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        },
    }
}

/// Lays the case's file systems over the host's, in the new mount namespace: /proc, the cgroups, and the
/// directory of the case with the runtime's copy. Gives the cgroup mount points with their names, too.
pub fn furnish(
    hierarchies: &[Hierarchy],
    view: View,
    runtime: &Path,
    name: &str,
) -> io::Result<(Places, Vec<(String, PathBuf)>)> {
    // Nothing that is mounted from here on may reach the host, and nothing of the host's may come in.
    mount_on("/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // A new pid namespace shows itself only in a new proc.
    mount_on("/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, None)?;
    let roots = cgroups::mount_view(hierarchies, view)?;
    sethostname(HOST_NAME)?;
    // Taken before the case's own files cover the place where the run keeps its copy; the directory, in which there is
    // nothing else, for a runtime may lay an overlay over it, which shows no file that is mounted in it.
    let copy = detached(runtime.parent().unwrap_or(runtime))?;
    mount_on(BASE, Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=512m"))?;
    let base = Places::base();
    let places = Places {
        host: base.join("host"),
        hooks: base.join("hooks"),
        runtime: base.join("bin").join(name),
        state: base.join("state"),
        output: base.join("output"),
        journal: base.join("journal"),
    };
    for directory in [&places.host, &places.hooks, &base.join("bin"), &places.state, &places.output] {
        fs::create_dir(directory)?;
    }
    mount_on(&places.output.to_string_lossy(), Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=8m"))?;
    attach(&copy, &base.join("bin"))?;
    cover_null(&base.join("null"))?;
    Ok((places, roots))
}

/// Makes all mounts of this mount namespace propagate so.
pub fn propagate(propagation: Propagation) -> io::Result<()> {
    let flag = match propagation {
        Propagation::Shared => MsFlags::MS_SHARED,
        Propagation::Slave => MsFlags::MS_SLAVE,
    };
    mount_on("/", None, MsFlags::MS_REC | flag, None)
}

/// Covers /dev/null with a node of the case's own: there are runtimes that give whatever stdin is to the container's
/// user, and it would be the host's.
fn cover_null(own: &Path) -> io::Result<()> {
    const NULL: &str = "/dev/null";
    match mknod(own, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)) {
        // In a user namespace nobody can make nodes, and nobody can give the host's away.
        Err(nix::Error::EPERM) => return Ok(()),
        made => made.map_err(|e| io::Error::other(format!("make a node like {NULL}: {e}")))?,
    }
    fs::set_permissions(own, fs::Permissions::from_mode(0o666))?;
    mount(Some(own), NULL, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| io::Error::other(format!("cover {NULL}: {e}")))
}

/// The directory as a mount of its own that lies nowhere yet (open_tree(2)).
fn detached(directory: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    let flags = nix::libc::OPEN_TREE_CLONE | nix::libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call; the descriptor is new and nobody else's.
    let tree = unsafe { nix::libc::syscall(nix::libc::SYS_open_tree, nix::libc::AT_FDCWD, path.as_ptr(), flags) };
    let tree = i32::try_from(tree).map_err(io::Error::other)?;
    if tree < 0 {
        return Err(told("open_tree", directory));
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(tree) })
}

/// Puts a detached mount at `place`, read-only: the program that runs from it must not be able to change it
/// (move_mount(2)).
fn attach(tree: &OwnedFd, place: &Path) -> io::Result<()> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    // SAFETY: both paths are C strings that outlive the call, the first of them empty, as the flag has it.
    let moved = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            nix::libc::AT_FDCWD,
            path.as_ptr(),
            nix::libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    if moved < 0 {
        return Err(told("move_mount", place));
    }
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(None::<&str>, place, None::<&str>, flags, None::<&str>)
        .map_err(|e| io::Error::other(format!("mount {} read-only: {e}", place.display())))
}

fn told(call: &str, path: &Path) -> io::Error {
    io::Error::other(format!("{call} {}: {}", path.display(), io::Error::last_os_error()))
}

fn mount_on(point: &str, kind: Option<&str>, flags: MsFlags, data: Option<&str>) -> io::Result<()> {
    mount(kind, point, kind, flags, data)
        .map_err(|e| io::Error::other(format!("mount {} on {point}: {e}", kind.unwrap_or("a propagation"))))
}

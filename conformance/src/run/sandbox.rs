//! The namespaces of a case: the supervisor becomes pid 1 of its own, so that whatever a runtime forgets or
//! breaks is ours and not the host's, and is gone when the supervisor ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getppid, sethostname};

use super::cgroups::{self, Hierarchy};
use super::registry::BASE;
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
pub fn enter(hierarchies: &[Hierarchy], cgroup: &str, inside: impl FnOnce() -> u8) -> io::Result<u8> {
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
pub fn furnish(hierarchies: &[Hierarchy], view: View, runtime: &mut File, name: &str) -> io::Result<(Places, Vec<(String, PathBuf)>)> {
    // Nothing that is mounted from here on may reach the host, and nothing of the host's may come in.
    mount_on("/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // A new pid namespace shows itself only in a new proc.
    mount_on("/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, None)?;
    let roots = cgroups::mount_view(hierarchies, view)?;
    let paths: Vec<PathBuf> = roots.iter().map(|(_, path)| path.clone()).collect();
    cgroups::settle(&paths)?;
    sethostname(HOST_NAME)?;
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
    let mut copy = File::create(&places.runtime)?;
    io::copy(runtime, &mut copy)?;
    copy.set_permissions(fs::Permissions::from_mode(0o755))?;
    Ok((places, roots))
}

fn mount_on(point: &str, kind: Option<&str>, flags: MsFlags, data: Option<&str>) -> io::Result<()> {
    mount(kind, point, kind, flags, data)
        .map_err(|e| io::Error::other(format!("mount {} on {point}: {e}", kind.unwrap_or("--make-rprivate"))))
}

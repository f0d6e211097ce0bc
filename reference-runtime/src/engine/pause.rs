//! The operations that stop all processes of a container where they are, and let them go on.

use crate::cgroups::{self, Membership, Placement};
use crate::container::Container;
use crate::error::{Doing, Error, Result};
use crate::state::{self, Status};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes may take to stop.
const FREEZING: Duration = Duration::from_secs(10);

/// Pauses a running container; when it returns, none of its processes runs any more.
///
/// # Errors
/// It isn't running, or has no freezer, or doesn't freeze; then it runs on.
pub(crate) fn pause(container: &Container) -> Result<()> {
    let lock = container.lock()?;
    let (record, status) = container.status_under(&lock)?;
    if status != Status::Running {
        return Err(Error::new(format!("it is {}, not running", state::name(status))));
    }
    let freezer = Freezer::of(&record.cgroups).ok_or_else(|| Error::new("it has no cgroup with a freezer"))?;
    freezer.freeze().inspect_err(|_| cgroups::thaw_all(&record.cgroups))
}

/// Lets a paused container go on.
///
/// # Errors
/// It isn't paused.
pub(crate) fn resume(container: &Container) -> Result<()> {
    let lock = container.lock()?;
    let (record, status) = container.status_under(&lock)?;
    if status != Status::Paused {
        return Err(Error::new(format!("it is {}, not paused", state::name(status))));
    }
    cgroups::thaw_all(&record.cgroups);
    match Freezer::of(&record.cgroups) {
        Some(freezer) if freezer.is_frozen() => Err(Error::new("a cgroup above it is frozen")),
        _ => Ok(()),
    }
}

/// Whether the processes in these cgroups are frozen.
pub fn is_paused(cgroups: &Placement) -> bool {
    Freezer::of(cgroups).is_some_and(|freezer| freezer.is_frozen())
}

/// The files by which a cgroup is frozen.
enum Freezer {
    /// `freezer.state` of cgroup v1.
    V1(PathBuf),
    /// The directory of a cgroup of v2.
    V2(PathBuf),
}

impl Freezer {
    fn of(cgroups: &Placement) -> Option<Self> {
        let file = |name: &'static str| {
            move |member: &Membership| Some(member.directory.join(name)).filter(|path| path.exists())
        };
        let v1 = || cgroups.memberships.iter().find_map(file("freezer.state")).map(Freezer::V1);
        let v2 = || cgroups.memberships.iter().find_map(file("cgroup.freeze"));
        v1().or_else(|| v2().and_then(|path| path.parent().map(Path::to_owned)).map(Freezer::V2))
    }

    fn is_frozen(&self) -> bool {
        match self {
            Freezer::V1(state) => fs::read_to_string(state).is_ok_and(|state| state.trim() == "FROZEN"),
            Freezer::V2(directory) => {
                fs::read_to_string(directory.join("cgroup.events")).is_ok_and(|events| says_frozen(&events))
            }
        }
    }

    fn freeze(&self) -> Result<()> {
        match self {
            Freezer::V1(state) => freeze_on_v1(state),
            Freezer::V2(directory) => freeze_on_v2(directory),
        }
        .doing(|| "freeze its cgroup".into())
    }
}

/// Reading the state is what makes the kernel look whether all have stopped, so there is nothing to wait on but time.
fn freeze_on_v1(state: &Path) -> Result<()> {
    let deadline = Instant::now() + FREEZING;
    fs::write(state, "FROZEN").doing(|| format!("write {}", state.display()))?;
    while !Freezer::V1(state.to_owned()).is_frozen() {
        if Instant::now() > deadline {
            return Err(Error::new("its processes don't stop"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn freeze_on_v2(directory: &Path) -> Result<()> {
    let path = directory.join("cgroup.events");
    let mut events = File::open(&path).doing(|| format!("open {}", path.display()))?;
    fs::write(directory.join("cgroup.freeze"), "1").doing(|| format!("write {}/cgroup.freeze", directory.display()))?;
    let deadline = Instant::now() + FREEZING;
    loop {
        let mut text = String::new();
        events.rewind().and_then(|()| events.read_to_string(&mut text)).doing(|| format!("read {}", path.display()))?;
        if says_frozen(&text) {
            return Ok(());
        }
        await_change(&events, deadline)?;
    }
}

/// A change of the file after it was last read.
fn await_change(events: &File, deadline: Instant) -> Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let left = deadline.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
    match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(0) => Err(Error::new("its processes don't stop")),
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).doing(|| "wait until its processes stop".into()),
    }
}

fn says_frozen(events: &str) -> bool {
    events.lines().any(|line| line == "frozen 1")
}

//! Stand-ins that do harm: to the time, the output, the disk or the processes of whoever calls them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::unistd::{ForkResult, fork, pause, setsid};

use crate::Failure;
use crate::borrowed::hand_over;
use crate::call::Call;

/// Bytes that are written to each stream, many times what the suite has room for.
const FLOOD: usize = 16 << 20;

/// Never returns.
pub fn sleep() -> ! {
    loop {
        pause();
    }
}

/// Writes to both streams for long, whether anybody takes it or not, and says that all is well.
pub fn flood() -> Result<ExitCode, Failure> {
    let line = [b'x'; 64 << 10];
    for _ in 0..FLOOD / line.len() {
        // A full disk is what it is after.
        let _ = io::stdout().write_all(&line);
        let _ = io::stderr().write_all(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves a process behind that has cut all ties to its caller, and then does its work.
pub fn leave_a_daemon(call: &Call) -> Result<ExitCode, Failure> {
    // SAFETY: this program has one thread; the child only sleeps.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Child => {
            let _ = setsid();
            sleep()
        }
        ForkResult::Parent { .. } => hand_over(call),
    }
}

/// Freezes itself, in a cgroup of its own: no signal ends it, before somebody thaws it.
pub fn freeze(call: &Call) -> Result<ExitCode, Failure> {
    if !call.takes_a_bundle() {
        return hand_over(call);
    }
    let (root, file, word) = freezer().ok_or("no cgroup hierarchy can freeze")?;
    let frozen = root.join("frozen");
    let failed = |e: io::Error| format!("freeze in {}: {e}", frozen.display());
    fs::create_dir_all(&frozen).map_err(failed)?;
    fs::write(frozen.join("cgroup.procs"), "0").map_err(failed)?;
    fs::write(frozen.join(file), word).map_err(failed)?;
    sleep()
}

/// Where, and how, processes are frozen here: the hierarchy's mount point, the file and what is written to it.
fn freezer() -> Option<(PathBuf, &'static str, &'static str)> {
    let first = Path::new("/sys/fs/cgroup/freezer");
    if first.exists() {
        return Some((first.to_owned(), "freezer.state", "FROZEN"));
    }
    let second = Path::new("/sys/fs/cgroup");
    second.join("cgroup.controllers").exists().then(|| (second.to_owned(), "cgroup.freeze", "1"))
}

/// Writes until the file system of its working directory, which is the case's own, takes no more; then fails.
pub fn fill_the_disk() -> Result<ExitCode, Failure> {
    let mut zeros = File::open("/dev/zero").map_err(|e| format!("open /dev/zero: {e}"))?.take(8 << 30);
    let file = OpenOptions::new().create(true).append(true).open("fill").map_err(|e| format!("make fill: {e}"))?;
    let full = io::copy(&mut zeros, &mut &file);
    Err(format!("{full:?}"))
}

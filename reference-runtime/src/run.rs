//! The operation that creates, starts, waits for and deletes a container in one call.

use crate::container::Process;
use crate::create::Request;
use crate::error::{Doing, Result};
use crate::lifecycle::{self, Created, Running};
use crate::signals::Held;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::fd::AsFd;

/// Runs a container from its creation to its end; the answer is the exit status to pass on.
///
/// # Errors
/// One of the operations is an error.
pub fn run(request: &Request) -> Result<u8> {
    let created = lifecycle::create(request)?;
    // What comes from here on is for the container's program, once it runs.
    let held = Held::hold()?;
    let stopped = start_created(created, request)?.attend()?;
    drop(held);
    let status = stopped.exit_status().unwrap_or(0);
    stopped.delete().map(|()| status)
}

/// Creates and starts a container.
///
/// # Errors
/// One of both is an error; then nothing of the container remains.
pub fn start(request: &Request) -> Result<Running> {
    start_created(lifecycle::create(request)?, request)
}

fn start_created(created: Created, request: &Request) -> Result<Running> {
    created.start().map_err(|failed| {
        // After a hook's failure it is gone already; after any other one it waits for a start that won't come.
        let _ = failed.created.map(|_| lifecycle::remove(&request.root, &request.id));
        failed.error
    })
}

/// Waits for the end of a child, and passes on the signals that come meanwhile; the answer is its exit status.
///
/// # Errors
/// It is no child of the calling process.
pub(crate) fn wait(pid: Pid) -> Result<u8> {
    let signals = SigSet::all();
    signals.thread_block().doing(|| "hold signals back".into())?;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)).map(exit_status) {
            Ok(Some(status)) => return Ok(status),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).doing(|| "wait for the process".into()),
        }
        match signals.wait().doing(|| "wait for a signal".into())? {
            Signal::SIGCHLD => {}
            signal => drop(kill(pid, signal)),
        }
    }
}

/// Waits for the end of a process, which tells its exit status to its parent alone.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn await_end(process: Process) -> Result<Option<u8>> {
    let what = || "wait for the container process".into();
    loop {
        match waitpid(Pid::from_raw(process.pid), None).map(exit_status) {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => break,
            Err(errno) => return Err(errno).doing(what),
        }
    }
    // One that can't be opened has exited.
    let Ok(fd) = process.pidfd() else { return Ok(None) };
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
    Ok(None)
}

fn exit_status(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, status) => Some(u8::try_from(status).unwrap_or(u8::MAX)),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as u8),
        _ => None,
    }
}

//! The operation that creates, starts, waits for and deletes a container in one call.

use crate::create::{Request, create};
use crate::delete::delete;
use crate::error::{Doing, Result};
use crate::start::start;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Runs a container from its creation to its end; the answer is the exit status to pass on.
///
/// # Errors
/// One of the operations is an error.
pub fn run(request: &Request) -> Result<u8> {
    let container = create(request)?;
    let pid = container.record()?.process.map_or(0, |process| process.pid);
    if let Err(error) = start(&container) {
        // After a hook's failure it is gone already; after any other one it waits for a start that won't come.
        let _ = delete(&container, true);
        return Err(error);
    }
    let status = wait(Pid::from_raw(pid))?;
    delete(&container, false)?;
    Ok(status)
}

/// Waits for the end of a child, and passes on the signals that come meanwhile; the answer is its exit status.
///
/// # Errors
/// It is no child of the calling process.
pub fn wait(pid: Pid) -> Result<u8> {
    let signals = SigSet::all();
    signals.thread_block().doing(|| "hold signals back".into())?;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(u8::try_from(status).unwrap_or(u8::MAX)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as u8),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).doing(|| "wait for the container process".into()),
        }
        match signals.wait().doing(|| "wait for a signal".into())? {
            Signal::SIGCHLD => {}
            signal => drop(kill(pid, signal)),
        }
    }
}

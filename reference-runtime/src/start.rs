//! The operation that runs the user's program in a created container.

use crate::cgroups::is_exiting;
use crate::container::{Container, Process, Record};
use crate::error::{Doing, Error, Result};
use crate::hooks;
use crate::init::Answer;
use crate::seccomp_listener::Agent;
use crate::state::{self, Status};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// What came of the order to start.
enum Outcome {
    Executed,
    HookFailed(Error),
    Failed(Error),
}

/// Starts a created container.
///
/// # Errors
/// It isn't created, or has no process; then nothing changes. Or a hook fails; then the container is destroyed.
pub(crate) fn start(container: &Container) -> Result<()> {
    let lock = container.lock()?;
    let (record, status) = container.status_under(&lock)?;
    // [start.creating-error] [start.running-error] [start.stopped-error] [start.not-created-no-effect]
    if status != Status::Created {
        return Err(Error::new(format!("it is {}, not created", state::name(status))));
    }
    // [start.process-unset-error]
    if !record.has_process {
        return Err(Error::new("process is not set in its config"));
    }
    let process = record.process.ok_or_else(|| Error::new("it has no process"))?;
    let agent = Agent::reach(container)?;
    match order(container, &record, &process.pidfd()?, agent)? {
        // The kernel closes what an execution closes one after another: the last FIFO a moment after the first.
        Outcome::Executed => {
            while container.awaits_start() && process.is_alive() {
                std::thread::yield_now();
            }
        }
        Outcome::Failed(error) => return Err(error),
        // [hooks.start-container-failure-error]
        Outcome::HookFailed(error) => return end(container, &record).and(Err(error)),
    }
    run_poststart(container, &record)
}

// [hooks.poststart-after-program] [hooks.poststart-before-start-returns] [hooks.poststart-failure-error]
fn run_poststart(container: &Container, record: &Record) -> Result<()> {
    if record.poststart.is_empty() {
        return Ok(());
    }
    match hooks::run("poststart", &record.poststart, &container.state()?) {
        Ok(()) => Ok(()),
        Err(error) => end(container, record).and(Err(error)),
    }
}

/// Tells the container process to start, and waits until it has executed the program or says why not.
fn order(container: &Container, record: &Record, process: &OwnedFd, mut agent: Option<Agent>) -> Result<Outcome> {
    let (mut start, mut started) = container.open_fifos()?;
    // An answer to a start operation that was killed is no answer to this one.
    drain(&mut started)?;
    start.write_all(b"s").doing(|| "tell the container process".into())?;
    drop(start);
    let mut heard = Vec::new();
    let mut executing = None;
    loop {
        let ended = read_some(&mut started, process, &mut heard)?;
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            match serde_json::from_slice(&line).doing(|| "understand the container process".into())? {
                Answer::Executing => {
                    let agent = agent.take();
                    let state = record.state(container.id(), Status::Created);
                    executing = Some(agent.map_or(Ok(()), |agent| agent.introduce(state.pid, &state)));
                }
                Answer::HookFailed(text) => return Ok(Outcome::HookFailed(Error::new(text))),
                Answer::Failed(text) => return Ok(Outcome::Failed(Error::new(text))),
            }
        }
        match executing {
            _ if !ended => {}
            Some(Ok(())) => return Ok(Outcome::Executed),
            Some(Err(error)) => return Ok(Outcome::Failed(error)),
            // It has heard of an order before, whose giver was killed, and its answer was for that one.
            None if record.process.is_some_and(is_at_work) => return Ok(Outcome::Executed),
            None => {
                return Ok(Outcome::Failed(Error::new("the container process ended before it executed the program")));
            }
        }
    }
}

/// Whether a process is alive, and has not closed its files because it is about to end.
fn is_at_work(process: Process) -> bool {
    process.is_alive() && !is_exiting(process.pid)
}

/// Reads what there is, and waits for something if there is nothing; true at the end.
fn read_some(started: &mut File, process: &OwnedFd, heard: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match started.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                heard.extend_from_slice(&buffer[..count]);
                return Ok(false);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut fds =
                    [PollFd::new(started.as_fd(), PollFlags::POLLIN), PollFd::new(process.as_fd(), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::NONE).doing(|| "wait for the container process".into())?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).doing(|| "listen to the container process".into()),
        }
    }
}

fn drain(started: &mut File) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match started.read(&mut buffer) {
            Ok(0) => return Err(Error::new("the container process has exited")),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).doing(|| "listen to the container process".into()),
        }
    }
}

/// Stops the container, undoes its creation and runs the poststop hooks.
// [hooks.start-container-failure-destroys] [hooks.start-container-failure-runs-poststop]
// [hooks.poststart-failure-destroys] [hooks.poststart-failure-runs-poststop]
fn end(container: &Container, record: &Record) -> Result<()> {
    container.destroy(record)?;
    hooks::run_all("poststop", &record.poststop, &record.state(container.id(), Status::Stopped));
    Ok(())
}

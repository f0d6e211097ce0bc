//! What could hurt the witness is tried in a child, under a deadline.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::kernel::{self, Ended};
use crate::signals;
use crate::value::Value;

/// How long a child may take for its answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The answer that `answer` gives in a child; how the child ended if it gave none.
///
/// `{"$unreadable": …}` when there could be no child: then nothing was tried.
pub fn ask(answer: impl FnOnce() -> Value) -> Value {
    Value::from(start(answer).map(|(pid, pipe)| {
        let until = Instant::now() + DEADLINE;
        let said = listen(&pipe, until);
        if said.as_ref().is_none_or(|said| said.is_empty()) {
            return outcome(pid, until);
        }
        // It has nothing more to do; what it may have started must not keep it.
        end(&[pid]);
        said.map_or_else(|| Value::text(""), Value::Json)
    }))
}

/// A child that sleeps for ever.
pub fn sleeper() -> io::Result<i32> {
    kernel::child(|| kernel::sleep_for_ever())
}

/// Forks `count` sleeping children, one after the other, and ends them.
pub fn many(count: u32) -> Value {
    let until = Instant::now() + DEADLINE;
    let mut children = Vec::new();
    let mut failed = None;
    while failed.is_none() && children.len() < count as usize {
        match sleeper() {
            Ok(pid) => children.push(pid),
            Err(error) => failed = Some(crate::errno::name(&error)),
        }
        if Instant::now() > until {
            end(&children);
            return late();
        }
    }
    end(&children);
    let mut answer = vec![("forked".to_owned(), Value::Number(children.len() as i128))];
    answer.extend(failed.map(|error| ("error".to_owned(), Value::Text(error))));
    Value::complete(answer)
}

/// A child and the pipe on which it answers.
fn start(answer: impl FnOnce() -> Value) -> io::Result<(i32, OwnedFd)> {
    let (from, to) = kernel::pipe()?;
    let pid = kernel::child(|| {
        let me = kernel::pid().ok();
        let said = format!("{}\n", answer().json());
        // A system call may have made two of one: only the first speaks.
        if kernel::pid().ok() == me {
            kernel::write_whole(to.as_raw_fd(), said.as_bytes());
        }
    })?;
    Ok((pid, from))
}

/// The line that the child says; empty if it closed the pipe without a word, none at the deadline.
fn listen(pipe: &OwnedFd, until: Instant) -> Option<String> {
    let mut said = Vec::new();
    let mut bytes = [0; 1024];
    while !said.ends_with(b"\n") {
        if !kernel::wait_readable(pipe.as_raw_fd(), milliseconds(until)) {
            if Instant::now() >= until {
                return None;
            }
            continue;
        }
        match kernel::read_some(pipe.as_raw_fd(), &mut bytes) {
            Ok(0) => return Some(String::new()),
            Ok(length) => said.extend_from_slice(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Some(String::new()),
        }
    }
    said.pop();
    String::from_utf8(said).ok()
}

/// How the child ends before the deadline; it is ended by force after it.
fn outcome(pid: i32, until: Instant) -> Value {
    match wait(pid, until) {
        Some(Ended::Exit(code)) => Value::object([("exit", Value::from(code))]),
        Some(Ended::Signal(signal)) => Value::object([("signal", Value::Text(signals::name(signal)))]),
        None => {
            end(&[pid]);
            late()
        }
    }
}

/// What came of it nobody knows: a machine that is busy enough gets nothing done in time.
fn late() -> Value {
    Value::object([("$unreadable", Value::text("deadline"))])
}

fn wait(pid: i32, until: Instant) -> Option<Ended> {
    loop {
        match kernel::ended(pid) {
            Ok(Some(ended)) => return Some(ended),
            Ok(None) if Instant::now() < until => _ = kernel::wait_readable(-1, 1),
            _ => return None,
        }
    }
}

/// Kills children and takes their status; one that can't be killed is left behind after a second.
fn end(children: &[i32]) {
    for child in children {
        _ = kernel::send(*child, kernel::SIGKILL);
    }
    let until = Instant::now() + Duration::from_secs(1);
    for child in children {
        wait(*child, until);
    }
}

/// Milliseconds until then, as poll(2) takes them.
pub fn milliseconds(until: Instant) -> i32 {
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    i32::try_from(left).unwrap_or(i32::MAX)
}

//! Signals: their names, what is blocked and ignored, a handler that leaves a record, and a death.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::journal::Journal;
use crate::kernel;
use crate::value::Value;

/// Names by number from 1, as signal(7) has them for x86_64 and aarch64.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];
/// The kernel's last signal.
const LAST: i32 = 64;
/// The C library's first real-time signal; it keeps 32 and 33 for itself.
const FIRST_REAL_TIME: i32 = 34;

/// The record that each handled signal leaves, made before the handler is installed.
static RECORDS: [OnceLock<String>; LAST as usize + 1] = [const { OnceLock::new() }; LAST as usize + 1];
/// Where the handler writes it.
static JOURNAL: AtomicI32 = AtomicI32::new(-1);

/// A signal's name: `SIGTERM`, `SIGRTMIN+1`, `SIG32`.
pub fn name(signal: i32) -> String {
    match signal {
        1..=31 => NAMES[signal as usize - 1].to_owned(),
        FIRST_REAL_TIME => "SIGRTMIN".to_owned(),
        35..=LAST => format!("SIGRTMIN+{}", signal - FIRST_REAL_TIME),
        _ => format!("SIG{signal}"),
    }
}

/// Which signals are blocked and which ignored.
pub fn masks() -> io::Result<Value> {
    let blocked = kernel::blocked_signals()?;
    let (mut blocked_names, mut ignored_names) = (Vec::new(), Vec::new());
    for signal in 1..=LAST {
        if blocked & (1 << (signal - 1)) != 0 {
            blocked_names.push(Value::Text(name(signal)));
        }
        if kernel::is_ignored(signal)? {
            ignored_names.push(Value::Text(name(signal)));
        }
    }
    Ok(Value::object([("blocked", Value::List(blocked_names)), ("ignored", Value::List(ignored_names))]))
}

/// Installs a handler which leaves a record and lets the witness go on.
pub fn handle(journal: &Journal, signal: &str) -> io::Result<()> {
    let number = number(signal)?;
    JOURNAL.store(journal.number(), Ordering::Relaxed);
    RECORDS[number as usize].get_or_init(|| journal.event_record("signal", &[("signal", Value::text(signal))]));
    kernel::set_handler(number, leave_record)
}

/// Ignores a signal.
pub fn ignore(signal: &str) -> io::Result<()> {
    kernel::set_ignored(number(signal)?)
}

/// Blocks a signal.
pub fn block(signal: &str) -> io::Result<()> {
    kernel::block(number(signal)?).map(drop)
}

/// Gives the handled signals back to the kernel, in a child that must not speak.
pub fn forget_handlers() {
    for signal in (1..=LAST).filter(|signal| RECORDS[*signal as usize].get().is_some()) {
        _ = kernel::set_default(signal);
    }
}

/// Dies by a signal; the error says why this process is still there.
///
/// The kernel drops a signal that the first process of a pid namespace sends itself; a fault gets through.
pub fn die(signal: &str) -> io::Error {
    let number = match number(signal) {
        Ok(number) => number,
        Err(error) => return error,
    };
    _ = kernel::set_default(number);
    _ = kernel::unblock(number);
    if let Err(error) = kernel::pid().and_then(|own| kernel::send(own, number)) {
        return error;
    }
    if number == kernel::SIGSEGV {
        kernel::fault();
    }
    io::Error::from_raw_os_error(kernel::ESRCH)
}

fn number(signal: &str) -> io::Result<i32> {
    let found = (1..=LAST).find(|number| name(*number) == signal);
    found.ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))
}

/// Async-signal-safe: a prepared buffer, one write, errno kept.
extern "C" fn leave_record(signal: i32) {
    let error = kernel::errno();
    if let Some(record) = RECORDS[signal as usize].get() {
        kernel::write_whole(JOURNAL.load(Ordering::Relaxed), record.as_bytes());
    }
    kernel::set_errno(error);
}

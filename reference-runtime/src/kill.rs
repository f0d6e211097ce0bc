//! The operation that sends a signal to the container process.

use crate::container::Container;
use crate::error::{Doing, Error, Result};
use crate::state::Status;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::str::FromStr;
use std::time::Duration;

/// A signal's number, from 1 to the last real-time one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl FromStr for Signal {
    type Err = Error;

    // [command-line.kill-signal-name] [command-line.kill-signal-number] [command-line.kill-signal-unknown]
    fn from_str(text: &str) -> Result<Self> {
        let name = text.to_ascii_uppercase();
        let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
        let number = nix::sys::signal::Signal::from_str(&name).map(|signal| signal as i32).ok();
        let number = number.or_else(|| real_time(&name)).or_else(|| text.parse().ok());
        match number {
            Some(number) if (1..=libc::SIGRTMAX()).contains(&number) => Ok(Signal(number)),
            _ => Err(Error::new(format!("no signal is called {text:?}"))),
        }
    }
}

impl Signal {
    /// As kill(2) takes it.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Whether it is the one that nothing withstands but a freezer.
    pub fn is_kill(self) -> bool {
        self.0 == libc::SIGKILL
    }
}

/// `SIGRTMIN`, `SIGRTMIN+n`, `SIGRTMAX` and `SIGRTMAX-n`.
fn real_time(name: &str) -> Option<i32> {
    let (base, offset) = match (name.strip_prefix("SIGRTMIN"), name.strip_prefix("SIGRTMAX")) {
        (Some(offset), _) => (libc::SIGRTMIN(), offset),
        (_, Some(offset)) => (libc::SIGRTMAX(), offset),
        _ => return None,
    };
    let offset = if offset.is_empty() { 0 } else { offset.parse::<i32>().ok()? };
    Some(base + offset).filter(|number| (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(number))
}

/// Sends `signal` to the container process.
///
/// # Errors
/// The container is neither created nor running; then nothing is sent. // [kill.no-effect]
pub(crate) fn kill(container: &Container, signal: Signal) -> Result<()> {
    let (record, status) = container.status()?;
    match (status, record.process) {
        // [kill.running-container] [kill.created-container]
        (Status::Created | Status::Running | Status::Paused, Some(process)) => {
            send(&process.pidfd()?, signal.0).doing(|| format!("send the signal {}", signal.0))?;
            if signal.is_kill() && status == Status::Paused {
                crate::cgroups::thaw_all(&record.cgroups);
            }
            Ok(())
        }
        // [kill.creating-error] [kill.stopped-error]
        _ => Err(Error::new(format!("it is {}, neither created nor running", crate::state::name(status)))),
    }
}

/// pidfd_send_signal(2).
pub(crate) fn send(process: &OwnedFd, signal: i32) -> nix::Result<()> {
    // SAFETY: a null pointer stands for the information that kill(2) would give.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    Errno::result(result).map(drop)
}

/// Waits until a process has exited, be it as a zombie.
pub(crate) fn await_exit(process: &OwnedFd, limit: Duration) -> Result<()> {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(limit).doing(|| "count the time".into())?;
    loop {
        match poll(&mut fds, limit) {
            Err(Errno::EINTR) => {}
            Ok(0) => return Err(Error::new("it doesn't exit")),
            ended => return ended.map(drop).doing(|| "poll".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["TERM", "SIGTERM", "sigterm", "15"] {
            assert_eq!(text.parse::<Signal>().unwrap(), Signal(15));
        }
        assert_eq!("RTMIN+1".parse::<Signal>().unwrap(), Signal(libc::SIGRTMIN() + 1));
        for text in ["", "0", "-9", "SIG", "NOSUCH", "65", "RTMAX+1"] {
            text.parse::<Signal>().unwrap_err();
        }
    }
}

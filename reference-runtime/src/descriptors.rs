//! Which of the caller's descriptors the container process gets, beside the standard streams.

use crate::error::{Doing, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// The first descriptor that is no standard stream.
const FIRST: u32 = 3;

/// How many descriptors are passed on, those from 3 up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Passed {
    /// Those of socket activation, which come first: the `LISTEN_FDS` of sd_listen_fds(3).
    pub listening: u32,
    /// Those that the caller asked for beside them.
    pub others: u32,
}

impl Passed {
    /// `others`, and what the environment says of socket activation.
    pub fn with_environment(others: u32) -> Self {
        let listening = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok());
        Passed { listening: listening.unwrap_or(0), others }
    }

    /// Closes all others, which are nobody else's business: even a program that a container tricks into looking at its
    /// own descriptors finds none of them. // [process.descriptors-standard]
    pub fn close_others(self) {
        // SAFETY: it is called before this process has opened anything.
        unsafe { libc::syscall(libc::SYS_close_range, self.range().end, u32::MAX, 0) };
    }

    /// Keeps them from hooks, and whatever else is executed before the container's program.
    ///
    /// # Errors
    /// One of them isn't open.
    pub fn hold_back(self) -> Result<()> {
        self.set(FdFlag::FD_CLOEXEC)
    }

    /// Lets the next program have them. // [process.descriptors-additional]
    ///
    /// # Errors
    /// One of them isn't open.
    pub fn let_go(self) -> Result<()> {
        self.set(FdFlag::empty())
    }

    fn set(self, flags: FdFlag) -> Result<()> {
        for number in self.range() {
            let number = i32::try_from(number).map_err(|_| Errno::EBADF).doing(|| format!("pass {number} on"))?;
            // SAFETY: if nothing is open under this number the call says so, and it changes a flag alone.
            let fd = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl(fd, FcntlArg::F_SETFD(flags)).doing(|| format!("pass the descriptor {number} on"))?;
        }
        Ok(())
    }

    fn range(self) -> Range<u32> {
        FIRST..FIRST.saturating_add(self.listening).saturating_add(self.others)
    }

    /// What sd_listen_fds(3) looks for beside `given` in the environment of the calling process, the later program.
    pub fn environment(self, given: &[String]) -> Vec<String> {
        let is_given = |name: &str| given.iter().any(|entry| entry.starts_with(name));
        let entries = [("LISTEN_FDS=", self.listening), ("LISTEN_PID=", std::process::id())];
        let missing = entries.into_iter().filter(|(name, _)| self.listening > 0 && !is_given(name));
        missing.map(|(name, value)| format!("{name}{value}")).collect()
    }
}

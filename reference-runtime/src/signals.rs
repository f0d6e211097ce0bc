//! Signals that come while a process waits for another one, whose they are; and none that its caller keeps from a program.

use crate::error::{Doing, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

/// Takes every signal as a new process does: whoever runs under nohup(1), or blocks what it waits for, would have all
/// programs in its containers do so; and Rust's start-up ignores SIGPIPE.
///
/// # Errors
/// The kernel refuses.
// [hardening.signals-not-ignored] [hardening.signals-unblocked]
pub fn reset() -> nix::Result<()> {
    // The kernel's sigaction, nothing set in it; the C library keeps two signals from its own call.
    let plain = [0_u64; 4];
    let (none, size) = (std::ptr::null_mut::<u64>(), size_of::<u64>());
    for number in (1..=LAST).filter(|it| ![libc::SIGKILL, libc::SIGSTOP].contains(it)) {
        // SAFETY: the pointer is that of a live action, the default one, which runs no code.
        Errno::result(unsafe { libc::syscall(libc::SYS_rt_sigaction, number, plain.as_ptr(), none, size) })?;
    }
    let nothing = 0_u64;
    // SAFETY: as above, for a mask in which nothing is set.
    let set = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const nothing, none, size) };
    Errno::result(set).map(drop)
}

/// The last signal that Linux has.
const LAST: i32 = 64;

/// Makes the ends of children known again: a caller that does not want to know of its own ignores SIGCHLD, and whoever
/// inherits that can wait for nobody.
///
/// # Errors
/// The kernel refuses.
// [hardening.any-caller]
pub fn await_children() -> nix::Result<()> {
    // SAFETY: the default is no handler.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// All signals of the calling thread, kept waiting until this is dropped; so none gets lost before there is a process
/// that it can be passed on to.
#[derive(Debug)]
pub struct Held(SigSet);

impl Held {
    /// Keeps signals waiting from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn hold() -> Result<Self> {
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))
            .doing(|| "hold signals back".into())?;
        Ok(Held(before))
    }

    /// Gives a child the mask that the calling process had.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn release(&self) -> Result<()> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None).doing(|| "let signals come".into())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

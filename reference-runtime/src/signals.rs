//! Signals that come while a process waits for another one, whose they are.

use crate::error::{Doing, Result};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

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

//! Signals that come while a process waits for another one, whose they are.

use crate::error::{Doing, Result};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::cell::Cell;

thread_local! {
    /// The mask of this thread from before its signals were held.
    static BEFORE: Cell<Option<SigSet>> = const { Cell::new(None) };
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
        BEFORE.set(Some(before));
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

/// Gives a child the mask that its parent had before it held signals, if it does.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn release_held() -> nix::Result<()> {
    BEFORE.get().map_or(Ok(()), |before| sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None))
}

impl Drop for Held {
    fn drop(&mut self) {
        BEFORE.set(None);
        let _ = self.release();
    }
}

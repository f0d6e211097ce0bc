//! The one error type: what was being done to what, and why it failed.

use std::fmt;

/// A failed action and its cause, printed as `create c1: mount proc on /proc: EPERM: …`.
#[derive(Debug)]
pub struct Error {
    doing: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a deeper cause: `text` says what is wrong with what.
    pub fn new(text: impl Into<String>) -> Self {
        Error { doing: text.into(), cause: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(out, "{}: {cause}", self.doing),
            None => out.write_str(&self.doing),
        }
    }
}

impl std::error::Error for Error {}

/// Adds to an error what was being done when it happened.
pub trait Doing<T> {
    /// Names the action, as in `mount proc on /proc`.
    fn doing(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error { doing: action(), cause: Some(cause.into()) })
    }
}

/// Writes one warning line to standard error; the operation goes on. // [errors.warning-continues]
pub fn warn(text: impl fmt::Display) {
    eprintln!("warning: {text}");
}

//! What does not fit in the files of the specification.

use std::fmt;

/// A place in a file of the specification that does not fit its grammar, or the rest of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecError {
    /// The file's path below `spec/`, such as `chapters/hooks.md` or `upstream.tsv`.
    pub file: String,
    /// The line, the first is 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// What does not fit, and what would.
    pub message: String,
}

impl SpecError {
    /// An error in one line.
    pub(crate) fn at(file: impl Into<String>, line: usize, message: impl fmt::Display) -> Self {
        Self { file: file.into(), line: Some(line), message: message.to_string() }
    }

    /// An error of a whole file.
    pub(crate) fn of(file: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { file: file.into(), line: None, message: message.to_string() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for SpecError {}

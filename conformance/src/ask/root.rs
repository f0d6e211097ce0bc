//! Whose tree `/` shows, and whether it can be written.

use super::Subject;
use crate::case::{Question, Try};
use crate::view::root::{MARKER, view};

/// A look at the marker that every root file system of a case has, and a new file in `/`.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    match view(subject.config) {
        Ok(Some(_)) => vec![
            subject.question("root.0", Try::Make("/ocf-probe".into())),
            subject.question("root.1", Try::Read(MARKER.into())),
        ],
        _ => Vec::new(),
    }
}

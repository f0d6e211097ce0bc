//! Which file the process runs.

use super::Subject;
use crate::case::{Question, Try};
use crate::view::process::{shows_its_file, view};

/// Where the kernel's link to the program leads (proc(5)); without it nobody can tell, and nobody is asked.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    match view(subject.config) {
        Ok(Some(_)) if shows_its_file(subject.config) => {
            vec![subject.question("process.0", Try::Stat("/proc/self/exe".into()))]
        }
        _ => Vec::new(),
    }
}

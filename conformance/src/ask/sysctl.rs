//! What the kernel parameters of the config read inside.

use super::Subject;
use crate::case::{Question, Try};
use crate::view::sysctl::{file, view};

/// One look at the file of each parameter.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    let Ok(Some(parameters)) = view(subject.config) else { return Vec::new() };
    let read = |(number, (name, _)): (usize, &(&str, &str))| {
        file(name).map(|file| subject.question(format!("sysctl.{number}"), Try::Read(file)))
    };
    parameters.iter().enumerate().filter_map(read).collect()
}

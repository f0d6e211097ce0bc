//! Which file the process runs.

use super::Subject;
use crate::case::{Question, Try};
use crate::view::process::view;

/// Where the kernel's link to the program leads (proc(5)); without /proc nobody can tell, and nobody is asked.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    let mounts = subject.config.get("mounts").and_then(|mounts| mounts.as_array());
    let proc = mounts.is_some_and(|all| all.iter().any(|mount| mount["destination"] == "/proc"));
    match view(subject.config) {
        Ok(Some(_)) if proc => vec![subject.question("process.0", Try::Stat("/proc/self/exe".into()))],
        _ => Vec::new(),
    }
}

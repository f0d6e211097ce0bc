//! Which file the process runs, and what confines it.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::process::{shows_its_file, view};

/// The kernel's link to the program that the process runs (proc(5)).
pub const PROGRAM: &str = "/proc/self/exe";
/// Where AppArmor tells the profile of the process that reads it.
pub const APPARMOR: &str = "/proc/self/attr/apparmor/current";
/// Where SELinux tells the context of the process that reads it.
pub const SELINUX: &str = "/proc/self/attr/current";

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let mut raised = Raised::new("process", case)?;
    // Without /proc nobody can tell, and nobody is asked.
    let Some(process) = view(config).ok().flatten().filter(|_| shows_its_file(config)) else { return Some(raised) };
    raised.add(Try::Stat(PROGRAM.into()));
    for file in [process.apparmor_profile.map(|_| APPARMOR), process.selinux_label.map(|_| SELINUX)] {
        file.into_iter().for_each(|file| raised.add(Try::Read(file.into())));
    }
    Some(raised)
}

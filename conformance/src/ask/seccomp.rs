//! Calls that show what a filter makes of them.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Syscall, Try};
use crate::view::seccomp::{self, View};

/// Calls that look at no argument, change nothing, and always return the same.
pub const FREE: [&str; 4] = ["getppid", "getuid", "munlockall", "sched_yield"];
/// Questions of a case at most: a filter may have any number of comparisons.
const MOST: usize = 24;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well: each of the free calls, and again at the edges of what entries compare.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let view = seccomp::view(config).ok()??;
    let mut raised = Raised::new("seccomp", case)?;
    for call in calls(&view).into_iter().take(MOST) {
        raised.add(Try::Syscall(call));
    }
    Some(raised)
}

fn calls(view: &View) -> Vec<Syscall> {
    let plain = FREE.iter().map(|name| Syscall::new(*name, []));
    plain.chain(FREE.iter().flat_map(|name| view.edges(name))).collect()
}

/// The call that is tried, whichever way.
pub fn call(what: &Try) -> Option<&Syscall> {
    match what {
        Try::Syscall(call)
        | Try::Trapped(call)
        | Try::Traced(call)
        | Try::Threads(call)
        | Try::Interrupted(call)
        | Try::Foreign(call) => Some(call),
        _ => None,
    }
}

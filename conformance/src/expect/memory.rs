//! The memory limit is set, and holds.

use serde_json::json;

use super::{Subject, expect as expected};
use crate::ask::memory::{beyond, kills, raised};
use crate::case::{Question, Try};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::memory::{self, View};

/// The greatest page of any machine, in bytes: a multiple of it is rounded nowhere.
const GREATEST_PAGE: i64 = 64 << 10;
/// What cgroup v1 shows for no limit, in bytes: the greatest number of whole pages, of 4, 16 and 64 KiB.
const UNLIMITED: [&str; 3] = ["9223372036854771712", "9223372036854759424", "9223372036854710272"];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    match memory::view(subject.config) {
        Ok(Some(view)) => set(subject, &view).into_iter().chain(enforced(subject, &view)).collect(),
        Ok(None) => Vec::new(),
        Err(offence) => subject.refusal(&offence),
    }
}

fn set(subject: &Subject<'_>, view: &View) -> Option<Expectation> {
    let created = subject.created()?;
    let v1 = subject.host.cgroups.v1.contains("memory");
    let file = if v1 { "memory.limit_in_bytes" } else { "memory.max" };
    let fact = format!("/host/{}/cgroup/{file}", token(&created));
    match view.limit {
        -1 if v1 => {
            let values = UNLIMITED.iter().map(|value| json!(value)).collect();
            Some(expected("memory.limit-unlimited", &created, fact, Matcher::OneOf(values)))
        }
        -1 => Some(expected("memory.limit-unlimited", &created, fact, Matcher::Equals(json!("max")))),
        limit if limit > 0 && limit % GREATEST_PAGE == 0 => {
            Some(expected("memory.limit-set", &created, fact, Matcher::Equals(json!(limit.to_string()))))
        }
        _ => None,
    }
}

/// What the chapter asks, and what the case itself touches beyond the limit.
fn enforced(subject: &Subject<'_>, view: &View) -> Vec<Expectation> {
    let (Some(start), Some(raised), true) = (subject.started(), raised(subject.case, subject.config), kills(view))
    else {
        return Vec::new();
    };
    let Try::Touch(least) = beyond(view) else { return Vec::new() };
    let goes_beyond = |question: &&Question| {
        question.moment() == start && matches!(question.what, Try::Touch(mebibytes) if mebibytes > least)
    };
    let own = subject.case.questions.iter().filter(goes_beyond).filter_map(|question| raised.fact(&question.what));
    let killed =
        |fact| expected("memory.limit-enforced", &start, fact, Matcher::Equals(json!({ "signal": "SIGKILL" })));
    raised.fact(&beyond(view)).into_iter().chain(own).map(killed).collect()
}

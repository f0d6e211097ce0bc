//! The limit of tasks is set, and holds.

use serde_json::json;

use super::resources::Resources;
use super::{Subject, expect as expected};
use crate::ask::pids::{beyond, raised};
use crate::case::Try;
use crate::expectation::{Expectation, Matcher};
use crate::view::pids::{self, View};

const FILE: &str = "pids.max";

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match pids::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject).filter(|it| it.version("pids").is_some()) else { return Vec::new() };
    match view.limit {
        Some(limit @ 1..) => {
            let set = resources.is("pids.limit-set", FILE, limit);
            std::iter::once(set).chain(enforced(subject, &view, "pids.limit-enforced")).collect()
        }
        Some(0) => {
            let unlimited = resources.is("pids.limit-zero-unlimited", FILE, "max");
            std::iter::once(unlimited).chain(enforced(subject, &view, "pids.limit-zero")).collect()
        }
        // Which of the two is in force depends on the version.
        Some(-1) => ["pids.limit-unlimited", "pids.limit-negative"].map(|id| resources.is(id, FILE, "max")).into(),
        Some(_) => Vec::new(),
        None => vec![resources.is("pids.limit-unset", FILE, "max")],
    }
}

/// The child that would be one too many is refused.
fn enforced(subject: &Subject<'_>, view: &View, requirement: &str) -> Vec<Expectation> {
    let asked = beyond(view).zip(raised(subject.case, subject.config)).zip(subject.started());
    let Some(((children, raised), start)) = asked else { return Vec::new() };
    let Some(fact) = raised.fact(&Try::Fork(children)) else { return Vec::new() };
    vec![expected(requirement, &start, format!("{fact}/error"), Matcher::Equals(json!("EAGAIN")))]
}

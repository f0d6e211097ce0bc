//! What the start operation does in each status.

use super::{Expectation, Matcher, Subject, errors, expect as expected};
use crate::case::{MAIN, Verb};
use crate::view::lifecycle::{Operation, Outcome, Status};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    subject.operations_of(Verb::Start).iter().flat_map(|start| of(subject, start)).collect()
}

fn of(subject: &Subject<'_>, start: &Operation<'_>) -> Vec<Expectation> {
    match start.outcome {
        Outcome::Error(requirement) => {
            let mut all = errors::demanded(requirement, subject, start);
            all.extend(nothing_new_runs(subject, start));
            all
        }
        Outcome::Success => runs(subject, start).into_iter().collect(),
        Outcome::Open => Vec::new(),
    }
}

/// A second run would leave a second record.
fn nothing_new_runs(subject: &Subject<'_>, start: &Operation<'_>) -> Option<Expectation> {
    if start.call.container != MAIN || start.provoked.is_some() || start.before == Status::Absent {
        return None;
    }
    let all = subject.operations_of(Verb::Start);
    let earlier = all.iter().take_while(|other| other.name != start.name);
    let once = earlier.filter(|other| other.call.container == MAIN && other.outcome == Outcome::Success).count() > 0;
    let record = if once { "/journal/process ran/1" } else { "/journal/process ran" };
    Some(expected("start.not-created-no-effect", &start.name, record, Matcher::ABSENT))
}

/// Only where the base's config is not changed: what a changed one may be refused for is another chapter's.
fn runs(subject: &Subject<'_>, start: &Operation<'_>) -> Option<Expectation> {
    let changed = subject.case.config.is_some() || subject.case.patch.is_some() || start.provoked.is_some();
    if changed || start.call.container != MAIN {
        return None;
    }
    Some(expected("start.runs-program", &start.name, "/journal/process ran", Matcher::PRESENT))
}

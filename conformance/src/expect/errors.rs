//! What an error owes to its surroundings, whichever operation it comes from.

use serde_json::json;

use super::{Expectation, Matcher, Subject, expect as expected, of_step};
use crate::case::{Action, Step};
use crate::expectation::token;
use crate::view::lifecycle::{self, Operation, Outcome, Status};

/// The laws: a container that an error has left alone still does what its status allows.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let goes_on = |operation: &Operation<'_>| {
        let left_alone = operation.provoked.filter(|_| operation.outcome == Outcome::Success)?;
        Some(expected(left_alone, &operation.name, of_step(&operation.name, "failed"), Matcher::Equals(json!(false))))
    };
    subject.operations().iter().filter_map(goes_on).collect()
}

/// What follows when a requirement demands that a call is an error.
///
/// Where the container exists, a call that did what it must not do says with its status 0 only that; so the binding's
/// statuses are judged where there was nothing to do it to.
pub fn demanded(requirement: &str, subject: &Subject<'_>, operation: &Operation<'_>) -> Vec<Expectation> {
    if operation.provoked.is_some() {
        return Vec::new();
    }
    let failed = |id| expected(id, &operation.name, of_step(&operation.name, "failed"), Matcher::Equals(json!(true)));
    let mut all = vec![failed(requirement)];
    if operation.before == Status::Absent {
        all.push(failed("command-line.failure-status"));
    }
    all.extend(unchanged(subject, operation));
    all
}

/// That no process, mount or cgroup came of it, or that the container's process still lives.
fn unchanged(subject: &Subject<'_>, operation: &Operation<'_>) -> Vec<Expectation> {
    let left_alone = lifecycle::left_alone(operation.call.verb, operation.before);
    match (operation.before, left_alone) {
        (Status::Absent, _) if operation.alone && !operation.crowded => {
            nothing_there("errors.environment-unchanged", subject, &operation.name)
        }
        (Status::Created | Status::Running, Some(left_alone)) => {
            let alive = format!("/host/{}/process/alive", token(&operation.name));
            vec![expected(left_alone, &operation.name, alive, Matcher::Equals(json!(true)))]
        }
        _ => Vec::new(),
    }
}

/// That nothing of a container is on the host after a step: no process, no cgroup, no mount.
///
/// A case that makes cgroups or mounts of its own is left out where those would be counted.
pub fn nothing_there(requirement: &str, subject: &Subject<'_>, step: &str) -> Vec<Expectation> {
    let nothing =
        |what: &str| expected(requirement, step, format!("/host/{}/{what}", token(step)), Matcher::Equals(json!({})));
    let mut all = vec![nothing("processes")];
    if !subject.does(|action| matches!(action, Action::Cgroup { .. })) {
        all.push(nothing("cgroups"));
    }
    if !subject.does(|action| matches!(action, Action::Mount { .. } | Action::Namespace { .. })) {
        all.push(nothing("mounts"));
    }
    all
}

impl Subject<'_> {
    /// Whether the host does such a thing, before or among the steps.
    pub fn does(&self, such: impl Fn(&Action) -> bool) -> bool {
        let of_step = |step: &Step| match step {
            Step::Host(host) => host.does.iter().any(&such),
            _ => false,
        };
        self.case.setup.iter().any(&such) || self.steps.iter().any(of_step)
    }
}

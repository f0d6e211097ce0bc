//! What becomes of a signal in each status.

use serde_json::json;

use super::{Expectation, Matcher, Subject, errors, expect as expected};
use crate::case::{Action, MAIN, Step, Verb, WaitFor};
use crate::expectation::token;
use crate::view::lifecycle::{Operation, Outcome, Status, signal};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    subject.operations_of(Verb::Kill).iter().flat_map(|kill| of(subject, kill)).collect()
}

fn of(subject: &Subject<'_>, kill: &Operation<'_>) -> Vec<Expectation> {
    match kill.outcome {
        Outcome::Error(requirement) => errors::demanded(requirement, subject, kill),
        Outcome::Success if kill.provoked.is_none() && kill.call.container == MAIN => received(subject, kill),
        _ => Vec::new(),
    }
}

fn received(subject: &Subject<'_>, kill: &Operation<'_>) -> Vec<Expectation> {
    let requirement = match kill.before {
        Status::Created => "kill.created-container",
        _ => "kill.running-container",
    };
    let Some(sent) = signal(kill.call) else { return Vec::new() };
    if sent == "SIGKILL" && is_waited_for(subject) {
        return vec![expected(requirement, &kill.name, "/exit/signal", Matcher::Equals(json!(sent)))];
    }
    if kill.before != Status::Running || !kill.handled.contains(&sent) {
        return Vec::new();
    }
    let record = |name: &str| format!("/journal/{}", token(&format!("process signal {name}")));
    let others = kill.handled.iter().filter(|other| !is_ever_sent(subject, other));
    let mut all = vec![expected(requirement, &kill.name, record(&sent), Matcher::PRESENT)];
    all.extend(others.map(|other| expected(requirement, &kill.name, record(other), Matcher::ABSENT)));
    all
}

fn is_waited_for(subject: &Subject<'_>) -> bool {
    let gone = |step: &Step| matches!(step, Step::Wait(wait) if wait.until == WaitFor::Gone(MAIN.to_owned()));
    subject.steps.iter().any(gone)
}

fn is_ever_sent(subject: &Subject<'_>, name: &str) -> bool {
    let by_call = subject.operations_of(Verb::Kill).iter().any(|kill| signal(kill.call).as_deref() == Some(name));
    by_call || subject.does(|action| matches!(action, Action::Signal { signal, .. } if signal == name))
}

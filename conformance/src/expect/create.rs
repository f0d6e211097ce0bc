//! What the create operation makes, and what it must not do yet.

use serde_json::{Value, json};

use super::{Expectation, Matcher, Subject, errors, expect as expected, of_step};
use crate::case::{MAIN, Step, Verb};
use crate::expectation::token;
use crate::run::id;
use crate::view::lifecycle::{Operation, Outcome, Status};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let mut all: Vec<_> = subject.operations().iter().flat_map(|operation| of(subject, operation)).collect();
    all.extend(program_not_run(subject));
    all.extend(namespaces_made(subject));
    all.extend(applied_early(subject));
    all
}

fn of(subject: &Subject<'_>, operation: &Operation<'_>) -> Vec<Expectation> {
    match (operation.call.verb, operation.outcome) {
        (Verb::Create | Verb::Run, Outcome::Error(requirement)) => errors::demanded(requirement, subject, operation),
        (Verb::State, Outcome::Success)
            if operation.before == Status::Created && operation.provoked.is_none() && !operation.crowded =>
        {
            let wanted = Matcher::Equals(json!(id(&operation.call.container)));
            vec![expected("create.new-container", &operation.name, of_step(&operation.name, "json/id"), wanted)]
        }
        _ => Vec::new(),
    }
}

/// The program waits for the call of start; without one it never runs.
fn program_not_run(subject: &Subject<'_>) -> Option<Expectation> {
    let requirement = "create.program-not-run";
    let created = subject.call(Verb::Create)?.clone();
    let created = Step::Call(created).name();
    let launches = |verb| matches!(verb, Verb::Start | Verb::Run | Verb::Raw);
    let mut calls = subject.steps.iter().flat_map(Step::calls);
    let ran = "/journal/process ran";
    match subject.call(Verb::Start) {
        Some(call) => {
            let started = Step::Call(call.clone()).name();
            let called = format!("/journal/{}", token(&format!("call {started}")));
            Some(expected(requirement, &started, called, Matcher::Before(ran.to_owned())))
        }
        None if calls.any(|call| launches(call.verb)) => None,
        None => Some(expected(requirement, &created, ran, Matcher::ABSENT)),
    }
}

/// The namespaces that the config asks for are there when create has ended, though nothing was started yet.
fn namespaces_made(subject: &Subject<'_>) -> Vec<Expectation> {
    let (Some(create), Some(started)) = (subject.call(Verb::Create), subject.call(Verb::Start)) else {
        return Vec::new();
    };
    let created = Step::Call(create.clone()).name();
    // After a step that a failed create skips, so that a refused bundle is not held against this.
    let after = Step::Call(started.clone()).name();
    let made = |kind: &str| {
        let place = format!("/host/{}/process/namespaces/{kind}", token(&created));
        expected("create.properties-applied", &after, place, Matcher::DiffersFrom(format!("/before/namespaces/{kind}")))
    };
    new_namespaces(subject.config).into_iter().map(made).collect()
}

/// The namespaces that are made for the container, by their names below /proc/PID/ns.
pub fn new_namespaces(config: &Value) -> Vec<&'static str> {
    let entries = config.pointer("/linux/namespaces").and_then(Value::as_array).into_iter().flatten();
    let made = entries.filter(|entry| entry.get("path").is_none());
    made.filter_map(|entry| entry["type"].as_str()).filter_map(file_of).collect()
}

fn file_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "mount" => "mnt",
        "network" => "net",
        "pid" => "pid",
        "ipc" => "ipc",
        "uts" => "uts",
        "user" => "user",
        "cgroup" => "cgroup",
        "time" => "time",
        _ => return None,
    })
}

/// Whether the badness is there already when create has ended.
fn applied_early(subject: &Subject<'_>) -> Option<Expectation> {
    subject.config.pointer("/process/oomScoreAdj")?;
    let create = subject.operations_of(Verb::Create).into_iter().find(|create| create.call.container == MAIN)?;
    let place = format!("/host/{}/process/oom-score-adj", token(&create.name));
    Some(expected("create.process-properties-early", &create.name, place, Matcher::PRESENT))
}

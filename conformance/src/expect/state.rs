//! What the state says of a container in each status.

use ocf_spec::VERSIONS;
use serde_json::{Value, json};

use super::{Expectation, Matcher, Subject, errors, expect as expected, of_step};
use crate::case::{Step, Verb};
use crate::expectation::token;
use crate::run::{Places, id};
use crate::view::annotations;
use crate::view::lifecycle::{Operation, Outcome, Status};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let asked = subject.operations_of(Verb::State);
    asked.iter().filter(|asked| !asked.crowded).flat_map(|asked| of(subject, asked)).collect()
}

fn of(subject: &Subject<'_>, asked: &Operation<'_>) -> Vec<Expectation> {
    match (asked.outcome, asked.provoked) {
        (Outcome::Error(requirement), _) => errors::demanded(requirement, subject, asked),
        (Outcome::Success, Some(left_alone)) => unchanged(left_alone, asked),
        (Outcome::Success, None) => answer(subject, asked),
        (Outcome::Open, _) => Vec::new(),
    }
}

/// The word that the format has for a status; none where the steps leave it open.
pub fn word(status: Status) -> Option<&'static str> {
    match status {
        Status::Creating => Some("creating"),
        Status::Created => Some("created"),
        Status::Running => Some("running"),
        Status::Stopped => Some("stopped"),
        Status::Absent | Status::Ending | Status::Unknown => None,
    }
}

/// The state after an error which had to leave the container alone.
fn unchanged(left_alone: &str, asked: &Operation<'_>) -> Vec<Expectation> {
    let Some(word) = word(asked.before) else { return Vec::new() };
    vec![fact(left_alone, asked, "status", Matcher::Equals(json!(word)))]
}

fn answer(subject: &Subject<'_>, asked: &Operation<'_>) -> Vec<Expectation> {
    let container = &asked.call.container;
    let here = |id, name, matcher| fact(id, asked, name, matcher);
    let mut all = vec![
        expected("state.returned", &asked.name, of_step(&asked.name, "failed"), Matcher::Equals(json!(false))),
        here("state.version-present", "ociVersion", Matcher::PRESENT),
        here("state.version-complied-with", "ociVersion", Matcher::OneOf(versions())),
        here("state.id", "id", Matcher::Equals(json!(id(container)))),
        here("state.status-present", "status", Matcher::PRESENT),
        here("state.additional-status", "status", Matcher::PRESENT),
        expected("state.additional-properties", &asked.name, of_step(&asked.name, "json"), Matcher::PRESENT),
    ];
    all.extend(status(asked));
    all.extend(pid(asked));
    all.extend(bundle(subject, container).map(|path| here("state.bundle", "bundle", Matcher::Equals(json!(path)))));
    all.extend(pairs(subject, asked));
    all.extend(shape(asked));
    all
}

fn status(asked: &Operation<'_>) -> Vec<Expectation> {
    let Some(word) = word(asked.before) else { return Vec::new() };
    let defined = Matcher::OneOf(["creating", "created", "running", "stopped"].map(|word| json!(word)).into());
    vec![
        fact(&format!("state.status-{word}"), asked, "status", Matcher::Equals(json!(word))),
        // One of the defined values is none of the runtime's own, even where it is the wrong one.
        fact("state.additional-status-is-new", asked, "status", defined),
    ]
}

/// The pid is compared with the pid file's, which the create call wrote.
fn pid(asked: &Operation<'_>) -> Vec<Expectation> {
    let told = format!("/host/{}/process/pid", token(&asked.name));
    match asked.before {
        Status::Created | Status::Running => vec![
            fact("state.pid-present", asked, "pid", Matcher::PRESENT),
            fact("state.pid-seen-by-host", asked, "pid", Matcher::SameAs(told.clone())),
            fact("state.pid-of-process", asked, "pid", Matcher::SameAs(told)),
        ],
        Status::Stopped => vec![fact("state.pid-otherwise", asked, "pid", Matcher::PRESENT)],
        _ => Vec::new(),
    }
}

fn pairs(subject: &Subject<'_>, asked: &Operation<'_>) -> Vec<Expectation> {
    match annotations::view(subject.config) {
        Ok(Some(view)) if !view.pairs.is_empty() => view
            .pairs
            .iter()
            .map(|(key, value)| {
                let place = format!("annotations/{}", token(key));
                fact("state.annotations-of-config", asked, &place, Matcher::Equals(json!(value)))
            })
            .collect(),
        Ok(_) => vec![fact("state.annotations-none", asked, "annotations", Matcher::PRESENT)],
        Err(_) => Vec::new(),
    }
}

/// That each property which the schema requires is there; the other laws pin their values, and so their types.
fn shape(asked: &Operation<'_>) -> Vec<Expectation> {
    let required = ["ociVersion", "id", "status", "bundle"];
    let of = |id: &'static str| required.map(|name| fact(id, asked, name, Matcher::PRESENT));
    of("state.pattern").into_iter().chain(of("state.schema")).collect()
}

fn fact(requirement: &str, asked: &Operation<'_>, name: &str, matcher: Matcher) -> Expectation {
    expected(requirement, &asked.name, of_step(&asked.name, &format!("json/{name}")), matcher)
}

/// The bundle's absolute path; none where it is named in a way that only the runtime can resolve.
pub fn bundle(subject: &Subject<'_>, container: &str) -> Option<String> {
    let mut calls = subject.steps.iter().flat_map(Step::calls).filter(|call| call.container == container);
    let path = match calls.find_map(|call| call.bundle.as_deref()) {
        None => Places::bundle(container),
        Some(told) if told.starts_with(['/', '$', '.']) || subject.case.caller.cwd.is_some() => return None,
        Some(told) => Places::base().join(told),
    };
    Some(path.display().to_string())
}

/// Every version of the text, with the endings under which its drafts were known.
pub fn versions() -> Vec<Value> {
    let endings = ["", "-dev", "+dev", "-rc.1", "-rc.2", "-rc.3", "-rc.4", "-rc.1+dev", "-rc.2+dev", "-rc.3+dev"];
    VERSIONS.iter().flat_map(|version| endings.map(|ending| json!(format!("{version}{ending}")))).collect()
}

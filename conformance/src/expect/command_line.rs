//! Our binding: how a call is made, what it returns, and what the container gets from its caller.

use serde_json::{Value, json};

use super::create::new_namespaces;
use super::{Expectation, Matcher, Subject, errors, expect as expected, inside, of_step};
use crate::case::{MAIN, Stdio, Step, Verb};
use crate::expectation::token;
use crate::view::hooks;
use crate::view::lifecycle::{Operation, Outcome, Status};
use crate::view::tree::plain;

/// The laws. That a call which is an error fails stands beside each error.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let operations = subject.operations();
    let mut all: Vec<_> = operations.iter().flat_map(|operation| returned(subject, operation)).collect();
    if let (Some(create), Some(start)) = (subject.call(Verb::Create), subject.call(Verb::Start)) {
        let (created, started) = (Step::Call(create.clone()).name(), Step::Call(start.clone()).name());
        all.extend(create_and_start(subject, &created, &started));
    }
    all
}

/// What a call that is no error gives back. A create or start that is refused is no matter of the command line.
fn returned(subject: &Subject<'_>, operation: &Operation<'_>) -> Vec<Expectation> {
    if operation.crowded || operation.provoked.is_some() || is_warned(subject, operation) {
        return Vec::new();
    }
    let succeeds =
        |id: &str| expected(id, &operation.name, of_step(&operation.name, "failed"), Matcher::Equals(json!(false)));
    let of_verb = match (operation.call.verb, operation.outcome) {
        (Verb::State, Outcome::Success) => {
            let document = of_step(&operation.name, "json/status");
            vec![expected("command-line.state", &operation.name, document, Matcher::PRESENT)]
        }
        (Verb::Kill, Outcome::Success) => kill(operation).into_iter().map(succeeds).collect(),
        (Verb::Delete, Outcome::Success) => vec![succeeds("command-line.delete")],
        (Verb::Delete, Outcome::Open) if operation.call.force => return forced(subject, operation),
        (Verb::Features, _) => {
            let document = of_step(&operation.name, "json/ociVersionMax");
            return vec![expected("command-line.features", &operation.name, document, Matcher::PRESENT)];
        }
        _ => return Vec::new(),
    };
    std::iter::once(succeeds("command-line.success-status")).chain(of_verb).collect()
}

/// Whether a hook's failure may come in between, of which the runtime only has to warn: what that does to the call is
/// held against the hook's requirement alone.
fn is_warned(subject: &Subject<'_>, operation: &Operation<'_>) -> bool {
    hooks::warns(subject.case, subject.config, operation.call.verb, subject.spec)
}

/// Which form of a signal the call shows to be taken.
fn kill(operation: &Operation<'_>) -> [&'static str; 2] {
    let told = operation.call.signal.as_deref().unwrap_or("TERM");
    let form = if told.parse::<u32>().is_ok() { "number" } else { "name" };
    let form = if form == "number" { "command-line.kill-signal-number" } else { "command-line.kill-signal-name" };
    ["command-line.kill", form]
}

fn forced(subject: &Subject<'_>, delete: &Operation<'_>) -> Vec<Expectation> {
    if !delete.alone || !matches!(delete.before, Status::Created | Status::Running | Status::Stopped) {
        return Vec::new();
    }
    let requirement = "command-line.delete-force";
    let mut all = errors::nothing_there(requirement, subject, &delete.name);
    all.push(expected(requirement, &delete.name, of_step(&delete.name, "failed"), Matcher::Equals(json!(false))));
    all
}

/// All of it after start, which a failed create skips, so that a refused bundle is not held against the command line.
fn create_and_start(subject: &Subject<'_>, created: &str, started: &str) -> Vec<Expectation> {
    let journal = |event: &str, step: &str| format!("/journal/{}", token(&format!("{event} {step}")));
    let ran = Matcher::Before("/journal/process ran".to_owned());
    let mut all = vec![
        expected("command-line.create", started, of_step(created, "failed"), Matcher::Equals(json!(false))),
        expected("command-line.create-returns", started, journal("return", created), ran),
    ];
    if let Some(exit) = subject.steps.iter().find(|step| matches!(step, Step::Exit(exit) if exit.container == MAIN)) {
        let ends = Matcher::Before("/journal/process exiting".to_owned());
        all.push(expected("command-line.start", &exit.name(), journal("return", started), ends));
    }
    all.extend(told_pid(subject, started));
    all.extend(streams(subject, created, started));
    all.extend(kept_below_root(subject, created));
    all
}

/// What the host knows of the container's process it knows by the pid file: that is the process which reported.
fn told_pid(subject: &Subject<'_>, started: &str) -> Vec<Expectation> {
    let host = |fact: &str| format!("/host/{}/process/{fact}", token(started));
    let leaves_it_alone = |start: &Operation<'_>| start.provoked.is_none() && !is_warned(subject, start);
    let serves = subject
        .operations()
        .iter()
        .any(|start| start.name == started && start.outcome == Outcome::Success && leaves_it_alone(start));
    let alive = serves.then(|| expected("command-line.pid-file", started, host("alive"), Matcher::Equals(json!(true))));
    let made = new_namespaces(subject.config).into_iter().filter(|_| serves).map(|kind| {
        let reported = Matcher::SameAs(inside(started, &format!("namespaces/{kind}")));
        expected("command-line.pid-file", started, host(&format!("namespaces/{kind}")), reported)
    });
    alive.into_iter().chain(made).collect()
}

/// The three streams are the create call's own, by device and inode. The null device is the same wherever its node lies.
fn streams(subject: &Subject<'_>, created: &str, started: &str) -> Vec<Expectation> {
    let terminal = subject.config.pointer("/process/terminal").and_then(Value::as_bool) == Some(true);
    if terminal || covers_null(subject) {
        return Vec::new();
    }
    let caller = &subject.case.caller;
    let input = caller.stdin.clone().unwrap_or(Stdio::Null);
    let output = |stdio: &Option<Stdio>| stdio.clone().unwrap_or(Stdio::File);
    let given = [(0, input), (1, output(&caller.stdout)), (2, output(&caller.stderr))];
    let same = |number: i32, fact: &str| {
        let place = format!("descriptors/{number}/{fact}");
        let given = Matcher::SameAs(of_step(created, &place));
        expected("command-line.standard-streams", started, inside(started, &place), given)
    };
    let told = |(number, stdio): (i32, Stdio)| -> Vec<Expectation> {
        match stdio {
            Stdio::Closed => Vec::new(),
            Stdio::Null => vec![same(number, "rdev")],
            Stdio::File | Stdio::Pipe | Stdio::Path(_) | Stdio::Directory(_) | Stdio::Terminal => {
                ["dev", "ino", "rdev"].map(|fact| same(number, fact)).into()
            }
        }
    };
    given.into_iter().flat_map(told).collect()
}

/// Whether the case puts something at /dev/null, to which a runtime may redirect a stream.
fn covers_null(subject: &Subject<'_>) -> bool {
    let is_at = |entry: &Value, member: &str| entry[member].as_str().is_some_and(|path| plain(path) == "/dev/null");
    let lists = |place: &str, member: &str| {
        subject
            .config
            .pointer(place)
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|it| is_at(it, member)))
    };
    let of_rootfs = subject.case.rootfs.keys().any(|path| plain(path) == "/dev/null");
    of_rootfs || lists("/mounts", "destination") || lists("/linux/devices", "path")
}

/// What the runtime keeps while the container exists is gone when it was deleted.
fn kept_below_root(subject: &Subject<'_>, created: &str) -> Option<Expectation> {
    let deletes = subject.operations_of(Verb::Delete);
    let is_plain =
        |delete: &&Operation<'_>| delete.outcome == Outcome::Success && delete.alone && !is_warned(subject, delete);
    let delete = deletes.iter().find(is_plain)?;
    let kept = format!("/host/{}/state-root", token(created));
    let after = Matcher::DiffersFrom(format!("/host/{}/state-root", token(&delete.name)));
    Some(expected("command-line.root", &delete.name, kept, after))
}

//! Proof that the suite can fail: runtimes that are none (`examples/stand-in`), and what each passes nevertheless.
//!
//! `stand_ins/NAME.json` has all of it, `{"ID": "why it is right that this passes"}`. Nothing else may pass, and each of
//! them must.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it has to be")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ocf_conformance::expectation::{Matcher, Vantage};
use ocf_conformance::judge::{Decided, Outcome, Verdict};
use ocf_conformance::libtest;
use ocf_conformance::report::Stopped;
use ocf_conformance::suite::{self, Gathered, Options};
use ocf_spec::VERSIONS;
use serde_json::json;

/// What every stand-in is tried on: a little of everything, and no case that needs a certain host.
const CASES: [&str; 12] = [
    "create/id-in-use",
    "delete/running",
    "errors/hostname-is-number",
    "hooks/create-runtime-fails",
    "kill/handled-signal",
    "masked-paths/file",
    "mounts/flags",
    "namespaces/path-of-plain-file",
    "process/env-values",
    "rlimits/duplicate",
    "state/running",
    "user/ordinary",
];

/// What no list can excuse.
type Forbidden = fn(&Outcome) -> bool;

#[test]
fn one_that_always_succeeds() {
    hold_to_its_list("true", speaks_of_a_container);
}

#[test]
fn one_that_always_fails() {
    hold_to_its_list("false", speaks_of_a_container);
}

#[test]
fn one_that_sleeps_for_ever() {
    let gathered = hold_to_its_list("sleeps", speaks_of_a_container);
    assert!(matches!(gathered.stopped, Some(Stopped::Deadlines(_))), "what ended the run: {:?}", gathered.stopped);
}

#[test]
fn one_that_floods_its_output() {
    hold_to_its_list("floods", speaks_of_a_container);
}

#[test]
fn a_perfect_state_machine_that_starts_nothing() {
    hold_to_its_list("state-machine", speaks_of_a_container);
}

#[test]
fn one_that_changes_the_root_and_applies_nothing_else() {
    hold_to_its_list("chroot-only", |outcome| outcome.expectation.vantage == Vantage::Hooks);
}

#[test]
fn one_that_accepts_everything() {
    hold_to_its_list("accepts-everything", asks_for_an_error);
}

#[test]
fn one_that_runs_the_base_and_refuses_all_else() {
    hold_to_its_list("base-only", |outcome| matches!(outcome.expectation.matcher, Matcher::Refused(_)));
}

#[test]
fn one_that_runs_the_base_whatever_it_is_given() {
    hold_to_its_list("base-always", |outcome| matches!(outcome.expectation.matcher, Matcher::Refused(_)));
}

/// What the chapter on attacks is for: each of these has to be found with one that takes no care.
const CARELESS: [&str; 12] = [
    "hardening.directory-inside",
    "hardening.every-call-ends",
    "hardening.mounts-stay-inside",
    "hardening.no-foreign-terminal",
    "hardening.nothing-outside-changes",
    "hardening.nothing-outside-shows",
    "hardening.own-keyring",
    "hardening.own-session",
    "hardening.pid-file-not-followed",
    "hardening.real-proc",
    "hardening.signals-not-ignored",
    "hardening.signals-unblocked",
];

#[test]
fn one_that_takes_no_care() {
    let bench = Bench::set_up("naive");
    let options = Options { filters: vec!["hardening".to_owned()], ..bench.options() };
    let gathered = suite::gather(&options, &|_, _, _| {}).unwrap_or_else(|why| panic!("naive: {why}"));
    let decided = libtest::judged(&gathered);
    let failed: BTreeSet<&str> =
        decided.iter().filter(|it| it.verdict == Verdict::Fail).map(|it| it.id.as_str()).collect();
    let missed: Vec<_> = CARELESS.iter().filter(|id| !failed.contains(*id)).collect();
    let told = |id: &&&str| {
        let found = decided.iter().find(|it| it.id.as_str() == **id);
        format!("{id}: {:?}", found.map(|it| (it.verdict, it.reason().map(ToString::to_string))))
    };
    assert!(missed.is_empty(), "not found:\n  {}", missed.iter().map(told).collect::<Vec<_>>().join("\n  "));
}

/// What can't be known from outside, by the calls and their answers alone.
fn speaks_of_a_container(outcome: &Outcome) -> bool {
    let expectation = &outcome.expectation;
    let of_program = expectation.fact.starts_with("/journal/process") && expectation.matcher != Matcher::ABSENT;
    of_program || matches!(expectation.vantage, Vantage::Inside | Vantage::Cgroup | Vantage::Hooks)
}

fn asks_for_an_error(outcome: &Outcome) -> bool {
    let expectation = &outcome.expectation;
    let fails = expectation.fact.ends_with("/failed") && expectation.matcher == Matcher::Equals(json!(true));
    fails || matches!(expectation.matcher, Matcher::Refused(_))
}

/// Runs the suite against a stand-in, and compares what passes with its list.
fn hold_to_its_list(name: &str, forbidden: Forbidden) -> Gathered {
    let bench = Bench::set_up(name);
    let gathered = suite::gather(&bench.options(), &|_, _, _| {}).unwrap_or_else(|why| panic!("{name}: {why}"));
    let decided = libtest::judged(&gathered);
    let passed: Vec<_> = decided.iter().filter(|it| it.verdict == Verdict::Pass).collect();
    let mut wrong = Vec::new();
    for outcome in passed.iter().flat_map(|it| passes(it)).filter(|outcome| forbidden(outcome)) {
        let (id, told) = (&outcome.expectation.requirement, told(outcome));
        wrong.push(format!("passes {id}, which no list may excuse: {told}"));
    }
    let listed = listed(name);
    let found: BTreeSet<&str> = passed.iter().map(|it| it.id.as_str()).collect();
    for decided in passed.iter().filter(|it| !listed.contains_key(it.id.as_str())) {
        let (first, count) = (passes(decided).next().map(told).unwrap_or_default(), passes(decided).count());
        wrong
            .push(format!("passes {}, which its list does not have, {count} times, first:\n      {first}", decided.id));
    }
    for id in listed.keys().filter(|id| !found.contains(id.as_str())) {
        let now = decided
            .iter()
            .find(|it| it.id.as_str() == id)
            .map(|it| (it.verdict.word(), it.reason().map(ToString::to_string)));
        wrong.push(format!("does not pass {id} any more ({now:?}): strike it from the list"));
    }
    assert!(wrong.is_empty(), "{}", complaint(name, &wrong));
    gathered
}

fn complaint(name: &str, wrong: &[String]) -> String {
    let list = list(name);
    format!(
        "the stand-in {name}\n  {}\nIf it is right that such a runtime passes a requirement, {} says why. \
         If it is not, its law is too weak: it has to be given a control, or a fact that this stand-in can't show.",
        wrong.join("\n  "),
        list.display()
    )
}

fn passes(decided: &Decided) -> impl Iterator<Item = &Outcome> {
    decided.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass)
}

fn told(outcome: &Outcome) -> String {
    format!("in {} ({:?}): expected {}, seen {}", outcome.case, outcome.role, outcome.expected, outcome.seen)
}

fn listed(name: &str) -> BTreeMap<String, String> {
    let file = list(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let listed: BTreeMap<String, String> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let reasonless = listed.iter().find(|(_, reason)| reason.trim().is_empty());
    assert_eq!(reasonless, None, "{}: an id without a reason", file.display());
    listed
}

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins").join(format!("{name}.json"))
}

/// A directory with a stand-in under its name, and the adapter that tells it of a real runtime.
struct Bench {
    directory: PathBuf,
    name: String,
}

impl Bench {
    fn set_up(name: &str) -> Self {
        let directory = env::temp_dir().join(format!("ocf-stand-ins-{}-{name}", std::process::id()));
        fs::create_dir(&directory).unwrap_or_else(|e| panic!("make {}: {e}", directory.display()));
        let bench = Self { directory, name: name.to_owned() };
        symlink(program(), bench.runtime()).unwrap();
        let mut adapter: serde_json::Value = serde_json::from_str(include_str!("../adapters/generic.json")).unwrap();
        let spec = newest().to_string();
        adapter["environment"] = json!({ "STAND_IN_RUNTIME": real_runtime(), "STAND_IN_SPEC": spec });
        fs::write(bench.adapter(), adapter.to_string()).unwrap();
        bench
    }

    fn runtime(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    fn adapter(&self) -> PathBuf {
        self.directory.join("adapter.json")
    }

    fn options(&self) -> Options {
        Options {
            adapter: Some(self.adapter().display().to_string()),
            spec: Some(newest()),
            filters: CASES.map(str::to_owned).to_vec(),
            deadline: 2,
            gate: false,
            supervisor: Some(env!("CARGO_BIN_EXE_ocf").into()),
            ..libtest::options(self.runtime())
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn newest() -> ocf_spec::Version {
    VERSIONS[VERSIONS.len() - 1]
}

/// Built by `cargo test`, beside the programs.
fn program() -> PathBuf {
    let file = Path::new(env!("CARGO_BIN_EXE_ocf")).with_file_name("examples").join("stand-in");
    assert!(file.exists(), "{} is missing: `cargo build -p ocf-conformance --examples` builds it", file.display());
    file
}

fn real_runtime() -> PathBuf {
    let word = env::var("OCF_RUNTIME").expect(
        "OCF_RUNTIME is not set: build with `cargo build -p ocf-runtime` and name target/debug/ocf-runtime, or use `make test`",
    );
    suite::find_runtime(&word).unwrap_or_else(|why| panic!("OCF_RUNTIME: {why}"))
}

//! Every expectation that our runtime passes is tried against the evidence of all other cases, too, and must break in
//! one of them: what holds whatever the case is decides nothing.
//!
//! `breaks/never.json` has what breaks nowhere by now, `{"ID": "why"}`; nothing else may.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use ocf_conformance::evidence::Evidence;
use ocf_conformance::expectation::Expectation;
use ocf_conformance::judge::{self, Outcome, Verdict};
use ocf_conformance::libtest;
use ocf_conformance::suite::{self, Gathered, Options};
use ocf_spec::Specification;

#[test]
fn every_expectation_breaks_somewhere() {
    let gathered = gathered();
    let mut left = passed(&gathered);
    assert!(left.len() > 500, "only {} expectations passed: is this our runtime?", left.len());
    for evidence in &gathered.evidence {
        left = unbroken(&gathered, evidence, left);
    }
    let never = listed();
    let mut wrong = Vec::new();
    let found: BTreeMap<&str, Vec<&Expectation>> = left.iter().fold(BTreeMap::new(), |mut found, it| {
        found.entry(it.requirement.as_str()).or_insert_with(Vec::new).push(it);
        found
    });
    for (id, all) in found.iter().filter(|(id, _)| !never.contains_key(**id)) {
        let facts: BTreeSet<String> = all.iter().map(|it| format!("{}: {}", it.fact, it.matcher)).collect();
        let facts: Vec<_> = facts.into_iter().collect();
        wrong.push(format!("{id} holds in every case\n      {}", facts.join("\n      ")));
    }
    for id in never.keys().filter(|id| !found.contains_key(id.as_str())) {
        wrong.push(format!("{id} does break: strike it from the list"));
    }
    assert!(wrong.is_empty(), "{}", complaint(&wrong));
}

fn complaint(wrong: &[String]) -> String {
    format!(
        "{} requirements:\n  {}\nA case, or a control, has to differ in the very property, so that what is expected here \
         is false there. Where no case can, {} says why.",
        wrong.len(),
        wrong.join("\n  "),
        list().display()
    )
}

fn gathered() -> Gathered {
    let runtime = env::var("OCF_RUNTIME").expect(
        "OCF_RUNTIME is not set: build with `cargo build -p ocf-runtime` and name target/debug/ocf-runtime, or use `make test`",
    );
    let runtime = suite::find_runtime(&runtime).unwrap_or_else(|why| panic!("OCF_RUNTIME: {why}"));
    let options = Options { supervisor: Some(env!("CARGO_BIN_EXE_ocf").into()), ..libtest::options(runtime) };
    let gathered = suite::gather(&options, &|_, _, _| {}).unwrap_or_else(|why| panic!("{why}"));
    assert!(gathered.stopped.is_none(), "the run was stopped: {:?}", gathered.stopped);
    gathered
}

/// All that was derived and passed, each once.
fn passed(gathered: &Gathered) -> Vec<Expectation> {
    let mut known = BTreeSet::new();
    let decided = libtest::judged(gathered);
    // An engine's config is run as it is: what it alone calls for, at places of its own, has no twin to break in.
    let is_ours = |it: &Outcome| it.verdict == Verdict::Pass && !it.case.starts_with("engines/");
    let outcomes = decided.into_iter().flat_map(|it| it.outcomes).filter(is_ours);
    let expectations = outcomes.map(|it| it.expectation);
    expectations.filter(|it| known.insert(format!("{} {} {}", it.requirement, it.fact, it.matcher))).collect()
}

/// What does not break in this evidence: it holds there, or nothing can be said.
fn unbroken(gathered: &Gathered, evidence: &Evidence, tried: Vec<Expectation>) -> Vec<Expectation> {
    let Some(reached) =
        evidence.definition.steps().iter().flat_map(|step| step.names()).find(|step| evidence.attempted(step))
    else {
        return tried;
    };
    // What counts is the fact alone, not whether this case has a step of the same name.
    let here: Vec<_> = tried.into_iter().map(|it| Expectation { after: reached.clone(), ..it }).collect();
    let run = [(evidence.clone(), here)];
    let decided = judge::judge(&gathered.header, &run, Specification::embedded(), &gathered.profile);
    let outcomes = decided.into_iter().flat_map(|it| it.outcomes);
    outcomes.filter(|it| it.verdict != Verdict::Fail).map(|it| it.expectation).collect()
}

fn listed() -> BTreeMap<String, String> {
    let text = fs::read_to_string(list()).unwrap_or_else(|e| panic!("{}: {e}", list().display()));
    let listed: BTreeMap<String, String> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", list().display()));
    let reasonless = listed.iter().find(|(_, reason)| reason.trim().is_empty());
    assert_eq!(reasonless, None, "{}: an id without a reason", list().display());
    listed
}

fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/breaks/never.json")
}

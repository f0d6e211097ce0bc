//! What failed in a report, made so small that a runtime's author sees it at once: a bundle, and a script that shows the
//! failure with the runtime alone.

mod script;

pub use script::quoted;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ocf_spec::{RequirementId, Specification};
use serde_json::{Value, json};

use crate::case::{Base, Case, Step, Verb};
use crate::evidence::{Evidence, Role};
use crate::expect;
use crate::expectation::{Expectation, Matcher};
use crate::judge::{self, Outcome, Verdict};
use crate::profile::Profile;
use crate::properties;
use crate::reduce;
use crate::report::{Entry, Report};
use crate::suite::{self, Session};

/// So many times at most a failing case is tried again with less in it.
const TRIES: usize = 80;

/// The script's name.
pub const SCRIPT: &str = "reproduce.sh";
/// What the script stands on, beside it.
const BESIDE: [(&str, &str); 2] =
    [("stage.sh", include_str!("reproduce/stage.sh")), ("facts.jq", include_str!("reproduce/facts.jq"))];

/// What came of one requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reproduced {
    /// The script shows it.
    Shown,
    /// The runtime does not fail any more.
    Kept,
    /// The harness sees it, and the script ended with this status instead of 1.
    NotShown(Option<i32>),
}

/// A case that fails a requirement, and how.
#[derive(Clone)]
struct Failure {
    name: String,
    role: Role,
    case: Case,
    base: Base,
    outcome: Outcome,
}

/// Makes the directory of one failed requirement.
///
/// # Errors
/// What can't be done at all: an unknown case, a directory that can't be written, trouble of the harness.
pub fn reproduce(
    session: &Session<'_>,
    report: &Report,
    entry: &Entry,
    directory: &Path,
) -> Result<Reproduced, String> {
    let Some(failure) = failure(session, entry)? else { return Ok(Reproduced::Kept) };
    let failure = shortened(session, failure);
    let failure = smaller(session, failure);
    fs::create_dir_all(directory).map_err(|e| format!("make {}: {e}", directory.display()))?;
    session.stage(&failure.name, failure.role, &failure.case, &failure.base, directory)?;
    script::write(session, report, entry, &failure, directory)?;
    for (name, text) in BESIDE {
        put(&directory.join(name), text, 0o644)?;
    }
    show(directory, Path::new(&session.header.runtime.path))
}

/// Runs the script.
///
/// # Errors
/// It can't be started.
pub fn show(directory: &Path, runtime: &Path) -> Result<Reproduced, String> {
    let script = directory.join(SCRIPT);
    let status = Command::new(&script)
        .arg(runtime)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("run {}: {e}", script.display()))?;
    Ok(if status.code() == Some(1) { Reproduced::Shown } else { Reproduced::NotShown(status.code()) })
}

fn put(file: &Path, text: &str, mode: u32) -> Result<(), String> {
    let written = fs::write(file, text).and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(mode)));
    written.map_err(|e| format!("write {}: {e}", file.display()))
}

/// The case in which the report has it, or its control, as long as the runtime fails it there.
fn failure(session: &Session<'_>, entry: &Entry) -> Result<Option<Failure>, String> {
    let name = entry.case.as_deref().ok_or_else(|| format!("{}: the report names no case", entry.id))?;
    let case = case_named(name).ok_or_else(|| format!("{}: there is no case {name} (any more)", entry.id))?;
    let base = suite::base(case.base.as_deref().unwrap_or(&session.base))?;
    let control = case.control().map_err(|e| format!("fixtures/{name}.json: {e}"))?;
    let roles = [(Role::Case, Some(case)), (Role::Control, control)];
    for (role, case) in roles {
        let Some(case) = case.map(|it| suite::called(it, &base)) else { continue };
        let evidence = session.run(name, role, case.clone(), base.clone());
        if let Some(trouble) = evidence.trouble {
            return Err(format!("{name}: {trouble}"));
        }
        if let Some(outcome) = failed(session, &evidence, &entry.id).into_iter().next() {
            return Ok(Some(Failure { name: name.to_owned(), role, case, base, outcome }));
        }
    }
    Ok(None)
}

fn case_named(name: &str) -> Option<Case> {
    if let Some(tree) = properties::Tree::grow(name) {
        return Some(tree.case());
    }
    if name.starts_with("base/") {
        return Some(Case { about: "the base bundle".to_owned(), ..Case::default() });
    }
    suite::cases().ok()?.into_iter().find(|(known, _)| known == name).map(|(_, case)| case)
}

/// How the runtime fails a requirement in this evidence.
fn failed(session: &Session<'_>, evidence: &Evidence, id: &RequirementId) -> Vec<Outcome> {
    let Ok(profile) = Profile::named(&session.header.profile) else { return Vec::new() };
    let mut expected = expect::expectations(&session.header, evidence);
    expected.retain(|it| it.requirement == *id);
    let run = [(evidence.clone(), expected)];
    let decided = judge::judge(&session.header, &run, Specification::embedded(), &profile);
    let outcomes = decided.into_iter().flat_map(|it| it.outcomes);
    outcomes.filter(|it| it.verdict == Verdict::Fail).collect()
}

/// Whether the case fails in the very same way.
fn same(session: &Session<'_>, failure: &Failure, case: &Case, base: &Base) -> bool {
    let Outcome { expectation, seen, .. } = &failure.outcome;
    let evidence = session.run(&failure.name, failure.role, case.clone(), base.clone());
    let is_it = |it: &Outcome| it.expectation == *expectation && it.seen == *seen;
    evidence.trouble.is_none() && failed(session, &evidence, &expectation.requirement).iter().any(is_it)
}

/// The failure without the steps after the last one that has a part in it.
fn shortened(session: &Session<'_>, failure: Failure) -> Failure {
    let steps = failure.case.steps();
    let cited = script::cited(&failure.outcome.expectation);
    let refusal = matches!(failure.outcome.expectation.matcher, Matcher::Refused(_));
    let launches = |step: &Step| step.calls().any(|it| matches!(it.verb, Verb::Create | Verb::Start | Verb::Run));
    let needed = |step: &Step| step.names().iter().any(|name| cited.contains(name)) || (refusal && launches(step));
    let Some(last) = steps.iter().rposition(needed).filter(|last| last + 1 < steps.len()) else { return failure };
    let kept: Vec<Step> = steps[..=last].to_vec();
    let names: BTreeSet<String> = kept.iter().flat_map(Step::names).collect();
    let mut case = Case { steps: Some(kept), ..failure.case.clone() };
    case.questions.retain(|it| names.contains(it.moment()));
    case.expect.retain(|it| names.contains(&it.after));
    case.control = None;
    if same(session, &failure, &case, &failure.base) { Failure { case, ..failure } } else { failure }
}

/// The failure with as little in its config and its root file system as it takes.
///
/// What a fixture expects by itself holds for its own config: of that only what the base has may go. What a law expects it
/// derives from whatever is there.
fn smaller(session: &Session<'_>, failure: Failure) -> Failure {
    let Ok(Some(config)) = failure.case.config(&failure.base, session.header.spec) else { return failure };
    let Ok(Some(plain)) = Case::default().config(&failure.base, session.header.spec) else { return failure };
    let of_fixture = failure.case.expect.iter().any(|it| Expectation::from(it.clone()) == failure.outcome.expectation);
    let fixed = if of_fixture { reduce::differences(&plain, &config) } else { Vec::new() };
    let may_go = |place: &String| !fixed.iter().any(|it| touches(&it.place, place));
    let mut tries = TRIES;
    let mut config = config;
    let base = bare(&failure.base);
    let mut base = if same(session, &failure, &failure.case, &base) { base } else { failure.base.clone() };
    for places in [members, elements] {
        let places: Vec<String> = places(&config).into_iter().filter(may_go).collect();
        let gone = |kept: &[String]| places.iter().filter(|it| !kept.contains(it)).cloned().collect();
        let kept = reduce::smallest(places.clone(), &mut tries, |kept| {
            same(session, &failure, &with_config(&failure.case, reduce::without(&config, &gone(kept))), &base)
        });
        config = reduce::without(&config, &gone(&kept));
    }
    let case = with_config(&failure.case, config);
    if !same(session, &failure, &case, &base) {
        // Chance had a part in it: the whole case it is.
        base = failure.base.clone();
        return Failure { base, ..failure };
    }
    Failure { case, base, ..failure }
}

fn touches(one: &str, other: &str) -> bool {
    let below =
        |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(one, other) || below(other, one)
}

/// The base with nothing in its root file system but the program and the places of mounts.
fn bare(base: &Base) -> Base {
    let is_needed = |path: &str| ["/witness", "/dev", "/proc", "/sys"].contains(&path);
    let rootfs = base.rootfs.iter().filter(|(path, _)| is_needed(path)).map(|(path, it)| (path.clone(), it.clone()));
    Base { rootfs: rootfs.collect(), ..base.clone() }
}

fn with_config(case: &Case, config: Value) -> Case {
    let whole = json!([{ "op": "replace", "path": "", "value": config }]);
    Case { config: None, patch: Some(whole), control: None, ..case.clone() }
}

/// What no bundle of ours is without: the program and where it runs, and the namespaces, which keep the host safe.
const KEPT: [&str; 7] =
    ["/ociVersion", "/process/args", "/process/cwd", "/process/user", "/root", "/linux/namespaces", "/mounts"];

/// The members that may go, big ones whole and small ones alone.
fn members(config: &Value) -> Vec<String> {
    let below = |place: &str| {
        let fields = config.pointer(place).and_then(Value::as_object).into_iter().flatten();
        fields.map(|(name, _)| format!("{place}/{}", crate::expectation::token(name))).collect::<Vec<_>>()
    };
    let opened = ["/process", "/linux", "/linux/resources", "/hooks"];
    let all = [below(""), opened.iter().flat_map(|place| below(place)).collect()].concat();
    all.into_iter().filter(|it| !KEPT.contains(&it.as_str()) && !opened.contains(&it.as_str())).collect()
}

/// The elements of lists that may go, but for the mount of /proc, from which the program inside knows most of itself.
fn elements(config: &Value) -> Vec<String> {
    let lists = [
        "/mounts",
        "/linux/maskedPaths",
        "/linux/readonlyPaths",
        "/linux/devices",
        "/linux/resources/devices",
        "/process/rlimits",
        "/process/env",
        "/process/capabilities/bounding",
        "/process/capabilities/effective",
        "/process/capabilities/permitted",
    ];
    let of_list = |place: &&str| {
        let items = config.pointer(place).and_then(Value::as_array).into_iter().flatten().enumerate();
        let may_go = items.filter(|(_, item)| item.get("destination") != Some(&json!("/proc")));
        may_go.map(|(index, _)| format!("{place}/{index}")).collect::<Vec<_>>()
    };
    lists.iter().flat_map(of_list).collect()
}

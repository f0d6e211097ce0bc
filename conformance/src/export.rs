//! Writes cases as plain bundles with their steps and expectations beside them, for harnesses in any language.
//!
//! `README.md`, which goes with every export, is the format's description.

use std::fs;
use std::path::Path;

use ocf_spec::{RequirementId, Version, VersionRange};
use serde::Serialize;
use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::ask;
use crate::case::{Base, Case, Question, Step};
use crate::evidence::{Evidence, FORMAT, Header, Identity, Role};
use crate::expect;
use crate::expectation::Expectation;
use crate::host::{HostFacts, Need, View};
use crate::profile::Profile;
use crate::run::Runner;
use crate::run::job::Job;
use crate::suite;

/// What a reader in any language is told.
const README: &str = include_str!("export/README.md");

/// One case, as the file `case.json` has it.
#[derive(Serialize)]
struct Exported<'a> {
    case: &'a str,
    about: &'a str,
    role: Role,
    spec: Option<&'a VersionRange>,
    version: Version,
    needs: &'a [Need],
    requirements: &'a [RequirementId],
    caller: &'a crate::case::Caller,
    setup: &'a [crate::case::Action],
    steps: Vec<Step>,
    questions: Vec<Question>,
    channel: crate::case::Channel,
    expect: Vec<Expectation>,
}

/// Writes these cases and their controls for one version of the specification; gives how many directories it made.
///
/// # Errors
/// No root, a directory that is there already or can't be written, a case that can't be made.
pub fn export(cases: &[(String, Case)], version: Version, directory: &Path) -> Result<usize, String> {
    suite::need_root()?;
    let header = header(version)?;
    let runner = Runner::begin(View::Host)?;
    let mut index = Vec::new();
    for (name, case) in cases.iter().filter(|(_, case)| case.other_versions(version).is_none()) {
        let base = suite::base(case.base.as_deref().unwrap_or(suite::PLAIN))?;
        let control = case.control().map_err(|e| format!("{name}: {e}"))?;
        let place = directory.join(name);
        one(&runner, &header, name, Role::Case, case, &base, &place)?;
        if let Some(control) = &control {
            one(&runner, &header, name, Role::Control, control, &base, &place.join("control"))?;
        }
        index.push(json!({ "case": name, "about": case.about, "requirements": case.requirements, "control": control.is_some() }));
    }
    put(&directory.join("index.json"), &Value::Array(index.clone()))?;
    let file = directory.join("README.md");
    fs::write(&file, README).map_err(|e| format!("write {}: {e}", file.display()))?;
    Ok(index.len())
}

fn one(
    runner: &Runner,
    header: &Header,
    name: &str,
    role: Role,
    case: &Case,
    base: &Base,
    place: &Path,
) -> Result<(), String> {
    if place.join("case.json").exists() {
        return Err(format!("{}: it is there already", place.display()));
    }
    fs::create_dir_all(place).map_err(|e| format!("make {}: {e}", place.display()))?;
    let about = |e: &dyn std::fmt::Display| format!("{name}: {e}");
    let config = case.config(base, header.spec).map_err(|e| about(&e))?;
    let questions = ask::questions(case, config.as_ref());
    let job = job(header, case, base, questions.clone(), place)?;
    if let Some(trouble) = runner.run(job).trouble {
        return Err(about(&trouble));
    }
    let evidence = Evidence {
        case: name.to_owned(),
        role,
        definition: case.clone(),
        config,
        facts: json!({ "before": {} }),
        trouble: None,
        blame: None,
        seconds: 0.0,
    };
    let exported = Exported {
        case: name,
        about: &case.about,
        role,
        spec: case.spec.as_ref(),
        version: header.spec,
        needs: &case.needs,
        requirements: &case.requirements,
        caller: &case.caller,
        setup: &case.setup,
        steps: case.steps(),
        questions,
        channel: case.channel,
        expect: expect::expectations(header, &evidence),
    };
    put(&place.join("case.json"), &exported)
}

fn job(header: &Header, case: &Case, base: &Base, questions: Vec<Question>, place: &Path) -> Result<Job, String> {
    let absolute = std::path::absolute(place).map_err(|e| format!("{}: {e}", place.display()))?;
    // No runtime is called; the stage only needs a file in its place.
    let own = std::env::current_exe().map_err(|e| format!("this program's own file: {e}"))?;
    Ok(Job {
        case: case.clone(),
        base: base.clone(),
        questions,
        spec: header.spec,
        adapter: header.adapter.clone(),
        runtime: own,
        view: View::Host,
        cgroup: String::new(),
        deadline: 10,
        keep: None,
        stage: Some(absolute),
    })
}

/// The header of a run of nobody.
fn header(version: Version) -> Result<Header, String> {
    let (name, adapter) = Adapter::choose(Path::new("generic"), None)?;
    let host = HostFacts::gather(View::Host);
    Ok(Header {
        format: FORMAT.to_owned(),
        suite: env!("CARGO_PKG_VERSION").to_owned(),
        spec: version,
        runtime: Identity {
            name: name.clone(),
            version: String::new(),
            path: String::new(),
            sha256: String::new(),
            adapter: name,
        },
        adapter,
        features: None,
        profile: Profile::default_name(&host).to_owned(),
        host,
        started: String::new(),
    })
}

fn put(file: &Path, value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| format!("{}: {e}", file.display()))?;
    fs::write(file, text + "\n").map_err(|e| format!("write {}: {e}", file.display()))
}

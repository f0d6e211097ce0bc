//! The suite as `cargo test` speaks: one test a requirement, for any runtime.
//!
//! In a runtime's own repository, `tests/conformance.rs` with `harness = false` in Cargo.toml is:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     ocf_conformance::libtest::main("target/debug/my-runtime")
//! }
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use ocf_spec::{Specification, VERSIONS};

use crate::evidence::Evidence;
use crate::expect;
use crate::host::{HostFacts, View};
use crate::judge::{self, Decided, Verdict};
use crate::profile::Profile;
use crate::run::{SUPERVISE, supervisor};
use crate::suite::{self, Gathered, Options};

/// Tests a runtime as the whole of a test program, whose arguments are libtest's. A requirement that is not
/// decided is an ignored test, never a passed one.
pub fn main(runtime: impl AsRef<Path>) -> ExitCode {
    // The test program is its own supervisor; that one must not have started a thread.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(SUPERVISE) {
        return words.next().and_then(|pid| pid.parse().ok()).map_or(ExitCode::FAILURE, supervisor::main);
    }
    let arguments = Arguments::from_args();
    let trials = if arguments.list { listed() } else { tested(runtime.as_ref()) };
    match trials {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What a run with these defaults is: everything, by the newest version that the runtime claims.
pub fn options(runtime: PathBuf) -> Options {
    Options {
        runtime,
        adapter: None,
        view: View::Host,
        profile: None,
        spec: None,
        filters: Vec::new(),
        jobs: None,
        shard: None,
        deadline: 10,
        gate: true,
        keep: None,
        seed: 1,
        generated: 6,
        fail_fast: false,
        supervisor: None,
    }
}

/// Judges what was gathered; the expectations are derived on the way.
pub fn judged(gathered: &Gathered) -> Vec<Decided> {
    let derived = |evidence: &Evidence| (evidence.clone(), expect::expectations(&gathered.header, evidence));
    let expected: Vec<_> = gathered.evidence.iter().map(derived).collect();
    judge::judge(&gathered.header, &expected, Specification::embedded(), &gathered.profile)
}

fn listed() -> Result<Vec<Trial>, String> {
    let profile = Profile::named(Profile::default_name(&HostFacts::gather(View::Host)))?;
    let newest = VERSIONS[VERSIONS.len() - 1];
    let included = Specification::embedded().requirements().filter(|r| profile.includes(r, newest));
    Ok(included.map(|r| Trial::test(r.id.to_string(), || Ok(()))).collect())
}

fn tested(runtime: &Path) -> Result<Vec<Trial>, String> {
    let runtime = suite::find_runtime(&runtime.display().to_string())?;
    let gathered = suite::gather(&options(runtime), &|_, _, _| {})?;
    if let Some(unusable) = &gathered.unusable {
        return Err(format!("the runtime does not run the base bundle: {}\n{}", unusable.seen, unusable.words));
    }
    if let Some(why) = &gathered.stopped {
        return Err(format!("the run was stopped: {why}"));
    }
    Ok(judged(&gathered).iter().filter(|it| it.in_profile).map(trial).collect())
}

fn trial(decided: &Decided) -> Trial {
    let name = decided.id.to_string();
    let why = decided
        .leading()
        .map(|it| format!("{}: expected {}, seen {}", it.case, it.expected, it.seen))
        .unwrap_or_default();
    match decided.verdict {
        Verdict::Pass => Trial::test(name, || Ok(())),
        Verdict::Fail | Verdict::Error => Trial::test(name, move || Err(Failed::from(why))),
        _ => Trial::test(name, || Ok(())).with_ignored_flag(true),
    }
}

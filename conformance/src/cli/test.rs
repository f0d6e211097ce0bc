//! `ocf test`: run, judge, report.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use ocf_spec::{Specification, Version};

use super::writable;
use crate::expect;
use crate::host::View;
use crate::judge::{self, Verdict, Waivers};
use crate::profile::Profile;
use crate::report::{self, Report, summary};
use crate::reproduce::quoted;
use crate::run::STOP;
use crate::suite::{self, Gathered, Options, Shard};

#[derive(Args)]
pub struct Arguments {
    /// The runtime to test: a name in PATH, or a path; may be given several times
    #[arg(long, required = true, value_name = "RUNTIME", num_args = 1)]
    runtime: Vec<String>,
    /// Only these requirements, chapters or cases
    #[arg(value_name = "ID|CHAPTER")]
    only: Vec<String>,
    /// How to call the runtime: an adapter's name, or a file; by the runtime's name when left out, else `generic`
    #[arg(long, value_name = "NAME|FILE")]
    adapter: Option<String>,
    /// What the cases see of the cgroups: v1, v2 or host
    #[arg(long, default_value = "host", value_name = "VIEW")]
    cgroups: View,
    /// The profile; by the host's cgroups when left out
    #[arg(long)]
    profile: Option<String>,
    /// The version of the specification; the newest that the runtime claims when left out
    #[arg(long, value_name = "VERSION")]
    spec: Option<Version>,
    /// Only requirements of this level: must or should (which has the MUSTs, too)
    #[arg(long, value_name = "LEVEL", value_parser = ["must", "should", "may"])]
    level: Option<String>,
    /// Cases at the same time; twice the processors when left out
    #[arg(long)]
    jobs: Option<usize>,
    /// Only one part of the cases, as 1/4
    #[arg(long, value_name = "PART/OF")]
    shard: Option<Shard>,
    /// Where the report goes; a folder each when there are several runtimes
    #[arg(long, default_value = "conformance-report", value_name = "DIR")]
    out: PathBuf,
    /// Requirements whose fail does not count for the exit status: JSON, `{"ID": "reason"}`
    #[arg(long, value_name = "FILE")]
    waive: Option<PathBuf>,
    /// Keep the bundles, under DIR/bundles
    #[arg(long)]
    keep: bool,
    /// Stop at the first case in which the runtime fails
    #[arg(long)]
    fail_fast: bool,
    /// Only what failed in the report that DIR has
    #[arg(long)]
    rerun_failed: bool,
    /// The seed of the generated cases
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases are generated for each property
    #[arg(long, default_value_t = 6, value_name = "N")]
    generated: u32,
    /// Seconds until a call of the runtime is killed
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    deadline: u32,
    /// Go on although the base bundle does not run
    #[arg(long)]
    no_gate: bool,
}

/// Tests each runtime; gives the gravest exit status.
pub fn run(arguments: Arguments) -> Result<u8, String> {
    suite::need_root()?;
    let runtimes = arguments.runtime.iter().map(|word| suite::find_runtime(word)).collect::<Result<Vec<_>, _>>()?;
    let several = runtimes.len() > 1;
    let places = folders(&arguments.out, &runtimes);
    let waivers = waivers(arguments.waive.as_deref())?;
    suite::Filter::parse(&arguments.only)?;
    for (_, place) in &places {
        writable(place)?;
    }
    listen()?;
    let mut statuses = Vec::new();
    for (runtime, place) in places {
        if several {
            println!("== {}", runtime.display());
        }
        statuses.push(one(&arguments, &runtime, &place, &waivers)?);
    }
    // 2 before 1 before 3.
    Ok([2, 1, 3].into_iter().find(|grave| statuses.contains(grave)).unwrap_or(0))
}

/// A folder for each runtime: DIR itself for one, else DIR/NAME, numbered where names meet.
fn folders(out: &Path, runtimes: &[PathBuf]) -> Vec<(PathBuf, PathBuf)> {
    if let [runtime] = runtimes {
        return vec![(runtime.clone(), out.to_owned())];
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let place = |runtime: &PathBuf| {
        let name = runtime.file_name().map_or_else(|| "runtime".to_owned(), |n| n.to_string_lossy().into_owned());
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let folder = if *count == 1 { name } else { format!("{name}-{count}") };
        (runtime.clone(), out.join(folder))
    };
    runtimes.iter().map(place).collect()
}

fn waivers(file: Option<&Path>) -> Result<Waivers, String> {
    let Some(file) = file else { return Ok(Waivers::new()) };
    let text = fs::read_to_string(file).map_err(|e| format!("--waive {}: {e}", file.display()))?;
    let waivers: Waivers = serde_json::from_str(&text).map_err(|e| format!("--waive {}: {e}", file.display()))?;
    if let Some((id, _)) = waivers.iter().find(|(_, reason)| reason.trim().is_empty()) {
        return Err(format!("--waive {}: {id} has no reason", file.display()));
    }
    match waivers.keys().find(|id| Specification::embedded().get(id.as_str()).is_none()) {
        Some(id) => Err(format!("--waive {}: no requirement is named {id}", file.display())),
        None => Ok(waivers),
    }
}

fn one(arguments: &Arguments, runtime: &Path, place: &Path, waivers: &Waivers) -> Result<u8, String> {
    let options = options(arguments, runtime, place)?;
    let gathered = suite::gather(&options, &progress)?;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    let report = write(&gathered, &options, &command(arguments, runtime), arguments.level.as_deref(), waivers, place)?;
    let shown = summary::Shown { colour: std::io::stdout().is_terminal(), directory: Some(place) };
    print!("{}", summary::render(&report, Specification::embedded(), &shown));
    idle_waivers(&report, waivers);
    Ok(report.exit_status)
}

/// Says which waivers changed nothing: what they excuse did not come about, so they may be forgotten ones.
fn idle_waivers(report: &Report, waivers: &Waivers) {
    for id in waivers.keys() {
        let entry = report.requirements.iter().find(|it| it.id == *id);
        let why = match entry.map(|it| (it.in_profile, it.verdict)) {
            None => format!("version {} of the specification does not have it", report.suite.spec),
            Some((_, Verdict::Fail | Verdict::Error)) => continue,
            Some((false, _)) => "it is not of the profile, or was not asked for".to_owned(),
            Some((_, Verdict::Pass)) => "it passes".to_owned(),
            // What keeps a profile from green may be waived, too.
            Some(_) => continue,
        };
        eprintln!("ocf: the waiver of {id} changes nothing: {why}");
    }
}

fn options(arguments: &Arguments, runtime: &Path, place: &Path) -> Result<Options, String> {
    let mut filters = arguments.only.clone();
    if arguments.rerun_failed {
        let file = place.join("report.json");
        let text = fs::read_to_string(&file).map_err(|e| format!("--rerun-failed: {}: {e}", file.display()))?;
        let failed = Report::from_json(&text).map_err(|e| format!("{}: {e}", file.display()))?.requirements;
        filters.extend(failed.into_iter().filter(|it| it.verdict == Verdict::Fail).map(|it| it.id.to_string()));
        if filters.is_empty() {
            return Err(format!("--rerun-failed: nothing failed in {}", file.display()));
        }
    }
    let keep = arguments.keep.then(|| place.join("bundles"));
    // What a kept bundle of an earlier run has left would mix with this one's.
    if let Some(keep) = keep.as_deref().filter(|keep| keep.exists()) {
        fs::remove_dir_all(keep).map_err(|e| format!("--keep: remove {}: {e}", keep.display()))?;
    }
    let absolute = |path: PathBuf| std::path::absolute(&path).map_err(|e| format!("{}: {e}", path.display()));
    Ok(Options {
        runtime: runtime.to_owned(),
        adapter: arguments.adapter.clone(),
        view: arguments.cgroups,
        profile: arguments.profile.clone(),
        spec: arguments.spec,
        filters,
        jobs: arguments.jobs,
        shard: arguments.shard,
        deadline: arguments.deadline,
        gate: !arguments.no_gate,
        keep: keep.map(absolute).transpose()?,
        seed: arguments.seed,
        generated: arguments.generated,
        fail_fast: arguments.fail_fast,
        supervisor: None,
    })
}

fn progress(done: usize, total: usize, case: &str) {
    if std::io::stderr().is_terminal() {
        let mut line = format!("\r\x1b[K{done}/{total} {case}");
        line.truncate(78);
        let _ = std::io::stderr().write_all(line.as_bytes());
    } else if done == total || done.is_multiple_of(25) {
        eprintln!("{done}/{total} cases");
    }
}

/// Judges what was gathered and writes all files of the report into `place`.
fn write(
    gathered: &Gathered,
    options: &Options,
    command: &str,
    level: Option<&str>,
    waivers: &Waivers,
    place: &Path,
) -> Result<Report, String> {
    evidence(gathered, place)?;
    let profile = with_level(gathered.profile.clone(), level);
    let report = make(gathered, &profile, waivers, &options.filters, options.shard, command);
    files(place, &report)?;
    Ok(report)
}

/// Writes evidence.jsonl: all that was observed.
pub(super) fn evidence(gathered: &Gathered, place: &Path) -> Result<(), String> {
    let mut lines = vec![serde_json::to_string(&gathered.header)];
    lines.extend(gathered.evidence.iter().map(serde_json::to_string));
    let lines = lines.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| format!("evidence: {e}"))?;
    put(place, "evidence.jsonl", &(lines.join("\n") + "\n"))
}

/// Makes the report of what was gathered.
pub(super) fn make(
    gathered: &Gathered,
    profile: &Profile,
    waivers: &Waivers,
    selection: &[String],
    shard: Option<Shard>,
    command: &str,
) -> Report {
    let specification = Specification::embedded();
    let expected: Vec<_> = gathered
        .evidence
        .iter()
        .map(|evidence| (evidence.clone(), expect::expectations(&gathered.header, evidence)))
        .collect();
    let decided = judge::judge(&gathered.header, &expected, specification, profile);
    Report::new(&report::Run {
        header: &gathered.header,
        specification,
        profile,
        evidence: &expected,
        decided: &decided,
        waivers,
        selection,
        shard: shard.map(|it| it.to_string()),
        command,
        unusable: gathered.unusable.as_ref(),
        stopped: gathered.stopped.as_ref(),
        left_out: &gathered.left_out,
        seconds: gathered.seconds,
    })
}

/// Writes report.json and all that is made of it.
pub(super) fn files(place: &Path, report: &Report) -> Result<(), String> {
    let specification = Specification::embedded();
    put(place, "report.json", &report.to_json()?)?;
    put(place, "junit.xml", &report::junit::render(report, specification))?;
    put(place, "report.svg", &report::svg::render(report))?;
    put(place, "report.html", &report::html::render(report, specification))
}

/// Writes a file whole or not at all.
fn put(place: &Path, name: &str, text: &str) -> Result<(), String> {
    let (new, file) = (place.join(format!(".{name}.new")), place.join(name));
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &file));
    written.map_err(|e| format!("write {}: {e}", file.display()))
}

pub(super) fn with_level(mut profile: Profile, level: Option<&str>) -> Profile {
    profile.levels.retain(|of| match level {
        Some("must") => of.is_must(),
        Some("should") => of.is_must() || of.is_should(),
        _ => true,
    });
    profile
}

/// The command line that makes a run like this one, quoted for a shell, without ids.
fn command(arguments: &Arguments, runtime: &Path) -> String {
    // As it was called: `ocf` from PATH, or the path of a build.
    let own = std::env::args().next().unwrap_or_else(|| "ocf".to_owned());
    let mut words = vec![quoted(&own), "test".into(), "--runtime".into(), quoted(&runtime.display().to_string())];
    let mut add = |flag: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), quoted(&value)]));
    };
    add("--adapter", arguments.adapter.clone());
    let view = match arguments.cgroups {
        View::Host => None,
        View::V1 => Some("v1"),
        View::V2 => Some("v2"),
    };
    add("--cgroups", view.map(str::to_owned));
    add("--profile", arguments.profile.clone());
    add("--spec", arguments.spec.map(|version| version.to_string()));
    add("--seed", (arguments.seed != 1).then(|| arguments.seed.to_string()));
    words.join(" ")
}

/// A signal that ends the run ends it in order: the cases under way are killed and swept.
fn listen() -> Result<(), String> {
    extern "C" fn stop(_: i32) {
        STOP.store(true, Ordering::Relaxed);
    }
    let action = SigAction::new(SigHandler::Handler(stop), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler stores one atomic and does nothing else.
        unsafe { sigaction(signal, &action) }.map_err(|e| format!("{signal}: {e}"))?;
    }
    Ok(())
}

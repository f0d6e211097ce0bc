//! `ocf report`: a report in another form, two beside each other, and the parts of one joined.

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ocf_spec::Specification;

use super::{test, writable};
use crate::evidence::{self, Evidence, Header, Role};
use crate::judge::Waivers;
use crate::profile::Profile;
use crate::report::{Report, badge, compare, html, junit, markdown, place, summary, svg, tap};
use crate::suite::{Filter, Gathered, Shard};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One page that stands alone
    Html(One),
    /// For what reads test results: JUnit's XML
    Junit(One),
    /// For what reads test results: the Test Anything Protocol, version 14
    Tap(One),
    /// For a comment on a change or a release's notes
    Markdown(One),
    /// The verdict in a picture of twenty pixels' height, for a README
    Badge(One),
    /// The head of the page as a picture
    Svg(One),
    /// The text that stands on the terminal after a run
    Summary(One),
    /// What changed from one report to another; the exit status is 1 if something fails that did not
    Compare {
        /// The earlier report.json, or its directory
        before: PathBuf,
        /// The later one
        after: PathBuf,
    },
    /// Puts a report where published ones lie, DIR/SPECIFICATION/RUNTIME/VERSION/HOST, with all that is made of it
    Publish {
        /// report.json, or the directory that has it
        report: PathBuf,
        /// The directory of all published reports
        #[arg(long, default_value = "reports", value_name = "DIR")]
        into: PathBuf,
    },
    /// Joins the parts that `ocf test --shard` made, and judges them anew as one run
    Merge {
        /// The directories of all parts
        #[arg(required = true, value_name = "DIR")]
        parts: Vec<PathBuf>,
        /// Where the whole report goes
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct One {
    /// report.json, or the directory that has it
    report: PathBuf,
    /// Where it goes; to standard output when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Shows, compares or merges.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let specification = Specification::embedded();
    match &arguments.command {
        Command::Html(one) => show(one, |report| html::render(report, specification)),
        Command::Junit(one) => show(one, |report| junit::render(report, specification)),
        Command::Tap(one) => show(one, |report| tap::render(report, specification)),
        Command::Markdown(one) => show(one, |report| markdown::render(report, specification)),
        Command::Badge(one) => show(one, badge::render),
        Command::Svg(one) => show(one, svg::render),
        Command::Summary(one) => show(one, |report| {
            let shown = summary::Shown { colour: false, directory: None };
            summary::render(report, specification, &shown)
        }),
        Command::Compare { before, after } => {
            let (before, after) = (read(before)?, read(after)?);
            print!("{}", compare::render(&before, &after, specification));
            Ok(u8::from(compare::changes(&before, &after).iter().any(compare::Change::is_worse)))
        }
        Command::Publish { report, into } => {
            let report = read(report)?;
            let place = into.join(place::of(&report));
            writable(&place)?;
            test::files(&place, &report)?;
            println!("{}", place.display());
            Ok(0)
        }
        Command::Merge { parts, out } => merge(parts, out),
    }
}

/// Reads a report: the file, or report.json in the directory.
pub(super) fn read(place: &Path) -> Result<Report, String> {
    let file = if place.is_dir() { place.join("report.json") } else { place.to_owned() };
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Report::from_json(&text).map_err(|e| format!("{}: {e}", file.display()))
}

fn show(one: &One, render: impl Fn(&Report) -> String) -> Result<u8, String> {
    let text = render(&read(&one.report)?);
    match &one.out {
        Some(file) => fs::write(file, text).map_err(|e| format!("write {}: {e}", file.display()))?,
        // Whoever reads may have had enough.
        None => drop(std::io::stdout().write_all(text.as_bytes())),
    }
    Ok(0)
}

/// A part of a run.
struct Part {
    place: PathBuf,
    report: Report,
    header: Header,
    cases: Vec<Evidence>,
}

fn merge(places: &[PathBuf], out: &Path) -> Result<u8, String> {
    let parts = places.iter().map(|place| part(place)).collect::<Result<Vec<_>, _>>()?;
    let whole = complete(&parts)?;
    let [first, ..] = &parts[..] else { return Err("merge: no part was given".to_owned()) };
    for other in &parts[1..] {
        same_run(first, other)?;
    }
    let filter = Filter::parse(&first.report.selection)?;
    let profile = filter.narrow(Profile::of_runtimes(&first.header.profile)?);
    let stopped = parts.iter().find(|it| it.report.stopped.is_some() || it.report.unusable.is_some());
    if let Some(part) = stopped {
        let why = part.report.stopped.as_deref().unwrap_or("the base bundle did not run");
        return Err(format!("merge: {}: this part did not come to its end: {why}", part.place.display()));
    }
    let gathered = Gathered {
        header: Header { started: earliest(&parts), ..first.header.clone() },
        profile: profile.clone(),
        evidence: joined(&parts)?,
        unusable: None,
        stopped: None,
        left_out: left_out(&parts),
        seconds: parts.iter().map(|it| it.report.seconds).sum(),
    };
    let selection = first.report.selection.clone();
    let report = test::make(&gathered, &profile, &waivers(&parts), &selection, None, &first.report.command);
    writable(&out.to_owned())?;
    test::evidence(&gathered, out)?;
    test::files(out, &report)?;
    println!("{whole} parts joined");
    let shown = summary::Shown { colour: std::io::stdout().is_terminal(), directory: Some(out) };
    print!("{}", summary::render(&report, Specification::embedded(), &shown));
    Ok(report.exit_status)
}

fn part(place: &Path) -> Result<Part, String> {
    let report = read(place)?;
    let (header, cases) = evidence::read(&place.join("evidence.jsonl"))?;
    if header.started != report.started || header.runtime != report.runtime {
        return Err(format!("merge: {}: evidence.jsonl and report.json are of different runs", place.display()));
    }
    Ok(Part { place: place.to_owned(), report, header, cases })
}

/// Of how many parts this is the whole: each must be there, and once.
fn complete(parts: &[Part]) -> Result<usize, String> {
    let mut found = BTreeSet::new();
    let mut of = None;
    for Part { place, report, .. } in parts {
        let about = |what: String| format!("merge: {}: {what}", place.display());
        let text = report.shard.as_deref().ok_or_else(|| about("this is no part of a run".to_owned()))?;
        let shard: Shard = text.parse().map_err(&about)?;
        if *of.get_or_insert(shard.of) != shard.of {
            return Err(about(format!("it is part {shard}, and others are of another number of parts")));
        }
        if !found.insert(shard.part) {
            return Err(about(format!("part {shard} is given twice")));
        }
    }
    let of = of.unwrap_or_default();
    let missing: Vec<_> = (1..=of).filter(|it| !found.contains(it)).map(|it| format!("{it}/{of}")).collect();
    if missing.is_empty() { Ok(of) } else { Err(format!("merge: there is no part {}", missing.join(", "))) }
}

/// What two parts of one run have in common.
fn same_run(one: &Part, other: &Part) -> Result<(), String> {
    let (a, b) = (&one.header, &other.header);
    let differs = [
        ("the suite's version", a.suite != b.suite),
        ("the version of the specification", a.spec != b.spec),
        ("the runtime", (&a.runtime.sha256, &a.runtime.version) != (&b.runtime.sha256, &b.runtime.version)),
        ("the adapter", a.adapter != b.adapter),
        ("what the runtime says that it implements", a.features != b.features),
        ("the host", a.host != b.host),
        ("the profile", a.profile != b.profile),
        ("what was asked for", one.report.selection != other.report.selection),
        ("the command", one.report.command != other.report.command),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some((what, _)) => {
            let (one, other) = (one.place.display(), other.place.display());
            Err(format!("merge: {one} and {other} are no parts of one run: {what} is not the same"))
        }
        None => Ok(()),
    }
}

/// All evidence: one base, for every part ran it, and each case once.
fn joined(parts: &[Part]) -> Result<Vec<Evidence>, String> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for Part { place, cases, .. } in parts {
        for evidence in cases {
            let is_new = seen.insert((evidence.case.clone(), evidence.role));
            if !is_new && evidence.role != Role::Base {
                let (place, case) = (place.display(), &evidence.case);
                return Err(format!("merge: {place}: {case} is in another part, too"));
            }
            if is_new {
                all.push(evidence.clone());
            }
        }
    }
    // As a whole run has them: the base, then by name, a control before its case.
    let rank = |role: Role| match role {
        Role::Base => 0,
        Role::Control => 1,
        Role::Case => 2,
    };
    all.sort_by(|a, b| {
        let key = |it: &Evidence| (it.role != Role::Base, it.case.clone(), rank(it.role));
        key(a).cmp(&key(b))
    });
    Ok(all)
}

fn left_out(parts: &[Part]) -> Vec<(String, String)> {
    let all = parts.iter().flat_map(|it| &it.report.left_out);
    let mut cases: Vec<_> = all.flat_map(|(why, cases)| cases.iter().map(|it| (it.clone(), why.clone()))).collect();
    cases.sort();
    cases
}

fn waivers(parts: &[Part]) -> Waivers {
    let entries = parts.iter().flat_map(|it| &it.report.requirements);
    entries.filter_map(|it| Some((it.id.clone(), it.waived.clone()?))).collect()
}

fn earliest(parts: &[Part]) -> String {
    parts.iter().map(|it| it.header.started.clone()).min().unwrap_or_default()
}

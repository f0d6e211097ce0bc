//! `ocf spec impact`: what a step from one edition to another touches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::compare::named;
use crate::edition::{Amendments, Fault, Impact, Rejudged, Stale, Turned};
use crate::judge::{Verdict, visible};

#[derive(Args)]
pub struct Arguments {
    /// A version of the format, a checkout's directory, or a revision of the repository here
    old: String,
    /// The same, for what it is compared with
    new: String,
    /// Judge again the runs that were recorded below this directory, by `ocf test --out`
    #[arg(long, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// For people, or for programs: human or json
    #[arg(long, default_value = "human", value_name = "FORMAT", value_parser = ["human", "json"])]
    format: String,
}

/// Finds out, and prints. Exit status: 0 it touches nothing, 1 something.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let (old, new) = named(&arguments.old, &arguments.new)?;
    let impact = Impact::of(&old, &new, &arguments.runs)?;
    if arguments.format == "json" {
        let text = serde_json::to_string_pretty(&impact).map_err(|e| format!("write the impact: {e}"))?;
        println!("{text}");
        return Ok(u8::from(!impact.is_empty()));
    }
    println!("{} → {}", visible(&old.name), visible(&new.name));
    println!("The laws and the rules are this program's own on both sides; only the data changes.");
    let amendments = Amendments::between(&old, &new);
    print!("{}{}", documents(&impact.documents, &amendments), stale(&impact.stale));
    if !arguments.runs.is_empty() {
        print!("{}", runs(&impact.runs));
    }
    Ok(u8::from(!impact.is_empty()))
}

/// Static verdicts by the requirement that is broken now, or was, with how many documents and one of them. Where the
/// requirement itself comes into force or ceases, as `amendments` say, a line a chapter is enough.
pub(super) fn documents(turned: &[Turned], amendments: &Amendments) -> String {
    let names: BTreeSet<&str> = turned.iter().map(|it| it.document.as_str()).collect();
    if names.is_empty() {
        return "\nStatic verdicts: none changes\n".to_owned();
    }
    let mut text = format!("\nStatic verdicts: {}\n", counted(names.len(), "document"));
    let (came, gone) = amendments.moved();
    let gained = by_requirement(turned, |it| &it.gained);
    let lost = by_requirement(turned, |it| &it.lost);
    for (label, groups, moved) in [("broken now", gained, came), ("broken no longer", lost, gone)] {
        let is_moved = |(requirement, _): &(&String, &BTreeSet<&str>)| moved.contains(requirement.as_str());
        let (expected, others): (Vec<_>, Vec<_>) = groups.iter().partition(is_moved);
        for (requirement, documents) in others {
            text += &group(label, requirement, documents);
        }
        let mut by_chapter: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (requirement, documents) in expected {
            let chapter = requirement.split('.').next().unwrap_or_default();
            by_chapter.entry(chapter).or_default().extend(documents);
        }
        for (chapter, documents) in by_chapter {
            text += &group(label, &format!("{chapter}, as it came into force or ceased"), &documents);
        }
    }
    text
}

fn group(label: &str, what: &str, documents: &BTreeSet<&str>) -> String {
    let first = documents.first().copied().unwrap_or_default();
    format!("  {label:<17} {:<64} {}\n      {}\n", visible(what), counted(documents.len(), "document"), visible(first))
}

fn by_requirement<'a>(
    turned: &'a [Turned],
    faults: impl Fn(&'a Turned) -> &'a BTreeSet<Fault>,
) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for document in turned {
        for fault in faults(document) {
            let id = fault.requirement.clone().unwrap_or_else(|| "no requirement".to_owned());
            groups.entry(id).or_default().insert(&document.document);
        }
    }
    groups
}

/// The checks that are stale, requirement by requirement.
pub(super) fn stale(stale: &[Stale]) -> String {
    if stale.is_empty() {
        return "\nStale checks: none\n".to_owned();
    }
    let mut text = format!("\nStale checks: of {}\n", counted(stale.len(), "requirement"));
    for it in stale {
        text += &format!("  {:<9} {}\n", it.why, it.requirement);
        let by_schema = it.is_static.then(|| "a schema or a rule".to_owned());
        let wrong = (!it.wrong.is_empty()).then(|| counted(it.wrong.len(), "static fixture"));
        let shown: Vec<&str> = it.cases.iter().take(3).map(String::as_str).collect();
        let more = it.cases.len() - shown.len();
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        let cases = (!shown.is_empty()).then(|| format!("raised by {}{rest}", shown.join(", ")));
        let all: Vec<String> = [by_schema, wrong, cases].into_iter().flatten().collect();
        text += &format!("            {}\n", visible(&all.join("; ")));
    }
    text
}

fn runs(runs: &[Rejudged]) -> String {
    if runs.is_empty() {
        return "\nRecorded runs: no verdict changes\n".to_owned();
    }
    let mut text = format!("\nRecorded runs: {} judged otherwise\n", runs.len());
    for run in runs {
        let file = run.file.display().to_string();
        text += &format!("  {}  {}\n", visible(&run.runtime), visible(&file));
        for (id, [was, is]) in &run.verdicts {
            let word = |it: &Option<Verdict>| it.map_or("not in force", Verdict::word);
            text += &format!("    {:<64} {} → {}\n", id.as_str(), word(was), word(is));
        }
    }
    text
}

/// A number with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

//! `ocf spec impact`: what a step from one edition to another touches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use super::compare::named;
use crate::cli::terminal::{Ink, Page, counted, print_json};
use crate::edition::{Amendments, Fault, Impact, Rejudged, Stale, Turned};
use crate::judge::Verdict;

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
        print_json(&serde_json::to_value(&impact).map_err(|e| format!("write the impact: {e}"))?)?;
        return Ok(u8::from(!impact.is_empty()));
    }
    let mut page = Page::new();
    page.line(Ink::Strong, &format!("{} → {}", old.name, new.name));
    page.line(Ink::Faint, "The laws and the rules are this program's own on both sides; only the data changes.");
    documents(&mut page, &impact.documents, &Amendments::between(&old, &new));
    stale(&mut page, &impact.stale);
    if !arguments.runs.is_empty() {
        runs(&mut page, &impact.runs);
    }
    page.print()?;
    Ok(u8::from(!impact.is_empty()))
}

/// Static verdicts by the requirement that is broken now, or was, with how many documents and one of them. Where the
/// requirement itself comes into force or ceases, as `amendments` say, a line a chapter is enough.
pub(super) fn documents(page: &mut Page, turned: &[Turned], amendments: &Amendments) {
    page.gap();
    let names: BTreeSet<&str> = turned.iter().map(|it| it.document.as_str()).collect();
    if names.is_empty() {
        return page.line(Ink::Plain, "Static verdicts: none changes");
    }
    page.line(Ink::Strong, &format!("Static verdicts: {}", counted(names.len(), "document")));
    let (came, gone) = amendments.moved();
    let gained = by_requirement(turned, |it| &it.gained);
    let lost = by_requirement(turned, |it| &it.lost);
    for (label, groups, moved) in [("broken now", gained, came), ("broken no longer", lost, gone)] {
        let is_moved = |(requirement, _): &(&String, &BTreeSet<&str>)| moved.contains(requirement.as_str());
        let (expected, others): (Vec<_>, Vec<_>) = groups.iter().partition(is_moved);
        others.iter().for_each(|(requirement, documents)| group(page, label, requirement, documents));
        let mut by_chapter: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (requirement, documents) in expected {
            let chapter = requirement.split('.').next().unwrap_or_default();
            by_chapter.entry(chapter).or_default().extend(documents);
        }
        for (chapter, documents) in by_chapter {
            group(page, label, &format!("{chapter}, as it came into force or ceased"), &documents);
        }
    }
}

fn group(page: &mut Page, label: &str, what: &str, documents: &BTreeSet<&str>) {
    page.line(Ink::Plain, &format!("  {label:<17} {what:<64} {}", counted(documents.len(), "document")));
    page.block(("", Ink::Plain), 6, documents.first().copied().unwrap_or_default());
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
pub(super) fn stale(page: &mut Page, stale: &[Stale]) {
    page.gap();
    if stale.is_empty() {
        return page.line(Ink::Plain, "Stale checks: none");
    }
    page.line(Ink::Strong, &format!("Stale checks: of {}", counted(stale.len(), "requirement")));
    for it in stale {
        page.line(Ink::Plain, &format!("  {:<9} {}", it.why, it.requirement));
        page.block(("", Ink::Plain), 12, &checks(it));
    }
}

/// What checks a requirement, in a line.
fn checks(of: &Stale) -> String {
    let by_schema = of.is_static.then(|| "a schema or a rule".to_owned());
    let wrong = (!of.wrong.is_empty()).then(|| counted(of.wrong.len(), "static fixture"));
    let shown: Vec<&str> = of.cases.iter().take(3).map(String::as_str).collect();
    let rest = match of.cases.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let cases = (!shown.is_empty()).then(|| format!("raised by {}{rest}", shown.join(", ")));
    [by_schema, wrong, cases].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn runs(page: &mut Page, runs: &[Rejudged]) {
    page.gap();
    if runs.is_empty() {
        return page.line(Ink::Plain, "Recorded runs: no verdict changes");
    }
    page.line(Ink::Strong, &format!("Recorded runs: {} judged otherwise", runs.len()));
    for run in runs {
        page.line(Ink::Plain, &format!("  {}  {}", run.runtime, run.file.display()));
        if run.versions.iter().any(|it| *it != run.recorded) {
            let recorded = run.recorded;
            let note =
                format!("recorded under {recorded}, which its bundles state: a runtime may go by what they state");
            page.block(("", Ink::Faint), 4, &note);
        }
        let (told, others): (Vec<_>, Vec<_>) = run.verdicts.iter().partition(|(_, both)| both.iter().any(tells));
        for (id, both) in told {
            page.line(Ink::Plain, &format!("    {:<64} {}", id.as_str(), turn(both)));
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        others.iter().for_each(|(_, both)| *counts.entry(turn(both)).or_default() += 1);
        for (turn, count) in counts {
            page.line(Ink::Faint, &format!("    {:<64} {turn}", counted(count, "other requirement")));
        }
    }
}

/// Whether a verdict says something of the runtime, and not only that there was no evidence.
fn tells(verdict: &Option<Verdict>) -> bool {
    verdict.is_some_and(|it| !matches!(it, Verdict::Undecidable | Verdict::Undecided | Verdict::Observed))
}

fn turn(both: &[Option<Verdict>; 2]) -> String {
    let [was, is] = both.map(|it| it.map_or("not in force", Verdict::word));
    format!("{was} → {is}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_that_say_nothing_of_the_runtime_are_counted() {
        let verdicts = [
            ("hooks.one", [Some(Verdict::Fail), None]),
            ("hooks.other", [None, Some(Verdict::Undecided)]),
            ("hooks.third", [None, Some(Verdict::Undecided)]),
        ];
        let run = Rejudged {
            file: PathBuf::from("a/evidence.jsonl"),
            runtime: "box\u{1b}[2J 1".to_owned(),
            recorded: "1.3.0".parse().unwrap(),
            versions: ["1.2.1".parse().unwrap(), "1.3.0".parse().unwrap()],
            verdicts: verdicts.into_iter().map(|(id, both)| (id.parse().unwrap(), both)).collect(),
        };
        let mut page = Page::new();
        runs(&mut page, &[run]);
        let words: Vec<String> =
            page.text().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(words.contains(&"box\\u{1b}[2J 1 a/evidence.jsonl".to_owned()), "{words:?}");
        assert!(words.contains(&"hooks.one fail → not in force".to_owned()), "{words:?}");
        assert!(words.iter().any(|it| it.starts_with("recorded under 1.3.0, which its bundles state")), "{words:?}");
        assert!(words.contains(&"2 other requirements not in force → undecided".to_owned()), "{words:?}");
    }
}

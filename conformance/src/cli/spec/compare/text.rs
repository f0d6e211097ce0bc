//! A comparison as people read it: grouped, and no line wider than a page.

use std::collections::BTreeMap;

use ocf_schema::compare::{Change, Example, Grade};
use ocf_spec::{Level, VERSIONS};
use serde_json::Value;

use super::{Difference, Versioned};
use crate::cli::terminal::{Ink, Page, WIDTH};
use crate::edition::{Entry, Replacement, Rewording};
use crate::judge::shorten;

/// The widest value of an example, in characters.
const VALUE: usize = 44;

/// The most ids that are shown of one change.
const MOST_IDS: usize = 8;

/// The column in which sentences begin.
const SENTENCE: usize = 12;

/// The page.
pub fn page(difference: &Difference) -> Page {
    let mut page = Page::new();
    let title = format!("{} → {}", difference.old, difference.new);
    let Some(grade) = difference.grade.filter(|_| !difference.is_empty()) else {
        page.line(Ink::Plain, &format!("{title}: nothing changes"));
        return page;
    };
    graded(&mut page, &title, Ink::Strong, grade);
    requirements(&mut page, difference);
    difference.schemas.iter().for_each(|(kind, changes)| schema(&mut page, kind, changes));
    page.gap();
    page.line(Ink::Faint, "`ocf explain ID` tells more of a requirement, `--format json` gives whole documents.");
    page
}

/// A line that ends in a grade at the page's right edge.
fn graded(page: &mut Page, text: &str, ink: Ink, grade: Grade) {
    let of_grade = match grade {
        Grade::Editorial => Ink::Faint,
        Grade::Widening => Ink::Green,
        Grade::Advice | Grade::Unknown => Ink::Yellow,
        Grade::Breaking | Grade::Both => Ink::Red,
    };
    page.words((text, ink), WIDTH - grade.as_str().len(), &[(grade.as_str(), of_grade)]);
}

fn heading(page: &mut Page, text: &str) {
    page.gap();
    page.line(Ink::Strong, text);
    page.gap();
}

fn requirements(page: &mut Page, difference: &Difference) {
    let all = &difference.requirements;
    if all.is_empty() {
        return;
    }
    heading(page, "Requirements");
    all.replaced.iter().for_each(|it| replacement(page, it));
    all.changed.iter().for_each(|it| rewording(page, it));
    list(page, "added", &all.added);
    list(page, "removed", &all.removed);
    list(page, "come into force", &all.came);
    list(page, "cease", &all.ceased);
}

fn replacement(page: &mut Page, replacement: &Replacement) {
    sentences(page, "replaced", &replacement.ceased);
    sentences(page, "by", &replacement.came);
    page.gap();
}

fn sentences(page: &mut Page, label: &str, entries: &[Entry]) {
    for (number, entry) in entries.iter().enumerate() {
        head(page, if number == 0 { label } else { "" }, entry);
        page.block(("", Ink::Plain), SENTENCE, &entry.sentence);
    }
}

fn head(page: &mut Page, label: &str, Entry { id, level, party, .. }: &Entry) {
    let label = format!("  {label:<9} {:<64} {level:<10} {party}", id.as_str());
    page.line(Ink::Plain, &label);
}

fn rewording(page: &mut Page, rewording: &Rewording) {
    head(page, "changed", &rewording.requirement);
    for (field, [was, is]) in &rewording.fields {
        for (mark, text, ink) in [("-", was, Ink::Red), ("+", is, Ink::Green)] {
            if !text.is_empty() {
                page.block((&format!("{:10}{mark}", ""), ink), SENTENCE, &format!("{field}: {text}"));
            }
        }
    }
    page.gap();
}

/// Names chapter by chapter, with how strongly they bind.
fn list(page: &mut Page, label: &str, entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    page.line(Ink::Plain, &format!("  {label}: {}", entries.len()));
    let mut by_chapter: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    entries.iter().for_each(|it| by_chapter.entry(it.id.chapter()).or_default().push(it));
    for (chapter, entries) in by_chapter {
        let mut levels: BTreeMap<Level, usize> = BTreeMap::new();
        entries.iter().for_each(|it| *levels.entry(it.level).or_default() += 1);
        let levels: Vec<String> = levels.iter().map(|(level, count)| format!("{count} {level}")).collect();
        page.line(Ink::Plain, &format!("    {chapter:<40} {}", levels.join(", ")));
        let names = entries.iter().filter_map(|it| it.id.as_str().split_once('.')).map(|(_, name)| name);
        page.block(("", Ink::Plain), 6, &names.collect::<Vec<_>>().join(", "));
    }
    page.gap();
}

fn schema(page: &mut Page, kind: &str, changes: &[Versioned]) {
    heading(page, if kind == "config" { "config.json" } else { kind });
    let (rules, others): (Vec<_>, Vec<_>) = changes.iter().partition(|it| it.change.definition == "rules");
    let is_property = |it: &&Versioned| it.change.what.iter().any(|what| what.starts_with("property "));
    let (properties, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_property);
    let (editorial, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| it.change.grade == Grade::Editorial);
    others.iter().for_each(|it| whole(page, it));
    if !editorial.is_empty() {
        graded(page, &format!("  worded otherwise: {}", editorial.len()), Ink::Plain, Grade::Editorial);
        editorial.iter().for_each(|it| row(page, it, &it.change.what.join("; ")));
        page.gap();
    }
    changed_properties(page, "property added", Grade::Widening, &properties);
    changed_properties(page, "property removed", Grade::Breaking, &properties);
    changed_rules(page, &rules);
}

/// A change with its examples.
fn whole(page: &mut Page, versioned: &Versioned) {
    let change = &versioned.change;
    graded(page, &format!("  {}{}", place(&change.place), only(versioned)), Ink::Plain, change.grade);
    change.what.iter().for_each(|what| page.block(("", Ink::Plain), 6, what));
    let of_open = change.formal.as_ref().filter(|_| change.rejects.example().is_none());
    let examples = [
        ("rejected now", change.rejects.example()),
        ("accepted now", change.accepts.example()),
        ("warned of", change.advises.as_ref()),
        ("taken strictly", of_open),
    ];
    for (label, example) in examples {
        example.into_iter().for_each(|it| shown(page, label, it));
    }
    if change.grade == Grade::Unknown {
        page.block(("", Ink::Plain), 6, "neither an example nor a proof was found");
    }
    if !change.requirements.is_empty() {
        let all = ids(&[change]);
        let shown = all.iter().take(MOST_IDS).copied().collect::<Vec<_>>().join(", ");
        let more = all.len().saturating_sub(MOST_IDS);
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        page.block(("", Ink::Plain), 6, &format!("[{shown}{rest}]"));
    }
    page.gap();
}

fn shown(page: &mut Page, label: &str, example: &Example) {
    let text = format!("{} = {}; {}", place(&example.at), value(example), example.finding);
    page.block((&format!("      {label}:"), Ink::Faint), 20.max(label.len() + 8), &text);
}

/// A change in a line, behind its place.
fn row(page: &mut Page, versioned: &Versioned, text: &str) {
    let place = format!("    {}{}", place(&versioned.change.place), only(versioned));
    page.block((&place, Ink::Plain), 47, text);
}

/// Properties that came, or went, a line each with an example of what is, or was, no value for it.
fn changed_properties(page: &mut Page, what: &str, grade: Grade, all: &[&Versioned]) {
    let mine: Vec<_> = all.iter().filter(|it| it.change.what.iter().any(|it| it.starts_with(what))).collect();
    if mine.is_empty() {
        return;
    }
    let title = what.replacen("property", if mine.len() == 1 { "property" } else { "properties" }, 1);
    graded(page, &format!("  {title}: {}", mine.len()), Ink::Plain, grade);
    for versioned in mine {
        let change = &versioned.change;
        let holds = change.what[0].strip_prefix(what).unwrap_or_default().trim_start_matches(": ");
        let example = change.formal.as_ref().map(|it| format!("not {}", value(it)));
        let all: Vec<String> =
            [Some(holds.to_owned()).filter(|it| !it.is_empty()), example].into_iter().flatten().collect();
        row(page, versioned, &all.join("; "));
    }
    page.gap();
}

/// Rules across properties: those that matter for what there was, then only the ids of the others.
fn changed_rules(page: &mut Page, rules: &[&Versioned]) {
    let has_example = |it: &&&Versioned| {
        let change = &it.change;
        change.rejects.example().or(change.accepts.example()).or(change.advises.as_ref()).is_some()
    };
    let (shown, others): (Vec<&Versioned>, Vec<_>) = rules.iter().partition(has_example);
    shown.iter().for_each(|it| whole(page, it));
    let (of_new, unknown): (Vec<&Versioned>, Vec<_>) = others.into_iter().partition(|it| it.change.formal.is_some());
    rule_ids(page, "rules about properties that came or went", &of_new);
    rule_ids(page, "rules of which no document at hand shows the effect", &unknown);
}

fn rule_ids(page: &mut Page, title: &str, rules: &[&Versioned]) {
    let Some(grade) = rules.iter().map(|it| it.change.grade).reduce(Grade::and) else { return };
    let changes: Vec<&Change> = rules.iter().map(|it| &it.change).collect();
    graded(page, &format!("  {title}: {}", rules.len()), Ink::Plain, grade);
    page.block(("", Ink::Plain), 4, &ids(&changes).join(", "));
    page.gap();
}

fn ids<'a>(changes: &[&'a Change]) -> Vec<&'a str> {
    changes.iter().flat_map(|it| &it.requirements).map(|it| it.as_str()).collect()
}

/// A place in a document, or the whole of it.
fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the document" } else { pointer }
}

/// The value that an example is about.
fn value(example: &Example) -> String {
    let value = example.document.pointer(&example.at).map(Value::to_string).unwrap_or_default();
    shorten(&value, VALUE)
}

/// The versions in which a change shows, if not in all.
fn only(versioned: &Versioned) -> String {
    match &versioned.versions[..] {
        [] => String::new(),
        all if all.len() == VERSIONS.len() => String::new(),
        [one] => format!(" (in {one})"),
        [first, .., last] => format!(" (in {first} to {last})"),
    }
}

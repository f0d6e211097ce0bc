//! `ocf spec coverage`: what of upstream's text is carried, and how the requirements are checked.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use ocf_spec::coverage::{Coverage, Share, by_area};
use ocf_spec::upstream::{Clause, Property};
use ocf_spec::{Chapter, Level, Party, Requirement, Specification};
use serde::Serialize;

use crate::checks::Checks;
use crate::cli::terminal::{Ink, Page, print_json};

#[derive(Args)]
pub struct Arguments {
    /// How to print it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Tables
    Human,
    /// One document
    Json,
}

/// Prints both axes and the chapters; gives the exit status.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let measured = Measured::of(Specification::embedded(), &Checks::embedded()?);
    match arguments.format {
        Format::Human => measured.human().print()?,
        Format::Json => print_json(&serde_json::to_value(&measured).map_err(|e| format!("write JSON: {e}"))?)?,
    }
    Ok(0)
}

/// Both axes, and the chapters.
#[derive(Serialize)]
struct Measured {
    clauses: Clauses,
    properties: Properties,
    requirements: Counts,
    chapters: Vec<Row>,
}

#[derive(Serialize)]
struct Clauses {
    #[serde(flatten)]
    all: Part,
    /// Of those that are set aside, how many for which reason.
    set_aside_because: BTreeMap<&'static str, usize>,
    unmapped_ids: Vec<String>,
    by_file: Vec<Named>,
    by_level: Vec<Named>,
}

#[derive(Serialize)]
struct Properties {
    #[serde(flatten)]
    all: Part,
    unmapped_names: Vec<String>,
    by_part: Vec<Named>,
}

/// The figures of an area.
#[derive(Clone, Copy, Serialize)]
struct Part {
    total: usize,
    mapped: usize,
    set_aside: usize,
    unmapped: usize,
}

#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    part: Part,
}

/// A chapter.
#[derive(Serialize)]
struct Row {
    chapter: String,
    #[serde(flatten)]
    counts: Counts,
    /// How many distinct clauses its requirements carry.
    clauses: usize,
    /// How many distinct leaf properties they decide.
    properties: usize,
}

/// How many of some requirements are of which level and party, and how they are checked; one may be checked in two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    requirements: usize,
    by_level: BTreeMap<Level, usize>,
    by_party: BTreeMap<Party, usize>,
    /// Enforced by a schema or a rule, without running anything.
    enforced: usize,
    /// Enforced, and broken by a static fixture.
    with_wrong_document: usize,
    /// Raised by a law or a case in a runtime.
    raised: usize,
    /// Those that say why nobody can check them.
    not_checked: usize,
    /// Those with neither a check nor a reason.
    without_check: Vec<String>,
}

impl Part {
    fn of(share: &Share) -> Self {
        Self { total: share.total(), mapped: share.mapped, set_aside: share.aside(), unmapped: share.unmapped }
    }
}

fn named(areas: Vec<(&str, Share)>) -> Vec<Named> {
    areas.into_iter().map(|(name, share)| Named { name: name.to_owned(), part: Part::of(&share) }).collect()
}

impl Counts {
    fn of<'a>(requirements: impl Iterator<Item = &'a Requirement>, checks: &Checks) -> Self {
        let mut counts = Self::default();
        requirements.for_each(|it| counts.add(it, checks));
        counts
    }

    fn add(&mut self, requirement: &Requirement, checks: &Checks) {
        let check = checks.get(&requirement.id);
        self.requirements += 1;
        *self.by_level.entry(requirement.level).or_default() += 1;
        *self.by_party.entry(requirement.party).or_default() += 1;
        self.enforced += usize::from(check.is_static());
        self.with_wrong_document += usize::from(!check.wrong.is_empty());
        self.raised += usize::from(!check.cases.is_empty() || !check.generated.is_empty());
        self.not_checked += usize::from(requirement.not_checked.is_some());
        if check.is_none() && requirement.not_checked.is_none() {
            self.without_check.push(requirement.id.to_string());
        }
    }

    /// Of one strength, whether forbidding or demanding.
    fn of_level(&self, of: fn(Level) -> bool) -> usize {
        self.by_level.iter().filter(|(level, _)| of(**level)).map(|(_, count)| count).sum()
    }

    fn of_party(&self, party: Party) -> usize {
        self.by_party.get(&party).copied().unwrap_or_default()
    }
}

impl Row {
    fn of(chapter: &Chapter, checks: &Checks) -> Self {
        let distinct = |names: fn(&Requirement) -> &[String]| -> usize {
            chapter.requirements.iter().flat_map(names).collect::<BTreeSet<_>>().len()
        };
        Self {
            chapter: chapter.name.clone(),
            counts: Counts::of(chapter.requirements.iter(), checks),
            clauses: distinct(|it| &it.clauses),
            properties: distinct(|it| &it.properties),
        }
    }
}

impl Measured {
    fn of(specification: &Specification, checks: &Checks) -> Self {
        let coverage = Coverage::of(specification);
        let clauses: Share = coverage.clauses.iter().map(|(_, standing)| *standing).collect();
        let properties: Share = coverage.properties.iter().map(|(_, standing)| *standing).collect();
        let mut levels = by_area(&coverage.clauses, Clause::level);
        levels.sort_by_key(|(level, _)| *level);
        Self {
            clauses: Clauses {
                all: Part::of(&clauses),
                set_aside_because: clauses.set_aside.iter().map(|(why, count)| (why.as_str(), *count)).collect(),
                unmapped_ids: coverage.unmapped_clauses().map(|it| it.id.clone()).collect(),
                by_file: named(by_area(&coverage.clauses, |it| it.file.as_str())),
                by_level: named(levels.into_iter().map(|(level, share)| (level.as_str(), share)).collect()),
            },
            properties: Properties {
                all: Part::of(&properties),
                unmapped_names: coverage.unmapped_properties().map(|it| it.name.clone()).collect(),
                by_part: named(by_area(&coverage.properties, Property::part)),
            },
            requirements: Counts::of(specification.requirements(), checks),
            chapters: specification.chapters.iter().map(|chapter| Row::of(chapter, checks)).collect(),
        }
    }

    fn human(&self) -> Page {
        let mut page = Page::new();
        let clauses = &self.clauses;
        head(&mut page, "normative keywords of upstream's text");
        clauses.by_level.iter().for_each(|it| line(&mut page, &it.name, &it.part));
        page.line(Ink::Plain, "");
        clauses.by_file.iter().for_each(|it| line(&mut page, &it.name, &it.part));
        total(&mut page, &clauses.all);
        let reasons: Vec<String> =
            clauses.set_aside_because.iter().map(|(why, count)| format!("{why} {count}")).collect();
        if !reasons.is_empty() {
            page.line(Ink::Faint, &format!("  set aside: {}", reasons.join(", ")));
        }
        unmapped(&mut page, &clauses.unmapped_ids);
        page.gap();
        head(&mut page, "leaf properties of config.json, for Linux");
        self.properties.by_part.iter().for_each(|it| line(&mut page, &it.name, &it.part));
        total(&mut page, &self.properties.all);
        unmapped(&mut page, &self.properties.unmapped_names);
        page.gap();
        self.chapters(&mut page);
        page
    }

    fn chapters(&self, page: &mut Page) {
        let heads = ["all", "MUST", "SHOULD", "MAY", "runtime", "author", "others", "static", "run", "not", "none"];
        let cells = |counts: &Counts| {
            let others = counts.of_party(Party::Caller) + counts.of_party(Party::Converter);
            [
                counts.requirements,
                counts.of_level(Level::is_must),
                counts.of_level(Level::is_should),
                counts.of_level(|it| it == Level::May),
                counts.of_party(Party::Runtime),
                counts.of_party(Party::Config),
                others,
                counts.enforced,
                counts.raised,
                counts.not_checked,
                counts.without_check.len(),
            ]
        };
        let row = |name: &str, cells: &[String]| {
            let widths = [4, 6, 7, 5, 9, 7, 7, 8, 5, 5, 5];
            let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
            format!("  {name:<18}{}", cells.collect::<String>())
        };
        let numbers = |counts: &Counts| cells(counts).map(|it| if it == 0 { "·".to_owned() } else { it.to_string() });
        page.line(Ink::Strong, &row("", &heads.map(str::to_owned)).replacen(&" ".repeat(12), "requirements", 1));
        for chapter in &self.chapters {
            page.line(Ink::Plain, &row(&chapter.chapter, &numbers(&chapter.counts)));
        }
        page.line(Ink::Strong, &row("all", &numbers(&self.requirements)));
        page.gap();
        let meaning = "static: a schema or a rule finds it in a document; run: a law or a case raises it in a runtime; \
                       not: its text says why nobody can check it; none: neither a check nor a reason.";
        page.block(("", Ink::Plain), 2, meaning);
    }
}

fn head(page: &mut Page, title: &str) {
    page.line(Ink::Strong, &format!("{title:<44}{:>8}{:>11}{:>10}{:>8}", "mapped", "set aside", "unmapped", "total"));
}

fn line(page: &mut Page, name: &str, part: &Part) {
    page.line(Ink::Plain, &figures(name, part));
}

fn total(page: &mut Page, part: &Part) {
    page.line(Ink::Strong, &figures("all", part));
}

fn figures(name: &str, part: &Part) -> String {
    let cell = |count: usize| if count == 0 { "·".to_owned() } else { count.to_string() };
    let Part { total, mapped, set_aside, unmapped } = part;
    let (mapped, set_aside, unmapped) = (cell(*mapped), cell(*set_aside), cell(*unmapped));
    format!("  {name:<42}{mapped:>8}{set_aside:>11}{unmapped:>10}{total:>8}")
}

fn unmapped(page: &mut Page, names: &[String]) {
    if !names.is_empty() {
        page.block(("  unmapped:", Ink::Red), 13, &names.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_add_up() {
        let measured = Measured::of(Specification::embedded(), &Checks::embedded().unwrap());
        let adds = |it: &Part| it.mapped + it.set_aside + it.unmapped == it.total;
        assert!(adds(&measured.clauses.all) && adds(&measured.properties.all));
        let sum = |all: &[Named]| all.iter().map(|it| it.part.total).sum::<usize>();
        assert_eq!(sum(&measured.clauses.by_file), measured.clauses.all.total);
        assert_eq!(sum(&measured.clauses.by_level), measured.clauses.all.total);
        assert_eq!(sum(&measured.properties.by_part), measured.properties.all.total);
        let chapters: usize = measured.chapters.iter().map(|it| it.counts.requirements).sum();
        assert_eq!(chapters, measured.requirements.requirements);
        assert_eq!(measured.requirements.by_level.values().sum::<usize>(), chapters);
    }

    #[test]
    fn the_document_has_what_readers_rely_on() {
        let measured = Measured::of(Specification::embedded(), &Checks::embedded().unwrap());
        let document = serde_json::to_value(&measured).unwrap();
        for axis in ["clauses", "properties"] {
            for figure in ["total", "mapped", "set_aside", "unmapped"] {
                assert!(document[axis][figure].is_u64(), "{axis}.{figure}");
            }
        }
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let measured = Measured::of(Specification::embedded(), &Checks::embedded().unwrap());
        let page = measured.human();
        let widest = page.text().lines().max_by_key(|it| it.chars().count()).unwrap();
        assert!(widest.chars().count() <= 100, "{widest}");
    }
}

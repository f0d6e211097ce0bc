//! `ocf explain`: all about one requirement, or what a chapter holds.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ocf_spec::upstream::{Change, Clause, Comparison, Repository, Sentence};
use ocf_spec::{Chapter, Requirement, Specification, edits};
use serde_json::{Value, json};

use super::checkout::Checkout;
use super::difference;
use super::terminal::{Ink, Page, counted, print_json};
use crate::checks::{Check, Checks, Tested, published};
use crate::judge::Verdict;

#[derive(Args)]
pub struct Arguments {
    /// A requirement's id, or a chapter
    #[arg(value_name = "ID|CHAPTER")]
    name: String,
    /// Print upstream's own sentences, too, from a checkout or a git directory of its repository
    #[arg(long, value_name = "DIR")]
    upstream: Option<PathBuf>,
    /// The published reports, which tell who passes it
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For reading
    Human,
    /// One document
    Json,
}

/// Prints what is known; gives the exit status.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let specification = Specification::embedded();
    if let Some(chapter) = specification.chapters.iter().find(|it| it.name == arguments.name) {
        if arguments.upstream.is_some() {
            return Err(format!("--upstream is for a requirement, and {} is a chapter", chapter.name));
        }
        match arguments.format {
            Format::Human => chapter_page(chapter).print()?,
            Format::Json => print_json(&chapter_document(chapter))?,
        }
        return Ok(0);
    }
    let requirement = specification.get(&arguments.name).ok_or_else(|| unknown(specification, &arguments.name))?;
    let explained = Explained {
        requirement,
        clauses: requirement.clauses.iter().filter_map(|id| specification.upstream.clause(id)).collect(),
        check: Checks::embedded()?.get(&requirement.id),
        tested: published(&arguments.reports)?,
        words: arguments.upstream.as_deref().map(|it| words(specification, requirement, it)).transpose()?,
    };
    match arguments.format {
        Format::Human => explained.page().print()?,
        Format::Json => print_json(&explained.document())?,
    }
    Ok(0)
}

/// What a misspelt name most likely meant.
fn unknown(specification: &Specification, name: &str) -> String {
    let chapters = specification.chapters.iter().map(|it| (edits(name, &it.name), it.name.as_str()));
    let near = chapters.min().filter(|(distance, _)| distance * 3 <= name.chars().count());
    // A chapter's name comes first: of an id without its second part much would have to change.
    let near = near.map(|(_, name)| name).filter(|_| !name.contains('.'));
    let near = near.or_else(|| specification.nearest(name).map(|id| id.as_str()));
    let hint = near
        .map_or_else(|| "`ocf spec coverage` lists the chapters".to_owned(), |near| format!("did you mean {near}?"));
    format!("{}: no requirement or chapter has this name; {hint}", crate::judge::visible(name))
}

fn chapter_page(chapter: &Chapter) -> Page {
    let mut page = Page::new();
    page.line(Ink::Strong, &chapter.name);
    page.block(("", Ink::Plain), 0, &chapter.introduction);
    for requirement in &chapter.requirements {
        page.gap();
        page.words((requirement.id.as_str(), Ink::Strong), 46, &[(&terms(requirement), Ink::Faint)]);
        page.block(("", Ink::Plain), 2, &requirement.sentence);
    }
    page
}

fn chapter_document(chapter: &Chapter) -> Value {
    let requirement = |it: &Requirement| {
        json!({
            "id": it.id, "level": it.level, "party": it.party, "since": it.since, "until": it.until,
            "sentence": it.sentence,
        })
    };
    json!({
        "chapter": chapter.name,
        "introduction": chapter.introduction,
        "requirements": chapter.requirements.iter().map(requirement).collect::<Vec<_>>(),
    })
}

/// Level, party and versions.
fn terms(requirement: &Requirement) -> String {
    let Requirement { level, party, since, until, draft, .. } = requirement;
    let versions = until.map_or_else(|| format!("since {since}"), |until| format!("{since} to before {until}"));
    format!("{level}, {party}, {versions}{}", if *draft { ", draft" } else { "" })
}

/// A requirement with all that belongs to it.
struct Explained<'a> {
    requirement: &'a Requirement,
    clauses: Vec<&'a Clause>,
    check: Check,
    tested: Vec<Tested>,
    words: Option<Vec<Words>>,
}

/// What upstream says, in its own words.
struct Words {
    /// File and line; the file alone if the sentence is not there.
    place: String,
    clauses: Vec<String>,
    /// What became of it since the clauses were read, or in which version it is shown.
    state: String,
    /// The sentence as it was when it was read, if it differs and is at hand.
    before: Option<String>,
    sentence: Option<String>,
}

/// Where label and text part.
const INDENT: usize = 11;

impl Explained<'_> {
    fn page(&self) -> Page {
        let it = self.requirement;
        let mut page = Page::new();
        page.words((it.id.as_str(), Ink::Strong), it.id.as_str().len() + 3, &[(&terms(it), Ink::Faint)]);
        page.block(("", Ink::Plain), 0, &it.sentence);
        page.gap();
        let field = |page: &mut Page, label: &str, text: &str| page.block((label, Ink::Faint), INDENT, text);
        field(&mut page, "source", &it.source.to_string());
        if let Some(url) = Specification::embedded().page(it) {
            field(&mut page, "", &url);
        }
        let clauses: Vec<String> = self.clauses.iter().map(|it| format!("{} {}", it.id, it.keyword)).collect();
        let texts = [
            ("clauses", Some(clauses.join(", "))),
            ("property", Some(it.properties.join(", "))),
            ("needs", Some(it.needs.join(", "))),
            ("then", Some(self.successors().join(", "))),
            ("reading", it.reading.clone()),
            ("not checked", it.not_checked.clone()),
        ];
        for (label, text) in texts {
            if let Some(text) = text.filter(|it| !it.is_empty()) {
                let label = if label.len() >= INDENT { "unchecked" } else { label };
                field(&mut page, label, &text);
            }
        }
        field(&mut page, "checked", &self.how());
        self.fixtures(&mut page);
        self.verdicts(&mut page);
        self.words.iter().flatten().for_each(|words| words.show(&mut page));
        page
    }

    /// What holds in its place once it has ceased.
    fn successors(&self) -> Vec<&'static str> {
        Specification::embedded().successors(self.requirement).map(|it| it.id.as_str()).collect()
    }

    /// By what it is checked, in a phrase.
    fn how(&self) -> String {
        let Check { schema, rule, files, cases, by_law, generated, .. } = &self.check;
        let mut ways: Vec<String> = Vec::new();
        ways.extend(schema.then(|| "by a constraint of the schema".to_owned()));
        ways.extend(rule.then(|| "by a rule on the whole document".to_owned()));
        ways.extend(files.then(|| "by the files of a bundle".to_owned()));
        ways.extend((!by_law.is_empty()).then(|| format!("by a law, in {}", counted(by_law.len(), "case"))));
        let own = cases.difference(by_law).count();
        ways.extend((own > 0).then(|| format!("by {} of its own", counted(own, "case"))));
        let chapters: Vec<&str> = generated.iter().map(String::as_str).collect();
        ways.extend((!chapters.is_empty()).then(|| format!("in generated cases of {}", chapters.join(", "))));
        match (ways.is_empty(), &self.requirement.not_checked) {
            (false, _) => ways.join("; "),
            (true, Some(_)) => "by nobody, for the reason above".to_owned(),
            (true, None) => "not yet".to_owned(),
        }
    }

    fn fixtures(&self, page: &mut Page) {
        let chapter = format!("{}/", self.requirement.id.chapter());
        let (own, others): (Vec<&String>, Vec<&String>) =
            self.check.cases.iter().partition(|it| it.starts_with(&chapter));
        let names: Vec<&str> = own.iter().map(|it| it.as_str()).collect();
        let further = counted(others.len(), "case");
        let text = match (names.is_empty(), others.is_empty()) {
            (_, true) => names.join(", "),
            (true, false) => format!("{further} of other chapters"),
            (false, false) => format!("{}, and {further} of other chapters", names.join(", ")),
        };
        if !text.is_empty() {
            page.block(("cases", Ink::Faint), INDENT, &text);
        }
        let file = format!("wrong in fixtures/static/{}.json: ", self.requirement.id.chapter());
        if !self.check.wrong.is_empty() {
            page.block(("static", Ink::Faint), INDENT, &(file + &self.check.wrong.join("; ")));
        }
    }

    fn verdicts(&self, page: &mut Page) {
        let mut is_first = true;
        for (tested, verdict) in self.tested.iter().filter_map(|it| Some((it, it.verdict(self.requirement)?))) {
            let ink = match verdict {
                Verdict::Pass => Ink::Green,
                Verdict::Fail => Ink::Red,
                _ => Ink::Plain,
            };
            let label = if is_first { "reports" } else { "" };
            let word = format!("{:<12}", verdict.word());
            let name = format!("{}, under {}", tested.name, tested.report.suite.spec);
            page.words((label, Ink::Faint), INDENT, &[(&word, ink), (&name, Ink::Plain)]);
            is_first = false;
        }
        if is_first {
            page.block(("reports", Ink::Faint), INDENT, "none");
        }
    }

    fn document(&self) -> Value {
        let it = self.requirement;
        let clause = |it: &&Clause| json!({ "id": it.id, "keyword": it.keyword, "file": it.file, "anchor": it.anchor, "tag": it.tag, "url": it.url() });
        let verdicts = self.tested.iter().filter_map(|tested| Some((tested, tested.verdict(it)?)));
        let verdicts = verdicts.map(
            |(tested, verdict)| json!({ "runtime": tested.name, "spec": tested.report.suite.spec, "verdict": verdict }),
        );
        let words = self.words.as_ref().map(|all| all.iter().map(Words::document).collect::<Vec<_>>());
        json!({
            "id": it.id,
            "sentence": it.sentence,
            "level": it.level,
            "party": it.party,
            "since": it.since,
            "until": it.until,
            "replaced_by": self.successors(),
            "draft": it.draft,
            "source": it.source.to_string(),
            "url": Specification::embedded().page(it),
            "clauses": self.clauses.iter().map(clause).collect::<Vec<_>>(),
            "properties": it.properties,
            "needs": it.needs,
            "reading": it.reading,
            "not_checked": it.not_checked,
            "checks": {
                "schema": self.check.schema,
                "rule": self.check.rule,
                "files": self.check.files,
                "law": !self.check.by_law.is_empty(),
                "generated": self.check.generated,
            },
            "cases": self.check.cases,
            "static": self.check.wrong,
            "reports": verdicts.collect::<Vec<_>>(),
            "upstream": words,
        })
    }
}

/// The sentences of a requirement's clauses, as a checkout has them; of one that has ceased, as they were in the last
/// version in which it held, if git knows that there.
fn words(specification: &Specification, requirement: &Requirement, directory: &Path) -> Result<Vec<Words>, String> {
    let checkout = Checkout::named(&directory.to_string_lossy(), None)?;
    let tables = &specification.upstream;
    let repository = checkout.repository()?;
    let last = requirement.last().filter(|_| repository == Repository::Runtime);
    let then = last.and_then(|version| checkout.at_tag(&format!("v{version}")));
    let (comparison, _) = then.as_ref().unwrap_or(&checkout).compared(tables, repository)?;
    let mut words: Vec<Words> = Vec::new();
    for clause in requirement.clauses.iter().filter_map(|id| tables.clause(id)) {
        let found = match &then {
            Some(then) => Words::of(clause, &comparison).shown_in(&then.name),
            None => Words::of(clause, &comparison),
        };
        match words.iter_mut().find(|it| it.place == found.place && it.sentence == found.sentence) {
            Some(same) => same.clauses.extend(found.clauses),
            None => words.push(found),
        }
    }
    Ok(words)
}

impl Words {
    fn of(clause: &Clause, comparison: &Comparison<'_>) -> Self {
        let new = |place: String, state: &str, before: Option<&String>, sentence: Option<&String>| Self {
            place,
            clauses: vec![clause.id.clone()],
            state: state.to_owned(),
            before: before.cloned(),
            sentence: sentence.cloned(),
        };
        let at = |it: &Sentence| format!("{}:{}", it.file, it.line);
        if let Some((_, it)) = comparison.unchanged.iter().find(|(it, _)| it.id == clause.id) {
            return new(at(it), "unchanged", None, Some(&it.text));
        }
        match comparison.changes.iter().find(|change| change.clauses().iter().any(|it| it.id == clause.id)) {
            Some(Change::Reworded { before, after, .. }) => {
                new(at(after), "reworded", before.as_ref(), Some(&after.text))
            }
            Some(Change::Moved { to, .. }) => new(at(to), "moved", None, Some(&to.text)),
            Some(Change::Gone { before, .. }) => new(clause.file.clone(), "gone", before.as_ref(), None),
            Some(Change::New { .. }) | None => new(clause.file.clone(), "not there", None, None),
        }
    }

    /// The sentence alone, of a version before the one that was read.
    fn shown_in(self, version: &str) -> Self {
        let state = if self.sentence.is_some() { format!("in {version}") } else { format!("not in {version}") };
        Self { state, before: None, ..self }
    }

    fn show(&self, page: &mut Page) {
        page.gap();
        let state = if self.state == "unchanged" { String::new() } else { format!(", {}", self.state) };
        page.line(Ink::Faint, &format!("upstream, {} ({}{state})", self.place, self.clauses.join(" ")));
        match (&self.before, &self.sentence) {
            (Some(before), Some(sentence)) => difference::show(page, 2, Some(before), sentence),
            (Some(before), None) => page.block(("  was", Ink::Red), 6, before),
            (None, Some(sentence)) => page.block(("", Ink::Plain), 2, sentence),
            (None, None) => {}
        }
    }

    fn document(&self) -> Value {
        json!({
            "place": self.place,
            "clauses": self.clauses,
            "state": self.state,
            "before": self.before,
            "sentence": self.sentence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(id: &str) -> Explained<'static> {
        let specification = Specification::embedded();
        let requirement = specification.get(id).unwrap();
        Explained {
            requirement,
            clauses: requirement.clauses.iter().filter_map(|id| specification.upstream.clause(id)).collect(),
            check: Checks::embedded().unwrap().get(&requirement.id),
            tested: Vec::new(),
            words: None,
        }
    }

    #[test]
    fn a_requirement_is_shown_with_source_and_checks() {
        let page = explained("masked-paths.absolute").page();
        let text = page.text();
        assert!(text.starts_with("masked-paths.absolute   MUST, config, since 1.0.0\n"), "{text}");
        assert!(text.contains("https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config-linux.md#"), "{text}");
        assert!(text.contains("by a constraint of the schema") && text.contains("a relative path"), "{text}");
    }

    #[test]
    fn a_law_is_named_with_its_cases() {
        let explained = explained("hostname.applied");
        assert!(explained.how().starts_with("by a law, in "), "{}", explained.how());
        assert_eq!(explained.document()["checks"]["law"], true);
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let hint = |name| unknown(Specification::embedded(), name);
        assert!(hint("hostname.aplied").ends_with("did you mean hostname.applied?"), "{}", hint("hostname.aplied"));
        assert!(hint("hostnam").ends_with("did you mean hostname?"), "{}", hint("hostnam"));
        assert!(hint("\u{1b}[2J").starts_with("\\u{1b}[2J: no requirement"));
    }

    #[test]
    fn no_sentence_is_wider_than_the_page() {
        for chapter in &Specification::embedded().chapters {
            let page = chapter_page(chapter);
            let wide = page.text().lines().find(|it| it.chars().count() > 100);
            assert_eq!(wide, None, "{}", chapter.name);
        }
    }
}

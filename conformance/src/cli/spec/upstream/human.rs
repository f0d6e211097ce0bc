//! What changed, for reading: the place first, then the words, then what hangs on them.

use ocf_spec::upstream::{AbsentFile, Carried, Change, Clause, Sentence};

use super::{Found, clauses_of};
use crate::cli::difference;
use crate::cli::terminal::{Ink, Page, counted};

/// Where what belongs to a place begins.
const MARGIN: usize = 6;

/// Where the words of a sentence begin.
const INDENT: usize = MARGIN + 4;

impl Found<'_> {
    pub(super) fn human(&self) -> Page {
        let mut page = Page::new();
        self.head(&mut page);
        let mut file = "";
        page.gap();
        for absent in &self.comparison.absent {
            self.absent(&mut page, absent);
        }
        for change in &self.comparison.changes {
            let own = file_of(change);
            if own != file {
                page.gap();
                file = own;
            }
            self.one(&mut page, change);
        }
        self.properties_page(&mut page);
        self.examples_page(&mut page);
        self.sum(&mut page);
        page
    }

    fn head(&self, page: &mut Page) {
        let (all, unchanged) = (self.comparison.clauses, self.comparison.unchanged.len());
        let read = self.tags.join(", ");
        let state = match unchanged == all {
            true => format!("all {all} clauses are unchanged"),
            false => format!("{unchanged} of {all} clauses are unchanged"),
        };
        let (repository, name) = (self.repository.as_str(), self.name);
        let head = format!("{repository} {name}, against {read} as it was read: {state}");
        let words: Vec<(&str, Ink)> = head.split_whitespace().map(|word| (word, Ink::Strong)).collect();
        page.words(("", Ink::Plain), 0, &words);
        if !self.has_texts {
            let hint =
                format!("no text of {read} is at hand: a changed sentence is known by its place alone (--repository)");
            page.block(("", Ink::Plain), 2, &hint);
        }
    }

    fn absent(&self, page: &mut Page, absent: &AbsentFile<'_>) {
        let count = counted(absent.clauses.len(), "clause");
        let requirements = self.touched.carriers(absent.clauses.iter().map(|it| it.id.as_str())).len();
        let requirements = counted(requirements, "requirement");
        page.words(
            (&format!("{}:", absent.file), Ink::Strong),
            absent.file.len() + 2,
            &[("the file is not there,", Ink::Red), (&format!("with {count} of {requirements}"), Ink::Plain)],
        );
    }

    fn one(&self, page: &mut Page, change: &Change<'_>) {
        match change {
            Change::Reworded { clauses, before, after, added } => {
                let mut what: Vec<String> = clauses.iter().map(carried).collect();
                what.extend(added.iter().map(|keyword| format!("and a new {keyword}")));
                place(page, &at(after), ("reworded", Ink::Yellow), &what.join(", "));
                difference::show(page, MARGIN, before.as_deref(), &after.text);
            }
            Change::Moved { clauses, to } => {
                let from = clauses.first().map_or_else(String::new, |it| format!("from {}#{}", it.file, it.anchor));
                place(page, &at(to), ("moved", Ink::Yellow), &format!("{} {from}", names(clauses)));
                page.block(("", Ink::Plain), INDENT, &to.text);
            }
            Change::Gone { clauses, before, near } => {
                let section = clauses.first().map_or_else(String::new, |it| format!("{}#{}", it.file, it.anchor));
                let file = clauses.first().map_or("", |it| it.file.as_str());
                let at = near.map_or(section, |line| format!("{file}:{line}"));
                place(page, &format!("{at}:"), ("gone", Ink::Red), &names(clauses));
                if let Some(before) = before {
                    page.block(("      was", Ink::Red), INDENT, before);
                }
            }
            Change::New { keywords, sentence } => {
                place(page, &at(sentence), ("new", Ink::Green), &format!("{}, no requirement", keywords.join(", ")));
                page.block(("", Ink::Plain), INDENT, &sentence.text);
            }
        }
        self.touched_by(page, &clauses_of(change));
    }

    fn touched_by(&self, page: &mut Page, clauses: &[&str]) {
        let requirements: Vec<_> = self
            .touched
            .carriers(clauses.iter().copied())
            .into_iter()
            .filter_map(|id| self.touched.requirement(id))
            .collect();
        for requirement in requirements {
            let id = format!("      {}", requirement.id);
            let until = requirement.until.map(|until| format!(" to before {until}")).unwrap_or_default();
            let terms = format!("{} {}{until}:", requirement.level, requirement.party);
            let phrase = self.touched.phrase(requirement);
            page.words((&id, Ink::Strong), 48.max(id.len() + 2), &[(&terms, Ink::Faint), (&phrase, Ink::Faint)]);
        }
        for row in clauses.iter().filter_map(|clause| self.touched.set_aside(clause)) {
            let note = format!("{} calls for no requirement ({}): {}", row.clause, row.why.as_str(), row.note);
            page.block(("", Ink::Plain), 6, &note);
        }
    }

    fn properties_page(&self, page: &mut Page) {
        let properties = &self.properties;
        if properties.new.is_empty() && properties.gone.is_empty() && properties.trouble.is_none() {
            return;
        }
        page.gap();
        page.line(Ink::Strong, "properties of config.json, by schema/config-schema.json");
        if let Some(trouble) = &properties.trouble {
            page.block(("  broken", Ink::Red), INDENT, trouble);
        }
        let describe = |leaf: bool| if leaf { "new, no requirement decides its effect" } else { "new" };
        for (name, leaf) in &properties.new {
            page.words((&format!("  {name}"), Ink::Plain), 48, &[(describe(*leaf), Ink::Green)]);
        }
        for (name, below) in outermost(&properties.gone) {
            let all: Vec<String> = below.iter().map(|it| (*it).to_owned()).chain([name.to_owned()]).collect();
            let deciders = self.touched.by(std::iter::empty(), &all);
            let mut words = vec![("gone", Ink::Red)];
            let count = format!("with {} below it", below.len());
            words.extend((!below.is_empty()).then_some((count.as_str(), Ink::Plain)));
            page.words((&format!("  {name}"), Ink::Plain), 48, &words);
            let ids: Vec<&str> = deciders.iter().map(|it| it.id.as_str()).collect();
            if !ids.is_empty() {
                page.block(("", Ink::Plain), 6, &ids.join(" "));
            }
        }
    }

    fn examples_page(&self, page: &mut Page) {
        let surprises: Vec<_> = self.examples.iter().filter(|it| it.is_surprise()).collect();
        if self.examples.is_empty() {
            return;
        }
        page.gap();
        let all = counted(self.examples.len(), "example");
        let judged = match surprises.is_empty() {
            true => format!("{all} below schema/test: each good one is right here, too, and each bad one is wrong"),
            false => format!("{} of {all} below schema/test are judged otherwise here", surprises.len()),
        };
        page.block(("", Ink::Plain), 0, &judged);
        for example in surprises {
            let words = match &example.first {
                Some(first) => format!("good there, under {} wrong here: {first}", example.spec),
                None => format!("bad there, under {} right here", example.spec),
            };
            page.block((&format!("  {}", example.path), Ink::Plain), 6, &words);
            if !example.broken.is_empty() {
                let broken: Vec<&str> = example.broken.iter().map(String::as_str).collect();
                page.block(("", Ink::Plain), 6, &broken.join(" "));
            }
        }
    }

    fn sum(&self, page: &mut Page) {
        page.gap();
        if self.is_nothing() {
            page.line(Ink::Green, "nothing to do");
            return;
        }
        let touched = self.touched.by(self.changed_clauses().into_iter(), &self.properties.gone);
        if touched.is_empty() {
            page.line(Ink::Strong, "no requirement is touched");
            return;
        }
        let (mut constraints, mut laws, mut cases, mut wrong) = (0, 0, std::collections::BTreeSet::new(), 0);
        let mut reports = std::collections::BTreeSet::new();
        for requirement in &touched {
            let check = self.touched.check(requirement);
            constraints += usize::from(check.is_static());
            laws += usize::from(!check.by_law.is_empty() || !check.generated.is_empty());
            wrong += check.wrong.len();
            cases.extend(check.cases);
            reports.extend(self.touched.reports(requirement));
        }
        let sum = [
            counted(touched.len(), "requirement"),
            format!("{constraints} enforced statically"),
            format!("{laws} by a law"),
            counted(cases.len(), "case"),
            counted(wrong, "static fixture"),
            counted(reports.len(), "report"),
        ];
        page.block(("touched:", Ink::Strong), 9, &sum.join(", "));
    }
}

/// The names that no other name contains, each with those that it contains.
fn outermost(names: &[String]) -> Vec<(&str, Vec<&str>)> {
    let mut outermost: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let within = |outer: &str| name.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']));
        match outermost.iter_mut().find(|(outer, _)| within(outer)) {
            Some((_, below)) => below.push(name),
            None => outermost.push((name, Vec::new())),
        }
    }
    outermost
}

fn file_of<'a>(change: &'a Change<'_>) -> &'a str {
    match change {
        Change::Reworded { after: sentence, .. }
        | Change::Moved { to: sentence, .. }
        | Change::New { sentence, .. } => &sentence.file,
        Change::Gone { clauses, .. } => clauses.first().map_or("", |it| it.file.as_str()),
    }
}

fn place(page: &mut Page, at: &str, what: (&str, Ink), rest: &str) {
    let words = rest.split_whitespace().map(|word| (word, Ink::Plain));
    let words: Vec<(&str, Ink)> = std::iter::once(what).chain(words).collect();
    page.words((at, Ink::Strong), at.len() + 1, &words);
}

fn at(sentence: &Sentence) -> String {
    format!("{}:{}:", sentence.file, sentence.line)
}

fn names(clauses: &[&Clause]) -> String {
    clauses.iter().map(|it| format!("{} {}", it.id, it.keyword)).collect::<Vec<_>>().join(", ")
}

/// A clause with its keyword, and the one that stands there now if it is another.
fn carried(it: &Carried<'_>) -> String {
    let Carried { clause: Clause { id, keyword, .. }, keyword: now } = it;
    match now {
        Some(now) if now == keyword => format!("{id} {keyword}"),
        Some(now) => format!("{id} {keyword} -> {now}"),
        None => format!("{id} {keyword} -> no keyword"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_is_gone_stands_for_all_below_it() {
        let names = ["a", "a.b", "a.b.c", "a[].d", "ab", "c.d"].map(str::to_owned);
        assert_eq!(outermost(&names), [("a", vec!["a.b", "a.b.c", "a[].d"]), ("ab", vec![]), ("c.d", vec![])]);
    }
}

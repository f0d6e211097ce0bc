//! A comparison as people read it: grouped, and no line wider than a terminal.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use ocf_schema::compare::{Change, Example, Grade};
use ocf_spec::{Level, VERSIONS};
use serde_json::Value;

use super::{Difference, Versioned};
use crate::edition::{Entry, Replacement, Rewording};
use crate::judge::{shorten, visible};

/// The widest line, in characters.
const WIDTH: usize = 100;

/// The widest value of an example, in characters.
const VALUE: usize = 44;

/// The text. Nothing in it reaches the terminal unescaped.
pub fn render(difference: &Difference, colour: bool) -> String {
    let mut page = Page { out: String::new(), colour };
    // Writing to a String can't fail.
    let _ = page.all(difference);
    page.out
}

struct Page {
    out: String,
    colour: bool,
}

impl Page {
    fn all(&mut self, difference: &Difference) -> fmt::Result {
        let title = format!("{} → {}", visible(&difference.old), visible(&difference.new));
        let Some(grade) = difference.grade.filter(|_| !difference.is_empty()) else {
            return writeln!(self.out, "{title}: nothing changes");
        };
        self.with_grade(&title, grade)?;
        self.requirements(difference)?;
        for (kind, changes) in &difference.schemas {
            self.schema(kind, changes)?;
        }
        writeln!(self.out, "`ocf explain ID` tells more of a requirement, `--format json` gives whole documents.")
    }

    fn requirements(&mut self, difference: &Difference) -> fmt::Result {
        let all = &difference.requirements;
        if all.is_empty() {
            return Ok(());
        }
        self.heading("Requirements")?;
        for replacement in &all.replaced {
            self.replacement(replacement)?;
        }
        for rewording in &all.changed {
            self.rewording(rewording)?;
        }
        self.list("added", &all.added)?;
        self.list("removed", &all.removed)?;
        self.list("come into force", &all.came)?;
        self.list("cease", &all.ceased)
    }

    fn replacement(&mut self, replacement: &Replacement) -> fmt::Result {
        self.sentences("replaced", &replacement.ceased)?;
        self.sentences("by", &replacement.came)?;
        writeln!(self.out)
    }

    fn sentences(&mut self, label: &str, entries: &[Entry]) -> fmt::Result {
        for (number, entry) in entries.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            writeln!(self.out, "  {label:<9} {:<64} {:<10} {}", entry.id.as_str(), entry.level, entry.party)?;
            self.wrapped(12, &entry.sentence)?;
        }
        Ok(())
    }

    fn rewording(&mut self, rewording: &Rewording) -> fmt::Result {
        let Entry { id, level, party, .. } = &rewording.requirement;
        writeln!(self.out, "  {:<9} {:<64} {level:<10} {party}", "changed", id.as_str())?;
        for (field, [was, is]) in &rewording.fields {
            for (mark, text) in [("-", was), ("+", is)].into_iter().filter(|(_, text)| !text.is_empty()) {
                self.wrapped(12, &format!("{mark} {field}: {text}"))?;
            }
        }
        writeln!(self.out)
    }

    /// Names chapter by chapter, with how strongly they bind.
    fn list(&mut self, label: &str, entries: &[Entry]) -> fmt::Result {
        if entries.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  {label}: {}", entries.len())?;
        let mut by_chapter: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        entries.iter().for_each(|it| by_chapter.entry(it.id.chapter()).or_default().push(it));
        for (chapter, entries) in by_chapter {
            let mut levels: BTreeMap<Level, usize> = BTreeMap::new();
            entries.iter().for_each(|it| *levels.entry(it.level).or_default() += 1);
            let levels: Vec<String> = levels.iter().map(|(level, count)| format!("{count} {level}")).collect();
            writeln!(self.out, "    {:<40} {}", visible(chapter), levels.join(", "))?;
            let names = entries.iter().map(|it| it.id.as_str().split_once('.').map_or("", |(_, name)| name));
            self.wrapped(6, &names.collect::<Vec<_>>().join(", "))?;
        }
        writeln!(self.out)
    }

    fn schema(&mut self, kind: &str, changes: &[Versioned]) -> fmt::Result {
        let title = if kind == "config" { "config.json".to_owned() } else { kind.to_owned() };
        self.heading(&title)?;
        let (rules, rest): (Vec<_>, Vec<_>) = changes.iter().partition(|it| it.change.definition == "rules");
        let is_property = |it: &&Versioned| it.change.what.iter().any(|what| what.starts_with("property "));
        let (properties, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_property);
        let (editorial, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| it.change.grade == Grade::Editorial);
        for change in others {
            self.change(change)?;
        }
        self.editorial(&editorial)?;
        self.properties("property added", Grade::Widening, &properties)?;
        self.properties("property removed", Grade::Breaking, &properties)?;
        self.rules(&rules)
    }

    fn change(&mut self, versioned: &Versioned) -> fmt::Result {
        let change = &versioned.change;
        self.with_grade(&format!("  {}{}", visible(place(&change.place)), only(versioned)), change.grade)?;
        for what in &change.what {
            self.wrapped(6, what)?;
        }
        if let Some(example) = change.rejects.example() {
            self.example("rejected now", example)?;
        }
        if let Some(example) = change.accepts.example() {
            self.example("accepted now", example)?;
        }
        if let Some(example) = &change.advises {
            self.example("warned of", example)?;
        }
        if let (None, Some(example)) = (change.rejects.example(), &change.formal) {
            self.example("where a property came or went", example)?;
        }
        if change.grade == Grade::Unknown {
            self.wrapped(6, "neither an example nor a proof was found")?;
        }
        self.ids(change)?;
        writeln!(self.out)
    }

    /// Places where nothing but words or ids changed, a line each.
    fn editorial(&mut self, changes: &[&Versioned]) -> fmt::Result {
        if changes.is_empty() {
            return Ok(());
        }
        self.with_grade(&format!("  worded otherwise: {}", changes.len()), Grade::Editorial)?;
        for versioned in changes {
            let place = format!("{}{}", place(&versioned.change.place), only(versioned));
            self.wrapped(4, &format!("{place:<40} {}", versioned.change.what.join("; ")))?;
        }
        writeln!(self.out)
    }

    fn example(&mut self, label: &str, example: &Example) -> fmt::Result {
        self.wrapped(6, &format!("{label}: {} = {}; {}", place(&example.at), value(example), example.finding))
    }

    fn ids(&mut self, change: &Change) -> fmt::Result {
        let ids: Vec<&str> = change.requirements.iter().map(|it| it.as_str()).collect();
        if ids.is_empty() { Ok(()) } else { self.wrapped(6, &format!("[{}]", ids.join(", "))) }
    }

    /// Properties that came, or went, a line each with the example of what counts no longer as unknown.
    fn properties(&mut self, what: &str, grade: Grade, all: &[&Versioned]) -> fmt::Result {
        let mine: Vec<_> = all.iter().filter(|it| it.change.what.iter().any(|it| it.starts_with(what))).collect();
        if mine.is_empty() {
            return Ok(());
        }
        let title = what.replacen("property", if mine.len() == 1 { "property" } else { "properties" }, 1);
        self.with_grade(&format!("  {title}: {}", mine.len()), grade)?;
        for versioned in mine {
            let change = &versioned.change;
            let holds = change.what[0].strip_prefix(what).unwrap_or_default().trim_start_matches(": ");
            let example = change.formal.as_ref().map(|it| format!("not {}", value(it))).unwrap_or_default();
            let about = format!("{holds}; {example}");
            let place = format!("{}{}", visible(&change.place), only(versioned));
            self.wrapped(4, format!("{place:<40} {}", about.trim_matches([';', ' '])).trim_end())?;
        }
        writeln!(self.out)
    }

    /// Rules across properties: those that matter for what there was, then only the ids of the others.
    fn rules(&mut self, rules: &[&Versioned]) -> fmt::Result {
        let has_example = |it: &&&Versioned| {
            let change = &it.change;
            change.rejects.example().or(change.accepts.example()).or(change.advises.as_ref()).is_some()
        };
        let (shown, others): (Vec<_>, Vec<_>) = rules.iter().partition(has_example);
        for versioned in shown {
            self.change(versioned)?;
        }
        let (of_new, unknown): (Vec<&Versioned>, Vec<_>) = others.into_iter().partition(|it| it.change.formal.is_some());
        self.rule_ids("rules about properties that came or went", &of_new)?;
        self.rule_ids("rules of which no document at hand shows the effect", &unknown)
    }

    fn rule_ids(&mut self, title: &str, rules: &[&Versioned]) -> fmt::Result {
        let Some(grade) = rules.iter().map(|it| it.change.grade).reduce(Grade::and) else { return Ok(()) };
        let ids: Vec<&str> = rules.iter().flat_map(|it| &it.change.requirements).map(|it| it.as_str()).collect();
        self.with_grade(&format!("  {title}: {}", ids.len()), grade)?;
        self.wrapped(4, &ids.join(", "))?;
        writeln!(self.out)
    }

    fn heading(&mut self, text: &str) -> fmt::Result {
        let text = if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
        let gap = if self.out.ends_with("\n\n") { "" } else { "\n" };
        writeln!(self.out, "{gap}{text}\n")
    }

    /// A line that ends in the grade, at the right edge if there is room.
    fn with_grade(&mut self, text: &str, grade: Grade) -> fmt::Result {
        let room = WIDTH.saturating_sub(text.chars().count() + grade.as_str().len()).max(2);
        writeln!(self.out, "{text}{:room$}{}", "", painted(grade, self.colour))
    }

    /// A text in as many lines as it takes; what follows the first is indented by two more.
    fn wrapped(&mut self, indent: usize, text: &str) -> fmt::Result {
        for (number, line) in wrap(&visible(text), WIDTH - indent - 2).iter().enumerate() {
            let indent = if number == 0 { indent } else { indent + 2 };
            writeln!(self.out, "{:indent$}{line}", "")?;
        }
        Ok(())
    }
}

fn painted(grade: Grade, colour: bool) -> String {
    let code = match grade {
        Grade::Editorial => "2",
        Grade::Widening => "32",
        Grade::Advice | Grade::Unknown => "33",
        Grade::Breaking | Grade::Both => "31",
    };
    if colour { format!("\x1b[{code}m{grade}\x1b[0m") } else { grade.to_string() }
}

/// A place in a document, or the whole of it.
fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the document" } else { pointer }
}

/// The value that an example is about; the whole document's if that has none there.
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

/// Parts a text between words; what is longer than a line is cut in it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let here = lines.last().map_or(0, |it| it.chars().count());
        if here > 0 && here + 1 + word.len() > width {
            lines.push(String::new());
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.last_mut().expect("there is a line").extend(word);
            lines.push(String::new());
            word = rest;
        }
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parted_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }
}

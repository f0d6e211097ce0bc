//! The only module that reads chapter files. The grammar stands in the crate's documentation.

use std::fmt;
use std::str::FromStr;

use crate::binding::Binding;
use crate::error::SpecError;
use crate::requirement::{Chapter, Requirement, RequirementId, Source};
use crate::upstream::Tables;
use crate::version::Version;

/// Parses the text of the chapter `name`, against the tables that this crate carries.
///
/// # Errors
///
/// The first line that does not fit the grammar.
pub fn parse_chapter(name: &str, text: &str) -> Result<Chapter, SpecError> {
    let (chapter, errors) = examine_chapter(name, text, Some(Tables::embedded()));
    errors.into_iter().next().map_or(Ok(chapter), Err)
}

/// Each requirement's id and how it binds, in a chapter that is known to fit: many times quicker than to parse it.
pub(crate) fn bindings(text: &str) -> impl Iterator<Item = (&str, Binding)> {
    text.split("\n## ").skip(1).filter_map(binding)
}

/// The same of one requirement, from the id in its heading on.
fn binding(lines: &str) -> Option<(&str, Binding)> {
    let mut lines = lines.lines();
    let (id, fields, _sentence) = (lines.next()?, lines.next()?, lines.next()?);
    let mut fields = fields.split(", ");
    let level = fields.next()?.parse().ok()?;
    let since = fields.nth(1)?.strip_prefix("since ")?.parse().ok()?;
    let until = lines.next().and_then(|line| line.strip_prefix(UNTIL)?.parse().ok());
    Some((id, Binding { level, since, until }))
}

/// What fits of a chapter, and the first line of each requirement that does not fit. Without tables the names of
/// clauses and properties are taken as they stand.
pub(crate) fn examine_chapter(name: &str, text: &str, tables: Option<&Tables>) -> (Chapter, Vec<SpecError>) {
    let mut lines = Lines::new(name, text, tables);
    let mut errors: Vec<SpecError> = lines.check_whitespace(text).err().into_iter().collect();
    let mut requirements: Vec<Requirement> = Vec::new();
    let introduction = lines.introduction(name).unwrap_or_else(|error| {
        errors.push(error);
        lines.skip_to_heading(0);
        String::new()
    });
    while lines.more() {
        let start = lines.next;
        match lines.new_requirement(name, &requirements) {
            Ok(requirement) => requirements.push(requirement),
            Err(error) => {
                errors.push(error);
                lines.skip_to_heading(start + 1);
            }
        }
    }
    if requirements.is_empty() && errors.is_empty() {
        errors.push(lines.fail("a requirement is missing: `## chapter.name`"));
    }
    (Chapter { name: name.to_owned(), introduction, requirements }, errors)
}

/// The labels of the optional lines that carry a text, in their order.
const UNTIL: &str = "Until: ";
const REPLACED_BY: &str = "Replaced by: ";
const NEEDS: &str = "Needs: ";
const READING: &str = "Reading: ";
const NOT_CHECKED: &str = "Not checked: ";
const DRAFT: &str = "Draft";

/// The lines of one file, and the one to be read next.
struct Lines<'a> {
    file: String,
    lines: Vec<&'a str>,
    next: usize,
    tables: Option<&'a Tables>,
}

impl<'a> Lines<'a> {
    fn new(name: &str, text: &'a str, tables: Option<&'a Tables>) -> Self {
        Self { file: format!("chapters/{name}.md"), lines: text.lines().collect(), next: 0, tables }
    }

    fn error(&self, line: usize, message: impl fmt::Display) -> SpecError {
        SpecError::at(&*self.file, line, message)
    }

    /// An error at the line to be read next.
    fn fail(&self, message: impl fmt::Display) -> SpecError {
        self.error(self.next + 1, message)
    }

    fn more(&self) -> bool {
        self.next < self.lines.len()
    }

    /// Goes on with the first requirement from this position on.
    fn skip_to_heading(&mut self, from: usize) {
        let ahead = self.lines.iter().skip(from).position(|line| line.starts_with("## "));
        self.next = ahead.map_or(self.lines.len(), |ahead| from + ahead);
    }

    fn peek(&self) -> &'a str {
        self.lines.get(self.next).copied().unwrap_or("")
    }

    fn take(&mut self) -> &'a str {
        let line = self.peek();
        self.next += 1;
        line
    }

    fn check_whitespace(&self, text: &str) -> Result<(), SpecError> {
        let stray = |line: &&str| line.trim_end() != *line || line.contains(['\t', '\r']);
        if let Some(at) = self.lines.iter().position(stray) {
            return Err(self.error(at + 1, "a tab, or white space at the end of a line"));
        }
        if !text.ends_with('\n') || text.ends_with("\n\n") {
            return Err(self.error(self.lines.len(), "the file ends in one line feed"));
        }
        Ok(())
    }

    /// An empty line, or the end of the file.
    fn gap(&mut self, after: &str) -> Result<(), SpecError> {
        match self.peek() {
            "" => {
                self.next += 1;
                Ok(())
            }
            line => Err(self.fail(format!("an empty line follows {after}, not `{line}`"))),
        }
    }

    fn introduction(&mut self, name: &str) -> Result<String, SpecError> {
        if self.peek() != format!("# {name}") {
            return Err(self.fail(format!("the first line is `# {name}`, as the file's stem")));
        }
        self.next += 1;
        self.gap("the title")?;
        let mut introduction = Vec::new();
        while !self.peek().is_empty() && !self.peek().starts_with('#') {
            introduction.push(self.take());
        }
        if introduction.is_empty() {
            return Err(self.fail("the introduction is missing"));
        }
        self.gap("the introduction")?;
        Ok(introduction.join(" "))
    }

    /// A requirement whose id none of the earlier ones has.
    fn new_requirement(&mut self, chapter: &str, earlier: &[Requirement]) -> Result<Requirement, SpecError> {
        let requirement = self.requirement(chapter)?;
        match earlier.iter().find(|it| it.id == requirement.id) {
            None => Ok(requirement),
            Some(first) => {
                let message = format!("`{}` stands already in line {}", first.id, first.line);
                Err(self.error(requirement.line, message))
            }
        }
    }

    fn requirement(&mut self, chapter: &str) -> Result<Requirement, SpecError> {
        let line = self.next + 1;
        let id = self.heading(chapter)?;
        let mut requirement = self.fields(id, line)?;
        requirement.sentence = self.sentence()?;
        self.optional_lines(&mut requirement)?;
        self.gap("a requirement")?;
        Ok(requirement)
    }

    fn heading(&mut self, chapter: &str) -> Result<RequirementId, SpecError> {
        let heading = self.peek();
        let id = heading
            .strip_prefix("## ")
            .ok_or_else(|| self.fail(format!("`## chapter.name` stands here, not `{heading}`")))?;
        let id = self.parsed::<RequirementId>(id)?;
        if id.chapter() != chapter {
            return Err(self.fail(format!("`{id}` is no id of the chapter `{chapter}`")));
        }
        self.next += 1;
        Ok(id)
    }

    /// A requirement with all that its second line says, and no sentence yet.
    fn fields(&mut self, id: RequirementId, line: usize) -> Result<Requirement, SpecError> {
        let mut fields = self.peek().split(", ");
        let mut field = |what: &str| {
            let missing = || self.fail(format!("the field `{what}` is missing"));
            fields.next().filter(|it| !it.is_empty()).ok_or_else(missing)
        };
        let level = self.parsed(field("level")?)?;
        let party = self.parsed(field("party")?)?;
        let since = field("since V")?;
        let since = since
            .strip_prefix("since ")
            .ok_or_else(|| self.fail(format!("`since V` stands in third place, not `{since}`")))?;
        let since = self.released(since)?;
        let source = self.source(field("source")?)?;
        let rest: Vec<&str> = fields.collect();
        let (clauses, properties) = self.carried(&rest)?;
        self.next += 1;
        Ok(Requirement {
            id,
            level,
            party,
            since,
            until: None,
            replaced_by: Vec::new(),
            source,
            clauses,
            properties,
            needs: Vec::new(),
            reading: None,
            not_checked: None,
            draft: false,
            sentence: String::new(),
            line,
        })
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<T, SpecError> {
        text.parse().map_err(|error| self.fail(error))
    }

    fn released(&self, text: &str) -> Result<Version, SpecError> {
        let version: Version = self.parsed(text)?;
        match version.is_released() && version.to_string() == text {
            true => Ok(version),
            false => Err(self.fail(format!("`{text}` is no released version"))),
        }
    }

    fn source(&self, text: &str) -> Result<Source, SpecError> {
        if text == "ours" {
            return Ok(Source::Ours);
        }
        let (file, anchor) = text
            .split_once('#')
            .ok_or_else(|| self.fail(format!("the source is `file.md#anchor` or `ours`, not `{text}`")))?;
        match self.tables.is_none_or(|it| it.is_anchor(file, anchor)) {
            true => Ok(Source::Upstream { file: file.to_owned(), anchor: anchor.to_owned() }),
            false => Err(self.fail(format!("upstream.tsv knows no anchor `{anchor}` in `{file}`"))),
        }
    }

    /// The clauses and the properties that the last fields name.
    fn carried(&self, mut fields: &[&str]) -> Result<(Vec<String>, Vec<String>), SpecError> {
        let is_clause = |tables: &Tables, id: &str| tables.clause(id).is_some();
        let is_leaf = |tables: &Tables, name: &str| tables.property(name).is_some_and(|it| it.is_linux_leaf());
        let clauses = self.names(&mut fields, "ledger ", "the ledger's", is_clause)?;
        let properties = self.names(&mut fields, "property ", "a leaf property for Linux", is_leaf)?;
        match fields.first() {
            None => Ok((clauses, properties)),
            Some(field) => Err(self
                .fail(format!("`ledger ID…`, then `property NAME…`, and nothing else may end the fields: `{field}`"))),
        }
    }

    /// The names in the first of the fields, if it begins with `label`.
    fn names(
        &self,
        fields: &mut &[&str],
        label: &str,
        what: &str,
        is_known: impl Fn(&Tables, &str) -> bool,
    ) -> Result<Vec<String>, SpecError> {
        let Some((names, rest)) =
            fields.split_first().and_then(|(first, rest)| Some((first.strip_prefix(label)?, rest)))
        else {
            return Ok(Vec::new());
        };
        *fields = rest;
        let mut found: Vec<String> = Vec::new();
        for name in names.split(' ') {
            if self.tables.is_some_and(|it| !is_known(it, name)) {
                return Err(self.fail(format!("`{name}` is not {what}")));
            }
            if found.iter().any(|it| it == name) {
                return Err(self.fail(format!("`{name}` is named twice")));
            }
            found.push(name.to_owned());
        }
        Ok(found)
    }

    fn sentence(&mut self) -> Result<String, SpecError> {
        let sentence = self.peek();
        let is_label = [UNTIL, REPLACED_BY, NEEDS, READING, NOT_CHECKED].iter().any(|it| sentence.starts_with(it));
        if sentence.is_empty() || sentence.starts_with('#') || is_label || sentence == DRAFT {
            return Err(self.fail("the sentence is missing"));
        }
        if !sentence.ends_with('.') {
            return Err(self.fail("the sentence takes one line and ends in a full stop"));
        }
        self.next += 1;
        Ok(sentence.to_owned())
    }

    fn optional_lines(&mut self, requirement: &mut Requirement) -> Result<(), SpecError> {
        requirement.until = self.until(requirement.since)?;
        if requirement.until.is_some() {
            requirement.replaced_by = self.replaced_by()?;
        }
        requirement.needs = self.needs()?;
        requirement.reading = self.text(READING);
        requirement.not_checked = self.text(NOT_CHECKED);
        if self.peek() == DRAFT {
            requirement.draft = true;
            self.next += 1;
        }
        match self.peek() {
            "" => Ok(()),
            line => Err(self.fail(format!(
                "after the sentence stand, each at most once and in this order, \
                 `Until: V` and perhaps `Replaced by: IDS`, `Needs: FACTS`, `Reading: TEXT`, `Not checked: REASON`, `Draft`; not `{line}`"
            ))),
        }
    }

    fn until(&mut self, since: Version) -> Result<Option<Version>, SpecError> {
        let Some(text) = self.peek().strip_prefix(UNTIL) else {
            return Ok(None);
        };
        let until = self.released(text)?;
        if since >= until {
            return Err(self.fail(format!("until {until} is not later than since {since}")));
        }
        self.next += 1;
        Ok(Some(until))
    }

    fn replaced_by(&mut self) -> Result<Vec<RequirementId>, SpecError> {
        let Some(text) = self.peek().strip_prefix(REPLACED_BY) else {
            return Ok(Vec::new());
        };
        let ids = text.split(' ').map(|id| self.parsed(id)).collect::<Result<_, _>>()?;
        self.next += 1;
        Ok(ids)
    }

    fn needs(&mut self) -> Result<Vec<String>, SpecError> {
        let Some(text) = self.peek().strip_prefix(NEEDS) else {
            return Ok(Vec::new());
        };
        let needs: Vec<String> = text.split(", ").map(str::to_owned).collect();
        if let Some(need) = needs.iter().find(|need| !is_host_fact(need)) {
            return Err(self.fail(format!("`{need}` is no host fact of the closed list")));
        }
        self.next += 1;
        Ok(needs)
    }

    /// The rest of the next line, if `label` begins it.
    fn text(&mut self, label: &str) -> Option<String> {
        let text = self.peek().strip_prefix(label)?;
        self.next += 1;
        Some(text.to_owned())
    }
}

/// Whether it is of the closed list of host facts.
fn is_host_fact(text: &str) -> bool {
    const PLAIN: [&str; 9] =
        ["cgroup=v1", "cgroup=v2", "resctrl", "hugepages", "numa", "compat", "userns", "timens", "cgroupns"];
    if PLAIN.contains(&text) {
        return true;
    }
    if let Some(version) = text.strip_prefix("kernel>=").or_else(|| text.strip_prefix("kernel<")) {
        return version.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    }
    text.split_once(':').is_some_and(|(kind, name)| match kind {
        "controller" | "lsm" => is_lower_word(name),
        "cap" => name.strip_prefix("CAP_").is_some_and(is_upper_word),
        _ => false,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_lower_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn is_upper_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

#[cfg(test)]
mod tests;

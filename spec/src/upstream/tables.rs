//! The three tables that stand beside the chapters, strictly parsed.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::SpecError;
use crate::requirement::{Level, RequirementId};
use crate::sources::{NO_REQUIREMENT, PROPERTIES, Sources, UPSTREAM};
use crate::specification::Specification;
use crate::version::Version;

use super::text::KEYWORDS;

/// Upstream's clauses and properties, and the clauses that call for no requirement.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Every clause, in the order of `upstream.tsv`: that of upstream's files.
    pub clauses: Vec<Clause>,
    /// Every property of every platform, in alphabetical order.
    pub properties: Vec<Property>,
    /// The clauses that call for no requirement, in the order of `no-requirement.tsv`.
    pub set_aside: Vec<SetAside>,
    clause_by_id: BTreeMap<String, usize>,
    property_by_name: BTreeMap<String, usize>,
    set_aside_by_clause: BTreeMap<String, usize>,
    anchors: BTreeSet<(String, String)>,
}

/// One normative keyword of upstream's texts: a row of `upstream.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The ledger's id, such as `RT-001`.
    pub id: String,
    /// The file, such as `runtime.md`; of another repository than runtime-spec behind its name, as
    /// `image-spec/conversion.md`.
    pub file: String,
    /// The anchor of the heading above it.
    pub anchor: String,
    /// The keyword itself; a few are lower-case in the text.
    pub keyword: &'static str,
    /// Which of the section's occurrences of this keyword it is; the first is 1.
    pub ordinal: usize,
    /// Upstream's tag that was read.
    pub tag: String,
    /// The sentence's digest, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// A property of config.json: a row of `properties.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its path: `[]` for every element of an array, `*` for every key of a map.
    pub name: String,
    /// The first version whose schema has it.
    pub since: Version,
    /// `linux` also for what every platform has.
    pub platform: String,
    /// It holds a value, not only other properties.
    pub leaf: bool,
}

/// A clause that calls for no requirement: a row of `no-requirement.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The clause.
    pub clause: String,
    /// Why it is none.
    pub why: Why,
    /// Of a repetition, the requirement that it repeats.
    pub of: Option<RequirementId>,
    /// The reason in a sentence.
    pub note: String,
    /// Its line in the table; the first is 1.
    pub line: usize,
}

/// Why a clause calls for no requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It says what a word means.
    Definition,
    /// It says again what a requirement says already.
    Repetition,
    /// The word is in lower case and obliges nobody.
    LowerCase,
    /// It stands in an example.
    Example,
    /// It binds nobody whom this specification knows.
    Nobody,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Definition, Self::Repetition, Self::LowerCase, Self::Example, Self::Nobody];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Repetition => "repetition",
            Self::LowerCase => "lower-case",
            Self::Example => "example",
            Self::Nobody => "nobody",
        }
    }
}

/// A repository of upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repository {
    /// `runtime-spec`.
    Runtime,
    /// `image-spec`, of which the conversion to a bundle is read.
    Image,
}

impl Repository {
    /// Its name among upstream's repositories.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime-spec",
            Self::Image => "image-spec",
        }
    }

    /// The repository of a file as `upstream.tsv` names it, and the file's path there.
    pub fn of(file: &str) -> (Self, &str) {
        match file.split_once('/') {
            Some(("image-spec", path)) => (Self::Image, path),
            _ => (Self::Runtime, file),
        }
    }

    /// How `upstream.tsv` names the file at a path of this repository.
    pub fn file(self, path: &str) -> String {
        match self {
            Self::Runtime => path.to_owned(),
            Self::Image => format!("{}/{path}", self.as_str()),
        }
    }
}

impl Clause {
    /// How strongly its keyword binds.
    pub fn level(&self) -> Level {
        match self.keyword {
            "MUST NOT" | "SHALL NOT" | "MAY NOT" => Level::MustNot,
            "SHOULD" | "RECOMMENDED" => Level::Should,
            "SHOULD NOT" | "NOT RECOMMENDED" | "should not" => Level::ShouldNot,
            "MAY" | "OPTIONAL" => Level::May,
            _ => Level::Must,
        }
    }

    /// The page of its section, as upstream's host shows the text that was read.
    pub fn url(&self) -> String {
        let (repository, path) = Repository::of(&self.file);
        let Self { tag, anchor, .. } = self;
        format!("https://github.com/opencontainers/{}/blob/{tag}/{path}#{}", repository.as_str(), anchor)
    }
}

impl Property {
    /// Whether it holds a value that applies to Linux.
    pub fn is_linux_leaf(&self) -> bool {
        self.leaf && self.platform == "linux"
    }

    /// The part of config.json that it belongs to: its first name, and below `linux` its second.
    pub fn part(&self) -> &str {
        let is_end = |c: char| matches!(c, '.' | '[');
        let end = |text: &str| text.find(is_end).unwrap_or(text.len());
        match self.name.strip_prefix("linux.") {
            Some(rest) => &self.name[.."linux.".len() + end(rest)],
            None => &self.name[..end(&self.name)],
        }
    }
}

impl Tables {
    /// The tables that this crate carries.
    ///
    /// # Panics
    ///
    /// Never in a tested build: a test parses the same embedded bytes.
    pub fn embedded() -> &'static Self {
        &Specification::embedded().upstream
    }

    /// Parses the tables of a state of the sources.
    ///
    /// # Errors
    ///
    /// The first row that does not fit.
    pub fn parse(sources: &Sources) -> Result<Self, SpecError> {
        let (tables, errors) = Self::examine(sources);
        errors.into_iter().next().map_or(Ok(tables), Err)
    }

    /// What fits of the tables, and every row that does not.
    pub(crate) fn examine(sources: &Sources) -> (Self, Vec<SpecError>) {
        let mut tables = Self::default();
        let mut errors = Vec::new();
        let upstream = Table::new(UPSTREAM, "id\tfile\tanchor\tkeyword\tordinal\ttag\tsha256", &sources.upstream);
        upstream.read(&mut errors, |row| tables.add_clause(row));
        let properties = Table::new(PROPERTIES, "property\tsince\tplatform\tleaf", &sources.properties);
        properties.read(&mut errors, |row| tables.add_property(row));
        if let Some(text) = &sources.no_requirement {
            let table = Table::new(NO_REQUIREMENT, "clause\twhy\tof\tnote", text);
            table.read(&mut errors, |row| tables.add_set_aside(row));
        }
        (tables, errors)
    }

    /// The clause of this id.
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.get(*self.clause_by_id.get(id)?)
    }

    /// The property of this name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(*self.property_by_name.get(name)?)
    }

    /// Why the clause of this id calls for no requirement, if it is set aside.
    pub fn set_aside(&self, clause: &str) -> Option<&SetAside> {
        self.set_aside.get(*self.set_aside_by_clause.get(clause)?)
    }

    /// Whether some clause stands below this anchor of this file.
    pub fn is_anchor(&self, file: &str, anchor: &str) -> bool {
        // The set holds owned pairs, and a range finds one without making another.
        self.anchors
            .range((file.to_owned(), anchor.to_owned())..)
            .next()
            .is_some_and(|it| it.0 == file && it.1 == anchor)
    }

    fn add_clause(&mut self, row: &Row<'_>) -> Result<(), String> {
        let [id, file, anchor, keyword, ordinal, tag, sha256] = row.columns()?;
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_digest {
            return Err(format!("`{sha256}` is no digest of 64 hexadecimal digits"));
        }
        let known = KEYWORDS.iter().find(|it| **it == keyword);
        let clause = Clause {
            id: id.to_owned(),
            file: file.to_owned(),
            anchor: anchor.to_owned(),
            keyword: known.ok_or_else(|| format!("`{keyword}` is none of {}", KEYWORDS.join(", ")))?,
            ordinal: number(ordinal).ok_or_else(|| format!("`{ordinal}` is no ordinal: the first is 1"))?,
            tag: tag.to_owned(),
            sha256: sha256.to_owned(),
        };
        once(&mut self.clause_by_id, id, self.clauses.len())?;
        self.anchors.insert((file.to_owned(), anchor.to_owned()));
        self.clauses.push(clause);
        Ok(())
    }

    fn add_property(&mut self, row: &Row<'_>) -> Result<(), String> {
        const PLATFORMS: [&str; 6] = ["linux", "freebsd", "solaris", "vm", "windows", "zos"];
        let [name, since, platform, leaf] = row.columns()?;
        let since: Version = since.parse().map_err(|error| format!("{error}"))?;
        if !since.is_released() {
            return Err(format!("{since} is no released version"));
        }
        if !PLATFORMS.contains(&platform) {
            return Err(format!("`{platform}` is none of {}", PLATFORMS.join(", ")));
        }
        let leaf = match leaf {
            "yes" => true,
            "no" => false,
            other => return Err(format!("a leaf is `yes` or `no`, not `{other}`")),
        };
        once(&mut self.property_by_name, name, self.properties.len())?;
        self.properties.push(Property { name: name.to_owned(), since, platform: platform.to_owned(), leaf });
        Ok(())
    }

    fn add_set_aside(&mut self, row: &Row<'_>) -> Result<(), String> {
        let [clause, why, of, note] = row.columns()?;
        let words = || Why::ALL.map(Why::as_str).join(", ");
        let why = Why::ALL.into_iter().find(|it| it.as_str() == why);
        let why = why.ok_or_else(|| format!("why is one of {}", words()))?;
        let of = match (why, of) {
            (Why::Repetition, id) => Some(id.parse().map_err(|error| format!("of what it is a repetition: {error}"))?),
            (_, "-") => None,
            (_, other) => return Err(format!("only a repetition is `of` something: `-`, not `{other}`")),
        };
        if self.clause(clause).is_none() {
            return Err(format!("`{clause}` is no clause of {UPSTREAM}"));
        }
        if !note.ends_with('.') {
            return Err("the note is a sentence and ends in a full stop".to_owned());
        }
        once(&mut self.set_aside_by_clause, clause, self.set_aside.len())?;
        let (clause, note) = (clause.to_owned(), note.to_owned());
        self.set_aside.push(SetAside { clause, why, of, note, line: row.line });
        Ok(())
    }
}

/// Enters a row under its key.
fn once(index: &mut BTreeMap<String, usize>, key: &str, position: usize) -> Result<(), String> {
    match index.contains_key(key) {
        true => Err(format!("`{key}` stands in an earlier row")),
        false => {
            index.insert(key.to_owned(), position);
            Ok(())
        }
    }
}

/// A number from 1 without sign or leading zero.
fn number(text: &str) -> Option<usize> {
    let plain = text.starts_with(|first: char| matches!(first, '1'..='9')) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// A table, tab-separated, below a header.
struct Table<'a> {
    file: &'static str,
    header: &'static str,
    text: &'a str,
}

/// One line of a table.
struct Row<'a> {
    header: &'static str,
    line: usize,
    text: &'a str,
}

impl<'a> Table<'a> {
    fn new(file: &'static str, header: &'static str, text: &'a str) -> Self {
        Self { file, header, text }
    }

    /// Hands over every row; what is said against one becomes an error in its line.
    fn read(&self, errors: &mut Vec<SpecError>, mut add: impl FnMut(&Row<'_>) -> Result<(), String>) {
        let first = self.text.lines().next().unwrap_or_default();
        if first != self.header {
            let message = format!("the first line is `{}`", self.header.replace('\t', " "));
            errors.push(SpecError::at(self.file, 1, message));
            return;
        }
        for (position, text) in self.text.lines().enumerate().skip(1) {
            let row = Row { header: self.header, line: position + 1, text };
            errors.extend(add(&row).err().map(|message| SpecError::at(self.file, row.line, message)));
        }
        if !self.text.ends_with('\n') {
            errors.push(SpecError::at(self.file, self.text.lines().count(), "the file ends in a line feed"));
        }
    }
}

impl<'a> Row<'a> {
    fn columns<const N: usize>(&self) -> Result<[&'a str; N], String> {
        let columns: Vec<&str> = self.text.split('\t').collect();
        let found = columns.len();
        if columns.iter().any(|it| it.is_empty() || it.trim() != *it || it.contains(char::is_control)) {
            return Err("a column is empty, or has white space at an end".to_owned());
        }
        columns.try_into().map_err(|_| format!("{found} columns instead of {N}: {}", self.header.replace('\t', ", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "a763cf2db582768835c083438438849e8fa83e8aa67e850924230cf169081583";

    fn sources(upstream: &str, properties: &str, set_aside: &str) -> Sources {
        Sources {
            chapters: Vec::new(),
            upstream: format!("id\tfile\tanchor\tkeyword\tordinal\ttag\tsha256\n{upstream}"),
            properties: format!("property\tsince\tplatform\tleaf\n{properties}"),
            no_requirement: Some(format!("clause\twhy\tof\tnote\n{set_aside}")),
        }
    }

    /// Clause A-1, and one more row.
    fn clauses(row: &str) -> String {
        format!("A-1\tspec.md\ttop\tMUST\t1\tv1.3.0\t{DIGEST}\n{}", row.replace("DIGEST", DIGEST))
    }

    fn error(sources: &Sources) -> String {
        Tables::parse(sources).unwrap_err().to_string()
    }

    #[test]
    fn the_embedded_tables_parse() {
        let tables = Tables::embedded();
        assert_eq!(tables.properties.iter().filter(|it| it.is_linux_leaf()).count(), 172);
        assert!(tables.is_anchor("config.md", "configHostname"));
        assert!(!tables.is_anchor("config.md", "configHost") && !tables.is_anchor("config.md", "zzz"));
        let place = |it: &'static Clause| (&it.file, &it.anchor, it.keyword, it.ordinal);
        let places: BTreeSet<_> = tables.clauses.iter().map(place).collect();
        assert_eq!(places.len(), tables.clauses.len(), "two clauses are at one place");
    }

    #[test]
    fn a_row_of_clauses_that_does_not_fit_names_its_line() {
        let cases = [
            ("A-1\tspec.md\ttop\tMUST\t2\tv1.3.0\tDIGEST\n", "upstream.tsv:3: `A-1` stands in an earlier row"),
            ("A-2\tspec.md\ttop\tMUST\t2\tv1.3.0\n", "upstream.tsv:3: 6 columns instead of 7"),
            ("A-2\tspec.md\ttop\tWILL\t2\tv1.3.0\tDIGEST\n", "upstream.tsv:3: `WILL` is none of MUST NOT"),
            ("A-2\tspec.md\ttop\tMUST\t0\tv1.3.0\tDIGEST\n", "upstream.tsv:3: `0` is no ordinal"),
            ("A-2\tspec.md\ttop\tMUST\t2\tv1.3.0\tabc\n", "upstream.tsv:3: `abc` is no digest"),
            ("A-2\tspec.md\t \tMUST\t2\tv1.3.0\tDIGEST\n", "upstream.tsv:3: a column is empty"),
            ("\n", "upstream.tsv:3: a column is empty"),
            ("A-2\tspec.md\ttop\tMUST\t2\tv1.3.0\tDIGEST", "upstream.tsv:3: the file ends in a line feed"),
        ];
        for (row, expected) in cases {
            let error = error(&sources(&clauses(row), "", ""));
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_row_of_properties_that_does_not_fit_names_its_line() {
        let cases = [
            ("a\t1.0.0\tlinux\tperhaps\n", "properties.tsv:2: a leaf is"),
            ("a\t1.0.7\tlinux\tyes\n", "properties.tsv:2: 1.0.7 is no released version"),
            ("a\tone\tlinux\tyes\n", "properties.tsv:2: `one` is no version"),
            ("a\t1.0.0\tplan9\tyes\n", "properties.tsv:2: `plan9` is none of"),
            ("a\t1.0.0\tlinux\tyes\na\t1.0.0\tlinux\tyes\n", "properties.tsv:3: `a` stands in an earlier row"),
        ];
        for (row, expected) in cases {
            let error = error(&sources("", row, ""));
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_clause_is_set_aside_for_one_of_five_reasons() {
        let cases = [
            ("A-1\tlazy\t-\tWe did not want to.\n", "no-requirement.tsv:2: why is one of definition, repetition"),
            ("A-1\tdefinition\thooks.path\tIt is.\n", "no-requirement.tsv:2: only a repetition is `of`"),
            ("A-1\trepetition\t-\tIt is.\n", "no-requirement.tsv:2: of what it is a repetition: `-` is no id"),
            ("A-7\tdefinition\t-\tIt is.\n", "no-requirement.tsv:2: `A-7` is no clause"),
            ("A-1\tdefinition\t-\tIt is\n", "no-requirement.tsv:2: the note is a sentence"),
            ("A-1\tnobody\t-\tIt.\nA-1\texample\t-\tIt.\n", "no-requirement.tsv:3: `A-1` stands in an earlier row"),
        ];
        for (rows, expected) in cases {
            let error = error(&sources(&clauses(""), "", rows));
            assert!(error.starts_with(expected), "{error}");
        }
        let rows = "A-1\trepetition\thooks.path-absolute\tIt says so again.\n";
        let tables = Tables::parse(&sources(&clauses(""), "", rows)).unwrap();
        let set_aside = tables.set_aside("A-1").unwrap();
        assert_eq!((set_aside.why, set_aside.line), (Why::Repetition, 2));
        assert_eq!(set_aside.of.as_ref().unwrap().as_str(), "hooks.path-absolute");
    }

    #[test]
    fn a_header_of_another_table_is_an_error() {
        let mut sources = sources("", "", "");
        sources.properties = sources.upstream.clone();
        assert!(error(&sources).starts_with("properties.tsv:1: the first line is `property since"));
    }

    #[test]
    fn every_error_is_found() {
        let (_, errors) = Tables::examine(&sources("x\n", "y\n", "z\n"));
        assert_eq!(
            errors.iter().map(|it| it.file.as_str()).collect::<Vec<_>>(),
            [UPSTREAM, PROPERTIES, NO_REQUIREMENT]
        );
    }

    #[test]
    fn a_file_belongs_to_a_repository() {
        assert_eq!(Repository::of("config.md"), (Repository::Runtime, "config.md"));
        assert_eq!(Repository::of("image-spec/conversion.md"), (Repository::Image, "conversion.md"));
        assert_eq!(Repository::Image.file("conversion.md"), "image-spec/conversion.md");
    }

    #[test]
    fn a_property_belongs_to_a_part() {
        let part = |name: &str| {
            let property = Tables::embedded().property(name);
            property.map(|it| it.part().to_owned())
        };
        assert_eq!(part("linux.resources.cpu.shares").as_deref(), Some("linux.resources"));
        assert_eq!(part("hooks.poststop[].path").as_deref(), Some("hooks"));
        assert_eq!(part("hostname").as_deref(), Some("hostname"));
    }
}

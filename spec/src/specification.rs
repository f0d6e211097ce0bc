//! All chapters together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::chapters::CHAPTERS;
use crate::error::SpecError;
use crate::grammar::examine_chapter;
use crate::requirement::{Chapter, Requirement, RequirementId, Source};
use crate::sources::{NO_REQUIREMENT, Sources};
use crate::upstream::{Clause, Repository, SetAside, Tables};

/// Every requirement of the format, and what ties it to upstream's text.
#[derive(Clone, Debug)]
pub struct Specification {
    /// In the order in which a reader meets them.
    pub chapters: Vec<Chapter>,
    /// The clauses that its requirements carry, and those that call for none; the config's properties.
    pub upstream: Tables,
    /// Of each id, the positions of its chapter and of it there.
    places: BTreeMap<String, (usize, usize)>,
}

impl Specification {
    /// The specification that this crate carries.
    ///
    /// # Panics
    ///
    /// Never in a tested build: a test parses the same embedded bytes.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<Specification> = OnceLock::new();
        EMBEDDED.get_or_init(|| Self::of(&Sources::embedded()).expect("a test proves that the embedded sources parse"))
    }

    /// The specification in a directory: the `spec/` of a checkout, with that directory's own tables.
    ///
    /// # Errors
    ///
    /// The first file that can't be read, or the first line that does not fit.
    pub fn read(directory: &Path) -> Result<Self, SpecError> {
        let first = |errors: Vec<SpecError>| errors.into_iter().next();
        let parsed = Self::of(&Sources::read(directory)?);
        parsed.map_err(|errors| first(errors).unwrap_or_else(|| SpecError::of("chapters", "it does not parse")))
    }

    /// Parses one state of the sources.
    ///
    /// # Errors
    ///
    /// Every line that does not fit the grammar; if there is none, every one that contradicts
    /// another: a second use of an id, a clause that is both carried and set aside, a repetition of what is not there.
    pub fn of(sources: &Sources) -> Result<Self, Vec<SpecError>> {
        let (upstream, mut errors) = Tables::examine(sources);
        let mut chapters = Vec::new();
        for (name, text) in &sources.chapters {
            let (chapter, of_chapter) = examine_chapter(name, text, Some(&upstream));
            errors.extend(of_chapter);
            chapters.push(chapter);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (places, repeated) = places(&chapters);
        let specification = Self { chapters, upstream, places };
        errors.extend(repeated);
        errors.extend(specification.upstream.set_aside.iter().filter_map(|row| specification.contradiction(row)));
        errors.extend(specification.unfit_successors());
        if errors.is_empty() { Ok(specification) } else { Err(errors) }
    }

    /// Parses chapters given as name and text, against the clauses and properties that this crate
    /// carries; none of these is set aside.
    ///
    /// # Errors
    ///
    /// The first line that does not fit the grammar, or the second use of an id.
    pub fn parse(chapters: &[(&str, &str)]) -> Result<Self, SpecError> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let sources =
            Sources { chapters: chapters.iter().map(owned).collect(), no_requirement: None, ..Sources::embedded() };
        Self::of(&sources).map_err(|mut errors| errors.swap_remove(0))
    }

    /// What is wrong with setting a clause aside.
    fn contradiction(&self, row: &SetAside) -> Option<SpecError> {
        let error = |message: String| Some(SpecError::at(NO_REQUIREMENT, row.line, message));
        if let Some(carrier) = self.carriers(&row.clause).next() {
            return error(format!("`{}` calls for no requirement, and `{}` carries it", row.clause, carrier.id));
        }
        let repeated = row.of.as_ref().filter(|id| self.get(id.as_str()).is_none())?;
        error(format!("`{repeated}`, which `{}` repeats, is no requirement", row.clause))
    }

    /// Requirements that are said to replace one, and do not begin when it ceases.
    fn unfit_successors(&self) -> Vec<SpecError> {
        let pairs = self.requirements().flat_map(|old| old.replaced_by.iter().map(move |id| (old, id)));
        let begins =
            |old: &Requirement, id: &RequirementId| self.get(id.as_str()).is_some_and(|it| Some(it.since) == old.until);
        pairs
            .filter(|(old, id)| !begins(old, id))
            .map(|(old, id)| {
                let message =
                    format!("`{id}` can't replace `{}`: no requirement of this id begins as that ceases", old.id);
                SpecError::at(format!("chapters/{}.md", old.id.chapter()), old.line, message)
            })
            .collect()
    }

    /// What holds in the place of a requirement that ceases: it begins in that version, and is said to replace it, or binds
    /// the same party and carries a clause of its, or is from its section and about a property of its. That two names are
    /// alike tells nothing.
    pub fn successors(&self, of: &Requirement) -> impl Iterator<Item = &Requirement> {
        let shares = |one: &[String], other: &[String]| one.iter().any(|it| other.contains(it));
        self.requirements().filter(move |it| {
            of.until == Some(it.since)
                && (of.replaced_by.contains(&it.id)
                    || of.party == it.party
                        && (shares(&of.clauses, &it.clauses)
                            || of.source == it.source && shares(&of.properties, &it.properties)))
        })
    }

    /// Upstream's page of the section that a requirement is from, in the version that was read or, where it holds no
    /// longer, in the last in which it did; `None` if it is ours.
    pub fn page(&self, of: &Requirement) -> Option<String> {
        let Source::Upstream { file, anchor } = &of.source else { return None };
        // The tag that was read stands with the clauses; a section that has none is known by its file.
        let clause = self.upstream.clauses.iter().find(|it| it.file == *file)?;
        let mut shown = Clause { anchor: anchor.clone(), ..clause.clone() };
        // The versions are the runtime specification's, also of what another repository says.
        if let (Repository::Runtime, Some(last)) = (Repository::of(file).0, of.last()) {
            shown.tag = format!("v{last}");
        }
        Some(shown.url())
    }

    /// The requirements that carry the clause of this id.
    pub fn carriers<'a>(&'a self, clause: &'a str) -> impl Iterator<Item = &'a Requirement> {
        self.requirements().filter(move |it| it.clauses.iter().any(|its| its == clause))
    }

    /// The requirements that decide the effect of the property of this name.
    pub fn deciders<'a>(&'a self, property: &'a str) -> impl Iterator<Item = &'a Requirement> {
        self.requirements().filter(move |it| it.properties.iter().any(|its| its == property))
    }

    /// Every requirement, chapter by chapter.
    pub fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.chapters.iter().flat_map(|chapter| &chapter.requirements)
    }

    /// The requirement of this id.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        let &(chapter, position) = self.places.get(id)?;
        self.chapters.get(chapter)?.requirements.get(position)
    }

    /// The id that a misspelt one most likely meant; `None` if nothing is near: more than a third
    /// of its characters would have to change.
    pub fn nearest(&self, misspelt: &str) -> Option<&RequirementId> {
        let ids = self.requirements().map(|requirement| &requirement.id);
        let (distance, id) = ids.map(|id| (edits(misspelt, id.as_str()), id)).min()?;
        (distance <= misspelt.chars().count().div_ceil(3)).then_some(id)
    }
}

/// The requirement of this id in the specification that this crate carries. Only its chapter is parsed, once, which is
/// a hundredth of the work of [`Specification::embedded`]; that its names are known, a test has proved.
pub fn requirement(id: &str) -> Option<&'static Requirement> {
    static PARSED: [OnceLock<Chapter>; CHAPTERS.len()] = [const { OnceLock::new() }; CHAPTERS.len()];
    let (name, _) = id.split_once('.')?;
    let at = CHAPTERS.iter().position(|(it, _)| *it == name)?;
    let chapter = PARSED[at].get_or_init(|| examine_chapter(name, CHAPTERS[at].1, None).0);
    chapter.requirements.iter().find(|it| it.id.as_str() == id)
}

/// Where each requirement stands, and every second use of an id.
fn places(chapters: &[Chapter]) -> (BTreeMap<String, (usize, usize)>, Vec<SpecError>) {
    let mut places: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut errors = Vec::new();
    for (number, chapter) in chapters.iter().enumerate() {
        for (position, requirement) in chapter.requirements.iter().enumerate() {
            let id = requirement.id.to_string();
            if let Some(&(first, before)) = places.get(&id) {
                let earlier: &Chapter = &chapters[first];
                let line = earlier.requirements[before].line;
                let message = format!("`{id}` stands already in {}.md, line {line}", earlier.name);
                errors.push(SpecError::at(format!("chapters/{}.md", chapter.name), requirement.line, message));
            }
            places.entry(id).or_insert((number, position));
        }
    }
    (places, errors)
}

/// The least number of characters to insert, remove or replace that makes one text the other.
pub fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, mine) in one.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, theirs) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(mine != *theirs);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: &str =
        "# alpha\n\nThe first.\n\n## alpha.one-thing\nMUST, runtime, since 1.0.0, ours\nIt holds.\nUntil: 1.1.0\n";
    const BETA: &str = "# beta\n\nThe second.\n\n## beta.other-thing\nMAY, runtime, since 1.1.0, ours\nIt holds.\n";

    #[test]
    fn a_requirement_is_found_by_its_id() {
        let specification = Specification::parse(&[("alpha", ALPHA), ("beta", BETA)]).unwrap();
        let ids: Vec<&str> = specification.requirements().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, ["alpha.one-thing", "beta.other-thing"]);
        assert_eq!(specification.get("beta.other-thing").unwrap().line, 5);
        assert!(specification.get("beta.one-thing").is_none());
    }

    #[test]
    fn a_misspelt_id_finds_its_neighbour() {
        let specification = Specification::parse(&[("alpha", ALPHA), ("beta", BETA)]).unwrap();
        let nearest = |id| specification.nearest(id).map(RequirementId::as_str);
        assert_eq!(nearest("beta.othr-thing"), Some("beta.other-thing"));
        assert_eq!(nearest("alpha.one.thing"), Some("alpha.one-thing"));
        assert_eq!(nearest("seccomp.default-action"), None);
        assert_eq!(nearest(""), None);
    }

    #[test]
    fn a_chapter_listed_twice_repeats_its_ids() {
        let error = Specification::parse(&[("alpha", ALPHA), ("alpha", ALPHA)]).unwrap_err();
        assert_eq!(error.to_string(), "chapters/alpha.md:5: `alpha.one-thing` stands already in alpha.md, line 5");
    }

    #[test]
    fn the_embedded_sources_parse() {
        let errors = Specification::of(&Sources::embedded()).err().unwrap_or_default();
        let errors: Vec<String> = errors.iter().map(|error| format!("spec/{error}")).collect();
        assert!(errors.is_empty(), "\n{}", errors.join("\n"));
    }

    /// Chapter alpha, whose requirement carries SPEC-001, and rows of what is set aside.
    fn sources(rows: &str) -> Sources {
        Sources {
            chapters: vec![("alpha".to_owned(), ALPHA.replace("ours", "ours, ledger SPEC-001"))],
            no_requirement: Some(format!("clause\twhy\tof\tnote\n{rows}")),
            ..Sources::embedded()
        }
    }

    #[test]
    fn a_clause_is_carried_or_set_aside_and_not_both() {
        let errors = |rows: &str| -> Vec<String> {
            Specification::of(&sources(rows)).unwrap_err().iter().map(SpecError::to_string).collect()
        };
        let carried = "no-requirement.tsv:2: `SPEC-001` calls for no requirement, and `alpha.one-thing` carries it";
        assert_eq!(errors("SPEC-001\tdefinition\t-\tIt defines.\n"), [carried]);
        let dangling = "no-requirement.tsv:2: `alpha.two-things`, which `SPEC-002` repeats, is no requirement";
        assert_eq!(errors("SPEC-002\trepetition\talpha.two-things\tIt repeats.\n"), [dangling]);
        let right = Specification::of(&sources("SPEC-002\trepetition\talpha.one-thing\tIt repeats.\n")).unwrap();
        assert_eq!(right.upstream.set_aside.len(), 1);
        assert_eq!(right.carriers("SPEC-001").count(), 1);
    }

    #[test]
    fn what_replaces_a_requirement_begins_as_it_ceases() {
        let parse = |line: &str| {
            let alpha = format!("{ALPHA}Replaced by: beta.other-thing{line}\n");
            Specification::parse(&[("alpha", &alpha), ("beta", BETA)])
        };
        let specification = parse("").unwrap();
        assert_eq!(specification.get("alpha.one-thing").unwrap().replaced_by, ["beta.other-thing".parse().unwrap()]);
        for unfit in ["alpha.one-thing", "beta.no-thing"] {
            let error = parse(&format!(" {unfit}")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("chapters/alpha.md:5: `{unfit}` can't replace")), "{error}");
        }
    }

    #[test]
    fn a_page_shows_the_version_in_which_the_requirement_held_last() {
        let specification = Specification::embedded();
        let page = |id| specification.page(specification.get(id).unwrap()).unwrap();
        assert!(page("hooks.poststart-failure-error").contains("/runtime-spec/blob/v1.3.0/runtime.md#"));
        assert!(page("hooks.poststart-failure-continues").contains("/runtime-spec/blob/v1.2.1/runtime.md#"));
        assert!(page("zos.devices-array").contains("/blob/v1.2.0/config-zos.md#"));
        assert!(page("conversion.exposed-ports-list").contains("/image-spec/blob/v1."));
    }

    #[test]
    fn every_line_that_does_not_fit_is_found() {
        let mut sources = sources("x\n");
        let broken =
            ALPHA.replace("MUST", "WILL") + "\n## alpha.two-things\nMUST, nobody, since 1.0.0, ours\nIt holds.\n";
        sources.chapters[0].1 = broken;
        let errors = Specification::of(&sources).unwrap_err();
        let places: Vec<(&str, Option<usize>)> = errors.iter().map(|it| (it.file.as_str(), it.line)).collect();
        let chapter = "chapters/alpha.md";
        assert_eq!(places, [("no-requirement.tsv", Some(2)), (chapter, Some(6)), (chapter, Some(11))]);
    }

    #[test]
    fn one_requirement_is_the_same_as_in_the_whole() {
        for whole in Specification::embedded().requirements() {
            assert_eq!(requirement(whole.id.as_str()), Some(whole));
        }
        assert_eq!(requirement("hostname.nothing"), None);
        assert_eq!(requirement("nothing"), None);
    }

    #[test]
    fn a_directory_is_read_with_its_own_tables() {
        let specification = Specification::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(specification.get("hostname.applied").is_some());
        assert!(Specification::read(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn edits_counts_the_least_changes() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}

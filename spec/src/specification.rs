//! All chapters together.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::chapters::CHAPTERS;
use crate::grammar::{SpecError, parse_chapter};
use crate::requirement::{Chapter, Requirement, RequirementId};

/// Every requirement of the format.
#[derive(Clone, Debug)]
pub struct Specification {
    /// In the order in which a reader meets them.
    pub chapters: Vec<Chapter>,
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
        EMBEDDED.get_or_init(|| Self::parse(CHAPTERS).expect("a test proves that the embedded chapters parse"))
    }

    /// Parses chapters given as name and text.
    ///
    /// # Errors
    ///
    /// The first line that does not fit the grammar, or the second use of an id.
    pub fn parse(chapters: &[(&str, &str)]) -> Result<Self, SpecError> {
        let chapters: Vec<Chapter> =
            chapters.iter().map(|(name, text)| parse_chapter(name, text)).collect::<Result<_, _>>()?;
        Ok(Self { places: places(&chapters)?, chapters })
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

fn places(chapters: &[Chapter]) -> Result<BTreeMap<String, (usize, usize)>, SpecError> {
    let mut places: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (number, chapter) in chapters.iter().enumerate() {
        for (position, requirement) in chapter.requirements.iter().enumerate() {
            let id = requirement.id.to_string();
            if let Some(&(first, before)) = places.get(&id) {
                let earlier: &Chapter = &chapters[first];
                return Err(SpecError {
                    file: format!("{}.md", chapter.name),
                    line: requirement.line,
                    message: format!(
                        "`{id}` stands already in {}.md, line {}",
                        earlier.name, earlier.requirements[before].line
                    ),
                });
            }
            places.insert(id, (number, position));
        }
    }
    Ok(places)
}

/// The least number of characters to insert, remove or replace that makes one text the other.
fn edits(one: &str, other: &str) -> usize {
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
        assert_eq!(error.to_string(), "alpha.md:5: `alpha.one-thing` stands already in alpha.md, line 5");
    }

    #[test]
    fn the_embedded_chapters_parse() {
        assert_eq!(Specification::embedded().chapters.len(), CHAPTERS.len());
    }

    #[test]
    fn edits_counts_the_least_changes() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}

//! What the grammar lets pass, and what a specification is not to have all the same.

use crate::coverage::Coverage;
use crate::error::SpecError;
use crate::requirement::Requirement;
use crate::sources::{PROPERTIES, Sources, UPSTREAM};
use crate::specification::Specification;
use crate::upstream::sentences;

/// The most characters that a sentence may have: what is longer says more than one thing.
pub const LONGEST_SENTENCE: usize = 400;

/// Sentences that are too long or are two, in the order of the chapters.
pub fn of_sentences(specification: &Specification) -> Vec<SpecError> {
    let of_chapter = |chapter: &crate::Chapter| {
        let file = format!("chapters/{}.md", chapter.name);
        let error = |it: &Requirement, message| SpecError::at(file.clone(), it.line, format!("{}: {message}", it.id));
        let found = |it: &Requirement| of_sentence(&it.sentence).map(|message| error(it, message));
        chapter.requirements.iter().filter_map(found).collect::<Vec<_>>()
    };
    specification.chapters.iter().flat_map(of_chapter).collect()
}

/// What is wrong with one sentence.
fn of_sentence(sentence: &str) -> Option<String> {
    let (count, length) = (sentences(sentence).len(), sentence.chars().count());
    if count > 1 {
        return Some(format!("{count} sentences: a requirement is one obligation"));
    }
    (length > LONGEST_SENTENCE).then(|| format!("a sentence of {length} characters: {LONGEST_SENTENCE} at most"))
}

/// Clauses and leaf properties for Linux for which nothing stands, at their rows in the tables.
pub fn of_coverage(specification: &Specification, sources: &Sources) -> Vec<SpecError> {
    let coverage = Coverage::of(specification);
    let clauses = coverage.unmapped_clauses().map(|it| {
        let line = line_of(&sources.upstream, &it.id);
        let place = format!("{}#{}, {} {}", it.file, it.anchor, it.keyword, it.ordinal);
        SpecError::at(UPSTREAM, line, format!("{} ({place}): no requirement carries it", it.id))
    });
    let properties = coverage.unmapped_properties().map(|it| {
        let line = line_of(&sources.properties, &it.name);
        SpecError::at(PROPERTIES, line, format!("{}: no requirement decides its effect", it.name))
    });
    clauses.chain(properties).collect()
}

/// The line of the row whose first column is this; the first is 1.
fn line_of(table: &str, key: &str) -> usize {
    table.lines().position(|line| line.split('\t').next() == Some(key)).map_or(1, |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(sentence: &str) -> Sources {
        let text =
            format!("# alpha\n\nThe first.\n\n## alpha.one-thing\nMUST, runtime, since 1.0.0, ours\n{sentence}\n");
        Sources { chapters: vec![("alpha".to_owned(), text)], no_requirement: None, ..Sources::embedded() }
    }

    fn found(sentence: &str) -> Vec<String> {
        let specification = Specification::of(&chapter(sentence)).unwrap();
        of_sentences(&specification).iter().map(SpecError::to_string).collect()
    }

    #[test]
    fn a_requirement_is_one_sentence() {
        assert_eq!(found("It holds, e.g. so."), [""; 0]);
        let two = "chapters/alpha.md:5: alpha.one-thing: 2 sentences: a requirement is one obligation";
        assert_eq!(found("It holds. It lasts."), [two]);
        assert_eq!(found("It holds. `x` too."), [two]);
    }

    #[test]
    fn a_sentence_has_four_hundred_characters_at_most() {
        assert_eq!(found(&format!("{}.", "x".repeat(399))), [""; 0]);
        let long = "chapters/alpha.md:5: alpha.one-thing: a sentence of 401 characters: 400 at most";
        assert_eq!(found(&format!("{}.", "x".repeat(400))), [long]);
    }

    #[test]
    fn what_is_unmapped_is_named_at_its_row() {
        let sources = chapter("It holds.");
        let specification = Specification::of(&sources).unwrap();
        let errors = of_coverage(&specification, &sources);
        assert_eq!(errors.len(), specification.upstream.clauses.len() + 172);
        let first = errors[0].to_string();
        assert!(first.starts_with("upstream.tsv:2: SPEC-001 (spec.md#"), "{first}");
    }
}

//! A small text, and what happens to it.

use super::*;
use crate::sources::Sources;

const TEXT: &str = "\
# <a name=\"top\" />Top

* **`path`** (string, REQUIRED) is where it lies. It MUST be absolute.
* **`mode`** (string, OPTIONAL) is how it opens.

The runtime MUST do one thing and SHOULD do another.

# <a name=\"end\" />End

The caller MAY leave at any time it likes to.
";

/// The tables of [`TEXT`], as `page.md`.
fn tables() -> Tables {
    let row = |(number, found): (usize, Found)| {
        let Found { anchor, keyword, ordinal, sentence, .. } = found;
        format!("A-{number}\tpage.md\t{anchor}\t{keyword}\t{ordinal}\tv1\t{}\n", digest(&sentence))
    };
    let rows: String = scan(TEXT).into_iter().enumerate().map(row).collect();
    Tables::parse(&Sources {
        chapters: Vec::new(),
        upstream: format!("id\tfile\tanchor\tkeyword\tordinal\ttag\tsha256\n{rows}"),
        properties: "property\tsince\tplatform\tleaf\n".to_owned(),
        no_requirement: None,
    })
    .unwrap()
}

fn files(text: &str) -> MarkdownFiles {
    [("page.md".to_owned(), text.to_owned())].into()
}

/// Each change in a line, with the old texts at hand or without.
fn changes_from(now: &MarkdownFiles, with_texts: bool) -> Vec<String> {
    let tables = tables();
    let before = if with_texts { [("v1".to_owned(), files(TEXT))].into() } else { BTreeMap::new() };
    let comparison = check(&tables, Repository::Runtime, now, &before);
    assert_eq!(comparison.clauses, 6);
    let absent = comparison.absent.iter().map(|it| format!("{} is absent with {}", it.file, it.clauses.len()));
    absent.chain(comparison.changes.iter().map(line)).collect()
}

fn line(change: &Change<'_>) -> String {
    let ids = |clauses: &[&Clause]| clauses.iter().map(|it| it.id.as_str()).collect::<Vec<_>>().join(" ");
    match change {
        Change::Reworded { clauses, before, after, added } => {
            let of = |it: &Carried<'_>| format!("{}={}", it.clause.id, it.keyword.unwrap_or("none"));
            let clauses: Vec<String> = clauses.iter().map(of).collect();
            let known = if before.is_some() { "" } else { ", unknown before" };
            format!(
                "{}: reworded {}{}{known}",
                after.line,
                clauses.join(" "),
                added.iter().map(|it| format!(" +{it}")).collect::<String>()
            )
        }
        Change::Moved { clauses, to } => format!("{}: moved {} to {}", to.line, ids(clauses), to.anchor),
        Change::Gone { clauses, near, .. } => format!("after {near:?}: gone {}", ids(clauses)),
        Change::New { keywords, sentence } => format!("{}: new {}", sentence.line, keywords.join(" ")),
    }
}

/// The changes that replacing one text by another makes, known in both ways.
fn changes(what: &str, by: &str) -> Vec<String> {
    assert!(TEXT.contains(what), "{what}");
    changes_from(&files(&TEXT.replace(what, by)), true)
}

#[test]
fn a_text_that_stands_is_unchanged() {
    for with_texts in [true, false] {
        assert_eq!(changes_from(&files(TEXT), with_texts), [""; 0]);
    }
    let marked = TEXT.replace("* **`mode`**", "\n- `mode`").replace("The runtime", "The [runtime](x.md)");
    assert_eq!(changes_from(&files(&marked), true), [""; 0]);
}

#[test]
fn a_sentence_is_reworded_as_a_whole() {
    let edited = ("do one thing", "always do one thing");
    assert_eq!(changes(edited.0, edited.1), ["6: reworded A-3=MUST A-4=SHOULD"]);
    let now = files(&TEXT.replace(edited.0, edited.1));
    assert_eq!(changes_from(&now, false), ["6: reworded A-3=MUST A-4=SHOULD, unknown before"]);
}

#[test]
fn a_keyword_that_weakens_is_seen() {
    assert_eq!(changes("It MUST be absolute", "It SHOULD be absolute"), ["3: reworded A-1=SHOULD"]);
    let now = files(&TEXT.replace("It MUST be absolute", "It SHOULD be absolute"));
    assert_eq!(changes_from(&now, false), ["3: reworded A-1=SHOULD, unknown before"]);
}

#[test]
fn keywords_come_to_a_sentence_and_leave_it() {
    assert_eq!(changes("do another.", "do another and MAY rest."), ["6: reworded A-3=MUST A-4=SHOULD +MAY"]);
    assert_eq!(changes(" and SHOULD do another", " and then another"), ["6: reworded A-3=MUST A-4=none"]);
}

#[test]
fn a_sentence_that_moves_keeps_its_clauses() {
    let sentence = "The runtime MUST do one thing and SHOULD do another.\n";
    let moved = TEXT.replace(sentence, "") + sentence;
    assert_eq!(changes_from(&files(&moved), true), ["10: moved A-3 A-4 to end"]);
    assert_eq!(changes("name=\"end\"", "name=\"the-end\""), ["10: moved A-5 to the-end"]);
    let mut other = files(&TEXT.replace(sentence, ""));
    other.insert("other.md".to_owned(), format!("# Other\n{sentence}"));
    assert_eq!(changes_from(&other, false), ["2: moved A-3 A-4 to other"]);
}

#[test]
fn a_sentence_that_is_gone_is_named_near_its_place() {
    assert_eq!(changes("It MUST be absolute.", ""), ["after Some(3): gone A-1"]);
    assert_eq!(changes("The caller MAY leave at any time it likes to.", ""), ["after None: gone A-5"]);
}

#[test]
fn a_new_sentence_is_new() {
    let new = "The caller MAY leave at any time it likes to.\nThe hook MUST NOT sleep, nor SHOULD it eat.";
    assert_eq!(changes("The caller MAY leave at any time it likes to.", new), ["11: new MUST NOT SHOULD"]);
}

#[test]
fn another_sentence_in_its_place_is_no_rewording() {
    let changes = changes("It MUST be absolute.", "Nobody else writes there, which every writer MUST see to in time.");
    assert_eq!(changes, ["after Some(3): gone A-1", "3: new MUST"]);
}

#[test]
fn a_file_that_is_absent_is_named_once() {
    assert_eq!(changes_from(&BTreeMap::new(), true), ["page.md is absent with 6"]);
}

#[test]
fn identical_sentences_are_counted() {
    let twice = TEXT.replace("to.\n", "to.\nThe caller MAY leave at any time it likes to.\n");
    assert_eq!(changes_from(&files(&twice), true), ["11: new MAY"]);
}

#[test]
fn a_text_of_another_tag_is_not_taken_for_the_one_that_was_read() {
    let tables = tables();
    let before = [("v1".to_owned(), files(&TEXT.replace("one thing", "two things")))].into();
    let now = files(&TEXT.replace("one thing", "three things"));
    let comparison = check(&tables, Repository::Runtime, &now, &before);
    assert_eq!(
        comparison.changes.iter().map(line).collect::<Vec<_>>(),
        ["6: reworded A-3=MUST A-4=SHOULD, unknown before"]
    );
}

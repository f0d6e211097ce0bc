//! What ties requirements to upstream's text: the anchors of its clauses, and the config's properties.
//!
//! Upstream's words are not kept, only where each clause stands and a digest of its sentence, so
//! that a changed text is found mechanically.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::version::Version;

const CLAUSES: &str = include_str!("../upstream.tsv");
const PROPERTIES: &str = include_str!("../properties.tsv");

/// One normative keyword of upstream's core and Linux texts: a row of `upstream.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The ledger's id, such as `RT-001`.
    pub id: &'static str,
    /// The file, such as `runtime.md`.
    pub file: &'static str,
    /// The anchor of the heading above it.
    pub anchor: &'static str,
    /// The keyword itself; a few are lower-case in the text.
    pub keyword: &'static str,
    /// Which of the section's occurrences of this keyword it is; the first is 1.
    pub ordinal: usize,
    /// Upstream's tag that was read.
    pub tag: &'static str,
    /// The sentence's digest, in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// A property of config.json: a row of `properties.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its path: `[]` for every element of an array, `*` for every key of a map.
    pub name: &'static str,
    /// The first version whose schema has it.
    pub since: Version,
    /// `linux` also for what every platform has.
    pub platform: &'static str,
    /// It holds a value, not only other properties.
    pub leaf: bool,
}

impl Property {
    /// Whether it holds a value that applies to Linux.
    pub fn is_linux_leaf(&self) -> bool {
        self.leaf && self.platform == "linux"
    }
}

/// Every clause, in the order of upstream's files.
pub fn clauses() -> &'static [Clause] {
    static CELL: OnceLock<Vec<Clause>> = OnceLock::new();
    CELL.get_or_init(|| rows(CLAUSES, clause_row))
}

/// The clause of this id.
pub fn clause(id: &str) -> Option<&'static Clause> {
    static CELL: OnceLock<BTreeMap<&str, &Clause>> = OnceLock::new();
    let index = CELL.get_or_init(|| clauses().iter().map(|it| (it.id, it)).collect());
    index.get(id).copied()
}

/// Every property of every platform, in alphabetical order.
pub fn properties() -> &'static [Property] {
    static CELL: OnceLock<Vec<Property>> = OnceLock::new();
    CELL.get_or_init(|| rows(PROPERTIES, property_row))
}

/// The property of this name.
pub fn property(name: &str) -> Option<&'static Property> {
    properties().iter().find(|it| it.name == name)
}

/// Whether some clause stands below this anchor of this file.
pub fn is_anchor(file: &str, anchor: &str) -> bool {
    static CELL: OnceLock<BTreeSet<(&str, &str)>> = OnceLock::new();
    let anchors = CELL.get_or_init(|| clauses().iter().map(|it| (it.file, it.anchor)).collect());
    anchors.contains(&(file, anchor))
}

/// The rows below a table's header.
fn rows<T>(table: &'static str, row: fn(&[&'static str]) -> Option<T>) -> Vec<T> {
    table
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&'static str> = line.split('\t').collect();
            row(&columns).unwrap_or_else(|| panic!("a test reads every row, yet this one is no row: {line}"))
        })
        .collect()
}

fn clause_row(columns: &[&'static str]) -> Option<Clause> {
    let &[id, file, anchor, keyword, ordinal, tag, sha256] = columns else {
        return None;
    };
    let ordinal = ordinal.parse().ok()?;
    Some(Clause { id, file, anchor, keyword, ordinal, tag, sha256 })
}

fn property_row(columns: &[&'static str]) -> Option<Property> {
    let &[name, since, platform, leaf] = columns else {
        return None;
    };
    let since = since.parse().ok()?;
    let leaf = match leaf {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    Some(Property { name, since, platform, leaf })
}

/// A normative keyword as [`scan`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The anchor of the heading above it: its `<a name="…">`, else the slug that GitHub makes.
    pub anchor: String,
    /// The keyword itself.
    pub keyword: &'static str,
    /// Which occurrence of this keyword below this anchor it is; the first is 1.
    pub ordinal: usize,
    /// The sentence around it, normalised.
    pub sentence: String,
}

/// The keywords of RFC 2119; of two that begin alike the longer first. `must` and `should not`
/// also bind in lower case where upstream means them so.
const KEYWORDS: [&str; 14] = [
    "MUST NOT",
    "MUST",
    "SHALL NOT",
    "SHALL",
    "SHOULD NOT",
    "SHOULD",
    "NOT RECOMMENDED",
    "RECOMMENDED",
    "REQUIRED",
    "MAY NOT",
    "MAY",
    "OPTIONAL",
    "must",
    "should not",
];

/// Every normative keyword of one of upstream's files, in its order.
///
/// Left out are fenced code, headings, and the words that stand between quotation marks, which are
/// spoken about and not used.
pub fn scan(markdown: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut anchor = String::new();
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && line.starts_with('#') {
            anchor = heading_anchor(line);
        } else if !fenced {
            for sentence in sentences(&normalise(line)) {
                for keyword in keywords(sentence) {
                    let ordinal = counts.entry((anchor.clone(), keyword)).or_default();
                    *ordinal += 1;
                    found.push(Found {
                        anchor: anchor.clone(),
                        keyword,
                        ordinal: *ordinal,
                        sentence: sentence.to_owned(),
                    });
                }
            }
        }
    }
    found
}

/// The digest of a normalised sentence, as `upstream.tsv` has it.
pub fn digest(sentence: &str) -> String {
    let digest = Sha256::digest(sentence.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Strips from a line what can change without its words: tags, the targets of links, code marks and
/// emphasis, a list's mark and a table's bars; and leaves one space where white space was.
pub fn normalise(line: &str) -> String {
    let text = without_link_targets(&without_tags(line)).replace(['*', '`', '|'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let marks = words.iter().take_while(|word| is_list_mark(word)).count();
    words[marks..].join(" ")
}

fn is_list_mark(word: &str) -> bool {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    matches!(word, "-" | "+" | ">") || word.strip_suffix('.').is_some_and(is_number)
}

/// Removes anchors such as `<a name="…" />`, the only tags that upstream's texts have.
fn without_tags(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<a ").or_else(|| rest.find("</a>")) {
        let Some(end) = rest[at..].find('>') else {
            break;
        };
        kept.push_str(&rest[..at]);
        rest = &rest[at + end + 1..];
    }
    kept + rest
}

/// `[text](target)`, `[text][reference]` and `[text][]` become `text`.
fn without_link_targets(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['(', '[']) {
        let (before, opening) = rest.split_at(at);
        let closing = if opening.starts_with('(') { ')' } else { ']' };
        let is_target = before.ends_with(']');
        match opening.find(closing) {
            Some(end) if is_target => {
                kept.push_str(before);
                rest = &opening[end + 1..];
            }
            _ => {
                kept.push_str(before);
                kept.push_str(&opening[..1]);
                rest = &opening[1..];
            }
        }
    }
    (kept + rest).replace(['[', ']'], "")
}

/// Parts a line where a mark that ends a sentence is followed by a space and no lower-case letter;
/// `e.g.` and `i.e.` end none. Upstream writes no sentence over two lines.
fn sentences(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices(['.', '?', '!']) {
        let (before, after) = (&line[start..=at], &line[at + 1..]);
        let abbreviated = before.ends_with("e.g.") || before.ends_with("i.e.");
        let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_lowercase());
        if after.strip_prefix(' ').is_some_and(|rest| !goes_on(rest)) && !abbreviated {
            parts.push(before);
            start = at + 2;
        }
    }
    parts.push(&line[start..]);
    parts
}

/// The keywords that a sentence uses, in its order.
fn keywords(sentence: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sentence.len() {
        let keyword = KEYWORDS.iter().find(|keyword| stands_at(sentence, at, keyword));
        let is_quoted = sentence[..at].ends_with('"');
        found.extend(keyword.filter(|_| !is_quoted));
        let step = sentence[at..].chars().next().map_or(1, char::len_utf8);
        at += keyword.map_or(step, |keyword| keyword.len());
    }
    found
}

/// Whether `keyword` stands at this byte as whole words.
fn stands_at(sentence: &str, at: usize, keyword: &str) -> bool {
    let Some(after) = sentence[at..].strip_prefix(keyword) else {
        return false;
    };
    let before = sentence[..at].chars().next_back();
    let inside_word = |it: Option<char>| it.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !inside_word(before) && !inside_word(after.chars().next())
}

fn heading_anchor(heading: &str) -> String {
    let named = heading.split_once("<a name=\"").and_then(|(_, rest)| rest.split_once('"'));
    match named {
        Some((name, _)) => name.to_owned(),
        None => slug(heading.trim_start_matches('#').trim()),
    }
}

/// As GitHub makes it of a heading without markup.
fn slug(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(markdown: &str) -> Vec<(String, &'static str, usize)> {
        let found = scan(markdown).into_iter();
        found.map(|it| (it.anchor, it.keyword, it.ordinal)).collect()
    }

    #[test]
    fn every_row_is_read() {
        assert_eq!(clauses().len(), 646);
        assert_eq!(properties().len(), 323);
        assert_eq!(properties().iter().filter(|it| it.is_linux_leaf()).count(), 172);
        assert!(properties().iter().all(|it| it.since.is_released()));
    }

    #[test]
    fn no_row_stands_twice() {
        let ids: BTreeSet<&str> = clauses().iter().map(|it| it.id).collect();
        let place = |it: &'static Clause| (it.file, it.anchor, it.keyword, it.ordinal);
        let places: BTreeSet<_> = clauses().iter().map(place).collect();
        let names: BTreeSet<&str> = properties().iter().map(|it| it.name).collect();
        assert_eq!((ids.len(), places.len(), names.len()), (646, 646, 323));
    }

    #[test]
    fn every_digest_is_one() {
        let is_digest = |it: &str| it.len() == 64 && it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let strays: Vec<&str> = clauses()
            .iter()
            .filter(|it| !is_digest(it.sha256) || it.sha256.starts_with("00000000"))
            .map(|it| it.id)
            .collect();
        assert_eq!(strays, [""; 0]);
    }

    #[test]
    fn a_keyword_is_counted_below_its_anchor() {
        let text =
            "# <a name=\"top\" />Top\nIt MUST. It MUST NOT.\n## Valid values, here\nA (string, REQUIRED) MUST be.\n";
        let expected = [
            ("top", "MUST", 1),
            ("top", "MUST NOT", 1),
            ("valid-values-here", "REQUIRED", 1),
            ("valid-values-here", "MUST", 1),
        ];
        assert_eq!(found(text), expected.map(|(anchor, keyword, ordinal)| (anchor.to_owned(), keyword, ordinal)));
    }

    #[test]
    fn code_quotations_and_parts_of_words_are_no_keywords() {
        let text = "# MUST\n```\nMUST\n```\nThe words \"NOT RECOMMENDED\" and MUSTARD and may and should.\n";
        assert_eq!(found(text), []);
    }

    #[test]
    fn a_sentence_ends_where_the_next_begins() {
        assert_eq!(sentences("One, e.g. this. Two. three? [Four"), ["One, e.g. this.", "Two. three?", "[Four"]);
    }

    #[test]
    fn markup_does_not_change_a_sentence() {
        let plain = "path (string, REQUIRED) is the list of names for it.";
        let marked = "  * **`path`** (string,  REQUIRED) is [the list][ref] of [names](to.md#x) for it.";
        assert_eq!(normalise(marked), plain);
        assert_eq!(normalise("1. <a name=\"x\" />It MUST."), "It MUST.");
        assert_eq!(normalise("| `a` | MUST | (b) |"), "a MUST (b)");
    }

    #[test]
    fn a_digest_is_sha256_in_hexadecimal() {
        assert!(digest("").starts_with("e3b0c44298fc1c14"));
        assert_eq!(digest("").len(), 64);
    }
}

//! How upstream's Markdown is read: sentence by sentence, for its keywords.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

/// A normative keyword as [`scan`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The anchor of the heading above it: its `<a name="…">`, else the slug that GitHub makes.
    pub anchor: String,
    /// The keyword itself.
    pub keyword: &'static str,
    /// Which occurrence of this keyword below this anchor it is; the first is 1.
    pub ordinal: usize,
    /// The line it stands in; the first is 1.
    pub line: usize,
    /// The sentence around it, normalised.
    pub sentence: String,
}

/// Texts of one state of a repository, by the names that `upstream.tsv` gives their files.
pub type MarkdownFiles = BTreeMap<String, String>;

/// The keywords of RFC 2119; of two that begin alike the longer first. `must` and `should not`
/// also bind in lower case where upstream means them so.
pub(super) const KEYWORDS: [&str; 14] = [
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
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for passage in passages(markdown) {
        let mut lines = passage.lines_of_keywords().into_iter();
        let mut line = passage.lines[0].0;
        for sentence in sentences(&normalise(&passage.text())) {
            for keyword in keywords(sentence) {
                let ordinal = counts.entry((passage.anchor.clone(), keyword)).or_default();
                *ordinal += 1;
                // A keyword over the end of a line is seen in no line alone, and stands where the last one stood.
                line = lines.next().unwrap_or(line);
                found.push(Found {
                    anchor: passage.anchor.clone(),
                    keyword,
                    ordinal: *ordinal,
                    line,
                    sentence: sentence.to_owned(),
                });
            }
        }
    }
    found
}

/// Lines that may share a sentence, with their numbers, and the anchor of the heading above them.
struct Passage<'a> {
    anchor: String,
    lines: Vec<(usize, &'a str)>,
}

impl Passage<'_> {
    fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|(_, line)| *line).collect();
        lines.join(" ")
    }

    /// Of each keyword, the number of its line.
    fn lines_of_keywords(&self) -> Vec<usize> {
        let of_line = |(number, line): &(usize, &str)| vec![*number; keywords(&normalise(line)).len()];
        self.lines.iter().flat_map(of_line).collect()
    }
}

/// A text in passages. Upstream writes a sentence in one line, but for a few that go on in the next.
fn passages(markdown: &str) -> Vec<Passage<'_>> {
    let mut passages: Vec<Passage<'_>> = Vec::new();
    let mut anchor = String::new();
    let (mut fenced, mut goes_on) = (false, false);
    for (position, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            (fenced, goes_on) = (!fenced, false);
        } else if !fenced && line.starts_with('#') {
            (anchor, goes_on) = (heading_anchor(line), false);
        } else if !fenced {
            let numbered = (position + 1, line);
            match passages.last_mut() {
                Some(last) if goes_on && !begins_anew(line) => last.lines.push(numbered),
                _ => passages.push(Passage { anchor: anchor.clone(), lines: vec![numbered] }),
            }
            goes_on = !ends_sentence(line);
        }
    }
    passages
}

/// Whether a line is the first of what it belongs to: an item of a list, a row of a table, a link's target.
fn begins_anew(line: &str) -> bool {
    let line = line.trim_start();
    let first = line.split_whitespace().next().unwrap_or_default();
    let is_target = line.starts_with('[') && line.contains("]: ");
    is_list_mark(first) || first == "*" || is_row(line) || line.starts_with('<') || is_target
}

/// Whether a line is a row of a table.
fn is_row(line: &str) -> bool {
    line.starts_with('|') || line.contains(" | ")
}

/// Whether a sentence does not go on beyond a line: it is empty or a row of a table, or ends in a mark.
fn ends_sentence(line: &str) -> bool {
    let line = line.trim_end_matches([' ', '\t', ')', '*', '_', '`', '"']);
    is_row(line.trim_start()) || line.is_empty() || line.ends_with(['.', '?', '!', ':', ';'])
}

/// The Markdown files that lie beside a text and are linked from it, such as `runtime.md`. Those
/// linked from upstream's `spec.md` are the format's text; others of its files are about the project.
pub fn linked(markdown: &str) -> BTreeSet<String> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let beside = |it: &&str| it.ends_with(".md") && !it.contains(['/', '\\']) && !it.contains(char::is_control);
    targets.filter(beside).map(str::to_owned).collect()
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
    // Where the last of each closes: beyond it none is looked for, so that the way is short for any text.
    let last = |closing: char| text.rfind(closing).unwrap_or(0);
    let (round, square) = (last(')'), last(']'));
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['(', '[']) {
        let (before, opening) = rest.split_at(at);
        let (closing, last) = if opening.starts_with('(') { (')', round) } else { (']', square) };
        let is_target = before.ends_with(']') && text.len() - opening.len() < last;
        match is_target.then(|| opening.find(closing)).flatten() {
            Some(end) => {
                kept.push_str(before);
                rest = &opening[end + 1..];
            }
            None => {
                kept.push_str(before);
                kept.push_str(&opening[..1]);
                rest = &opening[1..];
            }
        }
    }
    (kept + rest).replace(['[', ']'], "")
}

/// Parts a text where a mark that ends a sentence is followed by a space and no lower-case letter;
/// `e.g.` and `i.e.` end none.
pub(crate) fn sentences(line: &str) -> Vec<&str> {
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

    #[test]
    fn a_keyword_knows_its_line_and_its_sentence() {
        let found = scan("# top\n\nIt MUST be. It MAY not be.\n```\nMUST\n```\nIt is REQUIRED.\n");
        let places: Vec<_> = found.iter().map(|it| (it.line, it.sentence.as_str())).collect();
        assert_eq!(places, [(3, "It MUST be."), (3, "It MAY not be."), (7, "It is REQUIRED.")]);
    }

    #[test]
    fn a_sentence_may_go_on_in_the_next_line() {
        let text =
            "# top\nThe runtime MUST\nremove it. It MAY\n\n* (OPTIONAL) one\n* two\n  is REQUIRED\n| MAY |\na | MUST\n";
        let found = scan(text);
        let places: Vec<_> = found.iter().map(|it| (it.line, it.sentence.as_str())).collect();
        let expected = [
            (2, "The runtime MUST remove it."),
            (3, "It MAY"),
            (5, "(OPTIONAL) one"),
            (7, "two is REQUIRED"),
            (8, "MAY"),
            (9, "a MUST"),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn files_beside_a_text_are_found_by_its_links() {
        let text = "[a](runtime.md), [b](config.md#root) ![c](img/x.md) [d](https://host/e.md) [f](#g) [h](../i.md)";
        assert_eq!(linked(text).into_iter().collect::<Vec<_>>(), ["config.md", "runtime.md"]);
    }

    #[test]
    fn a_line_of_openings_takes_no_longer_than_another() {
        let line = "](".repeat(500_000);
        assert_eq!(normalise(&line).len(), 500_000);
    }
}

//! Where in a JSON text the value lies that a JSON Pointer names.

use std::collections::BTreeMap;
use std::ops::Range;

/// A range of bytes of a text.
pub type Span = Range<usize>;

/// A place in a text as an editor shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The first line is 1. Lines end with a line feed.
    pub line: usize,
    /// The first character (Unicode scalar value) of a line is 1. Of bytes that are no UTF-8 each
    /// counts as one.
    pub column: usize,
}

impl Position {
    /// The position of the byte at `offset`, or of the end of the text.
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before[..start].iter().filter(|byte| **byte == b'\n').count();
        Self { line, column: 1 + characters(&before[start..]) }
    }

    /// The positions of several offsets, in their order, in one pass over the text.
    pub fn of_all(text: &[u8], offsets: &[usize]) -> Vec<Self> {
        let mut order: Vec<usize> = (0..offsets.len()).collect();
        order.sort_by_key(|at| offsets[*at]);
        let mut positions = vec![Self { line: 1, column: 1 }; offsets.len()];
        let (mut seen, mut here) = (0, Self { line: 1, column: 1 });
        for at in order {
            let offset = offsets[at].min(text.len());
            here = here.after(&text[seen..offset]);
            seen = offset;
            positions[at] = here;
        }
        positions
    }

    fn after(self, passed: &[u8]) -> Self {
        match passed.iter().rposition(|byte| *byte == b'\n') {
            None => Self { column: self.column + characters(passed), ..self },
            Some(last) => Self {
                line: self.line + passed.iter().filter(|byte| **byte == b'\n').count(),
                column: 1 + characters(&passed[last + 1..]),
            },
        }
    }
}

fn characters(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// Where a value lies, and the name of the member that holds it; entries of a list have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: Option<Span>,
    pub(crate) value: Span,
}

/// The places of the values that `pointers` name in a text that is known to be JSON. Of a name that
/// its object has twice, the last value counts, as it does for readers.
///
/// One pass, whatever the number of pointers, and without recursion: only what lies on the way to a
/// wanted value is looked at by name.
pub(crate) fn places<'a>(text: &str, pointers: impl Iterator<Item = &'a str>) -> BTreeMap<String, Place> {
    let mut wanted = Wanted::default();
    for pointer in pointers {
        wanted.add(pointer);
    }
    let mut found = BTreeMap::new();
    Scanner { text, at: 0 }.scan(&wanted, &mut found);
    found
}

/// Spans of every integer of the text that neither a signed nor an unsigned integer of 64 bits holds.
pub(crate) fn huge_integers(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut scanner = Scanner { text, at: 0 };
    while let Some(byte) = scanner.peek() {
        match byte {
            b'"' => drop(scanner.string()),
            b'-' | b'0'..=b'9' => {
                let span = scanner.word();
                let number = &text[span.clone()];
                let integer = number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
                if integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    found.push(span);
                }
            }
            _ => scanner.at += 1,
        }
    }
    found
}

/// The pointers that are looked for, as a tree of their steps.
#[derive(Default)]
struct Wanted {
    pointer: Option<String>,
    below: BTreeMap<String, Wanted>,
}

impl Wanted {
    fn add(&mut self, pointer: &str) {
        let mut here = self;
        for step in pointer.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            here = here.below.entry(name).or_default();
        }
        here.pointer = Some(pointer.to_owned());
    }
}

/// An object or list that was begun.
struct Open<'a> {
    start: usize,
    wanted: Option<&'a Wanted>,
    /// Of a list, the number of the entry that comes; `None` for an object.
    index: Option<usize>,
    /// Of an object, what is wanted of the member whose name was read.
    member: Option<&'a Wanted>,
    /// That name.
    name: Option<Span>,
    /// Of what holds this value, the name by which it does.
    own_name: Option<Span>,
}

/// Reads JSON that a parser has accepted.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn scan(&mut self, wanted: &Wanted, found: &mut BTreeMap<String, Place>) {
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut note = |wanted: Option<&Wanted>, name: Option<Span>, value: Span| {
            if let Some(pointer) = wanted.and_then(|it| it.pointer.as_ref()) {
                found.insert(pointer.clone(), Place { name, value });
            }
        };
        while let Some(byte) = self.peek() {
            let start = self.at;
            match byte {
                b'{' | b'[' => {
                    let wanted = value_here(&open, wanted);
                    let own_name = open.last().and_then(|it| it.name.clone());
                    let index = (byte == b'[').then_some(0);
                    open.push(Open { start, wanted, index, member: None, name: None, own_name });
                    self.at += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    if let Some(closed) = open.pop() {
                        note(closed.wanted, closed.own_name, closed.start..self.at);
                    }
                }
                b',' => {
                    if let Some(Open { index: Some(index), .. }) = open.last_mut() {
                        *index += 1;
                    }
                    self.at += 1;
                }
                b'"' => {
                    let span = self.string();
                    match open.last_mut() {
                        Some(object) if object.index.is_none() && self.peek() == Some(b':') => {
                            object.member = member(object.wanted, &self.text[span.clone()]);
                            object.name = Some(span);
                            self.at += 1;
                        }
                        _ => note(value_here(&open, wanted), name_here(&open), span),
                    }
                }
                _ => {
                    let span = self.word();
                    note(value_here(&open, wanted), name_here(&open), span);
                }
            }
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes a string, quotation marks included.
    fn string(&mut self) -> Span {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        self.at = self.at.min(self.text.len());
        start..self.at
    }

    /// Passes a number, or `true`, `false`, `null`.
    fn word(&mut self) -> Span {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        self.at += rest.iter().take_while(is_part).count().max(1);
        start..self.at
    }
}

/// What is wanted of the value that begins here.
fn value_here<'a>(open: &[Open<'a>], root: &'a Wanted) -> Option<&'a Wanted> {
    match open.last() {
        None => Some(root),
        Some(Open { index: None, member, .. }) => *member,
        Some(Open { index: Some(index), wanted, .. }) => {
            wanted.filter(|it| !it.below.is_empty())?.below.get(&index.to_string())
        }
    }
}

/// The name of the member whose value begins here.
fn name_here(open: &[Open<'_>]) -> Option<Span> {
    open.last()?.name.clone()
}

/// What is wanted of the member whose name stands there in the text, quoted and escaped.
fn member<'a>(object: Option<&'a Wanted>, quoted: &str) -> Option<&'a Wanted> {
    let object = object.filter(|it| !it.below.is_empty())?;
    let plain = quoted.trim_matches('"');
    match plain.contains('\\') {
        false => object.below.get(plain),
        true => object.below.get(&serde_json::from_str::<String>(quoted).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(text: &'t str, pointers: &[&str]) -> Vec<Option<&'t str>> {
        let places = places(text, pointers.iter().copied());
        pointers.iter().map(|pointer| places.get(*pointer).map(|it| &text[it.value.clone()])).collect()
    }

    #[test]
    fn a_value_is_found_at_any_depth() {
        let text = r#" {"a": [1, {"b/c": "x\"y"}, -2.5e3], "é~": {"": null}} "#;
        let pointers = ["", "/a", "/a/0", "/a/1/b~1c", "/a/2", "/é~0/", "/a/3", "/b"];
        let whole = text.trim();
        let list = r#"[1, {"b/c": "x\"y"}, -2.5e3]"#;
        let expected =
            [Some(whole), Some(list), Some("1"), Some(r#""x\"y""#), Some("-2.5e3"), Some("null"), None, None];
        assert_eq!(found(text, &pointers), expected);
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        assert_eq!(found(r#"{"\u0061": 1}"#, &["/a"]), [Some("1")]);
        assert_eq!(found(r#"{"\"": 2}"#, &["/\""]), [Some("2")]);
    }

    #[test]
    fn a_member_has_the_place_of_its_name() {
        let text = r#"{"a": {"b": [1]}, "c": 2}"#;
        let places = places(text, ["", "/a", "/a/b", "/a/b/0", "/c"].into_iter());
        let names: Vec<_> = places.values().map(|it| it.name.clone().map(|span| &text[span])).collect();
        assert_eq!(names, [None, Some("\"a\""), Some("\"b\""), None, Some("\"c\"")]);
    }

    #[test]
    fn of_a_repeated_name_the_last_value_counts() {
        assert_eq!(found(r#"{"a": 1, "a": 2}"#, &["/a"]), [Some("2")]);
    }

    #[test]
    fn what_looks_like_json_inside_a_string_is_passed_over() {
        assert_eq!(found(r#"["{\"a\": [", {"a": true}]"#, &["/1/a", "/0"]), [Some("true"), Some(r#""{\"a\": [""#)]);
    }

    #[test]
    fn positions_count_characters_and_bad_bytes() {
        let text = b"a\n\xc3\xa9x\n\xffy";
        let positions: Vec<_> = [0, 2, 4, 5, 6, 7, 99].iter().map(|at| Position::of(text, *at)).collect();
        let expected = [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)];
        assert_eq!(positions, expected.map(|(line, column)| Position { line, column }));
        assert_eq!(Position::of_all(text, &[99, 0, 2, 4, 5, 6, 7])[1..], positions[..6]);
        assert_eq!(Position::of_all(text, &[99, 0])[0], positions[6]);
    }

    #[test]
    fn integers_beyond_sixty_four_bits_are_found() {
        let text = r#"{"18446744073709551616": [18446744073709551615, -9223372036854775808, 18446744073709551616, -9223372036854775809, 1.5, 1e30]}"#;
        let huge: Vec<&str> = huge_integers(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(huge, ["18446744073709551616", "-9223372036854775809"]);
    }
}

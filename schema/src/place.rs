//! Where in a JSON text the value lies that a JSON Pointer names.

use std::borrow::Cow;
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
pub(crate) fn places<'p>(text: &str, pointers: impl Iterator<Item = &'p str>) -> BTreeMap<&'p str, Place> {
    let mut wanted = Wanted::new();
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

/// The pointers that are looked for, as a tree of their steps. All its branches lie in one map: a hostile text can have
/// as many steps as values.
struct Wanted<'p> {
    steps: Vec<Step<'p>>,
    /// From a step and a name to the step below it.
    below: BTreeMap<(usize, Cow<'p, str>), usize>,
}

/// One value on the way to a wanted one; the first is the whole text.
#[derive(Clone, Copy, Default)]
struct Step<'p> {
    /// The pointer that ends here.
    pointer: Option<&'p str>,
    leads_on: bool,
}

impl<'p> Wanted<'p> {
    const ROOT: usize = 0;

    fn new() -> Self {
        Self { steps: vec![Step::default()], below: BTreeMap::new() }
    }

    fn add(&mut self, pointer: &'p str) {
        let mut here = Self::ROOT;
        for name in pointer.split('/').skip(1) {
            let name = match name.contains('~') {
                true => Cow::Owned(name.replace("~1", "/").replace("~0", "~")),
                false => Cow::Borrowed(name),
            };
            self.steps[here].leads_on = true;
            here = *self.below.entry((here, name)).or_insert_with(|| {
                self.steps.push(Step::default());
                self.steps.len() - 1
            });
        }
        self.steps[here].pointer = Some(pointer);
    }

    fn pointer(&self, step: Option<usize>) -> Option<&'p str> {
        self.steps.get(step?)?.pointer
    }

    /// The step itself, if any leads on from it.
    fn leading_on(&self, step: Option<usize>) -> Option<usize> {
        step.filter(|step| self.steps[*step].leads_on)
    }

    fn below(&self, step: usize, name: &str) -> Option<usize> {
        self.below.get(&(step, Cow::Borrowed(name))).copied()
    }
}

/// An object or list that was begun.
struct Open {
    start: usize,
    wanted: Option<usize>,
    /// Of a list, the number of the entry that comes; `None` for an object.
    index: Option<usize>,
    /// Of an object, what is wanted of the member whose name was read.
    member: Option<usize>,
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
    fn scan<'p>(&mut self, wanted: &Wanted<'p>, found: &mut BTreeMap<&'p str, Place>) {
        let mut open: Vec<Open> = Vec::new();
        let mut note = |step: Option<usize>, name: Option<Span>, value: Span| {
            if let Some(pointer) = wanted.pointer(step) {
                found.insert(pointer, Place { name, value });
            }
        };
        while let Some(byte) = self.peek() {
            let start = self.at;
            match byte {
                b'{' | b'[' => {
                    let wanted = wanted.here(&open);
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
                            object.member = wanted.member(object.wanted, &self.text[span.clone()]);
                            object.name = Some(span);
                            self.at += 1;
                        }
                        _ => note(wanted.here(&open), name_here(&open), span),
                    }
                }
                _ => {
                    let span = self.word();
                    note(wanted.here(&open), name_here(&open), span);
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

impl Wanted<'_> {
    /// The step that the value which begins here is.
    fn here(&self, open: &[Open]) -> Option<usize> {
        match open.last() {
            None => Some(Self::ROOT),
            Some(Open { index: None, member, .. }) => *member,
            Some(Open { index: Some(index), wanted, .. }) => self.below(self.leading_on(*wanted)?, &index.to_string()),
        }
    }

    /// The step that the member is whose name stands there in the text, quoted and escaped.
    fn member(&self, object: Option<usize>, quoted: &str) -> Option<usize> {
        let object = self.leading_on(object)?;
        let plain = quoted.trim_matches('"');
        match plain.contains('\\') {
            false => self.below(object, plain),
            true => self.below(object, &serde_json::from_str::<String>(quoted).ok()?),
        }
    }
}

/// The name of the member whose value begins here.
fn name_here(open: &[Open]) -> Option<Span> {
    open.last()?.name.clone()
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

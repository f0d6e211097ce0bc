//! From bytes to a JSON value, without losing what is wrong with the text itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ocf_spec::RequirementId;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::{Finding, Kind, Span, place};

/// The largest document that is read, in bytes: 16 MiB, far beyond any config.
pub const LARGEST: usize = 16 << 20;

/// The most values that a document may hold, a hundred times as many as any engine writes. With [`LARGEST`] and the
/// parser's limit of 128 levels it bounds the time that a hostile document takes, and the memory: an object of one
/// member alone takes 650 bytes.
pub const MOST_VALUES: usize = 200_000;

/// The most bytes of JSON Pointers to names given twice that are kept: below one long name there may
/// be very many.
const MOST_POINTERS: usize = LARGEST;

/// What the text of config.json can offend against, before it is looked at as a value.
const JSON: &str = "bundle.json";
const ENCODING: &str = "bundle.encoding";
const NO_BYTE_ORDER_MARK: &str = "bundle.no-byte-order-mark";
const UNIQUE_NAMES: &str = "bundle.unique-names";

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A JSON text.
#[derive(Debug)]
pub struct Text<'t> {
    /// Without a byte order mark.
    pub(crate) text: &'t str,
    /// Where it begins in the file, in bytes.
    pub(crate) offset: usize,
    /// What it says; of a name given twice, the last value.
    pub(crate) value: Value,
    /// What is wrong with it, though it can be read.
    pub(crate) faults: Vec<Fault>,
    /// Some number was no integer of 64 bits.
    pub(crate) has_floats: bool,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it offends against in a config.json, if a requirement speaks of it.
    pub(crate) requirement: Option<&'static str>,
    pub(crate) pointer: String,
    pub(crate) span: Span,
    pub(crate) message: String,
}

impl Fault {
    fn new(requirement: Option<&'static str>, span: Span, message: String) -> Self {
        Self { requirement, pointer: String::new(), span, message }
    }
}

/// The requirements that a text of `kind` can offend against before it is looked at as a value.
pub(crate) fn enforced(kind: Kind) -> impl Iterator<Item = RequirementId> {
    let faults = [JSON, ENCODING, NO_BYTE_ORDER_MARK, UNIQUE_NAMES].into_iter();
    let ids: BTreeSet<&str> = faults.flat_map(|it| spoken_of(kind, it)).copied().collect();
    ids.into_iter().map(|id| id.parse().expect("a test proves that each exists"))
}

/// The requirements, each in its versions, that speak for a document of `kind` of what `fault` says of config.json. The
/// text asks of the others only that they are JSON.
pub(crate) fn spoken_of(kind: Kind, fault: &'static str) -> &'static [&'static str] {
    match (kind, fault) {
        (Kind::Config, JSON) => &[JSON],
        (Kind::Config, ENCODING) => &[ENCODING],
        (Kind::Config, NO_BYTE_ORDER_MARK) => &[NO_BYTE_ORDER_MARK],
        (Kind::Config, UNIQUE_NAMES) => &[UNIQUE_NAMES],
        // Bytes that are no text are no JSON text.
        (Kind::State, JSON | ENCODING) => &["state.schema", "state.pattern"],
        (Kind::Features, JSON | ENCODING) => &["features.object"],
        _ => &[],
    }
}

impl<'t> Text<'t> {
    /// Reads one JSON text. Nesting is limited (to serde_json's 128 levels), so a hostile text gives
    /// a fault and no stack overflow.
    ///
    /// # Errors
    ///
    /// Why there is nothing to look at: bytes that are no UTF-8 or no JSON, or more than [`LARGEST`]
    /// or [`MOST_VALUES`].
    pub fn read(bytes: &'t [u8]) -> Result<Self, Fault> {
        if bytes.len() > LARGEST {
            let message = format!("the document is larger than {} MiB and was not read", LARGEST >> 20);
            return Err(Fault::new(None, 0..0, message));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let end = error.error_len().map_or(bytes.len(), |length| at + length);
            Fault::new(Some(ENCODING), at..end, format!("the text is not UTF-8 from byte {at} on"))
        })?;
        let unmarked = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let offset = text.len() - unmarked.len();
        let mut faults = Vec::new();
        if offset > 0 {
            let message = "the text begins with a byte order mark".to_owned();
            faults.push(Fault::new(Some(NO_BYTE_ORDER_MARK), 0..offset, message));
        }
        let (value, seen) = parse(unmarked).map_err(|error| syntax(unmarked, offset, &error))?;
        faults.extend(repeated(unmarked, offset, &seen.duplicates));
        if seen.has_more {
            let message = "there are more names that their objects have already; they are not listed".to_owned();
            faults.push(Fault::new(Some(UNIQUE_NAMES), offset..offset, message));
        }
        Ok(Self { text: unmarked, offset, value, faults, has_floats: seen.floats })
    }
}

impl Text<'_> {
    /// What it says; of a name given twice, the last value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Gives a span, in the bytes that were read, to every finding that has none, and puts them in
    /// the order of the text.
    pub fn locate(&self, findings: &mut [Finding]) {
        let without: BTreeSet<&str> =
            findings.iter().filter(|it| it.span.is_none()).map(|it| it.pointer.as_str()).collect();
        let places = match without.is_empty() {
            true => BTreeMap::new(),
            false => place::places(self.text, without.into_iter()),
        };
        let span = |finding: &Finding| {
            let place = places.get(finding.pointer.as_str());
            let name = place.and_then(|it| it.name.clone()).filter(|_| finding.of_name);
            let span = name.or_else(|| place.map(|it| it.value.clone())).unwrap_or(0..0);
            span.start + self.offset..span.end + self.offset
        };
        let spans: Vec<Span> = findings.iter().map(|it| it.span.clone().unwrap_or_else(|| span(it))).collect();
        findings.iter_mut().zip(spans).for_each(|(finding, span)| finding.span = Some(span));
        findings.sort_by_key(|it| it.span.as_ref().map(|span| span.start));
    }
}

/// The fault of a text that is no JSON.
fn syntax(text: &str, offset: usize, error: &serde_json::Error) -> Fault {
    let at = offset + offset_of(text, error.line(), error.column());
    let said = error.to_string();
    // Line and column are the reader's to show; the parser's columns count bytes.
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    // The limits are ours: a text beyond them may well be JSON.
    let is_limit = ["recursion limit", "it holds more", "number out of range"].iter().any(|it| said.starts_with(it));
    let end = text[at - offset..].chars().next().map_or(at, |c| at + c.len_utf8());
    match is_limit {
        true => Fault::new(None, at..end, format!("the text was not read to its end: {said}")),
        false => Fault::new(Some(JSON), at..end, format!("the text is no JSON: {said}")),
    }
}

/// The byte at a line and a column of bytes, both from 1, as serde_json gives them.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    // Column 0 is the line feed that ended the line before.
    let mut at = (before + column).saturating_sub(1).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn repeated(text: &str, offset: usize, duplicates: &[String]) -> Vec<Fault> {
    if duplicates.is_empty() {
        return Vec::new();
    }
    let places = place::places(text, duplicates.iter().map(String::as_str));
    let fault = |pointer: &String| {
        let span = places.get(pointer.as_str()).and_then(|it| it.name.clone()).unwrap_or(0..0);
        let span = span.start + offset..span.end + offset;
        let message = "the object has this name already".to_owned();
        Fault { pointer: pointer.clone(), ..Fault::new(Some(UNIQUE_NAMES), span, message) }
    };
    duplicates.iter().map(fault).collect()
}

/// What a parser saw beside the value.
#[derive(Debug, Default)]
struct Seen {
    /// A JSON Pointer to each member whose name its object has already.
    duplicates: Vec<String>,
    /// How many bytes they take.
    kept: usize,
    /// There were more than are kept.
    has_more: bool,
    floats: bool,
    values: usize,
}

impl Seen {
    fn add_duplicate(&mut self, way: &Way<'_>) {
        self.has_more = self.kept > MOST_POINTERS || self.duplicates.len() >= crate::MOST_FINDINGS;
        if !self.has_more {
            let pointer = way.pointer();
            self.kept += pointer.len();
            self.duplicates.push(pointer);
        }
    }
}

fn parse(text: &str) -> Result<(Value, Seen), serde_json::Error> {
    let mut seen = Seen::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Place { way: None, seen: &mut seen }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, seen))
}

/// Appends one name or index to a JSON Pointer.
pub(crate) fn joined(pointer: &str, step: impl fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{step}")
}

/// The way to a value, from within: what it is called, and where that lies. A pointer is made of it only where one is
/// asked for.
#[derive(Clone, Copy)]
pub(crate) struct Way<'w> {
    pub(crate) above: Option<&'w Way<'w>>,
    pub(crate) step: Step<'w>,
}

#[derive(Clone, Copy)]
pub(crate) enum Step<'w> {
    Name(&'w str),
    Index(usize),
}

impl Way<'_> {
    pub(crate) fn pointer(&self) -> String {
        let above = self.above.map_or_else(String::new, Self::pointer);
        match self.step {
            Step::Name(name) => joined(&above, name),
            Step::Index(index) => joined(&above, index),
        }
    }
}

/// A value to come, and where it stands.
struct Place<'w, 's> {
    way: Option<&'w Way<'w>>,
    seen: &'s mut Seen,
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.seen.values += 1;
        if self.seen.values > MOST_VALUES {
            return Err(D::Error::custom(format_args!("it holds more than {MOST_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.seen.floats = true;
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let way = Way { above: self.way, step: Step::Index(list.len()) };
            match entries.next_element_seed(Place { way: Some(&way), seen: &mut *self.seen })? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let way = Way { above: self.way, step: Step::Name(&name) };
            let value = members.next_value_seed(Place { way: Some(&way), seen: &mut *self.seen })?;
            // One look-up each: in a config of many small objects they add up.
            match object.entry(name) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(mut place) => {
                    self.seen.add_duplicate(&Way { above: self.way, step: Step::Name(place.key()) });
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_what_serde_json_reads() {
        let text = r#" {"a": [null, true, -1, 18446744073709551615, 1.5, "é"], "b": {}} "#;
        let (value, seen) = parse(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert!(seen.duplicates.is_empty());
        assert!(seen.floats);
    }

    #[test]
    fn a_name_given_twice_is_seen_at_any_depth() {
        let (value, seen) = parse(r#"{"a": [{"b/c": 1, "b/c": 2}], "d": {}, "a": 3, "a": 4}"#).unwrap();
        assert_eq!(seen.duplicates, ["/a/0/b~1c", "/a", "/a"]);
        assert_eq!(value, serde_json::json!({"a": 4, "d": {}}));
    }

    #[test]
    fn the_same_name_in_two_objects_is_no_duplicate() {
        let (_, seen) = parse(r#"[{"a": {"a": 1}}, {"a": 2}]"#).unwrap();
        assert!(seen.duplicates.is_empty());
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        assert_eq!(parse(r#"{"a": 1, "\u0061": 2}"#).unwrap().1.duplicates, ["/a"]);
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        let error = parse(&"[".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().starts_with("recursion limit exceeded"), "{error}");
    }

    #[test]
    fn values_without_end_are_an_error() {
        let error = parse(&format!("[{}0]", "0,".repeat(MOST_VALUES))).unwrap_err();
        assert!(error.to_string().starts_with("it holds more than 200000 values"), "{error}");
    }

    #[test]
    fn a_fault_has_its_place_in_bytes() {
        let span = |bytes: &[u8]| Text::read(bytes).unwrap_err().span;
        assert_eq!(span(b"{\"a\": \"\xff\"}"), 7..8);
        assert_eq!(span(b"{\n  \"a\" 1}"), 8..9);
        assert_eq!(span(b""), 0..0);
    }

    #[test]
    fn a_byte_order_mark_is_a_fault_and_no_part_of_the_text() {
        let text = Text::read("\u{feff}{}".as_bytes()).unwrap();
        assert_eq!((text.text, text.offset, text.faults[0].span.clone()), ("{}", 3, 0..3));
    }

    #[test]
    fn what_follows_the_value_is_an_error() {
        assert!(parse("{} {}").is_err());
        assert!(parse("").is_err());
        assert!(parse("[1,]").is_err());
    }
}

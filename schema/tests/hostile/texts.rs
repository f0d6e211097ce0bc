//! Texts that are odd, cut off, or changed in one byte.

use std::fmt::Write;

use ocf_fixtures::ENGINES;
use ocf_schema::{Finding, Kind, MOST_FINDINGS, Position, Severity};
use ocf_spec::{VERSIONS, Version};
use serde_json::Value;

use crate::invariants::check;

const NEWEST: Version = VERSIONS[VERSIONS.len() - 1];
/// A right document, with a member of which the format says nothing.
const SMALL: &str = r#"{"ociVersion":"1.0.0","root":{"path":"rootfs"},"a":"a"}"#;

fn findings(bytes: &[u8]) -> Vec<Finding> {
    check(Kind::Config, bytes, NEWEST)
}

/// What is said of a text of which one thing is to be said, and where.
fn said(bytes: &[u8]) -> (String, usize, usize) {
    let [finding] = <[Finding; 1]>::try_from(findings(bytes)).unwrap_or_else(|all| panic!("{all:#?}"));
    let place = Position::of(bytes, finding.span.unwrap().start);
    (finding.message, place.line, place.column)
}

fn assert_said(bytes: &[u8], starts: &str, line: usize, column: usize) {
    let (message, l, c) = said(bytes);
    assert!(message.starts_with(starts), "{message:?} instead of {starts:?}");
    assert_eq!((l, c), (line, column), "{message:?}");
}

#[test]
fn what_is_no_text_is_said_to_be_none() {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| SMALL.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let [little, big] = [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
    assert_said(&[b"\xff\xfe", little.as_slice()].concat(), "the text is not UTF-8 from byte 0", 1, 1);
    assert_said(&[b"\xfe\xff", big.as_slice()].concat(), "the text is not UTF-8 from byte 0", 1, 1);
    // Without a mark all its bytes are ASCII, every second one NUL.
    assert_said(&little, "the text is no JSON", 1, 2);
    assert_said(&big, "the text is no JSON", 1, 1);
    assert_said(&[0xff; 1 << 20], "the text is not UTF-8 from byte 0", 1, 1);
    assert_said(b"{\"hostname\":\n\"\xed\xa0\x80\"}", "the text is not UTF-8 from byte 14", 2, 2);
    assert_said(b"{\"hostname\":\n\"\xc0\xaf\"}", "the text is not UTF-8 from byte 14", 2, 2);
    assert_said(b"{\"hostname\":\n\"\xe2\x82", "the text is not UTF-8 from byte 14", 2, 2);
}

#[test]
fn what_is_no_json_is_said_to_be_none() {
    let wrong: [(&str, usize, usize); 16] = [
        ("", 1, 1),
        (" \n ", 2, 2),
        ("\0", 1, 1),
        ("nul", 1, 4),
        ("{} {}", 1, 4),
        ("[1,]", 1, 4),
        ("{\"a\":1,}", 1, 8),
        ("{'a':1}", 1, 2),
        ("// a\n{}", 1, 1),
        ("{\"a\": NaN}", 1, 7),
        ("{\"a\": 01}", 1, 8),
        ("{\"a\": +1}", 1, 7),
        ("{\"a\": \"\\ud800\"}", 1, 14),
        ("{\"\\udc00\\ud800\": 1}", 1, 8),
        ("{\"a\": \"\u{0}\"}", 1, 8),
        ("{\n\"a\": \"\n\"}", 2, 7),
    ];
    for (text, line, column) in wrong {
        let (message, l, c) = said(text.as_bytes());
        assert!(message.starts_with("the text is no JSON: "), "{text:?}: {message:?}");
        // A parser may stop before or behind the character that it can't take.
        assert!(l == line && c.abs_diff(column) <= 1, "{text:?}: {l}:{c} instead of {line}:{column}");
    }
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("{\"linux\":", "}")] {
        let deep = open.repeat(100_000);
        assert_said(deep.as_bytes(), "the text was not read to its end: recursion limit", 1, said(deep.as_bytes()).2);
        let closed = format!("{deep}1{}", close.repeat(100_000));
        assert!(said(closed.as_bytes()).0.contains("recursion limit"));
    }
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(findings(nested.as_bytes()).iter().all(|it| it.requirement.is_some()));
}

#[test]
fn lines_are_counted_as_editors_do() {
    let places = |text: &str| {
        let found = findings(text.as_bytes());
        let wrong = found.into_iter().find(|it| it.pointer == "/hostname").unwrap();
        let place = Position::of(text.as_bytes(), wrong.span.unwrap().start);
        (place.line, place.column)
    };
    assert_eq!(places("{\n  \"hostname\": 7\n}"), (2, 15));
    assert_eq!(places("{\r\n  \"hostname\": 7\r\n}"), (2, 15));
    assert_eq!(places("{\"é🦀\":1,\"hostname\":7}"), (1, 20));
    assert_eq!(places("\u{feff}{\n\"hostname\": 7}"), (2, 13));
}

#[test]
fn a_byte_order_mark_is_no_part_of_what_is_found_behind_it() {
    let marked = format!("\u{feff}{SMALL}");
    assert_said(marked.as_bytes(), "the text begins with a byte order mark", 1, 1);
    assert_said(format!("\u{feff}{marked}").as_bytes(), "the text is no JSON", 1, 2);
    let huge = marked.replace(":\"a\"", ":18446744073709551616");
    let found = findings(huge.as_bytes());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(&huge[found[1].span.clone().unwrap()], "18446744073709551616");
    let twice = marked.replace("\"a\":", "\"root\":");
    let names: Vec<_> =
        findings(twice.as_bytes()).iter().map(|it| twice[it.span.clone().unwrap()].to_owned()).collect();
    assert!(names.contains(&"\"root\"".to_owned()), "{names:?}");
}

#[test]
fn numbers_are_taken_as_they_are_written() {
    let uid = |number: &str| {
        let text = format!(
            r#"{{"ociVersion":"1.0.0","root":{{"path":"rootfs"}},"process":{{"cwd":"/","args":["a"],"user":{{"gid":0,"uid":{number}}}}}}}"#
        );
        findings(text.as_bytes()).into_iter().map(|it| it.pointer).collect::<Vec<_>>()
    };
    let wrong = vec!["/process/user/uid".to_owned()];
    let right: Vec<String> = Vec::new();
    assert_eq!(uid("4294967295"), right);
    assert_eq!(uid("-0"), right);
    assert_eq!(uid("1e2"), right);
    assert_eq!(uid("4294967296"), wrong);
    assert_eq!(uid("-1"), wrong);
    assert_eq!(uid("1e-400"), right);
    assert_eq!(uid("0.5"), wrong);
    assert_eq!(uid("1e300"), wrong);
    assert_eq!(uid("18446744073709551616"), wrong);
    assert_eq!(uid(&"9".repeat(300)), wrong);
    // Beyond a floating-point number of 64 bits nothing is left to look at.
    for number in ["1e400".to_owned(), "-1e400".to_owned(), "9".repeat(100_000)] {
        assert_eq!(uid(&number), [""]);
    }
}

#[test]
fn names_given_twice_are_found_at_any_depth() {
    let text = "{\"a\": {\"b\": [{\"c\": 1,\n \"c\": 2}]},\n \"a\": {\"b\": [1]}, \"\\u0061\": {\"b\": {}, \"b\": 0}}";
    let found = findings(text.as_bytes());
    let twice = found.iter().filter(|it| it.message == "the object has this name already");
    let mut twice: Vec<&str> = twice.map(|it| it.pointer.as_str()).collect();
    twice.sort_unstable();
    assert_eq!(twice, ["/a", "/a", "/a/b", "/a/b/0/c"]);
}

#[test]
fn every_prefix_is_answered() {
    let (_, text) = ENGINES.iter().min_by_key(|(_, text)| text.len()).unwrap();
    let text = text.trim_end();
    for end in 0..text.len() {
        let (message, ..) = said(&text.as_bytes()[..end]);
        assert!(message.starts_with("the text is no JSON: "), "up to {end}: {message}");
    }
}

#[test]
fn every_other_byte_is_answered() {
    for at in 0..SMALL.len() {
        for byte in 0..=u8::MAX {
            let mut changed = SMALL.as_bytes().to_vec();
            changed[at] = byte;
            if findings(&changed).is_empty() {
                let value: Value = serde_json::from_slice(&changed).unwrap();
                assert_eq!(value["ociVersion"].as_str().map(str::len), Some(5), "{value}");
            }
        }
    }
}

#[test]
fn every_finding_is_listed_with_its_line() {
    let mut text =
        String::from("{ \"ociVersion\": \"1.0.0\", \"root\": { \"path\": \"rootfs\" }, \"annotations\": {\n");
    let number = 10_000;
    for at in 0..number {
        writeln!(text, "  \"com.example.{at}\": {at}{}", if at + 1 < number { "," } else { "" }).unwrap();
    }
    text.push_str("} }");
    let found = findings(text.as_bytes());
    assert_eq!(found.len(), number);
    let offsets: Vec<usize> = found.iter().map(|it| it.span.as_ref().unwrap().start).collect();
    for (at, (finding, position)) in found.iter().zip(Position::of_all(text.as_bytes(), &offsets)).enumerate() {
        assert_eq!(finding.pointer, format!("/annotations/com.example.{at}"));
        assert_eq!(position.line, at + 2);
    }
}

#[test]
fn beyond_all_bounds_it_is_said_that_there_are_more() {
    let entries = "0,".repeat(MOST_FINDINGS + 10_000);
    let text = format!(r#"{{"ociVersion":"1.0.0","root":{{"path":"rootfs"}},"mounts":[{entries}0]}}"#);
    let found = findings(text.as_bytes());
    let more: Vec<_> = found.iter().filter(|it| it.message.starts_with("there are more than")).collect();
    assert_eq!((found.len(), more.len()), (MOST_FINDINGS + 1, 1));
    assert_eq!(more[0].severity, Severity::Error);
}

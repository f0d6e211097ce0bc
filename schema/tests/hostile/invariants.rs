//! What is true of the findings of any bytes whatever, right, wrong or hostile.

use std::collections::BTreeSet;

use ocf_schema::{Finding, Kind, MOST_FINDINGS, Position, Severity, Text, Validator, embedded};
use ocf_spec::Version;
use serde_json::Value;

/// The longest sentence, in bytes: the longest list of allowed values with one long value.
const LONGEST_MESSAGE: usize = 4096;

/// Validates, and panics where the findings are not what findings have to be.
pub fn check(kind: Kind, bytes: &[u8], version: Version) -> Vec<Finding> {
    let findings = embedded(kind, version).validate_bytes(bytes);
    assert!(findings.len() <= 3 * MOST_FINDINGS, "{} findings", findings.len());
    findings.iter().for_each(check_words);
    check_order(bytes, &findings);
    check_positions(bytes, &findings);
    if let Ok(text) = Text::read(bytes) {
        findings.iter().for_each(|it| check_place(&text, bytes, it));
    } else {
        assert_eq!(findings.len(), 1, "of a text that can't be read there is one finding: {findings:?}");
    }
    findings
}

/// A sentence for a terminal: neither empty, nor without end, nor anything that a terminal obeys.
fn check_words(finding: &Finding) {
    for words in [Some(&finding.message), finding.hint.as_ref()].into_iter().flatten() {
        assert!(!words.is_empty() && words.len() <= LONGEST_MESSAGE, "{} bytes: {words:.200}", words.len());
        assert!(!words.contains(char::is_control), "{words:?}");
    }
}

fn check_order(bytes: &[u8], findings: &[Finding]) {
    let mut last = 0;
    for finding in findings {
        let span = finding.span.clone().unwrap_or_else(|| panic!("without a span: {finding:?}"));
        assert!(span.start <= span.end && span.end <= bytes.len(), "outside of {} bytes: {finding:?}", bytes.len());
        assert!(last <= span.start, "not in the order of the text: {finding:?}");
        last = span.start;
        if let Ok(text) = std::str::from_utf8(bytes) {
            assert!(text.get(span).is_some(), "within a character: {finding:?}");
        }
    }
}

/// Lines and columns, counted the slow way: only the first and last, for time's sake.
fn check_positions(bytes: &[u8], findings: &[Finding]) {
    let offsets: Vec<usize> = findings.iter().filter_map(|it| Some(it.span.as_ref()?.start)).collect();
    let positions = Position::of_all(bytes, &offsets);
    for at in [0, offsets.len().saturating_sub(1)].into_iter().filter(|at| *at < offsets.len()) {
        let counted = counted(&bytes[..offsets[at]]);
        assert_eq!((positions[at].line, positions[at].column), counted);
        assert_eq!(positions[at], Position::of(bytes, offsets[at]));
    }
}

fn counted(before: &[u8]) -> (usize, usize) {
    let lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
    let last = lines.last().copied().unwrap_or_default();
    let column = match std::str::from_utf8(last) {
        Ok(text) => text.chars().count(),
        Err(_) => last.utf8_chunks().map(|it| it.valid().chars().count() + it.invalid().len()).sum(),
    };
    (lines.len(), column + 1)
}

/// The pointer leads to a value, or its parent does, and the span is that value's.
fn check_place(text: &Text<'_>, bytes: &[u8], finding: &Finding) {
    let span = finding.span.clone().unwrap_or_default();
    if is_about_text(finding) {
        return;
    }
    let value = text.value().pointer(&finding.pointer);
    let (parent, name) = finding.pointer.rsplit_once('/').unwrap_or_default();
    let has_parent = text.value().pointer(parent).is_some();
    assert!(value.is_some() || has_parent, "its pointer leads nowhere: {finding:?}");
    let name = Value::from(name.replace("~1", "/").replace("~0", "~"));
    let Some(expected) = (if finding.of_name { Some(&name) } else { value }) else { return };
    let written: Value = serde_json::from_slice(&bytes[span.clone()])
        .unwrap_or_else(|error| panic!("{error} in {:?}: {finding:?}", String::from_utf8_lossy(&bytes[span.clone()])));
    assert_eq!(&written, expected, "the span of something else: {finding:?}");
}

/// Findings about how the text is written, whose pointer may lead to what a later name replaced.
fn is_about_text(finding: &Finding) -> bool {
    let about = ["the text begins", "64 bits do not hold", "the object has this name", "there are more than"];
    about.iter().any(|it| finding.message.starts_with(it))
}

/// What was found and where, whatever the text looks like.
pub fn found(validator: &Validator<'_>, bytes: &[u8]) -> BTreeSet<(String, String, Severity)> {
    let findings = validator.validate_bytes(bytes).into_iter();
    findings.map(|it| (it.requirement.map_or_else(String::new, |id| id.to_string()), it.pointer, it.severity)).collect()
}

/// The same value as text: in one line, in many, and with the members of every object in reverse.
pub fn writings(value: &Value) -> [Vec<u8>; 3] {
    let mut reversed = String::new();
    write_reversed(value, &mut reversed);
    let written = [serde_json::to_vec(value), serde_json::to_vec_pretty(value)];
    let [line, lines] = written.map(|it| it.expect("a JSON value can be written"));
    [line, lines, reversed.into_bytes()]
}

fn write_reversed(value: &Value, to: &mut String) {
    match value {
        Value::Object(members) => {
            to.push('{');
            for (at, (name, member)) in members.iter().rev().enumerate() {
                to.push_str(if at > 0 { " ,\r\n" } else { "" });
                to.push_str(&Value::from(name.as_str()).to_string());
                to.push_str("\t: ");
                write_reversed(member, to);
            }
            to.push('}');
        }
        Value::Array(entries) => {
            to.push('[');
            for (at, entry) in entries.iter().enumerate() {
                to.push_str(if at > 0 { "," } else { "" });
                write_reversed(entry, to);
            }
            to.push(']');
        }
        other => to.push_str(&other.to_string()),
    }
}

//! What was expected and what was seen, in a line each, for a reader.

use serde_json::Value;

use crate::evidence::{COMPLETE, Evidence, Fact};
use crate::expectation::{Expectation, Matcher};

use super::refusal;
use super::visible::{shorten, visible};

/// Characters that are kept of a fact.
const LIMIT: usize = 200;

/// The fact's place and what had to hold of it.
pub(super) fn expected(expectation: &Expectation) -> String {
    let text = match &expectation.matcher {
        Matcher::Refused(_) => expectation.matcher.to_string(),
        matcher => format!("{}: {matcher}", expectation.fact),
    };
    shorten(&visible(&text), 2 * LIMIT)
}

/// What was there instead, or as expected.
pub(super) fn seen(evidence: &Evidence, expectation: &Expectation) -> String {
    let state = |pointer: &str| fact(evidence.fact(pointer));
    let text = match &expectation.matcher {
        Matcher::Refused(refusal) => refusal::seen(evidence, refusal),
        Matcher::SameAs(other) | Matcher::DiffersFrom(other) | Matcher::NotAbove(other) => {
            format!("{}; the other: {}", state(&expectation.fact), state(other))
        }
        Matcher::Before(other) => {
            format!("at {}; the other at {}", state(&expectation.fact), state(other))
        }
        _ => state(&expectation.fact),
    };
    shorten(&visible(&text), LIMIT)
}

/// A value in one line, free of control characters and cut.
pub(super) fn value(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    shorten(&visible(&text), LIMIT)
}

fn fact(fact: Fact<'_>) -> String {
    match fact {
        // Half of the room, so that a second fact beside it is seen, too.
        Fact::Present(it) => shorten(&value(it), LIMIT - 40),
        Fact::Absent => "absent".to_owned(),
        Fact::NotAsked => "not asked".to_owned(),
        Fact::Unreadable(why) => format!("unreadable: {}", shorten(why, LIMIT / 2)),
    }
}

/// Compact JSON without the marks of completeness, given up once it is longer than anybody is shown.
fn write(value: &Value, text: &mut String) {
    if text.len() > 4 * LIMIT {
        return;
    }
    match value {
        Value::Array(elements) => {
            text.push('[');
            for (number, element) in elements.iter().enumerate() {
                separate(number, text);
                write(element, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (number, (name, value)) in fields.iter().filter(|(name, _)| *name != COMPLETE).enumerate() {
                separate(number, text);
                text.push_str(&quoted(name));
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::String(it) => text.push_str(&quoted(it)),
        other => text.push_str(&other.to_string()),
    }
}

fn separate(number: usize, text: &mut String) {
    if number > 0 {
        text.push(',');
    }
}

fn quoted(text: &str) -> String {
    Value::from(shorten(text, LIMIT + 1)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{case, evidence, expectation};
    use super::*;

    fn seen_of(fact: Value) -> String {
        let evidence = evidence("a/b", case(), json!({"before": {"fact": fact}}));
        seen(&evidence, &expectation("create", "/before/fact", json!({"equals": 1})))
    }

    #[test]
    fn a_fact_is_shown_without_what_a_terminal_obeys() {
        assert_eq!(seen_of(json!({"$complete": true, "a": ["\x1b[2J", 1]})), r#"{"a":["\u001b[2J",1]}"#);
        assert_eq!(seen_of(json!("\u{9b}\u{202e}")), "\"\\u{9b}\\u{202e}\"");
    }

    #[test]
    fn a_long_fact_is_cut() {
        for long in [json!("x".repeat(9000)), json!(vec!["y"; 5000]), json!({"$unreadable": "z".repeat(900)})] {
            let seen = seen_of(long);
            assert!(seen.chars().count() <= LIMIT && seen.ends_with('…'), "{seen}");
        }
    }

    #[test]
    fn both_sides_of_a_relation_are_shown() {
        let evidence = evidence("a/b", case(), json!({"before": {"fact": 1, "other": 2}}));
        let relation = expectation("create", "/before/fact", json!({"same-as": "/before/other"}));
        assert_eq!(seen(&evidence, &relation), "1; the other: 2");
        assert_eq!(expected(&relation), "/before/fact: the same as /before/other");
    }
}

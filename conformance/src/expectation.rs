//! What is expected of a fact, and how a fact is matched.

use std::fmt;

use ocf_spec::RequirementId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One expectation: a requirement, the step that must have been reached, a fact, and a matcher.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Expectation {
    /// The requirement that it decides.
    pub requirement: RequirementId,
    /// The step that must have been reached.
    pub after: String,
    /// The fact, as a JSON Pointer (RFC 6901) into the evidence.
    pub fact: String,
    /// What must hold of it.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// From where the fact is seen.
    pub vantage: Vantage,
}

/// An expectation as a fixture writes it: the vantage follows from the fact unless it is given.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Stated {
    /// The requirement that it decides.
    pub requirement: RequirementId,
    /// The step that must have been reached.
    pub after: String,
    /// The fact.
    pub fact: String,
    /// What must hold of it.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// From where the fact is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<Vantage>,
}

impl From<Stated> for Expectation {
    fn from(stated: Stated) -> Self {
        let vantage = stated.vantage.unwrap_or_else(|| Vantage::of(&stated.fact));
        Self {
            requirement: stated.requirement,
            after: stated.after,
            fact: stated.fact,
            matcher: stated.matcher,
            vantage,
        }
    }
}

/// The closed set of matchers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matcher {
    /// The fact is this value.
    Equals(Value),
    /// The fact is one of these values.
    OneOf(Vec<Value>),
    /// The fact, a list, an object or a text, has this element, name or part.
    Contains(Value),
    /// The fact, a complete list or object, or a text, has no such element, name or part.
    Lacks(Value),
    /// The fact is there.
    Present(Unit),
    /// The fact is not there, in a listing which is complete.
    Absent(Unit),
    /// The fact is a number, and not above this one.
    AtMost(#[serde(deserialize_with = "whole")] i128),
    /// The fact is a number, and not below this one.
    AtLeast(#[serde(deserialize_with = "whole")] i128),
    /// The fact is the same as another, by its pointer.
    SameAs(String),
    /// The fact is known, and not the same as another, by its pointer.
    DiffersFrom(String),
    /// The fact is a number, and not above another, by its pointer.
    NotAbove(String),
    /// The fact, a label of the journal, came first before the other, by its pointer, came first.
    Before(String),
    /// The operation failed and the user's program never ran; at the given step, or at create or start.
    Refused(Refusal),
}

/// Reads a whole number of JSON. A flattened member passes through serde's buffer, which holds no `i128`.
fn whole<'de, D: serde::Deserializer<'de>>(source: D) -> Result<i128, D::Error> {
    let number = serde_json::Number::deserialize(source)?;
    number.as_i128().ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number")))
}

/// `true`: what a matcher without an argument is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "bool", into = "bool")]
pub struct Unit;

impl TryFrom<bool> for Unit {
    type Error = &'static str;
    fn try_from(yes: bool) -> Result<Self, Self::Error> {
        if yes { Ok(Self) } else { Err("only true can be said here; the opposite has a matcher of its own") }
    }
}

impl From<Unit> for bool {
    fn from(_: Unit) -> Self {
        true
    }
}

/// Where a refusal must happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The step which must fail; any create, start or run of the case when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// From where a fact is seen; an adapter says which of these its runtime allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vantage {
    /// By the witness in the container.
    Inside,
    /// By the caller: arguments, exit status, output, journal.
    Caller,
    /// By the host, through the container process's pid.
    Pid,
    /// By the host, in the container's cgroups.
    Cgroup,
    /// By hooks that run on the host.
    Hooks,
}

impl Vantage {
    /// The vantage that a fact's place implies.
    pub fn of(fact: &str) -> Self {
        let mut tokens = fact.split('/').skip(1);
        match (tokens.next(), tokens.nth(1)) {
            (Some("inside"), _) => Self::Inside,
            (Some("hooks"), _) => Self::Hooks,
            (Some("journal"), _) if fact.starts_with("/journal/hook:") => Self::Hooks,
            (Some("host"), Some("process")) => Self::Pid,
            (Some("host"), Some("cgroup")) => Self::Cgroup,
            _ => Self::Caller,
        }
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inside => "inside",
            Self::Caller => "caller",
            Self::Pid => "pid",
            Self::Cgroup => "cgroup",
            Self::Hooks => "hooks",
        })
    }
}

/// Escapes one name for a JSON Pointer.
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Matcher {
    /// `present` without ceremony.
    pub const PRESENT: Self = Self::Present(Unit);
    /// `absent` without ceremony.
    pub const ABSENT: Self = Self::Absent(Unit);
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "{value}"),
            Self::OneOf(values) => write!(f, "one of {}", Value::Array(values.clone())),
            Self::Contains(value) => write!(f, "has {value}"),
            Self::Lacks(value) => write!(f, "lacks {value}"),
            Self::Present(_) => f.write_str("present"),
            Self::Absent(_) => f.write_str("absent"),
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
            Self::SameAs(other) => write!(f, "the same as {other}"),
            Self::DiffersFrom(other) => write!(f, "not the same as {other}"),
            Self::NotAbove(other) => write!(f, "not above {other}"),
            Self::Before(other) => write!(f, "before {other}"),
            Self::Refused(Refusal { at: Some(step) }) => write!(f, "{step} fails and the program never runs"),
            Self::Refused(Refusal { at: None }) => f.write_str("create or start fails and the program never runs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_back_as_it_is_written() {
        for text in [r#""at-most":5"#, r#""at-least":-1"#, r#""at-most":18446744073709551615"#] {
            let text = format!(r#"{{"requirement":"a.b","after":"create","fact":"/x",{text},"vantage":"caller"}}"#);
            let expectation: Expectation = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&expectation).unwrap(), text);
        }
    }
}

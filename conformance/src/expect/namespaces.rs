//! The namespaces, the id mappings of a user namespace and the clock offsets of a time namespace.

use serde_json::{Value, json};

use super::{Subject, inside};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::namespaces::{Mapping, Namespaces, TYPES, Way, view};

/// A new namespace is not the runtime's, and what is not listed is the runtime's. Which namespace a path leads to
/// is for a case to say, since only it knows what it has put there.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let namespaces = match view(subject.config) {
        Ok(Some(namespaces)) => namespaces,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(start) = subject.started() else { return Vec::new() };
    let mut laws: Vec<_> = TYPES.iter().filter_map(|(kind, name)| way(&namespaces, kind, name, &start)).collect();
    laws.extend(mappings(&namespaces, &start));
    laws.extend(offsets(&namespaces, &start));
    laws
}

fn way(namespaces: &Namespaces<'_>, kind: &str, name: &str, start: &str) -> Option<Expectation> {
    let callers = format!("/before/namespaces/{name}");
    let (requirement, matcher) = match namespaces.way(kind) {
        Way::New => (format!("namespaces.{kind}-new"), Matcher::DiffersFrom(callers)),
        Way::Inherited => (format!("namespaces.{kind}-inherited"), Matcher::SameAs(callers)),
        Way::Path(_) => return None,
    };
    Some(super::expect(&requirement, start, inside(start, &format!("namespaces/{name}")), matcher))
}

fn mappings(namespaces: &Namespaces<'_>, start: &str) -> Vec<Expectation> {
    if namespaces.way("user") != Way::New {
        return Vec::new();
    }
    let maps = [
        ("namespaces.uid-mappings-applied", "uid-map", &namespaces.uid_mappings),
        ("namespaces.gid-mappings-applied", "gid-map", &namespaces.gid_mappings),
    ];
    let law = |(requirement, file, mappings): (&str, &str, &Vec<Mapping>)| {
        Some(super::expect(requirement, start, format!("/host/{}/process/{file}", token(start)), map_text(mappings)?))
    };
    maps.into_iter().filter_map(law).collect()
}

/// The text of a map, without the space around it. The order of its lines is the runtime's choice, so each is
/// allowed; of more than three lines there would be too many.
fn map_text(mappings: &[Mapping]) -> Option<Matcher> {
    let line = |m: &Mapping| format!("{:10} {:10} {:10}", m.container_id, m.host_id, m.size);
    let lines: Vec<_> = mappings.iter().map(line).collect();
    let text = |order: &[usize]| json!(order.iter().map(|n| lines[*n].as_str()).collect::<Vec<_>>().join("\n").trim());
    let orders: &[&[usize]] = match lines.len() {
        1 => &[&[0]],
        2 => &[&[0, 1], &[1, 0]],
        3 => &[&[0, 1, 2], &[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]],
        _ => return None,
    };
    let texts: Vec<Value> = orders.iter().map(|order| text(order)).collect();
    Some(Matcher::OneOf(texts))
}

/// The offsets are counted from the initial time namespace, in which the suite runs.
fn offsets(namespaces: &Namespaces<'_>, start: &str) -> Vec<Expectation> {
    if namespaces.way("time") != Way::New {
        return Vec::new();
    }
    let law = |(clock, seconds, nanoseconds): &(&str, i64, u64)| {
        let requirement = match *clock {
            "monotonic" => "namespaces.time-offset-monotonic",
            "boottime" => "namespaces.time-offset-boottime",
            _ => return None,
        };
        let line = format!("{clock:<10} {seconds:>10} {nanoseconds:>9}");
        let fact = format!("/host/{}/process/timens-offsets", token(start));
        Some(super::expect(requirement, start, fact, Matcher::Contains(json!(line))))
    };
    namespaces.time_offsets.iter().filter_map(law).collect()
}

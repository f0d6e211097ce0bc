//! Time grows with a document as the document does, whichever of its lists it is that is long.

use std::fs;

use ocf_schema::{Kind, rules, validate};
use ocf_spec::VERSIONS;
use serde_json::{Map, Value};

/// One document may take so many times as long as ten of a tenth of its length: linear is 1, quadratic 10.
const MOST: u64 = 4;
/// What the clock may be wrong by, in nanoseconds: some kernels bring it up to date every 10 ms only.
const NOISE: u64 = 40_000_000;

/// A right document in which every list and every map of the format has an entry.
fn right() -> Value {
    serde_json::from_str(include_str!("../right/config.json")).unwrap()
}

/// A pointer to each list, and to each object of which somebody else chooses the names.
fn long_ones(here: &str, value: &Value, found: &mut Vec<String>) {
    let mut below = |step: &str, value: &Value| {
        long_ones(&format!("{here}/{}", step.replace('~', "~0").replace('/', "~1")), value, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| below(name, member)),
        Value::Array(entries) => entries.iter().take(1).for_each(|it| below("0", it)),
        _ => {}
    }
    let is_map = ["annotations", "sysctl", "unified", "rdma", "netDevices"].iter().any(|it| here.ends_with(it));
    if (value.is_array() || is_map) && !here.is_empty() {
        found.push(here.to_owned());
    }
}

/// The document with so many entries at a place: all alike, or each with numbers and texts of its own.
fn lengthened(pointer: &str, number: usize, alike: bool) -> Value {
    let mut document = right();
    let entry = |first: &Value, at: usize| if alike { first.clone() } else { distinct(first, at) };
    match document.pointer_mut(pointer).unwrap() {
        Value::Array(entries) => {
            let first = entries.first().cloned().unwrap_or_default();
            *entries = (0..number).map(|at| entry(&first, at)).collect();
        }
        Value::Object(members) => {
            let first = members.values().next().cloned().unwrap_or_default();
            *members = (0..number).map(|at| (format!("com.example.{at}"), entry(&first, at))).collect();
        }
        other => panic!("{pointer} is {other}"),
    }
    document
}

fn distinct(value: &Value, at: usize) -> Value {
    match value {
        Value::String(text) => Value::from(format!("{text}{at}")),
        Value::Number(number) => Value::from(number.as_u64().unwrap_or_default().wrapping_add(at as u64)),
        Value::Array(entries) => entries.iter().map(|it| distinct(it, at)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, it)| (name.clone(), distinct(it, at))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Nanoseconds of processor time that a call takes: other processes don't count.
fn taken(call: impl FnOnce()) -> u64 {
    let spent = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = spent();
    call();
    spent() - before
}

fn assert_linear(what: &str, number: usize, mut call: impl FnMut(usize)) {
    let ten = taken(|| (0..10).for_each(|_| call(number)));
    let one = taken(|| call(10 * number));
    let took = format!("ten times {number} entries took {ten} ns, {} at once {one} ns", 10 * number);
    assert!(one < ten * MOST + NOISE, "{what}: {took}");
}

#[test]
fn no_rule_takes_more_than_linear_time() {
    let mut pointers = Vec::new();
    long_ones("", &right(), &mut pointers);
    assert!(pointers.len() > 30, "{pointers:?}");
    for (pointer, alike) in pointers.iter().flat_map(|it| [(it, true), (it, false)]) {
        let [small, large] = [2_000, 20_000].map(|number| lengthened(pointer, number, alike));
        assert_linear(&format!("the rules on {pointer}, alike: {alike}"), 2_000, |number| {
            let document = if number > 2_000 { &large } else { &small };
            let offences = rules::of(Kind::Config).map(|rule| (rule.offences)(document).len());
            assert!(offences.sum::<usize>() <= 100 * number);
        });
    }
}

#[test]
fn no_constraint_takes_more_than_linear_time() {
    let mut pointers = Vec::new();
    long_ones("", &right(), &mut pointers);
    for pointer in &pointers {
        let [small, large] = [400, 4_000].map(|number| lengthened(pointer, number, false));
        assert_linear(&format!("the schema on {pointer}"), 400, |number| {
            let document = if number > 400 { &large } else { &small };
            drop(validate(Kind::Config, document, VERSIONS[VERSIONS.len() - 1]));
        });
    }
}

#[test]
fn no_text_takes_more_than_linear_time() {
    let mut pointers = Vec::new();
    strings("", &right(), &mut pointers);
    assert!(pointers.len() > 60, "{pointers:?}");
    for (pointer, unit) in pointers.iter().flat_map(|it| ["0", "a-", "1,."].map(|unit| (it, unit))) {
        assert_linear(&format!("{unit:?} at {pointer}"), 20_000, |number| {
            let mut document = right();
            *document.pointer_mut(pointer).unwrap() = Value::from(unit.repeat(number));
            drop(validate(Kind::Config, &document, VERSIONS[VERSIONS.len() - 1]));
        });
    }
}

fn strings(here: &str, value: &Value, found: &mut Vec<String>) {
    let mut below = |step: &str, value: &Value| {
        strings(&format!("{here}/{}", step.replace('~', "~0").replace('/', "~1")), value, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| below(name, member)),
        Value::Array(entries) => entries.iter().take(1).for_each(|it| below("0", it)),
        Value::String(_) => found.push(here.to_owned()),
        _ => {}
    }
}

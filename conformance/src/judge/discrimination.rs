//! Whether a pass could have been something else in this run.

use std::collections::BTreeMap;

use crate::evidence::Evidence;
use crate::expectation::{Expectation, Matcher};

use super::matching;
use super::reach::{self, Known};

/// All evidence of a run that may show a second value, and what it was found to show.
///
/// For a matcher of one value, what must vary is the fact's state: its value, or its absence; where only its presence is
/// asked for, that alone. For a relation of several facts it is whether the relation holds.
pub(super) struct SecondValues<'a> {
    evidence: Vec<&'a Evidence>,
    values: BTreeMap<String, bool>,
    presences: BTreeMap<String, bool>,
    relations: BTreeMap<String, bool>,
}

impl<'a> SecondValues<'a> {
    pub fn new(evidence: Vec<&'a Evidence>) -> Self {
        Self { evidence, values: BTreeMap::new(), presences: BTreeMap::new(), relations: BTreeMap::new() }
    }

    /// Whether what a pass of this expectation rests on took a second value anywhere.
    ///
    /// Each pointer and each relation is looked for once in a run.
    pub fn exist_for(&mut self, passed: &Expectation) -> bool {
        if matching::is_relation(&passed.matcher) {
            let key = format!("{} {}", passed.fact, passed.matcher);
            return *self.relations.entry(key).or_insert_with(|| is_ever_broken(&self.evidence, passed));
        }
        let (found, differ): (_, Differ) = match passed.matcher {
            Matcher::Present(_) | Matcher::Absent(_) => (&mut self.presences, is_other_presence),
            _ => (&mut self.values, is_other_value),
        };
        if let Some(&varies) = found.get(&passed.fact) {
            return varies;
        }
        let varies = varies(&self.evidence, &passed.fact, differ);
        found.insert(passed.fact.clone(), varies);
        varies
    }
}

fn is_ever_broken(evidence: &[&Evidence], relation: &Expectation) -> bool {
    evidence.iter().any(|it| matching::relation_holds(it, relation) == Ok(false))
}

/// Whether two states of a fact are not the same, as far as it matters.
type Differ = fn(Known<'_>, Known<'_>) -> bool;

fn varies(evidence: &[&Evidence], pointer: &str, differ: Differ) -> bool {
    let asked = evidence.iter().filter(|it| step_of(pointer).is_none_or(|step| it.attempted(step)));
    let mut states = asked.filter_map(|it| reach::known(it, pointer).ok());
    let Some(first) = states.next() else {
        return false;
    };
    states.any(|state| differ(first, state))
}

/// The step of which a fact speaks. That a case does not have the step, and so no fact of it, is no second value.
fn step_of(pointer: &str) -> Option<&str> {
    pointer.strip_prefix("/steps/")?.split('/').next()
}

fn is_other_value(one: Known<'_>, other: Known<'_>) -> bool {
    match (one, other) {
        (Known::Present(one), Known::Present(other)) => !matching::same(one, other),
        (one, other) => one != other,
    }
}

fn is_other_presence(one: Known<'_>, other: Known<'_>) -> bool {
    matches!(one, Known::Present(_)) != matches!(other, Known::Present(_))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{case, evidence, expectation};
    use super::*;

    fn discriminates(runs: &[Value], matcher: Value) -> bool {
        let runs: Vec<_> = runs.iter().map(|facts| evidence("a/b", case(), json!({ "before": facts }))).collect();
        let expected = expectation("create", "/before/fact", matcher);
        SecondValues::new(runs.iter().collect()).exist_for(&expected)
    }

    #[test]
    fn a_value_varies_by_another_value_or_by_its_absence() {
        let equals = json!({"equals": 1});
        assert!(!discriminates(&[json!({"fact": 1}), json!({"fact": 1})], equals.clone()));
        assert!(discriminates(&[json!({"fact": 1}), json!({"fact": 2})], equals.clone()));
        assert!(discriminates(&[json!({"fact": 1}), json!({"$complete": true})], equals.clone()));
        assert!(!discriminates(&[json!({"fact": 1}), json!({})], equals.clone()));
        assert!(!discriminates(&[json!({"fact": 1}), json!({"fact": {"$unreadable": "EIO"}})], equals));
    }

    #[test]
    fn where_presence_is_asked_for_another_value_is_none() {
        for matcher in [json!({"present": true}), json!({"absent": true})] {
            assert!(!discriminates(&[json!({"fact": [4]}), json!({"fact": [5]})], matcher.clone()));
            assert!(discriminates(&[json!({"fact": [4]}), json!({"$complete": true})], matcher));
        }
    }

    #[test]
    fn a_step_that_a_case_does_not_have_is_no_second_value() {
        let run = |steps: Value| evidence("a/b", case(), json!({ "steps": steps }));
        let expected = expectation("kill", "/steps/kill/failed", json!({"equals": false}));
        let varies = |other: Value| {
            let runs = [run(json!({"$complete": true, "kill": {"$complete": true, "failed": false}})), run(other)];
            SecondValues::new(runs.iter().collect()).exist_for(&expected)
        };
        assert!(!varies(json!({"$complete": true})));
        assert!(!varies(json!({"$complete": true, "kill": {"skipped": "main was not created"}})));
        assert!(varies(json!({"$complete": true, "kill": {"$complete": true, "failed": true}})));
    }

    #[test]
    fn a_relation_varies_by_its_truth_and_not_by_its_parts() {
        let same_as = json!({"same-as": "/before/other"});
        let both = |fact: u8, other: u8| json!({"fact": fact, "other": other});
        assert!(!discriminates(&[both(1, 1), both(2, 2)], same_as.clone()));
        assert!(discriminates(&[both(1, 1), both(2, 1)], same_as));
    }

    #[test]
    fn relations_of_one_fact_are_told_apart() {
        let run = evidence("a/b", case(), json!({"before": {"fact": 1, "same": 1, "other": 2}}));
        let mut values = SecondValues::new(vec![&run]);
        assert!(!values.exist_for(&expectation("create", "/before/fact", json!({"same-as": "/before/same"}))));
        assert!(values.exist_for(&expectation("create", "/before/fact", json!({"same-as": "/before/other"}))));
    }
}

//! Whether a matcher holds of a fact.
//!
//! What isn't there never satisfies a matcher but `absent`: a listing that lacks the whole fact breaks what was
//! expected of it, except that `lacks` can then neither be shown nor broken.

use serde_json::{Number, Value};

use super::reach::{self, Known, Unknown};
use super::refusal;
use super::{Reason, seen};
use crate::evidence::{COMPLETE, Evidence, UNREADABLE, is_complete};
use crate::expectation::{Expectation, Matcher, token};

/// Whether the expectation holds in this evidence; an error if nothing can be said.
pub(super) fn holds(evidence: &Evidence, expectation: &Expectation) -> Result<bool, Unknown> {
    reach::reached(evidence, &expectation.after)?;
    if is_relation(&expectation.matcher) {
        return relation_holds(evidence, expectation);
    }
    let fact = reach::known_after(evidence, &expectation.after, &expectation.fact)?;
    value_matches(&expectation.matcher, fact, &expectation.fact)
}

/// Whether what is expected of a MAY was seen at all.
pub(super) fn observe(evidence: &Evidence, expectation: &Expectation) -> Result<(), Unknown> {
    reach::reached(evidence, &expectation.after)?;
    match &expectation.matcher {
        Matcher::Refused(refusal) => refusal::refused(evidence, refusal).map(|_| ()),
        _ => reach::known_after(evidence, &expectation.after, &expectation.fact).map(|_| ()),
    }
}

/// Whether the matcher relates several facts, and doesn't look at the value of one.
pub(super) fn is_relation(matcher: &Matcher) -> bool {
    matches!(
        matcher,
        Matcher::SameAs(_) | Matcher::DiffersFrom(_) | Matcher::NotAbove(_) | Matcher::Before(_) | Matcher::Refused(_)
    )
}

/// Whether a relation holds, reached or not; false for a matcher which is none.
pub(super) fn relation_holds(evidence: &Evidence, expectation: &Expectation) -> Result<bool, Unknown> {
    let Expectation { after, fact, matcher, .. } = expectation;
    match matcher {
        Matcher::SameAs(other) => Ok(compare(evidence, after, fact, other)? == Some(true)),
        Matcher::DiffersFrom(other) => Ok(compare(evidence, after, fact, other)? == Some(false)),
        Matcher::NotAbove(other) => not_above(evidence, after, fact, other),
        Matcher::Before(other) => before(evidence, after, fact, other),
        Matcher::Refused(refusal) => refusal::refused(evidence, refusal),
        _ => Ok(false),
    }
}

/// Whether two facts are the same; none if the first is known not to be there.
fn compare(evidence: &Evidence, after: &str, fact: &str, other: &str) -> Result<Option<bool>, Unknown> {
    let fact = reach::known_after(evidence, after, fact)?;
    let Known::Present(there) = comparison(evidence, other)? else {
        let why = "which is not there".to_owned();
        return Err(Unknown::undecidable(Reason::NoComparison(other.to_owned(), why)));
    };
    let Known::Present(here) = fact else {
        return Ok(None);
    };
    let agree = same(here, there);
    match unreadable_within(here).or_else(|| unreadable_within(there)) {
        Some(why) if !agree => Err(Unknown::undecidable(Reason::Unreadable(why.to_owned()))),
        _ => Ok(Some(agree)),
    }
}

/// Whether one number is not above another; what is no number is not, and nothing is compared with what is none.
fn not_above(evidence: &Evidence, after: &str, fact: &str, other: &str) -> Result<bool, Unknown> {
    let fact = reach::known_after(evidence, after, fact)?;
    let Known::Present(bound) = comparison(evidence, other)? else {
        let why = "which is not there".to_owned();
        return Err(Unknown::undecidable(Reason::NoComparison(other.to_owned(), why)));
    };
    let bound = bound.as_number().and_then(Number::as_i128).ok_or_else(|| shapeless(bound))?;
    let Known::Present(value) = fact else { return Ok(false) };
    Ok(value.as_number().is_some_and(|number| ordering(number, bound).is_le()))
}

/// The fact to compare with. A moment that was not reached blocks; whatever else is missing makes it undecidable.
fn comparison<'a>(evidence: &'a Evidence, pointer: &str) -> Result<Known<'a>, Unknown> {
    reach::known(evidence, pointer).map_err(|unknown| match unknown.reason {
        Reason::Silent(..) => unknown,
        why => Unknown::undecidable(Reason::NoComparison(pointer.to_owned(), format!("which is {why}"))),
    })
}

/// Whether one label of the journal first came before another first came.
///
/// The first event must have come: a complete journal without it breaks the expectation. Without the second there is
/// no order to judge: a program that never ran proves nothing of what had to precede it, so that is blocked.
fn before(evidence: &Evidence, after: &str, first: &str, second: &str) -> Result<bool, Unknown> {
    let first = reach::known_after(evidence, after, first)?;
    let Known::Present(later) = comparison(evidence, second)? else {
        return Err(Unknown::blocked(Reason::NeverCame(second.to_owned())));
    };
    let Known::Present(earlier) = first else {
        return Ok(false);
    };
    Ok(first_index(earlier)? < first_index(later)?)
}

fn first_index(indices: &Value) -> Result<u64, Unknown> {
    let least = indices.as_array().and_then(|all| all.iter().filter_map(Value::as_u64).min());
    least.ok_or_else(|| shapeless(indices))
}

fn value_matches(matcher: &Matcher, fact: Known<'_>, pointer: &str) -> Result<bool, Unknown> {
    let value = match (fact, matcher) {
        (Known::Absent, Matcher::Lacks(_)) => {
            return Err(Unknown::undecidable(Reason::Shapeless("absent".to_owned())));
        }
        (Known::Absent, matcher) => return Ok(matches!(matcher, Matcher::Absent(_))),
        (Known::Present(value), _) => value,
    };
    match matcher {
        Matcher::Equals(wanted) => certain(same(value, wanted), value),
        Matcher::OneOf(wanted) => certain(wanted.iter().any(|it| same(value, it)), value),
        Matcher::Contains(part) => certain(has(value, part, pointer)?.unwrap_or(false), value),
        Matcher::Lacks(part) => lacks(value, part, pointer),
        Matcher::Present(_) => Ok(true),
        Matcher::AtMost(limit) => Ok(value.as_number().is_some_and(|it| ordering(it, *limit).is_le())),
        Matcher::AtLeast(limit) => Ok(value.as_number().is_some_and(|it| ordering(it, *limit).is_ge())),
        // Relations are judged before, and what is there is not absent.
        Matcher::Absent(_)
        | Matcher::SameAs(_)
        | Matcher::DiffersFrom(_)
        | Matcher::NotAbove(_)
        | Matcher::Before(_)
        | Matcher::Refused(_) => Ok(false),
    }
}

/// A mismatch counts only if no part of the value was unreadable.
fn certain(holds: bool, value: &Value) -> Result<bool, Unknown> {
    match unreadable_within(value) {
        Some(why) if !holds => Err(Unknown::undecidable(Reason::Unreadable(why.to_owned()))),
        _ => Ok(holds),
    }
}

fn lacks(value: &Value, part: &Value, pointer: &str) -> Result<bool, Unknown> {
    let Some(has) = has(value, part, pointer)? else {
        return Err(shapeless(value));
    };
    let unread = value.as_array().into_iter().flatten().find_map(unreadable_within);
    match unread {
        Some(why) if !has => Err(Unknown::undecidable(Reason::Unreadable(why.to_owned()))),
        _ => Ok(!has),
    }
}

/// Whether a list has the element, an object the name, a text the part; none if the value is none of these.
fn has(value: &Value, part: &Value, pointer: &str) -> Result<Option<bool>, Unknown> {
    Ok(match (value, part) {
        (Value::Array(elements), part) => Some(elements.iter().any(|it| same(it, part))),
        (Value::Object(fields), Value::String(name)) => {
            let has = fields.contains_key(name);
            if !has && !is_complete(value) {
                let member = format!("{pointer}/{}", token(name));
                return Err(Unknown::undecided(Reason::NotAsked(member)));
            }
            Some(has)
        }
        (Value::String(text), Value::String(part)) => Some(text.contains(part)),
        _ => None,
    })
}

/// Whether two values are the same. That a listing is complete is said of it, and no part of it.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let names = |fields: &serde_json::Map<String, Value>| fields.keys().filter(|it| *it != COMPLETE).count();
            let mut members = one.iter().filter(|(name, _)| *name != COMPLETE);
            names(one) == names(other) && members.all(|(name, a)| other.get(name).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

fn ordering(number: &Number, limit: i128) -> std::cmp::Ordering {
    match number.as_i128() {
        Some(whole) => whole.cmp(&limit),
        // JSON has no NaN: a fraction always compares.
        None => number.as_f64().unwrap_or(f64::NAN).total_cmp(&(limit as f64)),
    }
}

/// Why some part of the value could not be had.
fn unreadable_within(value: &Value) -> Option<&str> {
    match value {
        Value::Array(elements) => elements.iter().find_map(unreadable_within),
        Value::Object(fields) => match fields.get(UNREADABLE) {
            Some(why) => why.as_str(),
            None => fields.values().find_map(unreadable_within),
        },
        _ => None,
    }
}

fn shapeless(value: &Value) -> Unknown {
    Unknown::undecidable(Reason::Shapeless(seen::value(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Verdict;
    use super::super::testing::{case, evidence, expectation};
    use super::*;

    /// Whether the matcher, as a fixture writes it, holds of `/before/fact` in a case whose create was called.
    fn holds_of(before: Value, matcher: Value) -> Result<bool, Verdict> {
        let facts = json!({"steps": {"create": {"failed": false}}, "before": before});
        let expected = expectation("create", "/before/fact", matcher);
        holds(&evidence("a/b", case(), facts), &expected).map_err(|unknown| unknown.verdict)
    }

    fn of(fact: Value, matcher: Value) -> Result<bool, Verdict> {
        holds_of(json!({ "fact": fact }), matcher)
    }

    fn of_absent(matcher: Value) -> Result<bool, Verdict> {
        holds_of(json!({"$complete": true, "other": 2}), matcher)
    }

    #[test]
    fn values_are_compared_whole() {
        assert_eq!(of(json!("x"), json!({"equals": "x"})), Ok(true));
        assert_eq!(of(json!("x"), json!({"equals": "y"})), Ok(false));
        assert_eq!(of(json!(1), json!({"equals": "1"})), Ok(false));
        assert_eq!(of(json!({"$complete": true, "a": 1}), json!({"equals": {"a": 1}})), Ok(true));
        assert_eq!(of(json!({"$complete": true, "a": 1, "b": 2}), json!({"equals": {"a": 1}})), Ok(false));
        assert_eq!(of(json!(2), json!({"one-of": [1, 2]})), Ok(true));
        assert_eq!(of(json!(3), json!({"one-of": [1, 2]})), Ok(false));
    }

    #[test]
    fn neither_side_may_have_a_member_more() {
        let wanted = json!({"equals": {"a": 1, "b": 2}});
        assert_eq!(of(json!({"$complete": true, "a": 1}), wanted), Ok(false));
        assert_eq!(of(json!([1]), json!({"equals": [1, 2]})), Ok(false));
        assert_eq!(of(json!([1, 2]), json!({"equals": [1]})), Ok(false));
    }

    #[test]
    fn a_mismatch_that_rests_on_something_unreadable_is_undecidable() {
        let partly = json!({"a": {"$unreadable": "EACCES"}});
        assert_eq!(of(partly, json!({"equals": {"a": 1}})), Err(Verdict::Undecidable));
        let list = json!([{"$unreadable": "EACCES"}, 2]);
        assert_eq!(of(list.clone(), json!({"contains": 2})), Ok(true));
        assert_eq!(of(list.clone(), json!({"contains": 1})), Err(Verdict::Undecidable));
        assert_eq!(of(list, json!({"lacks": 1})), Err(Verdict::Undecidable));
    }

    #[test]
    fn contains_and_lacks_look_at_elements_names_and_parts() {
        for (fact, inner, outer) in [
            (json!(["a", 1]), json!("a"), json!("b")),
            (json!({"$complete": true, "a": 1}), json!("a"), json!("b")),
            (json!("bar"), json!("a"), json!("x")),
        ] {
            assert_eq!(of(fact.clone(), json!({ "contains": inner })), Ok(true), "{fact}");
            assert_eq!(of(fact.clone(), json!({ "contains": outer })), Ok(false), "{fact}");
            assert_eq!(of(fact.clone(), json!({ "lacks": inner })), Ok(false), "{fact}");
            assert_eq!(of(fact.clone(), json!({ "lacks": outer })), Ok(true), "{fact}");
        }
    }

    #[test]
    fn only_a_complete_object_lacks_a_name() {
        assert_eq!(of(json!({"a": 1}), json!({"lacks": "b"})), Err(Verdict::Undecided));
        assert_eq!(of(json!({"a": 1}), json!({"contains": "b"})), Err(Verdict::Undecided));
        assert_eq!(of(json!({"a": 1}), json!({"lacks": "a"})), Ok(false));
    }

    #[test]
    fn what_holds_nothing_lacks_nothing() {
        assert_eq!(of(json!(5), json!({"lacks": "a"})), Err(Verdict::Undecidable));
        assert_eq!(of(json!(5), json!({"contains": "a"})), Ok(false));
        assert_eq!(of_absent(json!({"lacks": "a"})), Err(Verdict::Undecidable));
    }

    #[test]
    fn present_and_absent_rest_on_a_complete_listing() {
        assert_eq!(of(json!(null), json!({"present": true})), Ok(true));
        assert_eq!(of(json!(null), json!({"absent": true})), Ok(false));
        assert_eq!(of_absent(json!({"present": true})), Ok(false));
        assert_eq!(of_absent(json!({"absent": true})), Ok(true));
        assert_eq!(holds_of(json!({}), json!({"absent": true})), Err(Verdict::Undecided));
        assert_eq!(of(json!({"$unreadable": "EIO"}), json!({"absent": true})), Err(Verdict::Undecidable));
    }

    #[test]
    fn what_is_absent_is_no_value() {
        assert_eq!(of_absent(json!({"equals": null})), Ok(false));
        assert_eq!(of_absent(json!({"at-most": 5})), Ok(false));
        assert_eq!(of_absent(json!({"same-as": "/before/other"})), Ok(false));
        assert_eq!(of_absent(json!({"differs-from": "/before/other"})), Ok(false));
    }

    #[test]
    fn limits_include_themselves_and_hold_of_numbers_alone() {
        assert_eq!(of(json!(5), json!({"at-most": 5})), Ok(true));
        assert_eq!(of(json!(6), json!({"at-most": 5})), Ok(false));
        assert_eq!(of(json!(5.5), json!({"at-most": 5})), Ok(false));
        assert_eq!(of(json!(-1), json!({"at-least": -1})), Ok(true));
        assert_eq!(of(json!(u64::MAX), json!({"at-least": u64::MAX})), Ok(true));
        assert_eq!(of(json!("4"), json!({"at-most": 5})), Ok(false));
    }

    #[test]
    fn two_facts_of_one_case_are_compared() {
        let before = |fact: u8, other: u8| json!({"fact": fact, "other": other});
        let same_as = json!({"same-as": "/before/other"});
        let differs = json!({"differs-from": "/before/other"});
        assert_eq!(holds_of(before(1, 1), same_as.clone()), Ok(true));
        assert_eq!(holds_of(before(1, 2), same_as.clone()), Ok(false));
        assert_eq!(holds_of(before(1, 2), differs.clone()), Ok(true));
        assert_eq!(holds_of(before(1, 1), differs), Ok(false));
        assert_eq!(of(json!(1), same_as), Err(Verdict::Undecidable));
    }

    #[test]
    fn a_number_is_not_above_another() {
        let both = |fact: Value, other: Value| json!({ "fact": fact, "other": other });
        let matcher = json!({"not-above": "/before/other"});
        assert_eq!(holds_of(both(json!(1), json!(2)), matcher.clone()), Ok(true));
        assert_eq!(holds_of(both(json!(2), json!(2)), matcher.clone()), Ok(true));
        assert_eq!(holds_of(both(json!(3), json!(2)), matcher.clone()), Ok(false));
        assert_eq!(holds_of(both(json!("max"), json!(2)), matcher.clone()), Ok(false));
        assert_eq!(holds_of(both(json!(1), json!("max")), matcher.clone()), Err(Verdict::Undecidable));
        assert_eq!(holds_of(json!({"$complete": true, "fact": 1}), matcher), Err(Verdict::Undecidable));
    }

    #[test]
    fn what_differs_must_itself_be_known() {
        let unread = json!({"fact": {"$unreadable": "EPERM"}, "other": 1});
        assert_eq!(holds_of(unread, json!({"differs-from": "/before/other"})), Err(Verdict::Undecidable));
        let missing = json!({"$complete": true, "fact": 1});
        assert_eq!(holds_of(missing, json!({"differs-from": "/before/other"})), Err(Verdict::Undecidable));
    }

    #[test]
    fn facts_that_differ_in_something_unreadable_may_be_the_same() {
        let partly = json!({"fact": {"a": {"$unreadable": "EIO"}}, "other": {"a": 1}});
        for matcher in ["same-as", "differs-from"] {
            let matcher = json!({ matcher: "/before/other" });
            assert_eq!(holds_of(partly.clone(), matcher), Err(Verdict::Undecidable));
        }
    }

    #[test]
    fn a_silent_witness_blocks_what_is_compared_with_its_facts() {
        let compared = json!({"same-as": "/inside/start/pid"});
        assert_eq!(of(json!(1), compared), Err(Verdict::Blocked));
    }

    fn order(journal: Value) -> Result<bool, Verdict> {
        let facts = json!({"steps": {"create": {"failed": false}}, "journal": journal});
        let expected = expectation("create", "/journal/hook", json!({"before": "/journal/ran"}));
        holds(&evidence("a/b", case(), facts), &expected).map_err(|unknown| unknown.verdict)
    }

    #[test]
    fn the_first_of_each_event_counts_for_their_order() {
        assert_eq!(order(json!({"hook": [2, 9], "ran": [5]})), Ok(true));
        assert_eq!(order(json!({"hook": [7], "ran": [5, 9]})), Ok(false));
    }

    #[test]
    fn an_event_that_never_came_was_not_first() {
        assert_eq!(order(json!({"$complete": true, "ran": [5]})), Ok(false));
        assert_eq!(order(json!({"ran": [5]})), Err(Verdict::Undecided));
    }

    #[test]
    fn nothing_comes_before_what_never_came() {
        assert_eq!(order(json!({"$complete": true, "hook": [5]})), Err(Verdict::Blocked));
        assert_eq!(order(json!({"$complete": true})), Err(Verdict::Blocked));
        assert_eq!(order(json!({"hook": [5]})), Err(Verdict::Undecidable));
    }
}

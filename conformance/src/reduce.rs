//! Takes away what something does not need: the search for the smallest set of parts of which it still holds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::expectation::token;

/// The parts, of those given, without any of which `holds` would be false; it must hold of all of them, and is asked
/// `tries` times at most, so that what is left when they are used up may still be too much.
///
/// Delta debugging (Zeller and Hildebrandt 2002), by complements: halves first, then ever smaller pieces.
pub fn smallest<T: Clone>(parts: Vec<T>, tries: &mut usize, mut holds: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut holds = |kept: &[T]| {
        let may = *tries > 0;
        *tries = tries.saturating_sub(1);
        may && holds(kept)
    };
    if parts.is_empty() || holds(&[]) {
        return Vec::new();
    }
    let mut kept = parts;
    let mut pieces = 2;
    while kept.len() > 1 {
        let size = kept.len().div_ceil(pieces);
        let without = |start: usize| [&kept[..start], &kept[kept.len().min(start + size)..]].concat();
        match (0..kept.len()).step_by(size).map(without).find(|rest| holds(rest)) {
            Some(rest) => {
                kept = rest;
                pieces = 2.max(pieces - 1);
            }
            None if size == 1 => break,
            None => pieces = kept.len().min(2 * pieces),
        }
    }
    kept
}

/// A difference of one document from another, by its place in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// A JSON Pointer.
    pub place: String,
    /// What is there; none if nothing is.
    pub value: Option<Value>,
}

/// In what `to` differs from `from`. Objects that both have are gone into; a list differs as a whole.
pub fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    differ("", from, to, &mut found);
    found
}

fn differ(place: &str, from: &Value, to: &Value, found: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return found.push(Difference { place: place.to_owned(), value: Some(to.clone()) });
    };
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for name in names {
        let place = format!("{place}/{}", token(name));
        match (from.get(name), to.get(name)) {
            (Some(from), Some(to)) => differ(&place, from, to, found),
            (_, to) => found.push(Difference { place, value: to.cloned() }),
        }
    }
}

/// The document with these differences.
pub fn with(document: &Value, differences: &[Difference]) -> Value {
    let mut changed = document.clone();
    for difference in differences {
        put(&mut changed, difference);
    }
    changed
}

fn put(document: &mut Value, Difference { place, value }: &Difference) {
    let Some((parent, name)) = place.rsplit_once('/') else {
        *document = value.clone().unwrap_or_default();
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let Some(fields) = document.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => drop(fields.insert(name, value.clone())),
        None => drop(fields.remove(&name)),
    }
}

/// The document without its members and elements at these places. An element's place counts those before it that go, too.
pub fn without(document: &Value, places: &BTreeSet<String>) -> Value {
    prune("", document, places)
}

fn prune(place: &str, value: &Value, places: &BTreeSet<String>) -> Value {
    let stays = |place: &String| !places.contains(place);
    match value {
        Value::Object(fields) => {
            let named = fields.iter().map(|(name, value)| (format!("{place}/{}", token(name)), name, value));
            let kept = named.filter(|(place, ..)| stays(place));
            Value::Object(
                kept.map(|(place, name, value)| (name.clone(), prune(&place, value, places))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate().map(|(index, value)| (format!("{place}/{index}"), value));
            numbered.filter(|(place, _)| stays(place)).map(|(place, value)| prune(&place, value, places)).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_matters_is_found_alone_or_in_company() {
        let parts: Vec<u32> = (0..40).collect();
        for needed in [vec![], vec![7], vec![0, 39], vec![3, 4, 20]] {
            let mut tries = 500;
            let found = smallest(parts.clone(), &mut tries, |kept| needed.iter().all(|it| kept.contains(it)));
            assert_eq!(found, needed);
        }
    }

    #[test]
    fn nobody_is_asked_more_often_than_allowed() {
        let mut asked = 0;
        let mut tries = 3;
        smallest((0..100).collect(), &mut tries, |kept: &[u32]| {
            asked += 1;
            kept.contains(&50)
        });
        assert_eq!((asked, tries), (3, 0));
    }

    #[test]
    fn all_differences_together_make_one_document_of_the_other() {
        let from = json!({"a": {"b": 1, "c": [1], "~/": 0}, "d": 2});
        let to = json!({"a": {"b": 2, "c": [1, 2]}, "e": {"f": 1}});
        let all = differences(&from, &to);
        let places: Vec<_> = all.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(places, ["/a/b", "/a/c", "/a/~0~1", "/d", "/e"]);
        assert_eq!(with(&from, &all), to);
        assert_eq!(with(&from, &all[..1]), json!({"a": {"b": 2, "c": [1], "~/": 0}, "d": 2}));
        assert_eq!(differences(&to, &to), []);
    }

    #[test]
    fn members_and_elements_go_by_the_places_that_they_had() {
        let document = json!({"a": [{"b": 1, "c": 2}, 1, 2], "d": 3});
        let places = ["/a/0/b", "/a/1", "/d"].map(str::to_owned).into();
        assert_eq!(without(&document, &places), json!({"a": [{"c": 2}, 2]}));
    }
}

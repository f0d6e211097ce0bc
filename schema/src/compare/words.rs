//! Says in a phrase what changed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::difference::{Difference, Property, Step, all_ids};
use super::meaning::Search;
use super::pattern;
use super::way::Book;

/// The longest value that a phrase repeats, in characters.
const LONGEST: usize = 60;

/// The most entries of a list that a phrase repeats.
const MOST_ENTRIES: usize = 12;

/// Each change of a difference, in a phrase.
pub(super) fn of(difference: &Difference, search: &Search<'_>) -> Vec<String> {
    if let Some(property) = difference.property {
        return vec![of_property(property, difference, search)];
    }
    let whose = if difference.steps.last() == Some(&Step::Name) { "of names, " } else { "" };
    let by_keyword = difference.keywords.iter().flat_map(|(keyword, both)| {
        let weight = advice(difference.weights.get(keyword), both);
        of_keyword(keyword, both).into_iter().map(move |phrase| format!("{whose}{phrase}{weight}"))
    });
    let mut phrases: Vec<String> = by_keyword.collect();
    let weights = difference.weights.iter().filter(|(keyword, _)| !difference.keywords.contains_key(*keyword));
    phrases.extend(weights.map(|(keyword, [was, _])| match was {
        true => format!("{whose}`{keyword}` rejects, it only advised"),
        false => format!("{whose}`{keyword}` only advises, it rejected"),
    }));
    if difference.is_annotation_only() {
        phrases.extend(difference.annotations.iter().map(|(keyword, both)| of_annotation(keyword, both)));
    }
    phrases
}

fn of_property(property: Property, difference: &Difference, search: &Search<'_>) -> String {
    let (schema, pointer, what) = match property {
        Property::Came => (&search.new.schema, &difference.at[1], "property added"),
        Property::Went => (&search.old.schema, &difference.at[0], "property removed"),
    };
    let subschema = pointer.as_deref().and_then(|it| schema.pointer(it)).unwrap_or(&Value::Null);
    match summary(Book(schema), subschema) {
        it if it.is_empty() => what.to_owned(),
        it => format!("{what}: {it}"),
    }
}

/// What a property may hold, in a few words.
fn summary(book: Book<'_>, subschema: &Value) -> String {
    let firm = book.firm(&[subschema]);
    let said = |keyword: &str| firm.iter().find_map(|it| it.get(keyword));
    if let Some(Value::Array(all)) = said("enum") {
        return format!("one of {}", list(all));
    }
    if let Some(texts) = said("pattern").and_then(Value::as_str).and_then(pattern::language) {
        return format!("one of {}", list(&texts.into_iter().map(Value::String).collect::<Vec<_>>()));
    }
    let kind = said("type").map(types).unwrap_or_default();
    let entries = book.below(&[subschema], &Step::Item);
    if kind == "list"
        && let [entry, ..] = &entries[..]
    {
        let of = summary(book, entry);
        return if of.is_empty() { kind } else { format!("list, each {of}") };
    }
    match [said("minimum"), said("maximum")] {
        [Some(low), Some(high)] => format!("{kind}, {low} to {high}"),
        [Some(low), None] => format!("{kind}, at least {low}"),
        [None, Some(high)] => format!("{kind}, at most {high}"),
        [None, None] => match said("pattern") {
            Some(pattern) => format!("{kind}, as {}", quoted(pattern)),
            None => kind,
        },
    }
}

fn types(of: &Value) -> String {
    let word = |it: &Value| match it.as_str() {
        Some("array") => "list".to_owned(),
        Some(other) => other.to_owned(),
        None => String::new(),
    };
    match of {
        Value::Array(several) => several.iter().map(word).collect::<Vec<_>>().join(" or "),
        one => word(one),
    }
}

fn of_keyword(keyword: &str, both: &[Option<Value>; 2]) -> Vec<String> {
    if let [Some(was), Some(is)] = both
        && let Some(phrases) = of_lists(keyword, was, is)
    {
        return phrases;
    }
    vec![match both {
        [Some(Value::Bool(false)), Some(_)] if keyword.is_empty() => "no longer rejects everything".to_owned(),
        [Some(_), Some(_)] if keyword.is_empty() => "rejects everything".to_owned(),
        [None, Some(is)] => format!("`{keyword}` {} added", shown(keyword, is)),
        [Some(was), None] => format!("`{keyword}` {} dropped", shown(keyword, was)),
        [Some(was), Some(is)] => format!("`{keyword}` {} became {}", shown(keyword, was), shown(keyword, is)),
        [None, None] => format!("`{keyword}` changed"),
    }]
}

/// What a list gained and lost, if both values are lists, types or patterns of few texts.
fn of_lists(keyword: &str, was: &Value, is: &Value) -> Option<Vec<String>> {
    let entries = |it: &Value| match it {
        Value::Array(all) if all.iter().all(|entry| !entry.is_object()) => Some(all.clone()),
        one if keyword == "type" => Some(vec![one.clone()]),
        Value::String(text) if keyword == "pattern" => {
            Some(pattern::language(text)?.into_iter().map(Value::String).collect())
        }
        _ => None,
    };
    let (was, is) = (entries(was)?, entries(is)?);
    let without =
        |one: &[Value], other: &[Value]| one.iter().filter(|it| !other.contains(it)).cloned().collect::<Vec<_>>();
    let (gained, lost) = (without(&is, &was), without(&was, &is));
    let phrase = |verb: &str, all: &[Value]| (!all.is_empty()).then(|| format!("`{keyword}` {verb} {}", list(all)));
    let phrases: Vec<String> = [phrase("gained", &gained), phrase("lost", &lost)].into_iter().flatten().collect();
    Some(if phrases.is_empty() { vec![format!("`{keyword}` in another order")] } else { phrases })
}

/// What to add about a changed constraint that advised or advises.
fn advice(weights: Option<&[bool; 2]>, both: &[Option<Value>; 2]) -> &'static str {
    match (weights, both) {
        (Some([true, _]), [Some(_), None]) => ", which only advised",
        (Some([true, false]), [Some(_), Some(_)]) => ", and rejects now",
        (Some([_, true]), _) => ", as advice",
        _ => "",
    }
}

fn of_annotation(keyword: &str, both: &[Option<Value>; 2]) -> String {
    if keyword == "requirement" {
        let [was, is] = both.each_ref().map(|it| it.as_ref().map(all_ids).unwrap_or_default());
        let ids = |it: BTreeSet<_>| it.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return match (ids(&was - &is), ids(&is - &was)) {
            (lost, gained) if lost.is_empty() && gained.is_empty() => {
                "`requirement` arranged in another way".to_owned()
            }
            (lost, gained) if lost.is_empty() => format!("enforces {gained}, too"),
            (lost, gained) if gained.is_empty() => format!("no longer names {lost}"),
            (lost, gained) => format!("enforces {gained} instead of {lost}"),
        };
    }
    match both {
        _ if keyword == "allOf" => "`allOf` in another order".to_owned(),
        [None, _] => format!("`{keyword}` added"),
        [_, None] => format!("`{keyword}` dropped"),
        _ => format!("`{keyword}` reworded"),
    }
}

/// The value of a keyword, short: a definition by its name, a condition by its keywords.
fn shown(keyword: &str, value: &Value) -> String {
    match value {
        Value::String(reference) if keyword == "$ref" => definition_name(reference),
        Value::Array(all) if all.iter().all(|it| !it.is_object()) => list(all),
        Value::Object(members) => keywords(members),
        other => quoted(other),
    }
}

fn definition_name(reference: &str) -> String {
    reference.split("/$defs/").skip(1).collect::<Vec<_>>().join(".")
}

fn keywords(members: &Map<String, Value>) -> String {
    let names = members
        .keys()
        .filter(|it| !super::difference::ANNOTATIONS.contains(&it.as_str()) && *it != super::weight::ADVISES);
    format!("({})", names.cloned().collect::<Vec<_>>().join(", "))
}

fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().take(MOST_ENTRIES).map(quoted).collect();
    match values.len().saturating_sub(MOST_ENTRIES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A value on one line, cut, without anything that a terminal would obey.
fn quoted(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

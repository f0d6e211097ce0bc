//! Proves that a change takes nothing away, or adds nothing.
//!
//! What is compared are the two subschemas alone, without what lies below them and differs as well: that is a
//! difference of its own. A constraint can only take away, so what the part takes away the whole does, and no more;
//! in a condition, a negation or an exclusive alternative that does not hold, and all of the value's schema is compared.

use std::collections::BTreeSet;

use jsonschema::canonical::{CanonicalSchema, Containment, Satisfiability};
use serde_json::{Map, Number, Value, json};

use super::difference::{CHILD_MAPS, Difference};
use super::pattern;

/// Whether the newer of two strict schemas, and the older, is proved to accept all that the other does, as far as
/// the difference goes.
pub(super) fn covers(old: &Value, new: &Value, difference: &Difference) -> [bool; 2] {
    let definitions = definitions(old.get("$defs"), new.get("$defs"));
    let pair = pair(old, new, difference);
    if pair[0] == pair[1] {
        return [true, true];
    }
    let [dropped, added] = one_way(&pair, difference);
    let [Some(was), Some(is)] = pair.map(|it| canonical(it, &definitions)) else { return [dropped, added] };
    [dropped || covers_all(&is, &was), added || covers_all(&was, &is)]
}

/// Whether the difference does nothing but loosen constraints, or nothing but tighten them: each takes away, so that
/// nothing more is rejected, or nothing more accepted. This needs no canonical form, which has none for limits beyond
/// 64 bits with a sign, and none for some keywords.
fn one_way([was, is]: &[Value; 2], difference: &Difference) -> [bool; 2] {
    let depends = |it: &Value| it.get("unevaluatedProperties").or(it.get("unevaluatedItems")).is_some();
    let is_plain = !difference.is_conditional
        && !["", "contains", "minContains"].iter().any(|it| difference.keywords.contains_key(*it));
    if !is_plain || depends(was) || depends(is) {
        return [false, false];
    }
    let all = |loose: &Value, tight: &Value| {
        let mut changed = difference.keywords.keys().chain(difference.weights.keys());
        changed.all(|keyword| is_tighter(keyword, loose.get(keyword), tight.get(keyword)))
    };
    [all(is, was), all(was, is)]
}

/// Whether a constraint takes away at least what another of the same keyword does.
fn is_tighter(keyword: &str, loose: Option<&Value>, tight: Option<&Value>) -> bool {
    let (Some(loose), Some(tight)) = (loose, tight) else { return loose.is_none() };
    let numbers = (loose.as_number().and_then(Number::as_i128), tight.as_number().and_then(Number::as_i128));
    let has_all = |one: &Value, other: &Value| match (one, other) {
        (Value::Array(one), Value::Array(other)) => other.iter().all(|it| one.contains(it)),
        _ => one == other,
    };
    match (keyword, numbers) {
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", (Some(loose), Some(tight))) => {
            tight <= loose
        }
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", (Some(loose), Some(tight))) => {
            tight >= loose
        }
        ("required", _) => has_all(tight, loose),
        ("enum", _) => has_all(loose, tight),
        _ => loose == tight,
    }
}

fn covers_all(wide: &CanonicalSchema, narrow: &CanonicalSchema) -> bool {
    match wide.covers(narrow) {
        Ok(Containment::Yes) => true,
        Ok(Containment::No) => false,
        _ => narrow.subtract(wide).is_ok_and(|left| left.satisfiability() == Satisfiability::No),
    }
}

/// The canonical form, if the schema has one that means the same.
fn canonical(schema: Value, definitions: &Value) -> Option<CanonicalSchema> {
    let mut schema = match schema {
        Value::Object(members) => members,
        Value::Bool(true) => Map::new(),
        _ => Map::from_iter([("not".to_owned(), json!({}))]),
    };
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$defs".to_owned(), definitions.clone());
    jsonschema::canonical::options().offline().canonicalize(&enumerated(&Value::Object(schema))).ok()
}

/// The subschemas to compare.
fn pair(old: &Value, new: &Value, difference: &Difference) -> [Value; 2] {
    let places = if difference.is_conditional { &difference.anchor } else { &difference.at };
    let subschema = |schema: &Value, place: &Option<String>| {
        let found = place.as_deref().and_then(|it| schema.pointer(it));
        found.cloned().unwrap_or(Value::Bool(true))
    };
    let both = [subschema(old, &places[0]), subschema(new, &places[1])];
    if difference.is_conditional {
        return both.map(without_definitions);
    }
    let [Some(was), Some(is)] = both.each_ref().map(members) else { return both };
    let others = others(&was, &is, difference);
    [alone(&was, &is, &others), alone(&is, &was, &others)].map(Value::Object).map(without_definitions)
}

fn members(schema: &Value) -> Option<Map<String, Value>> {
    match schema {
        Value::Object(members) => Some(members.clone()),
        Value::Bool(true) => Some(Map::new()),
        _ => None,
    }
}

fn without_definitions(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.remove("$defs");
    }
    schema
}

/// The keywords that differ, but not by this difference.
fn others<'a>(was: &'a Map<String, Value>, is: &'a Map<String, Value>, difference: &Difference) -> BTreeSet<&'a str> {
    let keywords = was.keys().chain(is.keys()).filter(|it| was.get(*it) != is.get(*it));
    let is_own = |it: &&String| difference.keywords.contains_key(*it) || difference.weights.contains_key(*it);
    let mut others: BTreeSet<&str> = keywords.filter(|it| !is_own(it)).map(String::as_str).collect();
    // A condition and its consequences make sense together only.
    if ["if", "then", "else"].iter().any(|it| others.contains(it)) {
        others.extend(["if", "then", "else"]);
    }
    others
}

/// A subschema without other differences. Of properties their names stay, for `additionalProperties` is about the rest;
/// those that came or went are not there at all.
fn alone(one: &Map<String, Value>, other: &Map<String, Value>, others: &BTreeSet<&str>) -> Map<String, Value> {
    let mut kept: Map<String, Value> = one
        .iter()
        .filter(|(keyword, _)| !others.contains(keyword.as_str()))
        .map(|(keyword, it)| (keyword.clone(), it.clone()))
        .collect();
    for keyword in CHILD_MAPS.iter().filter(|it| others.contains(*it)) {
        let [mine, theirs] = [one, other].map(|it| it.get(*keyword).and_then(Value::as_object));
        let names = mine.into_iter().chain(theirs).flat_map(Map::keys);
        let value = |name: &String| match [mine, theirs].map(|it| it.and_then(|it| it.get(name))) {
            [Some(one), Some(other)] if one == other => one.clone(),
            [Some(_), Some(_)] => Value::Bool(true),
            _ => Value::Bool(*keyword != "properties"),
        };
        let made = names.map(|name| (name.clone(), value(name))).collect();
        kept.insert((*keyword).to_owned(), Value::Object(made));
    }
    let is_there = |name: &String| kept.get("properties").and_then(|it| it.get(name)) != Some(&Value::Bool(false));
    if let Some(Value::Object(dependent)) = kept.get("dependentRequired") {
        let dependent = dependent.iter().filter(|(name, _)| is_there(name));
        let dependent: Map<String, Value> = dependent.map(|(name, it)| (name.clone(), it.clone())).collect();
        match dependent {
            none if Map::is_empty(&none) => kept.remove("dependentRequired"),
            some => kept.insert("dependentRequired".to_owned(), Value::Object(some)),
        };
    }
    kept
}

/// All definitions of both; of one that both have the older's, unless it is not in force there.
fn definitions(old: Option<&Value>, new: Option<&Value>) -> Value {
    let [old, new] = [old, new].map(|it| it.and_then(Value::as_object).cloned().unwrap_or_default());
    let mut all = new.clone();
    for (name, definition) in old {
        let theirs = new.get(&name);
        let mut made = match theirs {
            Some(theirs) if !definition.is_object() => theirs.clone(),
            _ => definition.clone(),
        };
        let nested = definitions(definition.get("$defs"), theirs.and_then(|it| it.get("$defs")));
        if let Some(members) = made.as_object_mut().filter(|_| nested != json!({})) {
            members.insert("$defs".to_owned(), nested);
        }
        all.insert(name, made);
    }
    Value::Object(all)
}

/// The schema with patterns of few texts written as lists of these: the canonical form takes a pattern for opaque.
fn enumerated(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(enumerated).collect(),
        Value::Object(members) => {
            let mut members: Map<String, Value> =
                members.iter().map(|(name, it)| (name.clone(), enumerated(it))).collect();
            let few = members.get("pattern").and_then(Value::as_str).and_then(pattern::language);
            if let Some(texts) = few {
                members.remove("pattern");
                let condition = condition(&texts);
                match members.entry("allOf").or_insert_with(|| json!([])) {
                    Value::Array(all) => all.push(condition),
                    // A property of that name, in a map of properties.
                    _ => return schema.clone(),
                }
            }
            Value::Object(members)
        }
        other => other.clone(),
    }
}

fn condition(texts: &BTreeSet<String>) -> Value {
    let others = ["null", "boolean", "number", "array", "object"];
    json!({ "anyOf": [{ "type": others }, { "enum": texts }] })
}

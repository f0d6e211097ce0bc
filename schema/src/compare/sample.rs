//! Values worth trying: such as satisfy what a schema says, and such as just don't.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value, json};

use super::difference::Step;
use super::pattern;
use super::way::Book;

/// How far below the value in question others are varied.
const DEPTH: u32 = 2;

/// The most values that are tried for one place.
const MOST_VALUES: usize = 400;

/// The most values that are tried for one member of an object, or for an entry of a list.
const MOST_BELOW: usize = 12;

/// The longest text or list that is made for a limit.
const LONGEST: u64 = 300;

/// A value that satisfies, as far as that is easy, what `of` say of it.
pub(super) fn least(book: Book<'_>, of: &[&Value]) -> Value {
    at_depth(book, of, 8)
}

/// Values that what is said of a place by two schemas may tell apart, the telling ones first. `existing`
/// is one known to be right, if there is one.
pub(super) fn values(said: &[(Book<'_>, &Value)], existing: Option<&Value>) -> Vec<Value> {
    let limits = said.iter().flat_map(|(book, subschema)| at_limits(&book.all(&[*subschema])));
    let made = said.iter().flat_map(|(book, subschema)| composed(*book, &[*subschema], existing, DEPTH));
    let mut values: Vec<Value> = limits.chain(made).chain(of_each_type()).collect();
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.to_string()));
    values.truncate(MOST_VALUES);
    values
}

fn at_depth(book: Book<'_>, of: &[&Value], depth: u32) -> Value {
    let firm = book.firm(of);
    let said = |keyword: &str| firm.iter().find_map(|it| it.get(keyword));
    if let Some(value) = said("const").or_else(|| said("enum")?.get(0)) {
        return value.clone();
    }
    match type_of(&firm) {
        "object" if depth > 0 => {
            let required =
                firm.iter().filter_map(|it| it.get("required")?.as_array()).flatten().filter_map(Value::as_str);
            let member = |name: &str| {
                (name.to_owned(), at_depth(book, &book.below(of, &Step::Member(name.to_owned())), depth - 1))
            };
            Value::Object(required.map(member).collect())
        }
        "object" => json!({}),
        "array" => {
            let count = said("minItems").and_then(Value::as_u64).unwrap_or_default().min(LONGEST);
            let entry = at_depth(book, &book.below(of, &Step::Item), depth.saturating_sub(1));
            Value::Array((0..count).map(|_| entry.clone()).collect())
        }
        "string" => Value::String(text(&firm)),
        "integer" | "number" => number(&firm),
        "boolean" => json!(false),
        _ => Value::Null,
    }
}

/// The type that is said, or the one that the other keywords are about.
fn type_of<'a>(firm: &[&'a Map<String, Value>]) -> &'a str {
    let said = firm.iter().find_map(|it| match it.get("type")? {
        Value::String(one) => Some(one.as_str()),
        Value::Array(several) => several.first()?.as_str(),
        _ => None,
    });
    let has = |keywords: &[&str]| firm.iter().any(|it| keywords.iter().any(|keyword| it.contains_key(*keyword)));
    said.unwrap_or(match () {
        () if has(&["properties", "required", "additionalProperties", "propertyNames"]) => "object",
        () if has(&["items", "minItems", "prefixItems"]) => "array",
        () if has(&["pattern", "minLength"]) => "string",
        () if has(&["minimum", "maximum", "exclusiveMinimum"]) => "integer",
        () => "string",
    })
}

fn text(firm: &[&Map<String, Value>]) -> String {
    let patterns: Vec<&str> = firm.iter().filter_map(|it| it.get("pattern")?.as_str()).collect();
    // Of several patterns a text of the first that is one of another, too; the validators decide.
    let mut lists = patterns.iter().map(|it| pattern::texts(it));
    let first = lists.next().unwrap_or_default();
    let others: Vec<Vec<String>> = lists.collect();
    let common = first.iter().find(|text| others.iter().all(|it| it.contains(text))).or(first.first());
    let length = firm.iter().filter_map(|it| it.get("minLength")?.as_u64()).max().unwrap_or(1).clamp(1, LONGEST);
    common.cloned().unwrap_or_else(|| "x".repeat(usize::try_from(length).unwrap_or(1)))
}

fn number(firm: &[&Map<String, Value>]) -> Value {
    let least = firm.iter().filter_map(|it| it.get("minimum")?.as_i64()).max();
    let above = firm.iter().filter_map(|it| it.get("exclusiveMinimum")?.as_i64()).max();
    let most = firm.iter().filter_map(|it| it.get("maximum")?.as_i64()).min();
    let low = least.max(above.map(|it| it.saturating_add(1))).unwrap_or(i64::MIN);
    json!(1.max(low).min(most.unwrap_or(i64::MAX)))
}

/// The same below the place in question, by one schema.
fn varied(book: Book<'_>, of: &[&Value], existing: Option<&Value>, depth: u32) -> Vec<Value> {
    let mut values = at_limits(&book.all(of));
    values.extend(composed(book, of, existing, depth));
    values.extend(of_each_type());
    values
}

/// What the schema lists, and what lies on both sides of each limit.
fn at_limits(all: &[&Map<String, Value>]) -> Vec<Value> {
    let mut values = Vec::new();
    for members in all {
        values.extend(members.get("const").cloned());
        values.extend(members.get("enum").and_then(Value::as_array).cloned().unwrap_or_default());
        values.extend(members.get("pattern").and_then(Value::as_str).into_iter().flat_map(texts));
        values.extend(around_limits(members));
        values.extend(of_lengths(members));
    }
    values
}

/// Objects and lists, where the schema is about such.
fn composed(book: Book<'_>, of: &[&Value], existing: Option<&Value>, depth: u32) -> Vec<Value> {
    let all = book.all(of);
    let mut values = Vec::new();
    if depth > 0 && about(&all, "object", &ABOUT_OBJECTS) {
        values.extend(objects(book, of, existing, depth));
    }
    if depth > 0 && about(&all, "array", &ABOUT_LISTS) {
        values.extend(lists(book, of, depth));
    }
    values
}

/// Keywords that say something of objects.
const ABOUT_OBJECTS: [&str; 6] =
    ["properties", "required", "additionalProperties", "propertyNames", "dependentRequired", "minProperties"];

/// Keywords that say something of lists.
const ABOUT_LISTS: [&str; 6] = ["items", "minItems", "maxItems", "prefixItems", "contains", "uniqueItems"];

fn texts(of: &str) -> Vec<Value> {
    let all = pattern::language(of).map_or_else(|| pattern::texts(of), |it| it.into_iter().collect());
    all.into_iter().map(Value::String).collect()
}

fn about(all: &[&Map<String, Value>], kind: &str, keywords: &[&str]) -> bool {
    let is_said = |it: &&Map<String, Value>| match it.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|it| it == kind),
        _ => false,
    };
    all.iter().any(is_said) || all.iter().any(|it| keywords.iter().any(|keyword| it.contains_key(*keyword)))
}

fn of_each_type() -> [Value; 10] {
    [json!("x"), json!(1), json!(false), json!({}), json!([]), json!(null), json!(""), json!(-1), json!(0.5), json!(0)]
}

fn around_limits(members: &Map<String, Value>) -> Vec<Value> {
    let keywords = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
    let limits = keywords.iter().filter_map(|it| members.get(*it)?.as_number());
    limits.flat_map(around).collect()
}

/// A number and its neighbours, as exactly as JSON's readers keep them.
fn around(limit: &Number) -> Vec<Value> {
    if let Some(number) = limit.as_i128() {
        let neighbours = [number, number - 1, number + 1];
        let kept = neighbours.into_iter().filter_map(|it| {
            let small = i64::try_from(it).map(Number::from);
            small.or_else(|_| u64::try_from(it).map(Number::from)).ok()
        });
        let beyond = (number >= i128::from(u64::MAX)).then(|| json!(18_446_744_073_709_551_616_f64));
        return kept.map(Value::Number).chain(beyond).collect();
    }
    let number = limit.as_f64().unwrap_or_default();
    [number, number - 1.0, number + 1.0].into_iter().map(|it| json!(it)).collect()
}

fn of_lengths(members: &Map<String, Value>) -> Vec<Value> {
    let lengths = ["minLength", "maxLength"].iter().filter_map(|it| members.get(*it)?.as_u64());
    let around = lengths.flat_map(|it| [it, it.saturating_sub(1), it + 1]).filter(|it| *it <= LONGEST);
    around.filter_map(|it| usize::try_from(it).ok()).map(|it| json!("x".repeat(it))).collect()
}

fn lists(book: Book<'_>, of: &[&Value], depth: u32) -> Vec<Value> {
    let below = book.below(of, &Step::Item);
    let entry = least(book, &below);
    let all = book.all(of);
    let counts =
        ["minItems", "maxItems"].iter().flat_map(|keyword| all.iter().filter_map(|it| it.get(*keyword)?.as_u64()));
    let mut counts: Vec<u64> =
        counts.flat_map(|it| [it, it.saturating_sub(1), it + 1]).filter(|it| *it <= LONGEST).collect();
    counts.extend([0, 1, 2]);
    let entries = varied(book, &below, None, depth - 1);
    let many = |count: u64| (0..count).map(|_| entry.clone()).collect();
    let different = |count: u64| {
        entries
            .iter()
            .cloned()
            .chain((0..count).map(|it| json!(format!("x{it}"))))
            .take(usize::try_from(count).unwrap_or(0))
            .collect()
    };
    let by_count = counts.iter().flat_map(|count| [Value::Array(many(*count)), Value::Array(different(*count))]);
    let by_entry = entries.iter().take(MOST_BELOW * 2).map(|it| json!([it]));
    by_count.chain(by_entry).collect()
}

fn objects(book: Book<'_>, of: &[&Value], existing: Option<&Value>, depth: u32) -> Vec<Value> {
    let right = existing.and_then(Value::as_object).cloned();
    let right = right.or_else(|| least(book, of).as_object().cloned()).unwrap_or_default();
    let all = book.all(of);
    let member = |name: &str| book.below(of, &Step::Member(name.to_owned()));
    let mut starts = vec![right.clone()];
    for condition in all.iter().filter_map(|it| it.get("if")) {
        let mut start = right.clone();
        start.extend(least(book, &[condition]).as_object().cloned().unwrap_or_default());
        starts.push(start);
    }
    let mut made: Vec<Map<String, Value>> = starts.clone();
    for group in groups(&all) {
        made.push(with(&right, &group, |name| Some(least(book, &member(name)))));
        made.push(with(&right, &group, |_| None));
        let singles =
            group.iter().map(|name| with(&right, &BTreeSet::from([*name]), |it| Some(least(book, &member(it)))));
        made.extend(singles);
    }
    for start in &starts {
        let names = names(&all, start);
        made.extend(names.iter().map(|name| with(start, &BTreeSet::from([*name]), |_| None)));
        for name in names {
            let values = varied(book, &member(name), start.get(name), depth - 1);
            let each = values.into_iter().take(MOST_BELOW);
            made.extend(each.map(|value| with(start, &BTreeSet::from([name]), |_| Some(value.clone()))));
        }
    }
    let mut other = right.clone();
    other.insert("other".to_owned(), json!("x"));
    made.extend([other, Map::new()]);
    made.into_iter().map(Value::Object).collect()
}

/// The names of members that are spoken of: what is there, what is required, and what is described.
fn names<'a>(all: &[&'a Map<String, Value>], start: &'a Map<String, Value>) -> Vec<&'a str> {
    let required = all.iter().filter_map(|it| it.get("required")?.as_array()).flatten().filter_map(Value::as_str);
    let described =
        all.iter().filter_map(|it| it.get("properties")?.as_object()).flat_map(Map::keys).map(String::as_str);
    let mut names: Vec<&str> = required.chain(start.keys().map(String::as_str)).chain(described).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// The members that a constraint names together: to exclude each other, or to demand each other.
fn groups<'a>(all: &[&'a Map<String, Value>]) -> Vec<BTreeSet<&'a str>> {
    let texts = |it: &'a Value| it.as_array().into_iter().flatten().filter_map(Value::as_str);
    let required = all.iter().filter_map(|it| it.get("required")).map(|it| texts(it).collect());
    let dependent = all.iter().filter_map(|it| it.get("dependentRequired")?.as_object()).flatten();
    let dependent = dependent.map(|(name, others)| texts(others).chain([name.as_str()]).collect());
    required.chain(dependent).collect()
}

/// The object with each of some members as `value` gives it, or without it.
fn with(
    object: &Map<String, Value>,
    names: &BTreeSet<&str>,
    value: impl Fn(&str) -> Option<Value>,
) -> Map<String, Value> {
    let mut object = object.clone();
    for name in names {
        match value(name) {
            Some(value) => object.insert((*name).to_owned(), value),
            None => object.remove(*name),
        };
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_value_satisfies_a_simple_schema() {
        let schema = json!({
            "type": "object", "required": ["kind", "paths", "count"],
            "properties": {
                "kind": {"enum": ["a", "b"]},
                "paths": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/path"}},
                "count": {"type": "integer", "minimum": 3}
            },
            "$defs": {"path": {"type": "string", "pattern": "^/[a-z]+$"}}
        });
        let value = least(Book(&schema), &[&schema]);
        assert_eq!(value, json!({"kind": "a", "paths": ["/a", "/a"], "count": 3}));
        assert!(jsonschema::is_valid(&schema, &value));
    }

    #[test]
    fn values_lie_on_both_sides_of_each_limit() {
        let schema = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
        let values = values(&[(Book(&schema), &schema)], None);
        for value in [json!(-1), json!(0), json!(u64::MAX), json!(u64::MAX - 1)] {
            assert!(values.contains(&value), "{value}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_gives_values() {
        let schema = json!({"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}});
        assert!(least(Book(&schema), &[&schema]).is_object());
        assert!(!values(&[(Book(&schema), &schema)], None).is_empty());
    }
}

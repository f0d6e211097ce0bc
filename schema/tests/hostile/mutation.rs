//! Small changes to a document that keep it JSON, in the words of the format.

use std::collections::BTreeSet;

use ocf_schema::{Kind, schema};
use serde_json::{Map, Value, json};

/// Gives a number below the one that it is given, which is never 0.
pub type Choose<'a> = dyn FnMut(usize) -> usize + 'a;

/// The names and values that the schemas speak of.
pub struct Vocabulary {
    names: Vec<String>,
    values: Vec<Value>,
}

impl Vocabulary {
    /// Those of the format's documents, and what tempts a reader of JSON to go wrong.
    pub fn of_format() -> Self {
        let (mut names, mut values) = (BTreeSet::new(), Vec::new());
        Kind::FORMAT.iter().for_each(|kind| collect(schema::document(*kind), &mut names, &mut values));
        names.extend(["", "/", "~", "~1", "a/b~c", "0", "-1", "\u{7f}é\u{1F980}"].map(str::to_owned));
        values.extend([
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(-0.0),
            json!(1e300),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(u32::MAX),
            json!(1_u64 << 32),
            json!(""),
            json!("/"),
            json!("a"),
            json!("/a/../b"),
            json!("0"),
            json!("\u{0}\u{1b}[2J\n"),
            json!("é\u{2028}\u{FFFF}"),
            json!("x".repeat(200)),
            json!([]),
            json!({}),
            json!([[]]),
            json!([null]),
            json!({"": {}}),
        ]);
        Self { names: names.into_iter().collect(), values }
    }
}

fn collect(schema: &Value, names: &mut BTreeSet<String>, values: &mut Vec<Value>) {
    match schema {
        Value::Object(members) => {
            for (keyword, member) in members {
                match (keyword.as_str(), member) {
                    ("properties", Value::Object(properties)) => names.extend(properties.keys().cloned()),
                    ("enum", Value::Array(all)) => values.extend(all.iter().cloned()),
                    ("const", one) => values.push(one.clone()),
                    ("minimum" | "maximum", Value::Number(limit)) => values.extend(around(limit)),
                    _ => {}
                }
                collect(member, names, values);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|it| collect(it, names, values)),
        _ => {}
    }
}

fn around(limit: &serde_json::Number) -> Vec<Value> {
    let Some(limit) = limit.as_i64() else { return vec![Value::from(limit.clone())] };
    [limit.checked_sub(1), Some(limit), limit.checked_add(1)].into_iter().flatten().map(Value::from).collect()
}

/// Makes one change to `document`.
pub fn mutate(document: &mut Value, vocabulary: &Vocabulary, choose: &mut Choose<'_>) {
    let mut pointers = vec![String::new()];
    collect_pointers("", document, &mut pointers);
    let pointer = pointers.swap_remove(choose(pointers.len()));
    let other = pointers.get(choose(pointers.len().max(1))).and_then(|it| document.pointer(it)).cloned();
    let Some(value) = document.pointer_mut(&pointer) else { return };
    match choose(8) {
        0 => *value = vocabulary.values[choose(vocabulary.values.len())].clone(),
        1 => retype(value, choose),
        2 => *value = other.unwrap_or_default(),
        3 => nudge(value, choose),
        4 => remove(value, choose),
        5 => duplicate(value, choose),
        6 => rename(value, vocabulary, choose),
        _ => insert(value, vocabulary, choose),
    }
}

fn collect_pointers(here: &str, value: &Value, pointers: &mut Vec<String>) {
    let mut below = |step: &str, value: &Value| {
        let pointer = format!("{here}/{}", step.replace('~', "~0").replace('/', "~1"));
        collect_pointers(&pointer, value, pointers);
        pointers.push(pointer);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| below(name, member)),
        Value::Array(entries) => entries.iter().enumerate().for_each(|(at, it)| below(&at.to_string(), it)),
        _ => {}
    }
}

fn retype(value: &mut Value, choose: &mut Choose<'_>) {
    let old = value.take();
    *value = match (choose(4), old) {
        (0, Value::String(text)) => text.parse::<i64>().map_or(json!(0), Value::from),
        (0, Value::Array(entries)) => (0..).map(|at: usize| at.to_string()).zip(entries).collect::<Map<_, _>>().into(),
        (0, Value::Object(members)) => members.into_iter().map(|(_, member)| member).collect::<Vec<_>>().into(),
        (0, other) => Value::from(other.to_string()),
        (1, other) => json!([other]),
        (2, other) => json!({"path": other}),
        _ => Value::Null,
    };
}

fn nudge(value: &mut Value, choose: &mut Choose<'_>) {
    match value {
        Value::Bool(bit) => *bit = !*bit,
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or_default();
            *value = Value::from(match choose(4) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                2 => number.wrapping_mul(2),
                _ => number.wrapping_neg(),
            });
        }
        Value::String(text) => nudge_text(text, choose),
        Value::Array(entries) if !entries.is_empty() => {
            let [one, other] = [choose(entries.len()), choose(entries.len())];
            entries.swap(one, other);
        }
        _ => {}
    }
}

fn nudge_text(text: &mut String, choose: &mut Choose<'_>) {
    let at = text.char_indices().map(|(at, _)| at).nth(choose(text.chars().count().max(1)));
    match (choose(5), at) {
        (0, Some(at)) => drop(text.remove(at)),
        (1, Some(at)) => text.insert(at, ['x', '/', '-', '0', '\0', 'é', '"', '%'][choose(8)]),
        (2, Some(at)) => text.truncate(at),
        (3, _) => *text = text.to_uppercase(),
        _ => text.push_str(["x", "/", "..", ",0-1", "\u{1F980}"][choose(5)]),
    }
}

fn remove(value: &mut Value, choose: &mut Choose<'_>) {
    match value {
        Value::Object(members) if !members.is_empty() => drop(members.remove(&chosen_name(members, choose))),
        Value::Array(entries) if !entries.is_empty() => drop(entries.remove(choose(entries.len()))),
        _ => {}
    }
}

fn duplicate(value: &mut Value, choose: &mut Choose<'_>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = chosen_name(members, choose);
            members.insert(format!("{name}s"), members[&name].clone());
        }
        Value::Array(entries) if !entries.is_empty() => entries.push(entries[choose(entries.len())].clone()),
        _ => {}
    }
}

fn rename(value: &mut Value, vocabulary: &Vocabulary, choose: &mut Choose<'_>) {
    let Some(members) = value.as_object_mut().filter(|it| !it.is_empty()) else { return };
    let mut name = chosen_name(members, choose);
    let member = members.remove(&name).unwrap_or_default();
    match choose(2) {
        0 => nudge_text(&mut name, choose),
        _ => name.clone_from(&vocabulary.names[choose(vocabulary.names.len())]),
    }
    members.insert(name, member);
}

fn insert(value: &mut Value, vocabulary: &Vocabulary, choose: &mut Choose<'_>) {
    let new = vocabulary.values[choose(vocabulary.values.len())].clone();
    match value {
        Value::Object(members) => drop(members.insert(vocabulary.names[choose(vocabulary.names.len())].clone(), new)),
        Value::Array(entries) => entries.insert(choose(entries.len() + 1), new),
        _ => {}
    }
}

fn chosen_name(members: &Map<String, Value>, choose: &mut Choose<'_>) -> String {
    members.keys().nth(choose(members.len())).cloned().unwrap_or_default()
}

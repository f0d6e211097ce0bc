//! What a schema finds wrong, in a sentence.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// The longest value, in characters, or pattern, in bytes, that a sentence repeats.
const LONGEST: usize = 60;

/// The most names that a sentence lists.
const MOST_LISTED: usize = 12;

/// Says what is wrong.
pub(crate) fn of(error: &ValidationError<'_>) -> String {
    let seen = quoted(error.instance());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("`{}` is missing", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::Type { kind } => {
            format!("{seen} is no {}", type_names(kind))
        }
        ValidationErrorKind::Enum { options } => {
            format!("{seen} is none of {}", options.as_array().map_or_else(String::new, |all| list(all)))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("{seen} is not {}", quoted(expected_value))
        }
        ValidationErrorKind::Pattern { pattern } if pattern == "^/" => {
            format!("{seen} is no absolute path")
        }
        ValidationErrorKind::Pattern { pattern } => match alternatives(pattern) {
            Some(names) if names.len() <= MOST_LISTED => format!("{seen} is none of {}", names.join(", ")),
            Some(_) => format!("{seen} is none of the names that are known here"),
            None if pattern.len() > LONGEST => format!("{seen} is not written as it has to be"),
            None => format!("{seen} does not match `{pattern}`"),
        },
        ValidationErrorKind::Minimum { limit } => format!("{seen} is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{seen} is more than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("{seen} is not greater than {limit}")
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("the list has fewer entries than {limit}")
        }
        ValidationErrorKind::MinLength { .. } => "the text is empty".to_owned(),
        ValidationErrorKind::PropertyNames { error: name } => format!("as a name, {}", of(name)),
        ValidationErrorKind::AdditionalProperties { unexpected } => unknown(unexpected),
        ValidationErrorKind::UnevaluatedProperties { unexpected } => unknown(unexpected),
        ValidationErrorKind::Not { schema } if schema.get("required").is_some() => {
            format!("{} exclude each other", list(&names(&schema["required"])))
        }
        ValidationErrorKind::OneOfNotValid { context } => {
            let missing = context.iter().flatten().filter_map(missing).collect::<Vec<_>>();
            format!("none of {} is there", missing.join(", "))
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => "more than one of the alternatives is there".to_owned(),
        _ => error.masked_with("the value").to_string(),
    }
}

/// The texts that a pattern such as `^CAP_(KILL|CHOWN)$` matches, if it merely lists some.
pub(crate) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let (prefix, rest) = pattern.strip_prefix('^')?.split_once('(')?;
    let names = rest.strip_suffix(")$")?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let listed = is_plain(prefix) && names.split('|').all(is_plain);
    listed.then(|| names.split('|').map(|name| format!("{prefix}{name}")).collect())
}

fn unknown(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| text_quoted(name)).collect();
    format!("{} is unknown here", names.join(", "))
}

/// The property that an alternative lacks.
fn missing(error: &ValidationError<'_>) -> Option<String> {
    match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(text_quoted),
        _ => None,
    }
}

fn names(required: &Value) -> Vec<Value> {
    required.as_array().cloned().unwrap_or_default()
}

fn list(values: &[Value]) -> String {
    values.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn type_names(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

/// A value as a sentence repeats it: short, and without anything that a terminal would obey.
fn quoted(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => text_quoted(text),
        other => other.to_string(),
    }
}

pub(crate) fn text_quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

//! What would mend an offence, where that is certain enough to say.

use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use ocf_spec::edits;
use serde_json::Value;

use crate::message::{alternatives, text_quoted};

/// The hint for an error of a schema.
pub(crate) fn of(error: &ValidationError<'_>) -> Option<String> {
    match error.kind() {
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options.as_array()?.iter().filter_map(Value::as_str).collect();
            nearest(error.instance().as_str()?, &options)
        }
        ValidationErrorKind::Pattern { pattern } => {
            let options = alternatives(pattern)?;
            nearest(error.instance().as_str()?, &options.iter().map(String::as_str).collect::<Vec<_>>())
        }
        ValidationErrorKind::PropertyNames { error: name } => of(name),
        ValidationErrorKind::Type { kind: TypeKind::Single(wanted) } => other_type(error.instance(), *wanted),
        _ => None,
    }
}

/// The value that a misspelt one most likely meant.
fn nearest(seen: &str, options: &[&str]) -> Option<String> {
    let ends = |option: &&&str| seen.len() > 2 && option.ends_with(&seen.to_uppercase());
    let meant = match options.iter().filter(ends).collect::<Vec<_>>()[..] {
        [one] => *one,
        _ => nearest_name(seen, options.iter().copied())?,
    };
    Some(format!("did you mean {}?", text_quoted(meant)))
}

/// The name that differs from a misspelt one by its case alone, or by few characters: at most two,
/// and less than a third of them. `None` if it is far from all, or is one of them.
pub(crate) fn nearest_name<'a>(seen: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = seen.chars().count();
    let allowed = (length / 3).min(2);
    // A name of no such length can't be near; to compare it would only cost time.
    let alike = names.filter(|name| name.chars().count().abs_diff(length) <= allowed);
    let distance = |name: &str| if name.eq_ignore_ascii_case(seen) { 1 } else { edits(seen, name) };
    let (distance, name) = alike.map(|name| (distance(name), name)).min()?;
    (distance > 0 && distance <= allowed).then_some(name)
}

fn other_type(seen: &Value, wanted: JsonType) -> Option<String> {
    match (seen, wanted) {
        (Value::String(text), JsonType::Integer | JsonType::Number) => number(text),
        (Value::String(text), JsonType::Boolean) if matches!(text.as_str(), "true" | "false") => {
            Some(format!("without the quotation marks: {text}"))
        }
        (Value::Number(number), JsonType::String) => Some(format!("in quotation marks: \"{number}\"")),
        (Value::String(text), JsonType::Array) => Some(format!("as a list: [{}]", text_quoted(text))),
        _ => None,
    }
}

fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix('0')).filter(|rest| !rest.is_empty());
    match digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()) {
        Some(octal) => Some(format!("JSON has no octal numbers: {text} is {octal}")),
        None => text.parse::<i64>().ok().map(|number| format!("without the quotation marks: {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hint(schema: &Value, document: &Value) -> Option<String> {
        let validator = jsonschema::draft202012::new(schema).unwrap();
        validator.iter_errors(document).find_map(|error| of(&error))
    }

    #[test]
    fn a_misspelt_value_is_near_what_it_meant() {
        let schema = json!({"enum": ["network", "mount", "CAP_NET_ADMIN", "CAP_KILL"]});
        assert_eq!(hint(&schema, &json!("netwrok")).as_deref(), Some("did you mean \"network\"?"));
        assert_eq!(hint(&schema, &json!("net_admin")).as_deref(), Some("did you mean \"CAP_NET_ADMIN\"?"));
        assert_eq!(hint(&schema, &json!("Mount")).as_deref(), Some("did you mean \"mount\"?"));
        assert_eq!(hint(&schema, &json!("uts")), None);
        assert_eq!(hint(&schema, &json!("")), None);
    }

    #[test]
    fn a_pattern_that_lists_names_is_read_as_a_list() {
        let schema = json!({"pattern": "^CAP_(NET_ADMIN|KILL)$"});
        assert_eq!(hint(&schema, &json!("NET_ADMIN")).as_deref(), Some("did you mean \"CAP_NET_ADMIN\"?"));
        assert_eq!(hint(&json!({"pattern": "^[a-z]*$"}), &json!("KILL")), None);
    }

    #[test]
    fn a_value_of_another_type_says_how_it_is_written() {
        let wanted = |name: &str, value: Value| hint(&json!({ "type": name }), &value);
        assert_eq!(wanted("integer", json!("0644")).as_deref(), Some("JSON has no octal numbers: 0644 is 420"));
        assert_eq!(wanted("integer", json!("12")).as_deref(), Some("without the quotation marks: 12"));
        assert_eq!(wanted("integer", json!("12k")), None);
        assert_eq!(wanted("boolean", json!("true")).as_deref(), Some("without the quotation marks: true"));
        assert_eq!(wanted("string", json!(7)).as_deref(), Some("in quotation marks: \"7\""));
        assert_eq!(wanted("array", json!("ro")).as_deref(), Some("as a list: [\"ro\"]"));
    }
}

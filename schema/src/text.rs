//! From bytes to a JSON value, without losing what is wrong with the text itself.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON text.
#[derive(Debug)]
pub(crate) struct Text {
    /// What it says; of a name given twice, the last value.
    pub(crate) value: Value,
    /// A JSON Pointer to each member whose name its object has already.
    pub(crate) duplicates: Vec<String>,
}

/// Reads one JSON text. Nesting is limited (to serde_json's 128 levels), so a hostile text gives
/// an error and no stack overflow.
pub(crate) fn parse(text: &str) -> Result<Text, serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let place = Place { pointer: String::new(), duplicates: &mut duplicates };
    let value = place.deserialize(&mut reader)?;
    reader.end()?;
    Ok(Text { value, duplicates })
}

/// Appends one name or index to a JSON Pointer.
pub(crate) fn joined(pointer: &str, step: impl fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{step}")
}

/// A value to come, and where it stands.
struct Place<'a> {
    pointer: String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let pointer = joined(&self.pointer, list.len());
            let place = Place { pointer, duplicates: &mut *self.duplicates };
            match entries.next_element_seed(place)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let pointer = joined(&self.pointer, &name);
            if object.contains_key(&name) {
                self.duplicates.push(pointer.clone());
            }
            let place = Place { pointer, duplicates: &mut *self.duplicates };
            object.insert(name, members.next_value_seed(place)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_what_serde_json_reads() {
        let text = r#" {"a": [null, true, -1, 18446744073709551615, 1.5, "é"], "b": {}} "#;
        let read = parse(text).unwrap();
        assert_eq!(read.value, serde_json::from_str::<Value>(text).unwrap());
        assert!(read.duplicates.is_empty());
    }

    #[test]
    fn a_name_given_twice_is_seen_at_any_depth() {
        let read = parse(r#"{"a": [{"b/c": 1, "b/c": 2}], "d": {}, "a": 3, "a": 4}"#).unwrap();
        assert_eq!(read.duplicates, ["/a/0/b~1c", "/a", "/a"]);
        assert_eq!(read.value, serde_json::json!({"a": 4, "d": {}}));
    }

    #[test]
    fn the_same_name_in_two_objects_is_no_duplicate() {
        let read = parse(r#"[{"a": {"a": 1}}, {"a": 2}]"#).unwrap();
        assert!(read.duplicates.is_empty());
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        assert_eq!(parse(r#"{"a": 1, "\u0061": 2}"#).unwrap().duplicates, ["/a"]);
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        let error = parse(&"[".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().starts_with("recursion limit exceeded"), "{error}");
    }

    #[test]
    fn what_follows_the_value_is_an_error() {
        assert!(parse("{} {}").is_err());
        assert!(parse("").is_err());
        assert!(parse("[1,]").is_err());
    }
}

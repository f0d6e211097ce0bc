//! Which properties upstream's own schema has.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Why a schema could not be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// The schema's file.
    pub file: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for SchemaError {}

/// So deep may a property lie, references counted: upstream's deepest takes about twenty steps.
const DEEPEST: usize = 100;

/// So many properties may a schema have: upstream's has about three hundred.
const MOST: usize = 20_000;

/// Every property that the schema in the file `entry` describes, as `properties.tsv` names them, and
/// whether it is a leaf. `schemas` are the files among which its references lead, by their names.
///
/// # Errors
///
/// A reference that leads nowhere, or in circles.
pub fn properties_of(schemas: &BTreeMap<String, Value>, entry: &str) -> Result<BTreeMap<String, bool>, SchemaError> {
    let mut walk = Walk { schemas, names: Vec::new(), steps: 0 };
    let place = Place { file: entry, depth: 0 };
    let document = schemas.get(entry).ok_or_else(|| place.error("it is missing"))?;
    walk.schema(document, &place, "")?;
    let mut names = walk.names;
    names.sort();
    names.dedup();
    // The name of everything below a property begins with its own, so it follows at once but for names like `a-b`.
    let has_inner = |name: &str| {
        let begins = |mark: &str| {
            let start = format!("{name}{mark}");
            let at = names.partition_point(|it| *it < start);
            names.get(at).is_some_and(|it| it.starts_with(&start))
        };
        begins(".") || begins("[]")
    };
    Ok(names.iter().map(|name| (name.clone(), !has_inner(name))).collect())
}

struct Walk<'a> {
    schemas: &'a BTreeMap<String, Value>,
    names: Vec<String>,
    steps: usize,
}

/// In which file a subschema stands, and how many steps led to it.
struct Place<'a> {
    file: &'a str,
    depth: usize,
}

impl Place<'_> {
    fn error(&self, message: impl fmt::Display) -> SchemaError {
        SchemaError { file: self.file.to_owned(), message: message.to_string() }
    }

    fn below(&self) -> Place<'_> {
        Place { file: self.file, depth: self.depth + 1 }
    }
}

impl<'a> Walk<'a> {
    /// Notes every property below `name`, the name of what `schema` describes.
    fn schema(&mut self, schema: &'a Value, place: &Place<'_>, name: &str) -> Result<(), SchemaError> {
        self.steps += 1;
        if place.depth > DEEPEST || self.steps > MOST * DEEPEST || self.names.len() > MOST {
            return Err(place.error(format!("`{name}` has no end: a reference leads in circles")));
        }
        let below = place.below();
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let (file, target) = self.referred(reference, place)?;
            self.schema(target, &Place { file, depth: below.depth }, name)?;
        }
        for choice in ["allOf", "anyOf", "oneOf"] {
            for one in schema.get(choice).and_then(Value::as_array).into_iter().flatten() {
                self.schema(one, &below, name)?;
            }
        }
        for (own, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let name = if name.is_empty() { own.clone() } else { format!("{name}.{own}") };
            self.names.push(name.clone());
            self.schema(member, &below, &name)?;
        }
        match schema.get("items") {
            Some(Value::Array(several)) => {
                several.iter().try_for_each(|it| self.schema(it, &below, &format!("{name}[]")))?
            }
            Some(every) => self.schema(every, &below, &format!("{name}[]"))?,
            None => {}
        }
        let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let every = patterns.map(|(_, it)| it).chain(schema.get("additionalProperties"));
        every.filter(|it| it.is_object()).try_for_each(|it| self.schema(it, &below, &format!("{name}.*")))
    }

    /// The file in which a reference ends, and the subschema there. Upstream writes some without the
    /// slash that begins a JSON Pointer.
    fn referred(&self, reference: &str, place: &Place<'_>) -> Result<(&'a str, &'a Value), SchemaError> {
        let nowhere = || place.error(format!("`{reference}` leads nowhere"));
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if file.is_empty() { place.file } else { file };
        let (file, document) = self.schemas.get_key_value(file).ok_or_else(nowhere)?;
        let pointer =
            if pointer.is_empty() || pointer.starts_with('/') { pointer.to_owned() } else { format!("/{pointer}") };
        Ok((file, document.pointer(&pointer).ok_or_else(nowhere)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas(entry: Value) -> BTreeMap<String, Value> {
        let definitions = json!({
            "definitions": {
                "Named": { "type": "object", "properties": { "name": { "$ref": "#definitions/Text" } } },
                "Text": { "type": "string" }
            }
        });
        [("entry.json".to_owned(), entry), ("defs.json".to_owned(), definitions)].into()
    }

    fn found(entry: Value) -> Vec<(String, bool)> {
        properties_of(&schemas(entry), "entry.json").unwrap().into_iter().collect()
    }

    fn names(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        expected.iter().map(|(name, leaf)| ((*name).to_owned(), *leaf)).collect()
    }

    #[test]
    fn references_lists_and_maps_are_followed() {
        let entry = json!({ "properties": {
            "one": { "$ref": "defs.json#/definitions/Named" },
            "several": { "type": "array", "items": { "anyOf": [{ "$ref": "defs.json#/definitions/Named" }] } },
            "by-key": { "additionalProperties": { "$ref": "defs.json#/definitions/Named" } },
            "texts": { "patternProperties": { ".": { "type": "string" } } },
            "list": { "items": { "type": "string" } }
        } });
        let expected = [
            ("by-key", false),
            ("by-key.*.name", true),
            ("list", true),
            ("one", false),
            ("one.name", true),
            ("several", false),
            ("several[].name", true),
            ("texts", true),
        ];
        assert_eq!(found(entry), names(&expected));
    }

    #[test]
    fn a_name_that_begins_another_does_not_contain_it() {
        let entry = json!({ "properties": { "a": {}, "a-b": { "properties": { "c": {} } }, "ab": {} } });
        assert_eq!(found(entry), names(&[("a", true), ("a-b", false), ("a-b.c", true), ("ab", true)]));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_an_error() {
        let error = |entry| properties_of(&schemas(entry), "entry.json").unwrap_err().to_string();
        assert_eq!(error(json!({ "$ref": "other.json#/x" })), "entry.json: `other.json#/x` leads nowhere");
        let within = json!({ "properties": { "a": { "$ref": "defs.json#/definitions/None" } } });
        assert_eq!(error(within), "entry.json: `defs.json#/definitions/None` leads nowhere");
        let circle = json!({ "properties": { "a": { "$ref": "#/properties/a" } } });
        assert!(error(circle).contains("has no end"));
        let growing = json!({ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } } });
        assert!(error(growing).contains("has no end"));
        assert_eq!(properties_of(&schemas(json!({})), "x.json").unwrap_err().to_string(), "x.json: it is missing");
    }
}

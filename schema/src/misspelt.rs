//! Names that the format doesn't have, and that look like one which it has. Unknown properties are
//! allowed and ignored, so a slip of the pen silently does nothing: worth a note, never an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::hint::nearest_name;
use crate::schema::referred;
use crate::text::{Step, Way};

/// The longest unknown name that is compared, in bytes: no property's name is nearly as long.
const LONGEST: usize = 64;

/// A name that is no property's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misspelt {
    /// A JSON Pointer to the member of this name.
    pub(crate) pointer: String,
    /// The property that was most likely meant, and that the object doesn't have.
    pub(crate) meant: String,
}

/// The names that a value's members may have, and those of the values below it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    properties: BTreeMap<String, Known>,
    items: Option<Box<Known>>,
    /// Any name may stand there, so none is misspelt.
    any_name: bool,
}

impl Known {
    /// The names that `schema` knows by `properties` and `items`. It must not refer to itself.
    pub(crate) fn of(schema: &Value) -> Self {
        Self::of_all(schema, vec![schema])
    }

    fn of_all(root: &Value, by: Vec<&Value>) -> Self {
        let all = with_referred(root, by);
        let mut properties: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for (name, subschema) in all.iter().filter_map(|it| it.get("properties")?.as_object()).flatten() {
            properties.entry(name).or_default().push(subschema);
        }
        let items: Vec<&Value> = all.iter().filter_map(|it| it.get("items")).collect();
        let is_map = |it: &&Value| ANY_NAME.iter().any(|keyword| it.get(keyword).is_some());
        Self {
            properties: properties.into_iter().map(|(name, by)| (name.to_owned(), Self::of_all(root, by))).collect(),
            items: (!items.is_empty()).then(|| Box::new(Self::of_all(root, items))),
            any_name: all.iter().any(is_map),
        }
    }

    /// Every misspelt name of `document`.
    pub(crate) fn misspelt(&self, document: &Value) -> Vec<Misspelt> {
        let mut found = Vec::new();
        self.look(None, document, &mut found);
        found
    }

    fn look(&self, above: Option<&Way<'_>>, value: &Value, found: &mut Vec<Misspelt>) {
        match (value, &self.items) {
            (Value::Object(members), _) => self.look_at_members(above, members, found),
            (Value::Array(entries), Some(items)) => {
                for (index, entry) in entries.iter().enumerate().filter(|(_, it)| it.is_object() || it.is_array()) {
                    items.look(Some(&Way { above, step: Step::Index(index) }), entry, found);
                }
            }
            _ => {}
        }
    }

    fn look_at_members(&self, above: Option<&Way<'_>>, members: &Map<String, Value>, found: &mut Vec<Misspelt>) {
        for (name, value) in members {
            let way = Way { above, step: Step::Name(name) };
            match self.properties.get(name) {
                Some(known) if value.is_object() || value.is_array() => known.look(Some(&way), value, found),
                Some(_) => {}
                None if self.any_name || name.len() > LONGEST => {}
                None => {
                    let absent = self.properties.keys().map(String::as_str).filter(|it| !members.contains_key(*it));
                    if let Some(meant) = nearest_name(name, absent) {
                        found.push(Misspelt { pointer: way.pointer(), meant: meant.to_owned() });
                    }
                }
            }
        }
    }
}

/// Keywords that speak of names which nobody lists.
const ANY_NAME: [&str; 3] = ["additionalProperties", "patternProperties", "propertyNames"];

/// These subschemas, and those to which they refer for the same value.
fn with_referred<'s>(root: &'s Value, by: Vec<&'s Value>) -> Vec<&'s Value> {
    let mut all = by;
    let mut at = 0;
    while let Some(&subschema) = all.get(at) {
        if subschema.get("$ref").is_some() {
            all.push(referred(root, subschema));
        }
        let branches = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|it| subschema.get(it)?.as_array());
        all.extend(branches.flatten());
        all.extend(["then", "else"].into_iter().filter_map(|it| subschema.get(it)));
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(document: Value) -> Vec<(String, String)> {
        let schema = json!({
            "properties": {
                "hostname": {},
                "linux": { "$ref": "#/$defs/linux" },
                "mounts": { "items": { "properties": { "source": {}, "options": {} } } },
                "annotations": { "additionalProperties": { "type": "string" } }
            },
            "$defs": { "linux": { "allOf": [{ "properties": { "maskedPaths": {} } }] } }
        });
        Known::of(&schema).misspelt(&document).into_iter().map(|it| (it.pointer, it.meant)).collect()
    }

    #[test]
    fn a_near_name_is_found_at_any_depth() {
        let document = json!({
            "hostName": "", "linux": {"maskedPath": []}, "mounts": [{"source": "", "option": []}]
        });
        let meant = [("/hostName", "hostname"), ("/linux/maskedPath", "maskedPaths"), ("/mounts/0/option", "options")];
        assert_eq!(found(document), meant.map(|(place, name)| (place.to_owned(), name.to_owned())));
    }

    #[test]
    fn a_name_of_its_own_is_none_that_was_misspelt() {
        assert_eq!(found(json!({"com.example.owner": 1, "host": 2, "linux": {"x": {"maskedPath": 3}}})), []);
        assert_eq!(found(json!({"annotations": {"hostnam": ""}})), []);
    }

    #[test]
    fn a_name_beside_the_one_that_it_is_near_to_was_meant() {
        assert_eq!(found(json!({"hostname": "", "hostnames": []})), []);
    }
}

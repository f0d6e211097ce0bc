//! Which constraints of a schema name no requirement, by the rule that the schema crate follows: a subschema's own
//! `requirement`, else that of the one which refers to it or whose list it describes, but never that of the object
//! whose property it describes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::below;

/// The keywords by which a value is refused.
const CONSTRAINTS: [&str; 24] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "contains",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "not",
    // Of these the choice as a whole is refused, and no branch by itself.
    "anyOf",
    "oneOf",
];

/// Each constraint without a requirement, on at least one way to it: the pointer of its subschema, and the keyword.
pub(super) fn without_requirement(schema: &Value) -> BTreeSet<(String, String)> {
    let mut walk = Walk { whole: schema, found: BTreeSet::new() };
    walk.subschema(schema, "", &[], 0);
    walk.found
}

/// So many steps lead to a subschema at most: one that holds itself has no end.
const DEEPEST: usize = 64;

struct Walk<'a> {
    whole: &'a Value,
    found: BTreeSet<(String, String)>,
}

impl<'a> Walk<'a> {
    /// Looks at a subschema. `inherited` are the `requirement`s of those that lead to it, the nearest last.
    fn subschema(&mut self, schema: &'a Value, pointer: &str, inherited: &[&'a Value], depth: usize) {
        let Some(members) = schema.as_object().filter(|_| depth < DEEPEST) else { return };
        let mut chain = inherited.to_vec();
        chain.extend(schema.get("requirement"));
        for (keyword, bound) in members {
            let inner = below(pointer, keyword);
            let keyword = keyword.as_str();
            if CONSTRAINTS.contains(&keyword) || (keyword.starts_with("additional") && *bound == Value::Bool(false)) {
                self.constraint(pointer, keyword, bound, &chain);
            }
            match (keyword, bound) {
                ("properties" | "patternProperties", Value::Object(them)) => {
                    them.iter().for_each(|(name, it)| self.subschema(it, &below(&inner, name), &[], depth + 1));
                }
                ("additionalProperties" | "propertyNames", one) => self.subschema(one, &inner, &[], depth + 1),
                ("allOf" | "prefixItems", Value::Array(them)) => {
                    for (at, it) in them.iter().enumerate() {
                        self.subschema(it, &format!("{inner}/{at}"), &chain, depth + 1);
                    }
                }
                ("items" | "then" | "else", one) => self.subschema(one, &inner, &chain, depth + 1),
                ("$ref", Value::String(reference)) => self.referred(reference, &chain, depth),
                _ => {}
            }
        }
    }

    fn referred(&mut self, reference: &str, chain: &[&'a Value], depth: usize) {
        let Some(pointer) = reference.strip_prefix('#') else { return };
        if let Some(target) = self.whole.pointer(pointer) {
            self.subschema(target, pointer, chain, depth + 1);
        }
    }

    fn constraint(&mut self, pointer: &str, keyword: &str, bound: &Value, chain: &[&Value]) {
        let is_named = match (keyword, bound) {
            ("required", Value::Array(names)) => names.iter().all(|it| is_named(chain, keyword, it.as_str())),
            _ => is_named(chain, keyword, None),
        };
        if !is_named {
            self.found.insert((pointer.to_owned(), keyword.to_owned()));
        }
    }
}

fn is_named(chain: &[&Value], keyword: &str, missing: Option<&str>) -> bool {
    chain.iter().rev().any(|named| {
        let mut named = *named;
        for part in [Some(keyword), missing].into_iter().flatten() {
            match named {
                Value::Object(parts) => match parts.get(part) {
                    Some(inner) => named = inner,
                    None => return false,
                },
                _ => break,
            }
        }
        named.is_string() || named.is_array()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(schema: Value) -> Vec<String> {
        let found = without_requirement(&schema);
        found.into_iter().map(|(pointer, keyword)| below(&pointer, &keyword)).collect()
    }

    #[test]
    fn a_constraint_is_named_beside_it_or_by_its_keyword() {
        assert_eq!(found(json!({ "type": "string", "requirement": "a.b" })), [""; 0]);
        let by_keyword = json!({ "type": "string", "minLength": 1, "requirement": { "type": "a.b" } });
        assert_eq!(found(by_keyword), ["/minLength"]);
    }

    #[test]
    fn a_property_does_not_inherit_and_an_entry_does() {
        let schema = json!({
            "type": "object",
            "requirement": "a.b",
            "properties": { "x": { "type": "string" } },
            "items": { "type": "string" }
        });
        assert_eq!(found(schema), ["/properties/x/type"]);
    }

    #[test]
    fn a_reference_hands_its_requirement_on() {
        let text = json!({ "type": "string" });
        let named = json!({ "$ref": "#/$defs/text", "requirement": "a.b" });
        let schema =
            json!({ "properties": { "x": named, "y": { "$ref": "#/$defs/text" } }, "$defs": { "text": text } });
        assert_eq!(found(schema), ["/$defs/text/type"]);
    }

    #[test]
    fn each_missing_property_is_named() {
        let schema = json!({ "required": ["x", "y"], "requirement": { "required": { "x": "a.b" } } });
        assert_eq!(found(schema), ["/required"]);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let schema = json!({ "allOf": [{ "$ref": "#" }], "type": "string", "requirement": "a.b" });
        assert_eq!(found(schema), [""; 0]);
    }
}

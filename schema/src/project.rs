//! A schema as it stands in one version of the specification.

use ocf_spec::{Bindings, Specification, Version};
use serde_json::{Map, Value};

/// Keywords whose value is a subschema.
const SUBSCHEMA: [&str; 10] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
/// Keywords whose value is a list of subschemas.
const SUBSCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that constrain nothing.
const DESCRIBING: [&str; 6] = ["title", "description", "$comment", "$id", "$schema", "severity"];
/// Keywords whose value leads from a name to a subschema.
const NAMED_SUBSCHEMAS: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "$defs"];

/// What of `schema` is in force under `version`: without the subschemas whose `since` and `until`
/// exclude it, without the constraints whose requirements don't apply to it, and with the one
/// requirement in force where the schema lists one for each range of versions. A definition that is
/// not in force becomes `true`, so that no reference dangles.
pub fn projected(schema: &Value, specification: &Specification, version: Version) -> Value {
    projected_by(schema, &Bindings::of(specification), version)
}

/// The same, where nothing else of the specification is known.
pub(crate) fn projected_by(schema: &Value, bindings: &Bindings<'_>, version: Version) -> Value {
    Projection { root: schema, bindings, version }.subschema(schema).unwrap_or(Value::Bool(true))
}

struct Projection<'a> {
    root: &'a Value,
    bindings: &'a Bindings<'a>,
    version: Version,
}

impl Projection<'_> {
    /// `None` if it is not in force.
    fn subschema(&self, schema: &Value) -> Option<Value> {
        let Value::Object(members) = schema else {
            return Some(schema.clone());
        };
        if !self.counts(members) {
            return None;
        }
        let mut kept = Map::new();
        for (keyword, value) in members {
            if let Some(value) = self.keyword(members, keyword, value) {
                kept.insert(keyword.clone(), value);
            }
        }
        Some(Value::Object(kept))
    }

    fn counts(&self, members: &Map<String, Value>) -> bool {
        let bound = |name| members.get(name)?.as_str()?.parse().ok();
        bound("since").is_none_or(|since: Version| since <= self.version)
            && bound("until").is_none_or(|until: Version| self.version < until)
    }

    fn keyword(&self, members: &Map<String, Value>, keyword: &str, value: &Value) -> Option<Value> {
        if matches!(keyword, "since" | "until") {
            return None;
        }
        if keyword == "requirement" {
            return self.requirement(value);
        }
        let is_dead = match keyword {
            "$ref" => self.refers_for_nothing(members),
            _ => self.is_dead(named(members, keyword)),
        };
        if is_dead {
            return None;
        }
        match value {
            Value::Array(required) if keyword == "required" => self.required(members, required),
            Value::Array(several) if SUBSCHEMAS.contains(&keyword) => {
                let kept: Vec<Value> = several.iter().filter_map(|one| self.subschema(one)).collect();
                (!kept.is_empty()).then_some(Value::Array(kept))
            }
            Value::Object(by_name) if NAMED_SUBSCHEMAS.contains(&keyword) => Some(self.by_name(keyword, by_name)),
            one if SUBSCHEMA.contains(&keyword) => self.subschema(one),
            other => Some(other.clone()),
        }
    }

    /// What is referred to enforces the requirement named here, as it names none of its own; and that
    /// doesn't apply.
    fn refers_for_nothing(&self, members: &Map<String, Value>) -> bool {
        let reference = members.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let target = self.root.pointer(reference.trim_start_matches('#'));
        self.is_dead(members.get("requirement")) && target.is_none_or(|it| it.get("requirement").is_none())
    }

    fn by_name(&self, keyword: &str, subschemas: &Map<String, Value>) -> Value {
        let kept = subschemas.iter().filter_map(|(name, subschema)| {
            let gone = (keyword == "$defs").then_some(Value::Bool(true));
            Some((name.clone(), self.subschema(subschema).or(gone)?))
        });
        Value::Object(kept.collect())
    }

    /// The properties that some requirement in force demands, or none that is named.
    fn required(&self, members: &Map<String, Value>, properties: &[Value]) -> Option<Value> {
        let of_property = |name: &str| named(members, "required")?.as_object()?.get(name);
        let is_in_force = |name: &&Value| !self.is_dead(name.as_str().and_then(of_property));
        let kept: Vec<Value> = properties.iter().filter(is_in_force).cloned().collect();
        (!kept.is_empty()).then_some(Value::Array(kept))
    }

    /// Whether requirements are named there, and none of them applies.
    fn is_dead(&self, named: Option<&Value>) -> bool {
        match named {
            Some(Value::String(_)) => !named.is_some_and(|it| self.applies(it)),
            Some(Value::Array(ids)) => !ids.iter().any(|id| self.applies(id)),
            _ => false,
        }
    }

    fn applies(&self, id: &Value) -> bool {
        let binding = id.as_str().and_then(|id| self.bindings.get(id));
        binding.is_none_or(|it| it.applies(self.version))
    }

    /// The annotation itself: of a list the one that applies.
    fn requirement(&self, named: &Value) -> Option<Value> {
        match named {
            Value::Array(ids) => ids.iter().find(|id| self.applies(id)).cloned(),
            Value::Object(by_part) => {
                let kept = by_part.iter().filter_map(|(part, ids)| Some((part.clone(), self.requirement(ids)?)));
                Some(Value::Object(kept.collect()))
            }
            one => self.applies(one).then(|| one.clone()),
        }
    }
}

/// What `requirement` names for a constraint beside it. What holds subschemas is named only where
/// the keyword itself is: the one requirement of a subschema is not that of all below it.
fn named<'a>(members: &'a Map<String, Value>, keyword: &str) -> Option<&'a Value> {
    let holds_subschemas = [&SUBSCHEMA[..], &SUBSCHEMAS, &NAMED_SUBSCHEMAS, &["$ref"]].concat().contains(&keyword);
    match members.get("requirement")? {
        Value::Object(by_keyword) => by_keyword.get(keyword),
        _ if holds_subschemas || DESCRIBING.contains(&keyword) => None,
        all => Some(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHAPTER: &str = "# alpha\n\nThe first.\n\n\
        ## alpha.old\nMUST, config, since 1.0.0, ours\nIt holds.\nUntil: 1.1.0\n\n\
        ## alpha.new\nMUST, config, since 1.1.0, ours\nIt holds.\n";

    fn at(version: &str, schema: Value) -> Value {
        let specification = Specification::parse(&[("alpha", CHAPTER)]).unwrap();
        projected(&schema, &specification, version.parse().unwrap())
    }

    #[test]
    fn a_property_that_came_later_is_not_there() {
        let schema =
            json!({"properties": {"a": {"since": "1.1.0", "type": "string"}, "b": {"until": "1.1.0", "type": "null"}}});
        assert_eq!(at("1.0.2", schema.clone()), json!({"properties": {"b": {"type": "null"}}}));
        assert_eq!(at("1.1.0", schema), json!({"properties": {"a": {"type": "string"}}}));
    }

    #[test]
    fn a_constraint_goes_with_its_requirement() {
        let schema = json!({"type": "string", "pattern": "^/", "requirement": {"pattern": "alpha.old"}});
        assert_eq!(at("1.0.0", schema.clone())["pattern"], "^/");
        assert_eq!(at("1.1.0", schema), json!({"type": "string", "requirement": {}}));
    }

    #[test]
    fn of_a_reworded_requirement_the_one_in_force_is_named() {
        let schema = json!({"type": "string", "requirement": ["alpha.old", "alpha.new"]});
        assert_eq!(at("1.0.2", schema.clone())["requirement"], "alpha.old");
        assert_eq!(at("1.3.0", schema)["requirement"], "alpha.new");
    }

    #[test]
    fn a_property_is_required_while_its_requirement_applies() {
        let schema = json!({"required": ["a", "b"], "requirement": {"required": {"a": "alpha.old", "b": "alpha.new"}}});
        assert_eq!(at("1.0.2", schema.clone())["required"], json!(["a"]));
        assert_eq!(at("1.3.0", schema)["required"], json!(["b"]));
    }

    #[test]
    fn a_reference_goes_with_the_requirement_that_it_is_for() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/text", "requirement": "alpha.new"}, "b": {"$ref": "#/$defs/text"}},
            "$defs": {"text": {"type": "string"}}
        });
        assert_eq!(at("1.0.2", schema)["properties"], json!({"a": {}, "b": {"$ref": "#/$defs/text"}}));
    }

    #[test]
    fn a_definition_that_is_not_in_force_allows_anything() {
        let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {"since": "1.3.0", "type": "string"}}});
        assert_eq!(at("1.2.0", schema), json!({"$ref": "#/$defs/a", "$defs": {"a": true}}));
    }
}

//! Which constraints of a schema reject, and which only advise.

use ocf_spec::{Level, Specification};
use serde_json::{Map, Value};

use super::difference::{ANNOTATIONS, CHILD_MAPS, CHILDREN, IN_PLACE, IN_PLACE_LISTS, IN_PLACE_MAPS, LISTS};

/// The annotation that [`weighed`] adds: the keywords beside it that only advise.
pub(super) const ADVISES: &str = "x-advises";

/// The schema with [`ADVISES`] in each subschema in which some constraint only advises.
pub(super) fn weighed(schema: &Value, specification: &Specification) -> Value {
    Weighing { specification }.subschema(schema, Inherited::default())
}

/// A weighed schema without the constraints that only advise, and without annotations.
pub(super) fn strict(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let advises = members.get(ADVISES).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let stays = |keyword: &str| {
        let is_annotation = ANNOTATIONS.contains(&keyword) && keyword != "$schema";
        !is_annotation && keyword != ADVISES && !advises.iter().any(|it| it == keyword)
    };
    let kept = members.iter().filter(|(keyword, _)| stays(keyword));
    Value::Object(kept.map(|(keyword, value)| (keyword.clone(), below(keyword, value, &mut strict))).collect())
}

/// The value of a keyword with each subschema in it replaced.
fn below(keyword: &str, value: &Value, replace: &mut dyn FnMut(&Value) -> Value) -> Value {
    let is_list = IN_PLACE_LISTS.contains(&keyword) || LISTS.contains(&keyword);
    let is_map = CHILD_MAPS.contains(&keyword) || IN_PLACE_MAPS.contains(&keyword) || keyword == "$defs";
    match value {
        Value::Array(all) if is_list => all.iter().map(replace).collect(),
        Value::Object(all) if is_map => all.iter().map(|(name, it)| (name.clone(), replace(it))).collect(),
        one if IN_PLACE.contains(&keyword) || CHILDREN.contains(&keyword) => replace(one),
        other => other.clone(),
    }
}

struct Weighing<'a> {
    specification: &'a Specification,
}

/// What the subschemas above say, as far as it is about the same property.
#[derive(Clone, Copy, Default)]
struct Inherited<'a> {
    requirement: Option<&'a Value>,
    severity: Option<&'a Value>,
}

impl Weighing<'_> {
    fn subschema(&self, schema: &Value, above: Inherited<'_>) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        let said = Inherited {
            requirement: members.get("requirement").or(above.requirement),
            severity: members.get("severity").or(above.severity),
        };
        let mut made = Map::new();
        for (keyword, value) in members {
            // A property's own description says anew what it enforces; an entry's of a list does not.
            let is_other = keyword == "$defs" || CHILD_MAPS.contains(&keyword.as_str()) || is_of_another(keyword);
            let above = if is_other { Inherited::default() } else { said };
            made.insert(keyword.clone(), below(keyword, value, &mut |it| self.subschema(it, above)));
        }
        let advises: Vec<Value> =
            members.keys().filter(|it| self.advises(said, it)).cloned().map(Value::from).collect();
        if !advises.is_empty() {
            made.insert(ADVISES.to_owned(), Value::Array(advises));
        }
        Value::Object(made)
    }

    fn advises(&self, said: Inherited<'_>, keyword: &str) -> bool {
        let holds = [&IN_PLACE[..], &IN_PLACE_LISTS, &IN_PLACE_MAPS, &CHILDREN, &CHILD_MAPS, &LISTS, &ANNOTATIONS];
        if holds.concat().contains(&keyword) {
            return false;
        }
        if let Some(severity) = said.severity.and_then(|it| part(it, keyword)) {
            return severity != "error";
        }
        let id = said.requirement.and_then(|it| part(it, keyword));
        let level = id.and_then(|id| self.specification.get(id)).map(|it| it.level);
        matches!(level, Some(Level::Should | Level::ShouldNot | Level::May))
    }
}

fn is_of_another(keyword: &str) -> bool {
    matches!(keyword, "additionalProperties" | "unevaluatedProperties" | "propertyNames")
}

/// What an annotation says of a keyword, if it says one thing.
fn part<'a>(named: &'a Value, keyword: &str) -> Option<&'a str> {
    match named {
        Value::Object(by_keyword) => by_keyword.get(keyword)?.as_str(),
        all => all.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHAPTER: &str = "# alpha\n\nThe first.\n\n\
        ## alpha.hard\nMUST, config, since 1.0.0, ours\nIt holds.\n\n\
        ## alpha.soft\nSHOULD, config, since 1.0.0, ours\nIt holds.\n";

    fn advising(schema: Value) -> Value {
        weighed(&schema, &Specification::parse(&[("alpha", CHAPTER)]).unwrap())
    }

    #[test]
    fn a_constraint_weighs_as_its_requirement() {
        let schema =
            json!({"type": "string", "pattern": "^/", "requirement": {"type": "alpha.hard", "pattern": "alpha.soft"}});
        let weighed = advising(schema);
        assert_eq!(weighed[ADVISES], json!(["pattern"]));
        assert_eq!(strict(&weighed), json!({"type": "string"}));
    }

    #[test]
    fn what_the_schema_says_of_the_severity_counts_more() {
        let schema = json!({"enum": [1], "requirement": "alpha.hard", "severity": "warning"});
        assert_eq!(advising(schema)[ADVISES], json!(["enum"]));
    }

    #[test]
    fn an_entry_weighs_as_its_list_and_a_property_not_as_its_object() {
        let schema = json!({"requirement": "alpha.soft", "items": {"minimum": 1}, "properties": {"a": {"minimum": 1}}});
        let weighed = advising(schema);
        assert_eq!(weighed["items"][ADVISES], json!(["minimum"]));
        assert_eq!(weighed["properties"]["a"].get(ADVISES), None);
    }
}

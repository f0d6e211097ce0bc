//! The schemas: well-formed, described, and each constraint with a requirement that there is.

use std::collections::BTreeSet;

use ocf_schema::{Kind, Validator, enforced, rules, schema};
use ocf_spec::{SpecError, Specification, VERSIONS};
use serde_json::Value;

use super::document::{Document, below};
use super::tree::{Tree, schema_path};
use super::{constraints, dangling};

/// What was found in the schemas.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    pub(super) errors: Vec<SpecError>,
    /// The requirements that a schema, a rule or the reading of a text enforces.
    pub(super) enforced: BTreeSet<String>,
    pub(super) count: usize,
}

pub(super) fn lint(tree: &Tree, specification: &Specification) -> Schemas {
    let mut found = Schemas::default();
    for kind in Kind::ALL {
        let path = schema_path(kind);
        let Some(text) = tree.get(&path) else {
            found.errors.push(SpecError { file: path, line: None, message: "the schema is missing".to_owned() });
            continue;
        };
        match Document::read(&path, text) {
            Ok(document) => found.add(kind, document, specification),
            Err(error) => found.errors.push(error),
        }
    }
    found
}

impl Schemas {
    fn add(&mut self, kind: Kind, mut document: Document<'_>, specification: &Specification) {
        self.count += 1;
        if let Err(why) = jsonschema::draft202012::meta::validate(&document.value) {
            let message = format!("against the meta-schema of JSON Schema 2020-12: {why}");
            document.complain(why.instance_path().to_string(), message);
        } else if let Err(why) = Validator::new(kind, &document.value, specification, VERSIONS[VERSIONS.len() - 1]) {
            document.complain(String::new(), why.to_string());
        }
        descriptions(&mut document);
        if Kind::FORMAT.contains(&kind) {
            self.enforced.extend(schema::requirements(&document.value).iter().map(ToString::to_string));
            self.enforced.extend(beside_the_schema(kind));
            ids(&mut document, specification);
            for (pointer, keyword) in constraints::without_requirement(&document.value) {
                document.complain(below(&pointer, &keyword), "a constraint without a requirement".to_owned());
            }
        }
        self.errors.extend(document.errors());
    }
}

/// The requirements of this program's rules, and of its reading of a text, for documents of a kind.
fn beside_the_schema(kind: Kind) -> impl Iterator<Item = String> {
    let by_rules: BTreeSet<String> = rules::of(kind).filter_map(|it| it.requirement.map(str::to_owned)).collect();
    let own = schema::requirements(schema::document(kind));
    let by_text = enforced(kind).into_iter().filter(move |id| !own.contains(id)).map(|id| id.to_string());
    by_text.chain(by_rules)
}

/// Notes every id that is none, or that stands twice in one list.
fn ids(document: &mut Document<'_>, specification: &Specification) {
    let mut complaints = Vec::new();
    visit(&document.value, "", &mut |pointer, subschema| {
        if let Some(named) = subschema.get("requirement") {
            each_id(named, &below(pointer, "requirement"), &mut |pointer, id| match id.as_str() {
                Some(id) => complaints.extend(dangling(specification, id).map(|message| (pointer.to_owned(), message))),
                None => complaints.push((pointer.to_owned(), "no id".to_owned())),
            });
        }
    });
    complaints.into_iter().for_each(|(pointer, message)| document.complain(pointer, message));
}

fn each_id(named: &Value, pointer: &str, look: &mut impl FnMut(&str, &Value)) {
    match named {
        Value::Object(parts) => parts.iter().for_each(|(part, it)| each_id(it, &below(pointer, part), look)),
        Value::Array(several) => {
            for (at, one) in several.iter().enumerate() {
                let pointer = format!("{pointer}/{at}");
                let is_repeated = several[..at].contains(one);
                each_id(if is_repeated { &Value::Null } else { one }, &pointer, look);
            }
        }
        one => look(pointer, one),
    }
}

/// Notes every property without a description of its own, or of what it refers to. What stands below a condition
/// describes nothing: it asks.
fn descriptions(document: &mut Document<'_>) {
    let mut complaints = Vec::new();
    let whole = &document.value;
    let is_described = |property: &Value| {
        let referred = property.get("$ref").and_then(Value::as_str).and_then(|it| whole.pointer(it.strip_prefix('#')?));
        property.get("description").is_some() || referred.is_some_and(|it| it.get("description").is_some())
    };
    visit(whole, "", &mut |pointer, subschema| {
        let is_condition = pointer.split('/').any(|step| matches!(step, "if" | "then" | "else" | "not"));
        let properties = subschema.get("properties").and_then(Value::as_object).filter(|_| !is_condition);
        let without = properties.into_iter().flatten().filter(|(_, property)| !is_described(property));
        complaints.extend(without.map(|(name, _)| below(&below(pointer, "properties"), name)));
    });
    complaints.into_iter().for_each(|it| document.complain(it, "a property without a description".to_owned()));
}

/// Shows every subschema. A map from names to subschemas is none itself, whatever the names are.
fn visit(schema: &Value, pointer: &str, look: &mut impl FnMut(&str, &Value)) {
    const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];
    const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
    const ONES: [&str; 10] = [
        "items",
        "additionalProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
        "propertyNames",
        "contains",
        "not",
        "if",
        "then",
        "else",
    ];
    let Some(members) = schema.as_object() else { return };
    look(pointer, schema);
    for (name, member) in members {
        let pointer = below(pointer, name);
        let inner: Vec<(String, &Value)> = match member {
            Value::Object(them) if MAPS.contains(&name.as_str()) => {
                them.iter().map(|(name, it)| (below(&pointer, name), it)).collect()
            }
            Value::Array(them) if LISTS.contains(&name.as_str()) => {
                them.iter().enumerate().map(|(at, it)| (format!("{pointer}/{at}"), it)).collect()
            }
            one if ONES.contains(&name.as_str()) => vec![(pointer, one)],
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|(pointer, it)| visit(it, &pointer, look));
    }
}

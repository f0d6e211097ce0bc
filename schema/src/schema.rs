//! The JSON Schemas, and what their constraints say beyond JSON Schema: which requirement they
//! enforce, and for which versions they count.
//!
//! Beside a constraint stands `requirement`: one id for all constraints there, or an object from
//! keyword to id; `required` may lead to a further object, from missing property to id. For an id
//! may stand a list: what was reworded has one for each range of versions. A subschema without one
//! has that of the subschema which refers to it, or whose list it describes, but never that of the
//! object whose property it describes. `since` and `until` (exclusive) bound the versions in which
//! a subschema counts, with all that lies below it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Registry, Resource, ValidationError, Validator};
use ocf_spec::RequirementId;
use serde_json::Value;

use crate::limited::Limited;
use crate::{Kind, Severity};

/// The other schemas to which that of `kind` refers, directly or through one of them.
const fn referred_by(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Evidence => &[Kind::Fixture, Kind::Adapter],
        Kind::Report => &[Kind::Fixture, Kind::Adapter, Kind::Evidence],
        _ => &[],
    }
}

/// The text of the schema of `kind`.
pub const fn text(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => include_str!("../config.json"),
        Kind::State => include_str!("../state.json"),
        Kind::Features => include_str!("../features.json"),
        Kind::Fixture => include_str!("../suite/fixture.json"),
        Kind::Adapter => include_str!("../suite/adapter.json"),
        Kind::Evidence => include_str!("../suite/evidence.json"),
        Kind::Profile => include_str!("../suite/profile.json"),
        Kind::Report => include_str!("../suite/report.json"),
        Kind::Static => include_str!("../suite/static.json"),
        Kind::Validation => include_str!("../suite/validation.json"),
        Kind::Requirements => include_str!("../suite/requirements.json"),
    }
}

/// The schema of `kind` as JSON, parsed at its first use.
pub fn document(kind: Kind) -> &'static Value {
    static PARSED: [OnceLock<Value>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    PARSED[kind as usize].get_or_init(|| serde_json::from_str(text(kind)).expect("a test proves that each is JSON"))
}

/// Compiles a schema of `kind`. Nothing is fetched: it refers to itself, or to another of this suite
/// by its `$id`.
pub(crate) fn compiled(kind: Kind, schema: &Value) -> Result<Validator<Limited>, String> {
    let mut registry = Registry::new();
    for other in referred_by(kind) {
        let resource = document(*other);
        let id = resource["$id"].as_str().unwrap_or_default().to_owned();
        registry = registry.add(id, Resource::from_contents(resource.clone())).map_err(|e| e.to_string())?;
    }
    let registry = registry.prepare().map_err(|e| e.to_string())?;
    let options = jsonschema::options_for().with_draft(Draft::Draft202012).offline().with_registry(&registry);
    options.build(schema).map_err(|error| format!("{}: {error}", error.schema_path()))
}

/// Every id that a schema names.
pub fn requirements(document: &Value) -> BTreeSet<RequirementId> {
    let mut ids = BTreeSet::new();
    collect_requirements(document, &mut ids);
    ids
}

fn collect_requirements(schema: &Value, ids: &mut BTreeSet<RequirementId>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "requirement" => collect_ids(member, ids),
                    _ => collect_requirements(member, ids),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_requirements(item, ids)),
        _ => {}
    }
}

fn collect_ids(named: &Value, ids: &mut BTreeSet<RequirementId>) {
    match named {
        Value::Object(by_part) => by_part.values().for_each(|part| collect_ids(part, ids)),
        Value::Array(several) => several.iter().for_each(|one| collect_ids(one, ids)),
        one => ids.extend(id(one)),
    }
}

/// What a schema says of one constraint that a document offends against.
pub(crate) struct Said {
    /// The requirements that it enforces, one for each range of versions.
    pub(crate) requirements: Vec<RequirementId>,
    /// The severity, where the schema gives one.
    pub(crate) severity: Option<Severity>,
}

/// Finds out what `schema` says of the constraint that gave `error`.
pub(crate) fn said(schema: &Value, error: &ValidationError<'_>) -> Said {
    let constraint = Constraint::at(schema, error.evaluation_path().as_str());
    let parts = [Some(constraint.keyword.as_str()), missing(error)];
    let requirements = constraint.nearest("requirement", parts).and_then(ids).unwrap_or_default();
    let severity = constraint.nearest("severity", parts).and_then(|it| severity(it.as_str()?));
    Said { requirements, severity }
}

/// The name of the property that is missing, if that is the error.
fn missing<'a>(error: &'a ValidationError<'_>) -> Option<&'a str> {
    match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        _ => None,
    }
}

/// One constraining keyword, and the way that led to it.
struct Constraint<'a> {
    /// Each step of the way, and the subschema, or list or map of subschemas, that it led to.
    way: Vec<(String, &'a Value)>,
    keyword: String,
}

impl<'a> Constraint<'a> {
    /// Follows an evaluation path, as JSON Schema 2020-12 (Core, 12.4.2) defines it, into `schema`.
    fn at(schema: &'a Value, path: &str) -> Self {
        let mut steps: Vec<String> = path.split('/').skip(1).map(unescaped).collect();
        let keyword = steps.pop().unwrap_or_default();
        let mut way = vec![(String::new(), schema)];
        let mut here = schema;
        for step in steps {
            here = match step.as_str() {
                "$ref" => referred(schema, here),
                _ => child(here, &step),
            };
            way.push((step, here));
        }
        Self { way, keyword }
    }

    /// What the nearest subschema says by `annotation`, back to the one that describes this very
    /// property.
    fn nearest(&self, annotation: &str, parts: [Option<&str>; 2]) -> Option<&'a Value> {
        for (step, subschema) in self.way.iter().rev() {
            if let Some(named) = named(subschema, annotation, parts) {
                return Some(named);
            }
            if OTHER_PLACES.contains(&step.as_str()) {
                break;
            }
        }
        None
    }
}

/// The keywords beyond which a subschema describes another property.
const OTHER_PLACES: [&str; 4] = ["properties", "patternProperties", "additionalProperties", "propertyNames"];

fn named<'a>(subschema: &'a Value, annotation: &str, parts: [Option<&str>; 2]) -> Option<&'a Value> {
    let mut named = subschema.get(annotation)?;
    for part in parts.into_iter().flatten() {
        if let Value::Object(by_part) = named {
            named = by_part.get(part)?;
        }
    }
    (!named.is_object()).then_some(named)
}

fn ids(named: &Value) -> Option<Vec<RequirementId>> {
    match named {
        Value::Array(ids) => ids.iter().map(id).collect(),
        one => Some(vec![id(one)?]),
    }
}

fn id(text: &Value) -> Option<RequirementId> {
    text.as_str()?.parse().ok()
}

fn severity(word: &str) -> Option<Severity> {
    [Severity::Note, Severity::Warning, Severity::Error].into_iter().find(|it| it.as_str() == word)
}

/// The subschema that the `$ref` of `subschema` names. In another document, where no requirement
/// is named, the way ends.
pub(crate) fn referred<'a>(schema: &'a Value, subschema: &Value) -> &'a Value {
    let reference = subschema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    let pointer = reference.trim_start_matches('#');
    schema.pointer(pointer).unwrap_or(&Value::Null)
}

fn child<'a>(value: &'a Value, step: &str) -> &'a Value {
    let child = match value {
        Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
        _ => value.get(step),
    };
    child.unwrap_or(&Value::Null)
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

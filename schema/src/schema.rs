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
use std::error::Error;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Registry, Resource, ValidationError, Validator};
use ocf_spec::{RequirementId, Specification, Version};
use serde_json::Value;

use crate::Kind;

/// A schema, ready for use.
pub(crate) struct Schema {
    document: Value,
    validator: Validator,
}

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
    }
}

/// The schema of `kind`, compiled at its first use.
pub(crate) fn of(kind: Kind) -> &'static Schema {
    static COMPILED: [OnceLock<Schema>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    COMPILED[kind as usize].get_or_init(|| Schema::compile(kind).expect("a test proves that each schema compiles"))
}

impl Schema {
    /// Nothing is fetched: a schema refers to itself, or to another of this suite by its `$id`.
    fn compile(kind: Kind) -> Result<Self, Box<dyn Error>> {
        let document = serde_json::from_str(text(kind))?;
        let mut registry = Registry::new();
        for other in referred_by(kind) {
            let resource: Value = serde_json::from_str(text(*other))?;
            let id = resource["$id"].as_str().unwrap_or_default().to_owned();
            registry = registry.add(id, Resource::from_contents(resource))?;
        }
        let registry = registry.prepare()?;
        let options = jsonschema::draft202012::options().offline().with_registry(&registry);
        let validator = options.build(&document)?;
        Ok(Self { document, validator })
    }

    /// What `value` offends against under `version`, each with the requirement that was named.
    pub(crate) fn errors<'a>(
        &'a self,
        value: &'a Value,
        version: Version,
    ) -> impl Iterator<Item = (Option<RequirementId>, ValidationError<'a>)> {
        self.validator.iter_errors(value).filter_map(move |error| {
            let constraint = Constraint::at(&self.document, error.evaluation_path().as_str());
            let ids = constraint.requirements(missing(&error));
            let in_force = ids.iter().find(|id| applies(id, version)).cloned();
            let counts = constraint.counts(version) && (ids.is_empty() || in_force.is_some());
            counts.then_some((in_force, error))
        })
    }

    /// The schema as JSON.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Every id that it names.
    pub(crate) fn requirements(&self) -> BTreeSet<RequirementId> {
        let mut ids = BTreeSet::new();
        collect_requirements(&self.document, &mut ids);
        ids
    }
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

    fn counts(&self, version: Version) -> bool {
        let bound = |subschema: &Value, name| subschema.get(name)?.as_str()?.parse().ok();
        self.way.iter().all(|(_, subschema)| {
            bound(subschema, "since").is_none_or(|since: Version| since <= version)
                && bound(subschema, "until").is_none_or(|until: Version| version < until)
        })
    }

    /// What the nearest subschema names, back to the one that describes this very property.
    fn requirements(&self, missing: Option<&str>) -> Vec<RequirementId> {
        for (step, subschema) in self.way.iter().rev() {
            if let Some(ids) = named(subschema, &self.keyword, missing) {
                return ids;
            }
            if OTHER_PLACES.contains(&step.as_str()) {
                break;
            }
        }
        Vec::new()
    }
}

/// The keywords beyond which a subschema describes another property.
const OTHER_PLACES: [&str; 4] = ["properties", "patternProperties", "additionalProperties", "propertyNames"];

fn named(subschema: &Value, keyword: &str, missing: Option<&str>) -> Option<Vec<RequirementId>> {
    let mut named = subschema.get("requirement")?;
    for part in [Some(keyword), missing] {
        if let (Value::Object(by_part), Some(part)) = (named, part) {
            named = by_part.get(part)?;
        }
    }
    match named {
        Value::String(_) => Some(vec![id(named)?]),
        Value::Array(ids) => ids.iter().map(id).collect(),
        _ => None,
    }
}

fn id(text: &Value) -> Option<RequirementId> {
    text.as_str()?.parse().ok()
}

/// Whether the requirement binds under `version`.
pub(crate) fn applies(id: &RequirementId, version: Version) -> bool {
    Specification::embedded().get(id.as_str()).is_none_or(|requirement| requirement.applies(version))
}

/// The subschema that the `$ref` of `subschema` names. In another document, where no requirement
/// is named, the way ends.
fn referred<'a>(schema: &'a Value, subschema: &Value) -> &'a Value {
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

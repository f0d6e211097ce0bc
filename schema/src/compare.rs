//! Compares two schemas, definition by definition: what is now rejected that was accepted, and
//! accepted that was rejected, each with an example document that proves it.
//!
//! An example is never shown before both validators have judged it. That there is none is said only
//! where it is proved, by the set arithmetic of `jsonschema::canonical`, which is experimental;
//! where neither an example nor a proof is found, the answer is unknown.
//!
//! Objects of the format are open, so that a property which came later takes something away, taken
//! strictly: a document could have used its name for anything. It is graded as if objects were
//! closed, where it adds, and the example of what it now rejects stands beside it.
//!
//! Whether a constraint rejects or only advises, its requirement's level says, or its `severity`.

mod difference;
mod meaning;
mod pattern;
mod proof;
mod sample;
mod way;
mod weight;
mod words;

use std::collections::BTreeSet;
use std::fmt;

use ocf_spec::{RequirementId, Specification, Version};
use serde::Serialize;
use serde_json::Value;

use crate::limited::{Limited, Seen};
use crate::{InvalidSchema, Kind, Severity, Validator, rules};
use difference::Difference;
use meaning::Search;
pub use way::reachable;

/// One of the two schemas, ready to be compared.
pub struct Side<'s> {
    kind: Kind,
    specification: &'s Specification,
    version: Version,
    validator: Validator<'s>,
    compiled: jsonschema::Validator<Limited>,
    /// The schema as it stands in the version; beside the constraints that only advise stands that.
    schema: Value,
    /// The same without these constraints, and without anything that constrains nothing.
    strict: Value,
}

impl<'s> Side<'s> {
    /// Prepares `schema` for documents of `kind` as it stands in `version`.
    ///
    /// # Errors
    ///
    /// What is wrong with the schema.
    pub fn new(
        kind: Kind,
        schema: &Value,
        specification: &'s Specification,
        version: Version,
    ) -> Result<Self, InvalidSchema> {
        let validator = Validator::new(kind, schema, specification, version)?;
        let compiled =
            crate::schema::compiled(kind, validator.schema()).expect("the validator has compiled this very schema");
        let schema = weight::weighed(&way::in_force(validator.schema()), specification);
        let strict = weight::strict(&schema);
        Ok(Self { kind, specification, version, validator, compiled, schema, strict })
    }

    /// The gravest finding about a document, notes left out.
    fn judged(&self, document: &Value) -> Option<Severity> {
        let findings = self.validator.validate(document);
        findings.into_iter().map(|it| it.severity).filter(|it| *it > Severity::Note).max()
    }

    /// What the constraints at some pointers into the schema find wrong with a document, in a sentence.
    fn said_at(&self, pointers: &[String], document: &Value) -> Option<String> {
        let mut errors = self.compiled.iter_errors(Seen::whole(document));
        let error = errors.find(|it| is_from(self.validator.schema(), it.evaluation_path().as_str(), pointers))?;
        Some(crate::message::of(&error))
    }

    /// The severity of breaking a requirement here; none if it is unknown or not in force.
    fn severity(&self, id: &RequirementId) -> Option<Severity> {
        let requirement = self.specification.get(id.as_str()).filter(|it| it.applies(self.version))?;
        Some(Severity::of(requirement.level))
    }
}

/// Whether the way of an evaluation (JSON Schema 2020-12, Core, 12.4.2) passes one of some pointers. An error about a
/// name ends at `propertyNames`, above the constraint that it comes from.
fn is_from(schema: &Value, way: &str, pointers: &[String]) -> bool {
    let mut here = String::new();
    let mut passed = vec![String::new()];
    for step in way.split('/').skip(1) {
        let is_reference = here.ends_with("/$ref");
        if is_reference {
            let subschema = schema.pointer(&here[..here.len() - "/$ref".len()]).and_then(|it| it["$ref"].as_str());
            here = subschema.unwrap_or_default().trim_start_matches('#').to_owned();
            passed.push(here.clone());
        }
        here = format!("{here}/{step}");
        passed.push(here.clone());
    }
    let is_above = |it: &String| here.ends_with("/propertyNames") && it.starts_with(&here);
    pointers.iter().any(|it| passed.contains(it) || is_above(it))
}

/// What the changes of a schema amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Descriptions, ids or order only: the same documents are accepted.
    Editorial,
    /// The same documents are accepted, but others are warned of.
    Advice,
    /// More documents are accepted.
    Widening,
    /// Nobody found out.
    Unknown,
    /// Documents that were accepted are rejected.
    Breaking,
    /// Documents that were accepted are rejected, and the other way round.
    Both,
}

impl Grade {
    /// The word that a reader sees.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Editorial => "editorial",
            Self::Advice => "advice",
            Self::Widening => "widening",
            Self::Unknown => "unknown",
            Self::Breaking => "breaking",
            Self::Both => "both",
        }
    }

    /// The grade of two changes together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.min(other), self.max(other)) {
            (Self::Widening, Self::Breaking) => Self::Both,
            (_, graver) => graver,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A document on which the two schemas disagree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The whole document.
    pub document: Value,
    /// A JSON Pointer to what matters in it.
    pub at: String,
    /// What the one that rejects it, or warns of it, says.
    pub finding: String,
}

/// What is known of one direction of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is proved that there is no such document.
    None,
    /// There is this one.
    Example(Box<Example>),
    /// Neither an example nor a proof was found.
    Unknown,
}

impl Effect {
    /// The example, if there is one.
    pub fn example(&self) -> Option<&Example> {
        match self {
            Self::Example(example) => Some(example),
            _ => None,
        }
    }
}

/// One place of a schema that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The definition, by its path of names, as `mounts.mount`; empty for the schema itself, and
    /// `rules` for a rule across properties.
    pub definition: String,
    /// The place in a document, as `/mounts/*/destination`.
    pub place: String,
    /// A JSON Pointer to the subschema, in the newer schema if it is there, else in the older.
    pub pointer: String,
    /// What changed, each in a phrase.
    pub what: Vec<String>,
    /// The requirements whose constraints these are.
    pub requirements: BTreeSet<RequirementId>,
    /// Documents that were accepted and are rejected, none of which uses a property that came.
    pub rejects: Effect,
    /// Documents that were rejected and are accepted, none of which uses a property that went.
    pub accepts: Effect,
    /// A document that is accepted as before, and of which one of the two warns.
    pub advises: Option<Example>,
    /// A document on which the two disagree only because objects are open: it uses the name of a
    /// property before that came, or after it went.
    pub formal: Option<Example>,
    /// What it amounts to.
    pub grade: Grade,
}

/// Everything in which two schemas differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// In the order of the definitions.
    pub changes: Vec<Change>,
}

impl Comparison {
    /// What all changes amount to; none if there is no change.
    pub fn grade(&self) -> Option<Grade> {
        self.changes.iter().map(|it| it.grade).reduce(Grade::and)
    }
}

/// The documents about which two schemas can disagree.
pub struct Touched {
    /// The ways to the values of which something else is said; none if they are too many to tell.
    ways: Option<Vec<Vec<difference::Step>>>,
}

impl Touched {
    /// Whether a document has a value of which something else is said.
    pub fn reaches(&self, document: &Value) -> bool {
        self.ways.as_ref().is_none_or(|ways| ways.iter().any(|way| meaning::reaches(document, way)))
    }
}

/// Finds the places in which two projected schemas differ by more than a description. This is quick: nothing is
/// compiled, and no example looked for.
pub fn touched(old: &Value, new: &Value) -> Touched {
    Touched { ways: meaning::touched_ways(&way::in_force(old), &way::in_force(new)) }
}

/// Compares two schemas of one kind of document. `samples` are documents of that kind, right or
/// wrong, from which examples are made.
pub fn compare(old: &Side<'_>, new: &Side<'_>, samples: &[Value]) -> Comparison {
    let mut search = Search::new(old, new, samples);
    let differences = search.differences();
    search.note_properties(&differences);
    let mut changes: Vec<Change> = differences.iter().map(|it| change(&search, it)).collect();
    changes.extend(rules::of(new.kind).filter_map(|rule| by_rule(&search, &rule.id()?)));
    Comparison { changes }
}

fn change(search: &Search<'_>, difference: &Difference) -> Change {
    let found = search.effects(difference);
    let grade = grade(difference, &found);
    Change {
        definition: difference.definition_name(),
        place: found.place,
        pointer: difference.pointer().to_owned(),
        what: words::of(difference, search),
        requirements: search.requirements(difference),
        rejects: found.rejects,
        accepts: found.accepts,
        advises: found.advises,
        formal: found.formal,
        grade,
    }
}

fn grade(difference: &Difference, found: &meaning::Found) -> Grade {
    if difference.is_annotation_only() {
        return Grade::Editorial;
    }
    match (difference.came(), &found.rejects, &found.accepts) {
        (Some(true), ..) => Grade::Widening,
        (Some(false), ..) => Grade::Breaking,
        (None, Effect::Example(_), Effect::Example(_)) => Grade::Both,
        (None, Effect::Example(_), _) => Grade::Breaking,
        (None, Effect::None, Effect::Example(_)) => Grade::Widening,
        (None, Effect::None, Effect::None) if found.formal.is_some() => Grade::Widening,
        (None, Effect::None, Effect::None) if difference.advises() => Grade::Advice,
        (None, Effect::None, Effect::None) => Grade::Editorial,
        (None, ..) => Grade::Unknown,
    }
}

/// The change of a rule across properties, which the binary has and the specification puts in force.
fn by_rule(search: &Search<'_>, id: &RequirementId) -> Option<Change> {
    let severities = (search.old.severity(id), search.new.severity(id));
    if severities.0 == severities.1 {
        return None;
    }
    let what = match severities {
        (None, _) => "a rule that comes into force",
        (_, None) => "a rule that is no longer in force",
        (old, new) if old < new => "a rule that weighs more",
        _ => "a rule that weighs less",
    };
    let found = search.effects_of_rule(id);
    let examples = [found.rejects.example(), found.accepts.example(), found.formal.as_ref(), found.advises.as_ref()];
    let grade = match severities {
        (old, new) if old.max(new) < Some(Severity::Error) => Grade::Advice,
        _ if found.rejects.example().is_some() => Grade::Breaking,
        _ if found.accepts.example().is_some() || found.formal.is_some() => Grade::Widening,
        _ => Grade::Unknown,
    };
    let place = examples.into_iter().flatten().next().map(|it| it.at.clone());
    Some(Change {
        definition: "rules".to_owned(),
        place: place.unwrap_or_default(),
        pointer: String::new(),
        what: vec![what.to_owned()],
        requirements: [id.clone()].into(),
        rejects: found.rejects,
        accepts: found.accepts,
        advises: found.advises,
        formal: found.formal,
        grade,
    })
}

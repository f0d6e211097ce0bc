//! Finds everything that is wrong with one document.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use ocf_spec::{Bindings, RequirementId, Specification, Version};
use serde_json::Value;

use crate::limited::{Left, Limited, Seen};
use crate::project::projected_by;
use crate::text::{Fault, Text, joined};
use crate::{Finding, Kind, Severity, hint, message, misspelt, place, rules, schema, text};

/// The most findings that are listed of one document; a last one says that there are more.
pub const MOST_FINDINGS: usize = 20_000;

/// Everything in `document` that offends against its schema, and then against the [`rules`], under
/// `version` of the specification. Of a requirement that doesn't apply to that version there is
/// none, and none of what stands in a property that came later.
///
/// A finding may be of any level: whether it is an offence or advice, its severity says.
pub fn validate(kind: Kind, document: &Value, version: Version) -> Vec<Finding> {
    embedded(kind, version).validate(document)
}

/// As [`validate`], from the bytes of a file: also what is wrong with them as a text, and with the
/// text as JSON. A text that can't be read as JSON gives that finding and no other.
pub fn validate_bytes(kind: Kind, bytes: &[u8], version: Version) -> Vec<Finding> {
    embedded(kind, version).validate_bytes(bytes)
}

/// The most errors that are made of a schema's constraints, those included that come to nothing in the end: of two
/// alternatives the one that a document does not take.
const MOST_ERRORS: usize = 2 * MOST_FINDINGS;

/// The validator of the schema and the specification that this crate carries, made at its first use.
pub fn embedded(kind: Kind, version: Version) -> &'static Validator<'static> {
    type Made = (Kind, Version, &'static Validator<'static>);
    static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, _, validator)) = made.iter().find(|it| (it.0, it.1) == (kind, version)) {
        return validator;
    }
    // Of a right document no sentence is told, so the specification need not be parsed.
    let validator = Validator::by(kind, schema::document(kind), Bindings::embedded().clone(), version);
    // There are as many as kinds and versions; each lives as long as the program.
    let validator: &'static _ = Box::leak(Box::new(validator.expect("a test proves that each schema compiles")));
    made.push((kind, version, validator));
    validator
}

/// A schema, the rules beside it, and the version under which both are taken.
pub struct Validator<'s> {
    kind: Kind,
    bindings: Bindings<'s>,
    version: Version,
    schema: Value,
    compiled: jsonschema::Validator<Limited>,
    /// The format's names; none for the suite's own documents, which are closed.
    known: Option<misspelt::Known>,
    /// The rules whose requirements apply.
    rules: Vec<InForce>,
}

/// A rule that counts under the version.
struct InForce {
    requirement: Option<RequirementId>,
    severity: Severity,
    offences: fn(&Value) -> Vec<rules::Offence>,
}

/// A schema that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSchema {
    kind: Kind,
    why: String,
}

impl fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schema of {}: {}", self.kind.as_str(), self.why)
    }
}

impl std::error::Error for InvalidSchema {}

impl<'s> Validator<'s> {
    /// Prepares `schema` for documents of `kind` under `version`. The requirements that it names are
    /// those of `specification`; the rules are always this crate's.
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
        Self::by(kind, schema, Bindings::of(specification), version)
    }

    fn by(kind: Kind, schema: &Value, bindings: Bindings<'s>, version: Version) -> Result<Self, InvalidSchema> {
        let schema = projected_by(schema, &bindings, version);
        let compiled = schema::compiled(kind, &schema).map_err(|why| InvalidSchema { kind, why })?;
        let known = Kind::FORMAT.contains(&kind).then(|| misspelt::Known::of(&schema));
        let mut validator = Self { kind, bindings, version, schema, compiled, known, rules: Vec::new() };
        // Looked up once: a rule is asked about every document.
        validator.rules = rules::of(kind).filter_map(|rule| validator.in_force(rule)).collect();
        Ok(validator)
    }

    /// The schema as it stands in the version.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Everything that is wrong with `document`; of more than [`MOST_FINDINGS`] only so many.
    pub fn validate(&self, document: &Value) -> Vec<Finding> {
        let (mut findings, has_more) = self.by_schema(document);
        findings.extend(self.rules.iter().flat_map(|rule| rule.findings(document)));
        findings.extend(self.known.iter().flat_map(|it| it.misspelt(document)).map(note));
        if has_more || findings.len() > MOST_FINDINGS {
            findings.truncate(MOST_FINDINGS);
            let message = format!("there are more than {} findings; the others are not listed", findings.len());
            findings.push(about_text(None, "", message));
        }
        findings
    }

    /// What the schema finds, and whether there is more.
    fn by_schema(&self, document: &Value) -> (Vec<Finding>, bool) {
        // Asking first whether there is any error is many times quicker than listing none.
        if self.compiled.is_valid(Seen::whole(document)) {
            return (Vec::new(), false);
        }
        let left = Left::new(MOST_ERRORS);
        let errors = self.compiled.iter_errors(Seen::until(document, &left));
        let findings = errors.filter_map(|error| self.finding(&error)).take(MOST_FINDINGS + 1).collect();
        (findings, left.is_spent())
    }

    fn finding(&self, error: &ValidationError<'_>) -> Option<Finding> {
        let said = schema::said(&self.schema, error);
        let in_force = said.requirements.iter().find(|id| self.applies(id)).cloned();
        if in_force.is_none() && !said.requirements.is_empty() {
            return None;
        }
        Some(Finding {
            severity: said.severity.unwrap_or_else(|| self.severity(in_force.as_ref())),
            requirement: in_force,
            pointer: place(error),
            of_name: matches!(error.kind(), ValidationErrorKind::PropertyNames { .. }),
            message: message::of(error),
            hint: hint::of(error),
            span: None,
        })
    }

    fn in_force(&self, rule: &rules::Rule) -> Option<InForce> {
        let requirement = rule.id();
        if requirement.as_ref().is_some_and(|id| !self.applies(id)) {
            return None;
        }
        Some(InForce { severity: self.severity(requirement.as_ref()), requirement, offences: rule.offences })
    }

    fn applies(&self, id: &RequirementId) -> bool {
        self.bindings.get(id.as_str()).is_none_or(|it| it.applies(self.version))
    }

    fn severity(&self, id: Option<&RequirementId>) -> Severity {
        let binding = id.and_then(|id| self.bindings.get(id.as_str()));
        binding.map_or(Severity::Error, |it| Severity::of(it.level))
    }

    /// As [`Validator::validate`], from the bytes of a file; every finding has its span, and they are
    /// in the order of the text.
    pub fn validate_bytes(&self, bytes: &[u8]) -> Vec<Finding> {
        self.validate_text(&Text::read(bytes))
    }

    /// As [`Validator::validate_bytes`], of a text that was read already.
    pub fn validate_text(&self, text: &Result<Text<'_>, Fault>) -> Vec<Finding> {
        let text = match text {
            Ok(text) => text,
            Err(fault) => return vec![self.by_fault(fault.clone())],
        };
        let mut findings: Vec<Finding> = text.faults.iter().cloned().map(|fault| self.by_fault(fault)).collect();
        findings.extend(self.validate(&text.value));
        self.add_huge_integers(text, &mut findings);
        text.locate(&mut findings);
        findings
    }

    fn by_fault(&self, fault: Fault) -> Finding {
        let ids = fault.requirement.map(|id| text::spoken_of(self.kind, id)).unwrap_or_default();
        let applies = |id: &&&str| self.bindings.get(id).is_some_and(|it| it.applies(self.version));
        let requirement = ids.iter().find(applies).and_then(|id| id.parse().ok());
        Finding { span: Some(fault.span), ..about_text(requirement, &fault.pointer, fault.message) }
    }

    /// Integers that readers will round, each in its own way, where nothing else was found.
    fn add_huge_integers(&self, text: &Text<'_>, findings: &mut Vec<Finding>) {
        if !text.has_floats {
            return;
        }
        let known: BTreeSet<&str> = findings.iter().map(|it| it.pointer.as_str()).collect();
        let known = place::places(text.text, known.into_iter()).into_values();
        let known: BTreeSet<usize> = known.map(|it| it.value.start).collect();
        let added = place::huge_integers(text.text).into_iter().filter(|span| !known.contains(&span.start));
        findings.extend(added.take(MOST_FINDINGS).map(|span| Finding {
            severity: Severity::Warning,
            span: Some(span.start + text.offset..span.end + text.offset),
            ..about_text(None, "", "64 bits do not hold this integer, so readers disagree about it".to_owned())
        }));
    }
}

impl InForce {
    fn findings(&self, document: &Value) -> Vec<Finding> {
        let finding = |offence: rules::Offence| Finding {
            severity: self.severity,
            ..about_text(self.requirement.clone(), &offence.pointer, offence.message)
        };
        (self.offences)(document).into_iter().take(MOST_FINDINGS + 1).map(finding).collect()
    }
}

/// Where it is; of a name that is wrong, the member of that name.
fn place(error: &ValidationError<'_>) -> String {
    let object = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::PropertyNames { error: name } => match name.instance().as_str() {
            Some(name) => joined(object, name),
            None => object.to_owned(),
        },
        _ => object.to_owned(),
    }
}

fn note(misspelt: misspelt::Misspelt) -> Finding {
    Finding {
        severity: Severity::Note,
        of_name: true,
        hint: Some(format!("did you mean `{}`?", misspelt.meant)),
        ..about_text(None, &misspelt.pointer, "the format has no property of this name".to_owned())
    }
}

fn about_text(requirement: Option<RequirementId>, pointer: &str, message: String) -> Finding {
    let severity = Severity::Error;
    let pointer = pointer.to_owned();
    Finding { requirement, severity, pointer, of_name: false, message, hint: None, span: None }
}

//! Finds everything that is wrong with one document.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use ocf_spec::{Requirement, RequirementId, Specification, Version};
use serde_json::Value;

use crate::schema::{self, applies};
use crate::text::{self, joined};
use crate::{Finding, Kind, message, rules};

/// The upstream clause that demands UTF-8 of a config.
const ENCODING: &str = "GLO-001";
/// The upstream clause that forbids a name which its object has already.
const UNIQUE_NAMES: &str = "GLO-002";

/// RFC 8259, to which upstream refers for JSON, doesn't allow one at the beginning.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Everything in `document` that offends against its schema, and then against the [`rules`], under
/// `version` of the specification. Of a requirement that doesn't apply to that version there is
/// none, and none of what stands in a property that came later.
///
/// A finding may be of any level: whether it is an offence or advice, its requirement says.
pub fn validate(kind: Kind, document: &Value, version: Version) -> Vec<Finding> {
    let schema = schema::of(kind);
    let by_schema = schema.errors(document, version).map(|(requirement, error)| Finding {
        requirement,
        pointer: place(&error),
        message: message::of(&error),
    });
    let by_rules = rules::of(kind).flat_map(|rule| by_rule(rule, document, version));
    by_schema.chain(by_rules).collect()
}

fn by_rule(rule: &rules::Rule, document: &Value, version: Version) -> Vec<Finding> {
    let requirement = rule.id();
    if requirement.as_ref().is_some_and(|id| !applies(id, version)) {
        return Vec::new();
    }
    let offences = (rule.offences)(document).into_iter();
    offences
        .map(|offence| Finding { requirement: requirement.clone(), pointer: offence.pointer, message: offence.message })
        .collect()
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

/// As [`validate`], from the bytes of a file: also what is wrong with them as a text, and with the
/// text as JSON. A text that can't be read as JSON gives that finding and no other.
pub fn validate_bytes(kind: Kind, bytes: &[u8], version: Version) -> Vec<Finding> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the text is not UTF-8 from byte {} on", error.valid_up_to());
            return vec![about_text(clause(kind, ENCODING), "", message)];
        }
    };
    let Some(unmarked) = text.strip_prefix(BYTE_ORDER_MARK) else {
        return by_text(kind, text, version);
    };
    let mark = about_text(None, "", "the text begins with a byte order mark".to_owned());
    [vec![mark], by_text(kind, unmarked, version)].concat()
}

fn by_text(kind: Kind, text: &str, version: Version) -> Vec<Finding> {
    let text = match text::parse(text) {
        Ok(text) => text,
        Err(error) => {
            return vec![about_text(None, "", format!("the text is no JSON: {error}"))];
        }
    };
    let requirement = clause(kind, UNIQUE_NAMES);
    let duplicates = text
        .duplicates
        .iter()
        .map(|pointer| about_text(requirement.clone(), pointer, "the object has this name already".to_owned()));
    duplicates.chain(validate(kind, &text.value, version)).collect()
}

fn about_text(requirement: Option<RequirementId>, pointer: &str, message: String) -> Finding {
    Finding { requirement, pointer: pointer.to_owned(), message }
}

/// The requirement that carries an upstream clause about configs, once a chapter has it.
fn clause(kind: Kind, id: &str) -> Option<RequirementId> {
    let mut requirements = Specification::embedded().requirements();
    let carries = |it: &&Requirement| it.clauses.iter().any(|clause| clause == id);
    let found = requirements.find(carries).filter(|_| kind == Kind::Config);
    found.map(|it| it.id.clone())
}

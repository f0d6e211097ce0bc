//! Annotations that nobody knows change nothing. That the state carries them is a law of the chapter `state`.

use serde_json::json;

use super::{Expectation, Matcher, Subject, expect as expected, of_step};
use crate::view::annotations;

/// The laws, for a case which changes nothing of the base's config but its annotations.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match annotations::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let (Some(created), Some(started)) = (subject.created(), subject.started()) else { return Vec::new() };
    if !subject.changes_only("annotations") || !view.pairs.iter().any(|(key, _)| is_strange(key)) {
        return Vec::new();
    }
    let requirement = "annotations.unknown-key-ignored";
    vec![
        expected(requirement, &created, of_step(&created, "failed"), Matcher::Equals(json!(false))),
        expected(requirement, &started, "/journal/process ran", Matcher::PRESENT),
    ]
}

/// A key of a domain that nobody can own (RFC 2606).
fn is_strange(key: &str) -> bool {
    key.starts_with("com.example.") || key.starts_with("org.example.")
}

impl Subject<'_> {
    /// Whether the case's config differs from its base in this property alone.
    pub fn changes_only(&self, property: &str) -> bool {
        let changed = self.case.config.as_ref().and_then(serde_json::Value::as_object);
        let alone = changed.is_some_and(|fields| fields.keys().all(|name| name == property));
        alone && self.case.patch.is_none() && self.case.raw.is_none()
    }
}

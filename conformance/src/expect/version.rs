//! Which declared versions a runtime takes.

use serde_json::json;

use super::{Expectation, Matcher, Subject, expect as expected, of_step};
use crate::view::version;

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match version::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let (Some(created), Some(started)) = (subject.created(), subject.started()) else { return Vec::new() };
    // Of another config it would be open what a refusal is for.
    if !subject.changes_only("ociVersion") {
        return Vec::new();
    }
    if view.version > subject.spec {
        return vec![expected("version.later-minor", &created, of_step(&created, "failed"), Matcher::PRESENT)];
    }
    let requirement = "version.compatible-accepted";
    vec![
        expected(requirement, &created, of_step(&created, "failed"), Matcher::Equals(json!(false))),
        expected(requirement, &started, "/journal/process ran", Matcher::PRESENT),
    ]
}

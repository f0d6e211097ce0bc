//! A JSON file of the project, whose errors are told by their lines.

use ocf_schema::{Finding, Kind, Position, Severity, Text, validate, validate_bytes};
use ocf_spec::{SpecError, VERSIONS};
use serde_json::Value;

/// What a name given twice in any text offends against.
const UNIQUE_NAMES: &str = "bundle.unique-names";

/// A file that was read.
pub(super) struct Document<'a> {
    path: &'a str,
    text: &'a str,
    pub(super) value: Value,
    /// What is wrong: a JSON Pointer, and a message.
    complaints: Vec<(String, String)>,
}

impl<'a> Document<'a> {
    /// Reads a file, and notes the names that stand twice in one object.
    pub(super) fn read(path: &'a str, text: &'a str) -> Result<Self, SpecError> {
        let value = serde_json::from_str(text).map_err(|why| SpecError {
            file: path.to_owned(),
            line: Some(why.line().max(1)),
            message: format!("it is no JSON: {why}"),
        })?;
        let mut document = Self { path, text, value, complaints: Vec::new() };
        // That a name stands twice is seen in the text alone, whatever the text is about.
        let findings = validate_bytes(Kind::Config, text.as_bytes(), VERSIONS[VERSIONS.len() - 1]);
        let twice = findings.iter().filter(|it| it.requirement.as_ref().is_some_and(|id| id.as_str() == UNIQUE_NAMES));
        twice.for_each(|it| document.complain(it.pointer.clone(), "a name stands twice in this object".to_owned()));
        Ok(document)
    }

    pub(super) fn path(&self) -> &'a str {
        self.path
    }

    pub(super) fn complain(&mut self, pointer: String, message: String) {
        self.complaints.push((pointer, message));
    }

    /// Notes what its own format's schema says against it.
    pub(super) fn validate(&mut self, kind: Kind) {
        for finding in validate(kind, &self.value, VERSIONS[VERSIONS.len() - 1]) {
            self.complain(finding.pointer, finding.message);
        }
    }

    /// Everything that was noted, each with its line.
    pub(super) fn errors(self) -> Vec<SpecError> {
        let finding = |(pointer, message): (String, String)| Finding {
            requirement: None,
            severity: Severity::Error,
            pointer,
            of_name: false,
            message,
            hint: None,
            span: None,
        };
        let mut findings: Vec<Finding> = self.complaints.into_iter().map(finding).collect();
        if let (false, Ok(text)) = (findings.is_empty(), Text::read(self.text.as_bytes())) {
            text.locate(&mut findings);
        }
        let error = |it: Finding| SpecError {
            file: self.path.to_owned(),
            line: it.span.map(|span| Position::of(self.text.as_bytes(), span.start).line),
            message: if it.pointer.is_empty() { it.message } else { format!("{}: {}", it.pointer, it.message) },
        };
        findings.into_iter().map(error).collect()
    }
}

/// One step further in a JSON Pointer.
pub(super) fn below(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}

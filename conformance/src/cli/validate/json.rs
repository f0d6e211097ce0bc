//! One document for programs; `schema/suite/validation.json` describes it.

use serde_json::{Value, json};

use super::examine::{Examined, Placed};
use super::{Printer, Sum};

pub(super) struct Json;

impl Printer for Json {
    fn head(&self) -> String {
        "{\n  \"documents\": [".to_owned()
    }

    fn one(&self, examined: &Examined, is_first: bool) -> String {
        format!("{}\n    {}", if is_first { "" } else { "," }, document(examined))
    }

    fn tail(&self, sum: &Sum) -> String {
        let sum = json!({
            "documents": sum.documents, "wrong": sum.wrong, "unreadable": sum.unreadable,
            "errors": sum.errors, "warnings": sum.warnings, "notes": sum.notes
        });
        format!("\n  ],\n  \"sum\": {sum}\n}}\n")
    }
}

fn document(examined: &Examined) -> Value {
    let findings: Vec<Value> = examined.findings.iter().map(finding).collect();
    let mut document = json!({
        "name": examined.name, "kind": examined.kind.as_str(), "spec": examined.spec, "findings": findings
    });
    if let Some(why) = &examined.unreadable {
        document["unreadable"] = json!(why);
    }
    document
}

fn finding(placed: &Placed) -> Value {
    let finding = &placed.finding;
    let mut value = json!({
        "severity": finding.severity.as_str(),
        "pointer": finding.pointer,
        "message": finding.message,
        "line": placed.start.line,
        "column": placed.start.column,
        "endLine": placed.end.line,
        "endColumn": placed.end.column
    });
    if let Some(requirement) = placed.requirement() {
        value["requirement"] = json!(requirement.id);
        value["level"] = json!(requirement.level);
        value["sentence"] = json!(requirement.sentence);
    }
    if let Some(hint) = &finding.hint {
        value["hint"] = json!(hint);
    }
    value
}

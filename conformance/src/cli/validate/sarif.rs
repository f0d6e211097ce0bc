//! SARIF 2.1.0 (OASIS), which code scanning reads.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ocf_schema::Severity;
use ocf_spec::{Requirement, requirement};
use serde_json::{Value, json};

use super::examine::{Examined, Placed};
use super::{Printer, Sum};

/// The rule of what no requirement speaks of.
const OTHER: &str = "document";

#[derive(Default)]
pub(super) struct Sarif {
    /// The rules that some result cites; they stand after the results.
    cited: Mutex<BTreeSet<String>>,
    /// Some result was printed; a document may have none.
    begun: AtomicBool,
}

impl Printer for Sarif {
    fn head(&self) -> String {
        "{\n\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n\"version\": \"2.1.0\",\n\
         \"runs\": [{\n\"columnKind\": \"unicodeCodePoints\",\n\"results\": ["
            .to_owned()
    }

    fn one(&self, examined: &Examined, _: bool) -> String {
        let unreadable = examined.unreadable.iter().map(|why| {
            json!({
                "ruleId": OTHER, "level": "error", "message": { "text": why },
                "locations": [{ "physicalLocation": { "artifactLocation": artifact(&examined.name) } }]
            })
        });
        let found = examined.findings.iter().map(|placed| result(&examined.name, placed));
        let results: Vec<Value> = unreadable.chain(found).collect();
        if let Ok(mut cited) = self.cited.lock() {
            cited.extend(results.iter().filter_map(|it| it["ruleId"].as_str().map(str::to_owned)));
        }
        let comma = || if self.begun.swap(true, Ordering::Relaxed) { "," } else { "" };
        results.iter().map(|result| format!("{}\n{result}", comma())).collect()
    }

    fn tail(&self, _: &Sum) -> String {
        let cited = self.cited.lock().map(|it| it.clone()).unwrap_or_default();
        let rules: Vec<Value> = cited.iter().map(|id| rule(id)).collect();
        let driver = json!({ "name": "ocf validate", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
        format!("\n],\n\"tool\": {}\n}}]\n}}\n", json!({ "driver": driver }))
    }
}

fn result(name: &str, placed: &Placed) -> Value {
    let finding = &placed.finding;
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    json!({
        "ruleId": finding.requirement.as_ref().map_or(OTHER, |id| id.as_str()),
        "level": level,
        "message": { "text": format!("{}{hint}", finding.message) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact(name),
                "region": {
                    "startLine": placed.start.line, "startColumn": placed.start.column,
                    "endLine": placed.end.line, "endColumn": placed.end.column
                }
            },
            "logicalLocations": [{ "fullyQualifiedName": finding.pointer }]
        }]
    })
}

fn artifact(name: &str) -> Value {
    json!({ "uri": uri(name) })
}

/// A path as a URI reference (RFC 3986): what is no path character there is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/@!$&'()*+,;=".contains(&byte);
    let encoded =
        path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    encoded.collect()
}

fn rule(id: &str) -> Value {
    match requirement(id) {
        Some(requirement) => about(requirement),
        None => json!({ "id": OTHER, "shortDescription": { "text": "What is wrong with the document as such." } }),
    }
}

fn about(requirement: &Requirement) -> Value {
    let level = match Severity::of(requirement.level) {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    json!({
        "id": requirement.id,
        "shortDescription": { "text": requirement.sentence },
        "help": { "text": format!("{}, {}, {}", requirement.level, requirement.party, requirement.source) },
        "defaultConfiguration": { "level": level }
    })
}

//! All the facts of one case, and how a fact is looked up.
//!
//! Facts lie under `/before /steps/NAME /journal /hooks/KIND/N /inside/MOMENT /host/MOMENT /exit /left`.
//! In the document, an object with `"$complete": true` is a complete listing: a name that it lacks is
//! *absent*. `{"$unreadable": why}` stands for a fact that was asked for and could not be had. A name that
//! is missing elsewhere was *not asked*.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use ocf_spec::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapter::Adapter;
use crate::case::Case;
use crate::host::HostFacts;

/// The name of the format in the first line of an evidence file.
pub const FORMAT: &str = "ocf-evidence/1";

/// The member that marks a complete listing.
pub const COMPLETE: &str = "$complete";
/// The member that marks a fact which could not be had.
pub const UNREADABLE: &str = "$unreadable";

/// The first line of an evidence file: of whom and where the evidence is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// The suite's own version.
    pub suite: String,
    /// The version of the specification tested.
    pub spec: Version,
    /// The runtime.
    pub runtime: Identity,
    /// The adapter, whole.
    pub adapter: Adapter,
    /// The output of the runtime's `features`, if it has it.
    pub features: Option<Value>,
    /// The host.
    pub host: HostFacts,
    /// The profile's name.
    pub profile: String,
    /// When the run started, RFC 3339, UTC.
    pub started: String,
}

/// Which runtime was tested.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name: the adapter's, or the file's.
    pub name: String,
    /// What it says of its version; empty if nothing.
    pub version: String,
    /// Where it was found.
    pub path: String,
    /// The digest of the file that was copied and run, as hexadecimal digits.
    pub sha256: String,
    /// The adapter's name.
    pub adapter: String,
}

/// Why a case was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// For itself.
    Case,
    /// As another case's positive twin.
    Control,
    /// The unpatched base, which every run begins with.
    Base,
}

/// All the facts of one case; one line of an evidence file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The case's id: `CHAPTER/NAME`, or the property's with the seed.
    pub case: String,
    /// Why it was run.
    pub role: Role,
    /// The case as it was run.
    pub definition: Case,
    /// The config as the runtime found it; none if it was no JSON.
    pub config: Option<Value>,
    /// The facts.
    pub facts: Value,
    /// The harness's own trouble, if it had any: then nothing of this case is judged.
    pub trouble: Option<String>,
    /// Which properties a refused bundle was refused for, as JSON Pointers into the config: without them the runtime runs
    /// it, and with them and nothing else it refuses it. None if it was not refused, had to be, or nobody tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Vec<String>>,
    /// How long the case took, in seconds; for the reader only.
    pub seconds: f64,
}

/// The evidence of the cases that are meant for a version, as a run under it would have chosen them; and of the others
/// the names, each with the reason.
pub fn fitting(cases: Vec<Evidence>, version: Version) -> (Vec<Evidence>, Vec<(String, String)>) {
    let mut left_out = BTreeMap::new();
    let fitting = cases.into_iter().filter(|it| match it.definition.other_versions(version) {
        Some(why) => {
            left_out.insert(it.case.clone(), why);
            false
        }
        None => true,
    });
    let fitting = fitting.collect();
    (fitting, left_out.into_iter().collect())
}

/// What is known of a fact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact<'a> {
    /// It was observed.
    Present(&'a Value),
    /// A complete listing lacks it.
    Absent,
    /// Nobody asked.
    NotAsked,
    /// It was asked, and could not be had; with the reason.
    Unreadable(&'a str),
}

impl Evidence {
    /// Looks a fact up by its JSON Pointer (RFC 6901).
    pub fn fact(&self, pointer: &str) -> Fact<'_> {
        lookup(&self.facts, pointer)
    }

    /// Whether the step was taken: neither skipped nor never come to.
    pub fn attempted(&self, step: &str) -> bool {
        let place = format!("/steps/{}", crate::expectation::token(step));
        matches!(self.facts.pointer(&place), Some(facts) if facts.get("skipped").is_none())
    }

    /// Whether the step was taken and did not fail.
    pub fn succeeded(&self, step: &str) -> bool {
        let place = format!("/steps/{}/failed", crate::expectation::token(step));
        self.facts.pointer(&place) == Some(&Value::Bool(false))
    }
}

/// Looks a fact up in a document of facts.
pub fn lookup<'a>(document: &'a Value, pointer: &str) -> Fact<'a> {
    let mut place = document;
    for token in pointer.split('/').skip(1) {
        if let Some(why) = unreadable(place) {
            return Fact::Unreadable(why);
        }
        // Looked up by the ten thousand, and few names have anything escaped in them.
        let name: Cow<'_, str> = match token.contains('~') {
            true => token.replace("~1", "/").replace("~0", "~").into(),
            false => token.into(),
        };
        let next = match place {
            Value::Object(fields) => fields.get(name.as_ref()),
            Value::Array(items) => name.parse::<usize>().ok().and_then(|n| items.get(n)),
            _ => None,
        };
        match next {
            Some(value) => place = value,
            None if is_complete(place) => return Fact::Absent,
            None => return Fact::NotAsked,
        }
    }
    match unreadable(place) {
        Some(why) => Fact::Unreadable(why),
        None => Fact::Present(place),
    }
}

/// Whether what is not in it is known not to be there. Lists are always whole.
pub fn is_complete(value: &Value) -> bool {
    value.is_array() || value.get(COMPLETE) == Some(&Value::Bool(true))
}

fn unreadable(value: &Value) -> Option<&str> {
    value.get(UNREADABLE).and_then(Value::as_str)
}

/// Reads an evidence file: the header, then a case a line.
pub fn read(path: &Path) -> Result<(Header, Vec<Evidence>), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("read {}: {e}", path.display()))?;
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| format!("{}: the file is empty", path.display()))?;
    let at = |number: usize, e: serde_json::Error| format!("{}:{}: {e}", path.display(), number + 1);
    let header: Header = serde_json::from_str(first).map_err(|e| at(0, e))?;
    if header.format != FORMAT {
        return Err(format!("{}:1: the format is {:?}, not {FORMAT:?}", path.display(), header.format));
    }
    let cases = lines.map(|(n, line)| serde_json::from_str(line).map_err(|e| at(n, e))).collect::<Result<_, _>>()?;
    Ok((header, cases))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_name_is_absent_only_in_a_complete_listing() {
        let facts = json!({"mounts": {"$complete": true, "/proc": {"type": "proc"}}, "open": {}});
        assert_eq!(lookup(&facts, "/mounts/~1sys"), Fact::Absent);
        assert_eq!(lookup(&facts, "/open/x"), Fact::NotAsked);
        assert_eq!(lookup(&facts, "/mounts/~1proc/type"), Fact::Present(&json!("proc")));
    }

    #[test]
    fn what_lies_below_an_unreadable_fact_is_unreadable() {
        let facts = json!({"mounts": {"$unreadable": "ENOENT"}});
        assert_eq!(lookup(&facts, "/mounts/~1sys/type"), Fact::Unreadable("ENOENT"));
        assert_eq!(lookup(&facts, "/mounts"), Fact::Unreadable("ENOENT"));
    }

    #[test]
    fn a_case_for_other_versions_is_left_out_with_its_control() {
        let evidence = |case: &str, role: &str, spec: Option<&str>| -> Evidence {
            let mut definition = json!({"about": "a case"});
            if let Some(spec) = spec {
                definition["spec"] = json!(spec);
            }
            let value = json!({"case": case, "role": role, "definition": definition, "config": null, "facts": {},
                "trouble": null, "seconds": 0.0});
            serde_json::from_value(value).unwrap()
        };
        let all = vec![
            evidence("base/plain", "base", None),
            evidence("hooks/new", "control", Some(">=1.3.0")),
            evidence("hooks/new", "case", Some(">=1.3.0")),
            evidence("hooks/old", "case", Some("<1.3.0")),
        ];
        let (fitting, left_out) = fitting(all, "1.2.1".parse().unwrap());
        assert_eq!(fitting.iter().map(|it| it.case.as_str()).collect::<Vec<_>>(), ["base/plain", "hooks/old"]);
        assert_eq!(left_out, [("hooks/new".to_owned(), "for versions >=1.3.0 of the specification".to_owned())]);
    }
}

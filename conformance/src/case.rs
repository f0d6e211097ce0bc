//! The case: a bundle, the state of its caller, and named steps, as data.
//!
//! A fixture file is a case; a generator makes the same value. Nothing in here touches the host.

use std::collections::BTreeMap;
use std::fmt;

use ocf_spec::{RequirementId, Version, VersionRange};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::expectation::Stated;
use crate::host::Need;

mod action;
mod caller;
mod program;
mod question;
mod rootfs;
mod step;

pub use action::{Action, Answer};
pub use caller::{
    Caller, Capabilities, IoClass, IoPriority, Limit, MemoryMode, Persona, Policy, Propagation, SecureBit, Stdio,
};
pub use program::Hook;
pub use question::{Question, Syscall, Try};
pub use rootfs::{Empty, Entry, Node};
pub use step::{Call, Exit, Host, Inside, Observe, Order, Step, Together, Verb, Wait, WaitFor, While};

/// The name of the container that a step speaks of when it names none.
pub const MAIN: &str = "main";

/// One test case, as a fixture file writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// What the case shows, in one short phrase without "should".
    pub about: String,
    /// What it is meant for; empty when it is kept for its evidence only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<RequirementId>,
    /// The versions of the specification under which it makes sense; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<VersionRange>,
    /// Host facts without which it can't run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// The stem of the base in `fixtures/base`; `plain` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// A merge patch (RFC 7396) on the base's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// A JSON patch (RFC 6902) on the base's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// config.json byte by byte: what no JSON value can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// What the root file system holds besides the base's files, by absolute path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rootfs: BTreeMap<String, Entry>,
    /// The state of the process that calls the runtime.
    #[serde(default, skip_serializing_if = "Caller::is_plain")]
    pub caller: Caller,
    /// What the host does before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Action>,
    /// The hook programs, by the name that `${hook:NAME}` in the config gives.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, Hook>,
    /// The steps; the plain life `create start exit delete` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// A merge patch on this very case: its positive twin, which the same runtime must accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Value>,
    /// What the process's witness does to itself before it reports: for controls, in which a fact that a runtime ought
    /// to have set right is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_report: Vec<Order>,
    /// What the witness tries inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// Expectations of its own, where an example is clearer than a law.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Stated>,
    /// Where the process's witness answers.
    #[serde(default, skip_serializing_if = "Channel::is_journal")]
    pub channel: Channel,
    /// Whether no other case may run at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

/// Where the witness inside the container writes its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The journal, bind-mounted at `/.ocf`.
    #[default]
    Journal,
    /// File descriptor 1, which is then the journal itself.
    Stdout,
}

impl Channel {
    fn is_journal(&self) -> bool {
        *self == Self::Journal
    }
}

/// Bytes of a config.json that JSON text can't carry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Raw {
    /// Text, as it is: placeholders are replaced, nothing else.
    Text(String),
    /// Bytes as hexadecimal digits, white space between them ignored.
    Hex(String),
    /// The base's config as text with one piece of text exchanged; it must occur.
    Replace {
        /// The text to look for, in the config's compact form.
        find: String,
        /// What stands there instead.
        with: String,
    },
    /// The base's config, the members of each object in the reverse order of their names.
    Reversed(Empty),
}

/// What `fixtures/base/NAME.json` holds: a bundle that every runtime should accept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// What this base is, in one phrase.
    pub about: String,
    /// The stem of the base from which it differs; then `config` is a merge patch on that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The whole config.json, without `ociVersion`, which the harness sets.
    pub config: Value,
    /// The root file system, by absolute path; ids of owners are the container's.
    #[serde(default)]
    pub rootfs: BTreeMap<String, Entry>,
    /// The state of whoever calls the runtime, as far as a case does not say it.
    #[serde(default, skip_serializing_if = "Caller::is_plain")]
    pub caller: Caller,
    /// Namespaces, as entries of `linux.namespaces`, without which this caller can make no container: whatever list a
    /// case gives, one that lacks such a type gets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Value>,
}

/// Why a case can't be used as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseError(String);

impl CaseError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CaseError {}

impl Case {
    /// Reads a case from its JSON text and checks what serde can't: that at most one form of the config is
    /// given, and that names of steps and questions are unique.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        let case: Self = serde_json::from_str(text).map_err(|e| CaseError::new(e.to_string()))?;
        case.check()?;
        Ok(case)
    }

    /// Why it makes no sense under a version of the specification, if so.
    pub fn other_versions(&self, version: Version) -> Option<String> {
        let range = self.spec.as_ref().filter(|range| !range.contains(version))?;
        Some(format!("for versions {range} of the specification"))
    }

    /// The positive twin: this case with its `control` merged in; none if it has none.
    pub fn control(&self) -> Result<Option<Self>, CaseError> {
        let Some(patch) = &self.control else { return Ok(None) };
        let mut document = serde_json::to_value(self).map_err(|e| CaseError::new(e.to_string()))?;
        if let Some(fields) = document.as_object_mut() {
            for gone in ["control", "expect", "requirements"] {
                fields.remove(gone);
            }
        }
        json_patch::merge(&mut document, patch);
        let twin: Self = serde_json::from_value(document).map_err(|e| CaseError::new(format!("control: {e}")))?;
        twin.check().map_err(|e| CaseError::new(format!("control: {e}")))?;
        Ok(Some(twin))
    }

    /// The config as a value: the base's, patched, with `ociVersion` set unless the case sets it.
    ///
    /// None for a `raw` case, whose bytes need not be JSON.
    pub fn config(&self, base: &Base, version: Version) -> Result<Option<Value>, CaseError> {
        if matches!(self.raw, Some(Raw::Text(_) | Raw::Hex(_))) {
            return Ok(None);
        }
        let mut config = base.config.clone();
        if let Some(fields) = config.as_object_mut() {
            fields.insert("ociVersion".into(), Value::String(version.to_string()));
        }
        if let Some(patch) = &self.config {
            json_patch::merge(&mut config, patch);
        }
        if let Some(patch) = &self.patch {
            let patch: json_patch::Patch =
                serde_json::from_value(patch.clone()).map_err(|e| CaseError::new(format!("patch: {e}")))?;
            json_patch::patch(&mut config, &patch).map_err(|e| CaseError::new(format!("patch: {e}")))?;
        }
        base.add_namespaces(&mut config);
        Ok(Some(config))
    }

    /// The steps to take, named, the plain life if the case gives none.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.clone().unwrap_or_else(Step::plain_life)
    }

    fn check(&self) -> Result<(), CaseError> {
        let forms = usize::from(self.config.is_some()) + usize::from(self.patch.is_some());
        if forms + usize::from(self.raw.is_some()) > 1 {
            return Err(CaseError::new("at most one of config, patch and raw may be given"));
        }
        let steps = self.steps();
        let mut seen = std::collections::BTreeSet::new();
        for name in steps.iter().flat_map(Step::names) {
            if !seen.insert(name.clone()) {
                return Err(CaseError::new(format!("steps: the name {name} is given twice")));
            }
        }
        let mut asked = std::collections::BTreeSet::new();
        for question in &self.questions {
            if !asked.insert((question.moment().to_owned(), &question.name)) {
                return Err(CaseError::new(format!("questions: the name {} is given twice", question.name)));
            }
            if !seen.contains(question.moment()) {
                let (name, at) = (&question.name, question.moment());
                return Err(CaseError::new(format!("questions: {name} is asked at {at}, which no step is named")));
            }
        }
        for expected in &self.expect {
            if !seen.contains(&expected.after) {
                return Err(CaseError::new(format!("expect: no step is named {}", expected.after)));
            }
        }
        Ok(())
    }
}

impl Base {
    /// Reads a base from its JSON text.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        serde_json::from_str(text).map_err(|e| CaseError::new(e.to_string()))
    }

    /// This base as a whole, if `first` is the one that it is of.
    #[must_use]
    pub fn on(self, first: Self) -> Self {
        let (mut config, mut rootfs) = (first.config, first.rootfs);
        json_patch::merge(&mut config, &self.config);
        rootfs.extend(self.rootfs);
        Self { config, rootfs, ..self }
    }

    fn add_namespaces(&self, config: &mut Value) {
        let Some(listed) = config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut) else { return };
        for entry in &self.namespaces {
            if !listed.iter().any(|its| its["type"] == entry["type"]) {
                listed.push(entry.clone());
            }
        }
    }
}

/// The placeholders that stand for what only a run knows, in every string of a case.
///
/// `${bundle}`, `${rootfs}`, `${host}` (a scratch directory of the case), `${long}` (the longest name of a file),
/// `${apparmor-profile}` (one that the host has for containers), `${hook:NAME}`, and of a container `${id:NAME}`,
/// `${bundle:NAME}` and `${pid-file:NAME}`. What lies in `${host}/outside` before the first step is listed after each.
#[derive(Clone, Debug, Default)]
pub struct Placeholders(pub BTreeMap<String, String>);

impl Placeholders {
    /// Replaces each placeholder in `text`; an unknown one is an error.
    pub fn fill(&self, text: &str) -> Result<String, CaseError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let end =
                rest[start..].find('}').ok_or_else(|| CaseError::new(format!("unclosed placeholder in {text:?}")))?;
            let name = &rest[start + 2..start + end];
            let value = self.0.get(name).ok_or_else(|| CaseError::new(format!("unknown placeholder ${{{name}}}")))?;
            filled.push_str(&rest[..start]);
            filled.push_str(value);
            rest = &rest[start + end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Replaces placeholders in every string and object name of `value`.
    pub fn fill_value(&self, value: &Value) -> Result<Value, CaseError> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => Value::Array(items.iter().map(|v| self.fill_value(v)).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, value) in fields {
                    filled.insert(self.fill(name)?, self.fill_value(value)?);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }
}

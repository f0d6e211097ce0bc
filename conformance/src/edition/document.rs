//! The documents of cases and static fixtures, and configs of the shape that engines write, for whoever validates them
//! all.

use std::collections::BTreeMap;

use ocf_schema::Kind;
use ocf_spec::{Version, VersionRange};
use serde_json::{Value, json};

use super::Edition;

/// One document of a case or of a static fixture, or a config of an engine's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it is from, for readers: the file, and what in it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The requirement that it breaks on purpose; none for a control, a case and an engine's config.
    pub breaks: Option<String>,
    /// A JSON Pointer to where it does.
    pub at: Option<String>,
    /// The versions that it is meant for; all when left out.
    pub versions: Option<VersionRange>,
    base: Value,
    form: Form,
}

/// How a document differs from its base.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// By a merge patch.
    Merged(Value),
    /// By a patch.
    Patched(json_patch::Patch),
    /// By a piece of its compact text, in whose place another stands.
    Replaced(String, String),
    /// In every byte.
    Bytes(Vec<u8>),
}

impl Document {
    /// Its bytes under `version`; none if it can't be made, as when a patch does not fit its base.
    pub fn bytes(&self, version: Version) -> Option<Vec<u8>> {
        match &self.form {
            Form::Bytes(bytes) => Some(bytes.clone()),
            Form::Replaced(find, with) => {
                let text = filled(&self.base_in(version)).to_string();
                text.contains(find).then(|| text.replacen(find, with, 1).into_bytes())
            }
            _ => Some(self.value(version)?.to_string().into_bytes()),
        }
    }

    /// Its value under `version`; none if it can't be made, or is given as a text.
    pub fn value(&self, version: Version) -> Option<Value> {
        let mut value = self.base_in(version);
        match &self.form {
            Form::Merged(patch) => json_patch::merge(&mut value, patch),
            Form::Patched(patch) => json_patch::patch(&mut value, patch).ok()?,
            Form::Replaced(..) | Form::Bytes(_) => return None,
        }
        Some(filled(&value))
    }

    fn base_in(&self, version: Version) -> Value {
        let mut base = self.base.clone();
        if let Some(members) = base.as_object_mut().filter(|_| self.kind != Kind::Features) {
            members.insert("ociVersion".to_owned(), json!(version.to_string()));
        }
        base
    }
}

/// Every document of an edition: static fixtures first, each with its control, then cases, each with its control, then
/// engines' configs, which state the version that they are looked at in. An entry that is none of these is left out: the project's own tests find it.
pub fn of(edition: &Edition) -> Vec<Document> {
    let statics = edition.static_fixtures.iter().flat_map(|(chapter, file)| of_chapter(edition, chapter, file));
    let cases = edition.cases.iter().flat_map(|(name, case)| of_case(edition, name, case));
    let engines = edition.engines.iter().map(|(stem, config)| of_engine(stem, config));
    let mut documents: Vec<Document> = statics.chain(cases).chain(engines).collect();
    number(&mut documents);
    documents
}

/// Tells apart what is called the same.
fn number(documents: &mut [Document]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for document in documents {
        let count = seen.entry(document.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            document.name = format!("{} ({count})", document.name);
        }
    }
}

fn of_chapter(edition: &Edition, chapter: &str, file: &Value) -> Vec<Document> {
    let wrong = file["wrong"].as_array().map(Vec::as_slice).unwrap_or_default();
    wrong.iter().flat_map(|entry| of_entry(edition, chapter, entry)).collect()
}

fn of_entry(edition: &Edition, chapter: &str, entry: &Value) -> Vec<Document> {
    let word = entry["kind"].as_str().unwrap_or("config");
    let Some(kind) = Kind::FORMAT.into_iter().find(|it| it.as_str() == word) else { return Vec::new() };
    let base = match kind {
        Kind::Config => edition.bases.get("plain").map(|base| &base["config"]),
        other => edition.static_bases.get(other.as_str()),
    };
    let base = base.cloned().unwrap_or_default();
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let name = format!("fixtures/static/{chapter}.json: {}, {}", text("breaks"), text("about"));
    let at = entry["at"].as_str().map(str::to_owned);
    let document = |name: String, breaks: Option<String>, forms: &Value| {
        let (at, versions, form) = (at.clone(), range(entry), form(forms, "document")?);
        Some(Document { name, kind, breaks, at, versions, base: base.clone(), form })
    };
    let breaks = entry["breaks"].as_str().map(str::to_owned);
    let right = document(format!("{name}, the control"), None, &entry["control"]);
    document(name, breaks, entry).into_iter().chain(right).collect()
}

fn of_case(edition: &Edition, name: &str, case: &Value) -> Vec<Document> {
    let control = case.get("control").map(|patch| {
        let mut control = case.clone();
        json_patch::merge(&mut control, patch);
        (control, ", the control")
    });
    let both = [Some((case.clone(), "")), control].into_iter().flatten();
    let document = |(case, which): (Value, &str)| {
        let base = edition.bases.get(case["base"].as_str().unwrap_or("plain"))?["config"].clone();
        let (name, versions, form) = (format!("fixtures/{name}.json{which}"), range(&case), form(&case, "config")?);
        Some(Document { name, kind: Kind::Config, breaks: None, at: None, versions, base, form })
    };
    both.filter_map(document).collect()
}

fn of_engine(stem: &str, config: &Value) -> Document {
    let name = format!("fixtures/engines/{stem}.json");
    let form = Form::Merged(json!({}));
    Document { name, kind: Kind::Config, breaks: None, at: None, versions: None, base: config.clone(), form }
}

fn range(of: &Value) -> Option<VersionRange> {
    of["spec"].as_str()?.parse().ok()
}

/// The form that the members of a file give: `raw`, `patch`, or a merge patch by the name `merged`; else the base as
/// it is.
fn form(forms: &Value, merged: &str) -> Option<Form> {
    if let Some(raw) = forms.get("raw") {
        return of_raw(raw);
    }
    match (forms.get("patch"), forms.get(merged)) {
        (Some(patch), _) => Some(Form::Patched(serde_json::from_value(patch.clone()).ok()?)),
        (None, Some(patch)) => Some(Form::Merged(patch.clone())),
        (None, None) => Some(Form::Merged(json!({}))),
    }
}

fn of_raw(raw: &Value) -> Option<Form> {
    if let Some(text) = raw["text"].as_str() {
        return Some(Form::Bytes(text.as_bytes().to_vec()));
    }
    if let Some(hex) = raw["hex"].as_str() {
        let digits: String = hex.split_whitespace().collect();
        let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        return (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>().map(Form::Bytes);
    }
    let text = |name: &str| Some(raw["replace"][name].as_str()?.to_owned());
    Some(Form::Replaced(text("find")?, text("with")?))
}

/// The document with something in place of each `${…}`, which only a run knows.
fn filled(document: &Value) -> Value {
    match document {
        Value::String(text) => Value::String(filled_text(text)),
        Value::Array(items) => items.iter().map(filled).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (filled_text(name), filled(value))).collect(),
        other => other.clone(),
    }
}

fn filled_text(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        made.push_str(before);
        made.push_str(if name.starts_with("id:") { "container" } else { "/stand-in" });
        rest = after;
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_becomes_a_path_or_an_id() {
        assert_eq!(filled_text("${bundle}/a and ${id:main}${"), "/stand-in/a and container${");
        assert_eq!(filled_text("plain"), "plain");
    }
}

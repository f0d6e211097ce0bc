//! Every wrong document of the static fixtures breaks just the requirement that it names, where it
//! says, in each version in which that applies; and its control breaks none.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::{BTreeMap, BTreeSet};

use ocf_fixtures::{BASES, STATIC, STATIC_BASES};
use ocf_schema::{Finding, Kind, Severity, enforced, validate_bytes};
use ocf_spec::{Specification, VERSIONS, Version, VersionRange};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for readers")]
    about: String,
    wrong: Vec<Value>,
}

/// One wrong document, and the right one beside it.
struct Wrong {
    chapter: &'static str,
    breaks: String,
    about: String,
    kind: Kind,
    versions: Vec<Version>,
    at: String,
    entry: Value,
}

fn all() -> Vec<Wrong> {
    let files = STATIC.iter().map(|(chapter, text)| {
        let file: File = serde_json::from_str(text).unwrap_or_else(|error| panic!("static/{chapter}.json: {error}"));
        (*chapter, file)
    });
    files.flat_map(|(chapter, file)| file.wrong.into_iter().map(move |entry| wrong(chapter, entry))).collect()
}

fn wrong(chapter: &'static str, entry: Value) -> Wrong {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let breaks = text("breaks").unwrap();
    let kind = text("kind").map_or(Kind::Config, |word| *Kind::ALL.iter().find(|it| it.as_str() == word).unwrap());
    let range: Option<VersionRange> = text("spec").map(|range| range.parse().unwrap());
    let requirement = Specification::embedded().get(&breaks);
    let requirement = requirement.unwrap_or_else(|| panic!("static/{chapter}.json: there is no {breaks}"));
    let tried =
        |version: &&Version| requirement.applies(**version) && range.as_ref().is_none_or(|it| it.contains(**version));
    let versions = VERSIONS.iter().filter(tried).copied().collect();
    Wrong { chapter, breaks, about: text("about").unwrap(), kind, versions, at: text("at").unwrap(), entry }
}

fn base(kind: Kind, version: Version) -> Value {
    let text = |all: &[(&str, &str)], stem: &str| all.iter().find(|it| it.0 == stem).unwrap().1.to_owned();
    let mut base: Value = match kind {
        Kind::Config => serde_json::from_str::<Value>(&text(BASES, "plain")).unwrap()["config"].take(),
        other => serde_json::from_str(&text(STATIC_BASES, other.as_str())).unwrap(),
    };
    if kind != Kind::Features {
        base["ociVersion"] = json!(version.to_string());
    }
    base
}

/// The bytes of a document in one of its three forms; the base if it has none.
fn bytes(kind: Kind, forms: &Value, version: Version) -> Vec<u8> {
    if let Some(text) = forms.pointer("/raw/text") {
        return text.as_str().unwrap().as_bytes().to_vec();
    }
    if let Some(hex) = forms.pointer("/raw/hex") {
        let digits = hex.as_str().unwrap();
        return (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    }
    let mut document = base(kind, version);
    if let Some(patch) = forms.get("document") {
        json_patch::merge(&mut document, patch);
    }
    if let Some(patch) = forms.get("patch") {
        let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
    }
    serde_json::to_vec_pretty(&document).unwrap()
}

#[test]
fn each_wrong_document_breaks_just_what_it_names() {
    let mut failures = Vec::new();
    for wrong in all() {
        let place = format!("static/{}.json, {} ({})", wrong.chapter, wrong.breaks, wrong.about);
        if wrong.versions.is_empty() {
            failures.push(format!("{place}: applies to no version"));
        }
        for version in &wrong.versions {
            let findings = offences(wrong.kind, &wrong.entry, *version);
            let broken: BTreeSet<&str> = findings.iter().map(id).collect();
            let there = findings.iter().any(|it| it.pointer == wrong.at);
            if broken != BTreeSet::from([wrong.breaks.as_str()]) || !there {
                let found = findings.iter().map(|it| format!("\n    {} at {:?}: {}", id(it), it.pointer, it.message));
                failures.push(format!("{place}, {version}: found{}", found.collect::<String>()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn each_control_breaks_nothing() {
    let mut failures = Vec::new();
    for wrong in all() {
        for version in &wrong.versions {
            let findings = offences(wrong.kind, &wrong.entry["control"], *version);
            if let Some(first) = findings.first() {
                let place = format!("static/{}.json, {} ({}), {version}", wrong.chapter, wrong.breaks, wrong.about);
                failures.push(format!("{place}: {} at {:?}: {}", id(first), first.pointer, first.message));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn offences(kind: Kind, forms: &Value, version: Version) -> Vec<Finding> {
    let findings = validate_bytes(kind, &bytes(kind, forms, version), version);
    findings.into_iter().filter(|it| it.severity > Severity::Note || it.requirement.is_some()).collect()
}

fn id(finding: &Finding) -> &str {
    finding.requirement.as_ref().map_or("no requirement", |it| it.as_str())
}

/// Requirements that some schema or rule enforces, and that no static fixture breaks yet: of each
/// chapter, how many. Who adds a fixture lowers the figure.
const WITHOUT_A_FIXTURE: &[(&str, usize)] = &[];

#[test]
fn each_static_requirement_has_a_wrong_document() {
    let broken: BTreeSet<String> = all().into_iter().map(|it| it.breaks).collect();
    let enforced = Kind::FORMAT.into_iter().flat_map(enforced);
    let mut without: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in enforced.filter(|it| !broken.contains(it.as_str())).collect::<BTreeSet<_>>() {
        without.entry(id.chapter().to_owned()).or_default().push(id.to_string());
    }
    let stated: BTreeMap<&str, usize> = WITHOUT_A_FIXTURE.iter().copied().collect();
    let found: BTreeMap<&str, usize> = without.iter().map(|(chapter, ids)| (chapter.as_str(), ids.len())).collect();
    assert_eq!(found, stated, "{without:#?}");
}

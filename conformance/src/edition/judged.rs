//! What is wrong with documents by one edition, version by version: a set, so that two editions can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use ocf_schema::{Finding, Kind, Severity, Validator};
use ocf_spec::Version;
use serde::Serialize;

use super::{Document, Edition};

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The requirement that it offends against; none for what no requirement speaks of.
    pub requirement: Option<String>,
    /// Whether it is only advised against.
    pub advice: bool,
    /// A JSON Pointer to the place.
    pub at: String,
}

/// The faults of documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged(BTreeMap<(String, Version), BTreeSet<Fault>>);

impl Judged {
    /// Judges each document by an edition, in each of its versions.
    ///
    /// # Errors
    ///
    /// A schema that is none.
    pub fn of(edition: &Edition, documents: &[&Document], versions: &[Version]) -> Result<Self, String> {
        let each: Vec<_> = versions.iter().map(|version| (*version, documents.to_vec())).collect();
        Self::of_each(edition, &each)
    }

    /// Judges other documents in each version.
    ///
    /// # Errors
    ///
    /// A schema that is none.
    pub fn of_each(edition: &Edition, documents: &[(Version, Vec<&Document>)]) -> Result<Self, String> {
        let each: Vec<Result<Self, String>> = thread::scope(|scope| {
            let mut threads = Vec::with_capacity(documents.len());
            for (version, documents) in documents {
                threads.push(scope.spawn(|| Self::in_version(edition, documents, *version)));
            }
            let joined = |it: thread::ScopedJoinHandle<'_, Result<Self, String>>| {
                it.join().unwrap_or_else(|_| Err("judging the documents panicked".to_owned()))
            };
            threads.into_iter().map(joined).collect()
        });
        let mut all = Self::default();
        for judged in each {
            all.0.extend(judged?.0);
        }
        Ok(all)
    }

    fn in_version(edition: &Edition, documents: &[&Document], version: Version) -> Result<Self, String> {
        let mut judged = Self::default();
        for kind in Kind::FORMAT {
            let of_kind: Vec<_> = documents.iter().filter(|it| it.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            let validator = edition.validator(kind, version)?;
            let found = of_kind.into_iter().filter_map(|it| Some((it, findings(&validator, it, version)?)));
            judged.0.extend(found.map(|(it, found)| ((it.name.clone(), version), faults(found))));
        }
        Ok(judged)
    }

    /// The faults of a document under a version; none if it could not be made.
    pub fn get(&self, document: &str, version: Version) -> Option<&BTreeSet<Fault>> {
        self.0.get(&(document.to_owned(), version))
    }

    /// Takes what another has judged, in place of what was there.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// What is found in a document. Most are made as values, and need not be written as a text to be read again.
fn findings(validator: &Validator<'_>, document: &Document, version: Version) -> Option<Vec<Finding>> {
    match document.value(version) {
        Some(value) => Some(validator.validate(&value)),
        None => Some(validator.validate_bytes(&document.bytes(version)?)),
    }
}

fn faults(findings: Vec<Finding>) -> BTreeSet<Fault> {
    let counts = |it: &Finding| it.severity > Severity::Note || it.requirement.is_some();
    let fault = |it: Finding| Fault {
        requirement: it.requirement.map(|id| id.to_string()),
        advice: it.severity < Severity::Error,
        at: it.pointer,
    };
    findings.into_iter().filter(counts).map(fault).collect()
}

/// The static fixtures that don't do what they say: a wrong document breaks just the requirement that it names, where
/// it says, in each version in which that applies; its control breaks none.
pub fn unkept(edition: &Edition, documents: &[Document], judged: &Judged) -> Vec<String> {
    let mut unkept = Vec::new();
    let mut meant: Vec<Version> = Vec::new();
    for document in documents {
        // A control stands behind its wrong document, and is meant for the same versions.
        let Some(id) = &document.breaks else {
            if document.name.starts_with("fixtures/static/") {
                unkept.extend(control_broken(document, judged, &meant));
            }
            continue;
        };
        let requirement = edition.specification.get(id);
        let applies = |it: &Version| {
            requirement.is_some_and(|requirement| requirement.applies(*it))
                && document.versions.as_ref().is_none_or(|range| range.contains(*it))
        };
        meant = edition.versions().into_iter().filter(applies).collect();
        if meant.is_empty() {
            unkept.push(format!("{}: {id} applies to no version", document.name));
        }
        unkept.extend(wrong_kept(document, id, judged, &meant));
    }
    unkept
}

fn wrong_kept(document: &Document, id: &str, judged: &Judged, versions: &[Version]) -> Option<String> {
    versions.iter().find_map(|version| {
        let faults = judged.get(&document.name, *version)?;
        let only = faults.iter().all(|it| it.requirement.as_deref() == Some(id));
        let there = faults.iter().any(|it| document.at.as_ref().is_none_or(|at| *at == it.at));
        (!only || !there).then(|| format!("{}, {version}: breaks {}, not just {id}", document.name, shown(faults)))
    })
}

fn control_broken(document: &Document, judged: &Judged, versions: &[Version]) -> Option<String> {
    versions.iter().find_map(|version| {
        let faults = judged.get(&document.name, *version).filter(|it| !it.is_empty())?;
        Some(format!("{}, {version}: breaks {}", document.name, shown(faults)))
    })
}

/// Faults in a line.
pub fn shown(faults: &BTreeSet<Fault>) -> String {
    let one = |it: &Fault| {
        let id = it.requirement.as_deref().unwrap_or("no requirement");
        format!("{id} at {:?}", it.at)
    };
    if faults.is_empty() { "nothing".to_owned() } else { faults.iter().map(one).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_static_fixtures_do_what_they_say() {
        let edition = Edition::embedded();
        let documents = edition.documents();
        let all: Vec<&Document> = documents.iter().filter(|it| it.name.starts_with("fixtures/static/")).collect();
        let judged = Judged::of(&edition, &all, &edition.versions()).unwrap();
        assert_eq!(unkept(&edition, &documents, &judged), Vec::<String>::new());
    }
}

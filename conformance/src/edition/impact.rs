//! What a step from one edition to another touches: documents whose static verdict changes, checks of requirements that
//! are no longer what they were, and recorded runs that would be judged otherwise.
//!
//! The laws and the rules are this program's own on both sides; only the data changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ocf_spec::{RequirementId, Specification, Version};
use serde::Serialize;

use super::{Amendments, Document, Edition, Fault, Judged, versions};
use crate::checks::Checks;
use crate::evidence::{self, Evidence, Header};
use crate::expect;
use crate::judge::{self, Verdict};
use crate::profile::Profile;

/// What a step touches.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Impact {
    /// Documents in which other things are wrong than before.
    pub documents: Vec<Turned>,
    /// Checks that cite a requirement which ceased or changed.
    pub stale: Vec<Stale>,
    /// Recorded runs of which a verdict changes.
    pub runs: Vec<Rejudged>,
}

/// A document in which other things are wrong than before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turned {
    /// Where it is from.
    pub document: String,
    /// The versions under which it was judged.
    pub versions: [Version; 2],
    /// What is wrong only now.
    pub gained: BTreeSet<Fault>,
    /// What was wrong only before.
    pub lost: BTreeSet<Fault>,
}

/// What checks a requirement that ceased or changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stale {
    /// The requirement.
    pub requirement: RequirementId,
    /// What became of it.
    pub why: &'static str,
    /// A schema or a rule enforces it.
    pub is_static: bool,
    /// The static fixtures that break it, by what is wrong in them.
    pub wrong: Vec<String>,
    /// The cases that raise it.
    pub cases: BTreeSet<String>,
}

/// A recorded run, judged again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejudged {
    /// The file with the evidence.
    pub file: PathBuf,
    /// The runtime, and its version.
    pub runtime: String,
    /// The version under which it was recorded, which its bundles state.
    pub recorded: Version,
    /// The versions by which it was judged.
    pub versions: [Version; 2],
    /// Each requirement whose verdict changes: what it was, and what it is; none where it is not in force.
    pub verdicts: BTreeMap<RequirementId, [Option<Verdict>; 2]>,
}

impl Impact {
    /// What the step touches; recorded runs are looked for below each of `runs`.
    ///
    /// # Errors
    ///
    /// A schema that is none, a directory that can't be read, evidence that is none.
    pub fn of(old: &Edition, new: &Edition, runs: &[PathBuf]) -> Result<Self, String> {
        let documents = union(old.documents(), new.documents());
        Ok(Self {
            documents: turned(old, new, &documents)?,
            stale: stale(&Amendments::between(old, new))?,
            runs: rejudged(old, new, runs)?,
        })
    }

    /// Whether it touches nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The documents of both, the newer one's where both have one of that name.
fn union(old: Vec<Document>, new: Vec<Document>) -> Vec<Document> {
    let by_name = |it: Document| (it.name.clone(), it);
    let all: BTreeMap<String, Document> = old.into_iter().chain(new).map(by_name).collect();
    all.into_values().collect()
}

fn turned(old: &Edition, new: &Edition, documents: &[Document]) -> Result<Vec<Turned>, String> {
    let pairs = versions(old, new);
    let all: Vec<&Document> = documents.iter().collect();
    let [before, after] = [0, 1].map(|side| pairs.iter().map(|pair| pair[side]).collect::<Vec<_>>());
    let (was, is) = (Judged::of(old, &all, &before)?, Judged::of(new, &all, &after)?);
    Ok(all.iter().flat_map(|it| pairs.iter().filter_map(|pair| between(&was, &is, &it.name, *pair))).collect())
}

/// What changed between two judgements of a document.
pub fn between(was: &Judged, is: &Judged, document: &str, versions: [Version; 2]) -> Option<Turned> {
    let (was, is) = (was.get(document, versions[0])?, is.get(document, versions[1])?);
    let (gained, lost) = (is - was, was - is);
    let document = document.to_owned();
    (was != is).then_some(Turned { document, versions, gained, lost })
}

/// The checks of all requirements that are no longer what they were.
pub fn stale(amendments: &Amendments) -> Result<Vec<Stale>, String> {
    let outdated = amendments.outdated();
    if outdated.is_empty() {
        return Ok(Vec::new());
    }
    let checks = Checks::shared()?;
    let outdated = outdated.into_iter().map(|id| (id, checks.get(id)));
    let stale = outdated.filter(|(_, check)| !check.is_none()).map(|(id, check)| Stale {
        requirement: id.clone(),
        why: amendments.fate(id),
        is_static: check.is_static(),
        wrong: check.wrong,
        cases: check.cases,
    });
    Ok(stale.collect())
}

fn rejudged(old: &Edition, new: &Edition, runs: &[PathBuf]) -> Result<Vec<Rejudged>, String> {
    let mut files = Vec::new();
    for directory in runs {
        collect(directory, &mut files).map_err(|e| format!("--runs {}: {e}", directory.display()))?;
    }
    if files.is_empty() && !runs.is_empty() {
        let named: Vec<String> = runs.iter().map(|it| it.display().to_string()).collect();
        return Err(format!("--runs {}: no evidence.jsonl lies there", named.join(" ")));
    }
    let mut rejudged = Vec::new();
    for file in files {
        let (header, cases) = evidence::read(&file)?;
        let versions = [old, new].map(|edition| edition.version.unwrap_or(header.spec));
        let was = verdicts(&old.specification, versions[0], &header, &cases)?;
        let is = verdicts(&new.specification, versions[1], &header, &cases)?;
        let verdicts = differing(&was, &is);
        let runtime = format!("{} {}", header.runtime.name, header.runtime.version).trim().to_owned();
        rejudged.push(Rejudged { file, runtime, recorded: header.spec, versions, verdicts });
    }
    rejudged.retain(|it| !it.verdicts.is_empty());
    Ok(rejudged)
}

/// Files of recorded evidence below a directory, in the order of their paths. Links are not followed.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && entry.file_name() == "evidence.jsonl" {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn verdicts(
    specification: &Specification,
    version: Version,
    header: &Header,
    cases: &[Evidence],
) -> Result<BTreeMap<RequirementId, Verdict>, String> {
    let header = Header { spec: version, ..header.clone() };
    let (cases, _) = evidence::fitting(cases.to_vec(), version);
    let expectations = |it: Evidence| {
        let expectations = expect::expectations_under(specification, &header, &it);
        (it, expectations)
    };
    let expected: Vec<_> = cases.into_iter().map(expectations).collect();
    let decided = judge::judge(&header, &expected, specification, &Profile::of_runtimes(&header.profile)?);
    Ok(decided.into_iter().map(|it| (it.id, it.verdict)).collect())
}

fn differing(
    was: &BTreeMap<RequirementId, Verdict>,
    is: &BTreeMap<RequirementId, Verdict>,
) -> BTreeMap<RequirementId, [Option<Verdict>; 2]> {
    let ids: BTreeSet<&RequirementId> = was.keys().chain(is.keys()).collect();
    let both = ids.into_iter().map(|id| (id.clone(), [was.get(id).copied(), is.get(id).copied()]));
    both.filter(|(_, [was, is])| was != is).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_configs_that_engines_write_are_among_the_documents() {
        let old = Edition { version: Some(ocf_spec::VERSIONS[6]), ..Edition::embedded() };
        let mut new = old.clone();
        let schema = new.schemas.get_mut(&ocf_schema::Kind::Config).unwrap();
        *schema.pointer_mut("/$defs/process/properties/noNewPrivileges").unwrap() =
            json!({ "description": "A text.", "type": "string", "requirement": "process.no-new-privileges-boolean" });
        let impact = Impact::of(&old, &new, &[]).unwrap();
        let engines = ocf_fixtures::ENGINES.iter().filter(|(_, text)| text.contains("\"noNewPrivileges\""));
        let expected: BTreeSet<String> = engines.map(|(stem, _)| format!("fixtures/engines/{stem}.json")).collect();
        let turned = impact.documents.iter().filter(|it| it.document.starts_with("fixtures/engines/"));
        assert_eq!(turned.map(|it| it.document.clone()).collect::<BTreeSet<_>>(), expected);
        assert!(!expected.is_empty());
    }
}

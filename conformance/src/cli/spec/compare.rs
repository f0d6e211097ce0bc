//! `ocf spec compare`: what changes from one edition to another.

mod text;

use std::collections::BTreeMap;

use clap::Args;
use ocf_schema::compare::{Change, Comparison, Effect, Grade, Side};
use ocf_schema::{Kind, compare, projected, schema};
use ocf_spec::{RequirementId, Version};
use serde::Serialize;
use serde_json::Value;

use crate::cli::terminal::print_json;
use crate::edition::{Amendments, Edition, versions};

#[derive(Args)]
pub struct Arguments {
    /// A version of the format, a checkout's directory, or a revision of the repository here
    old: String,
    /// The same, for what it is compared with
    new: String,
    /// For people, or for programs: human or json
    #[arg(long, default_value = "human", value_name = "FORMAT", value_parser = ["human", "json"])]
    format: String,
}

/// Compares, and prints what changed. Exit status: 0 nothing, 1 something.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let (old, new) = named(&arguments.old, &arguments.new)?;
    let difference = Difference::between(&old, &new)?;
    match arguments.format.as_str() {
        "json" => print_json(&serde_json::to_value(&difference).map_err(|e| format!("write the comparison: {e}"))?)?,
        _ => text::page(&difference).print()?,
    }
    Ok(u8::from(!difference.is_empty()))
}

/// Two editions by what the command line calls them. If only one is a version, the other is looked at in that, too.
pub(super) fn named(old: &str, new: &str) -> Result<(Edition, Edition), String> {
    let (mut old, mut new) = (Edition::named(old)?, Edition::named(new)?);
    let only = old.version.or(new.version);
    for edition in [&mut old, &mut new] {
        if let (None, Some(version)) = (edition.version, only) {
            edition.name = format!("{} in {version}", edition.name);
            edition.version = only;
        }
    }
    Ok((old, new))
}

/// Everything in which two editions differ.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// What the older was asked for by.
    pub old: String,
    /// What the newer was asked for by.
    pub new: String,
    /// What it all amounts to; none if nothing changes.
    pub grade: Option<Grade>,
    /// For requirements.
    pub requirements: Amendments,
    /// For documents, by their kind.
    pub schemas: BTreeMap<&'static str, Vec<Versioned>>,
}

/// One change of a schema, and the versions of the format in which it shows.
#[derive(Debug, Serialize)]
pub(super) struct Versioned {
    /// Of these versions; none if the editions are versions themselves.
    pub versions: Vec<Version>,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

impl Difference {
    /// Compares two editions.
    pub fn between(old: &Edition, new: &Edition) -> Result<Self, String> {
        let requirements = Amendments::between(old, new);
        let mut schemas = BTreeMap::new();
        for kind in Kind::FORMAT {
            let changes = of_kind(kind, old, new, &requirements)?;
            if !changes.is_empty() {
                schemas.insert(kind.as_str(), changes);
            }
        }
        let grade = grade(&requirements, &schemas);
        Ok(Self { old: old.name.clone(), new: new.name.clone(), grade, requirements, schemas })
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && self.schemas.is_empty()
    }
}

/// Compares the schemas of one kind of document, in each version that the editions are looked at in.
fn of_kind(kind: Kind, old: &Edition, new: &Edition, requirements: &Amendments) -> Result<Vec<Versioned>, String> {
    let is_same = old.version == new.version && old.schemas.get(&kind) == new.schemas.get(&kind);
    if is_same && requirements.is_empty() {
        return Ok(Vec::new());
    }
    let pairs = versions(old, new);
    let mut changes: Vec<Versioned> = Vec::new();
    for [before, after] in &pairs {
        let shown = if before == after && old.version.is_none() { vec![*after] } else { Vec::new() };
        for change in compared(kind, old, new, [*before, *after])?.changes {
            let identity = |it: &Change| (it.pointer.clone(), it.what.clone(), it.requirements.clone());
            let same = |it: &&mut Versioned| identity(&it.change) == identity(&change);
            match changes.iter_mut().find(same) {
                Some(known) => known.versions.extend(&shown),
                None => changes.push(Versioned { versions: shown.clone(), change }),
            }
        }
    }
    Ok(changes)
}

fn compared(kind: Kind, old: &Edition, new: &Edition, [before, after]: [Version; 2]) -> Result<Comparison, String> {
    let side = |edition: &'_ Edition, version| -> Result<Value, String> {
        let schema = edition.schemas.get(&kind).cloned();
        schema.ok_or_else(|| format!("{}: no schema of {} in {version}", edition.name, kind.as_str()))
    };
    let (was, is) = (side(old, before)?, side(new, after)?);
    if let Some(came) = came(kind, [(&was, old, before), (&is, new, after)]) {
        return Ok(Comparison { changes: vec![came] });
    }
    let about = |edition: &Edition, why: &dyn std::fmt::Display| format!("{}: {why}", edition.name);
    let was = Side::new(kind, &was, &old.specification, before).map_err(|why| about(old, &why))?;
    let is = Side::new(kind, &is, &new.specification, after).map_err(|why| about(new, &why))?;
    Ok(compare::compare(&was, &is, &samples(kind, old, new, after)))
}

/// The one change that this kind of document came, if the older version demands nothing of it.
fn came(kind: Kind, sides: [(&Value, &Edition, Version); 2]) -> Option<Change> {
    let [was, is] = sides
        .map(|(schema, edition, version)| schema::requirements(&projected(schema, &edition.specification, version)));
    let what = format!("{} came: nothing was said of such documents", kind.as_str());
    (was.is_empty() && !is.is_empty()).then(|| Change {
        definition: String::new(),
        place: String::new(),
        pointer: String::new(),
        what: vec![what],
        requirements: is,
        rejects: Effect::None,
        accepts: Effect::None,
        advises: None,
        formal: None,
        grade: Grade::Widening,
    })
}

/// The documents of both editions, each once.
fn samples(kind: Kind, old: &Edition, new: &Edition, version: Version) -> Vec<Value> {
    let documents = new.documents().into_iter().chain(old.documents()).filter(|it| it.kind == kind);
    let by_text = documents.filter_map(|it| it.value(version)).map(|it| (it.to_string(), it));
    by_text.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The grade of all changes. A requirement that a schema enforces weighs there.
fn grade(requirements: &Amendments, schemas: &BTreeMap<&'static str, Vec<Versioned>>) -> Option<Grade> {
    let mut enforced: BTreeMap<RequirementId, Grade> = BTreeMap::new();
    let changes = || schemas.values().flatten().map(|it| &it.change);
    for change in changes() {
        for id in &change.requirements {
            let known = enforced.get(id).map_or(change.grade, |it| it.and(change.grade));
            enforced.insert(id.clone(), known);
        }
    }
    changes().map(|it| it.grade).chain(requirements.grade(&enforced)).reduce(Grade::and)
}

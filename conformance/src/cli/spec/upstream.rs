//! `ocf spec upstream`: what a maintainer of the format runs on a change of its text.

mod example;
mod human;
mod touched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ocf_spec::Specification;
use ocf_spec::upstream::{Change, Comparison, Repository, Tables, properties_of};
use serde_json::{Value, json};

use crate::checks::{Checks, published};
use crate::cli::checkout::Checkout;
use crate::cli::terminal::print_json;
use example::Example;
use touched::Touched;

#[derive(Args)]
pub struct Arguments {
    /// A checkout of runtime-spec or image-spec, or a revision of --repository
    #[arg(value_name = "DIR|REV")]
    state: String,
    /// The repository of the revision, and of the tags that were read; the current directory when left out
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// The published reports that a change may make stale
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Grouped by file, each place first
    Human,
    /// One document
    Json,
}

/// Compares, and prints; gives the exit status: 1 if there is anything to do.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let specification = Specification::embedded();
    let tables = &specification.upstream;
    let checkout = Checkout::named(&arguments.state, arguments.repository.as_deref())?;
    let repository = checkout.repository()?;
    let (comparison, has_texts) = checkout.compared(tables, repository)?;
    let (checks, tested) = (Checks::embedded()?, published(&arguments.reports)?);
    let found = Found {
        name: &checkout.name,
        repository,
        tags: tags(tables, repository),
        has_texts,
        touched: Touched::new(specification, &checks, &tested),
        comparison: &comparison,
        properties: properties(&checkout, tables, repository)?,
        examples: example::all(&checkout, repository)?,
    };
    match arguments.format {
        Format::Human => found.human().print()?,
        Format::Json => print_json(&found.document())?,
    }
    Ok(u8::from(!found.is_nothing()))
}

/// Everything that was found.
struct Found<'a> {
    name: &'a str,
    repository: Repository,
    /// The tags whose texts were read.
    tags: Vec<&'a str>,
    /// Whether some of these texts are at hand.
    has_texts: bool,
    touched: Touched<'a>,
    comparison: &'a Comparison<'a>,
    properties: Properties,
    examples: Vec<Example>,
}

/// How upstream's schema of config.json differs from the table of its properties.
#[derive(Debug, Default)]
struct Properties {
    /// In its schema and not in the table, and whether it is a leaf.
    new: Vec<(String, bool)>,
    /// In the table and not in its schema.
    gone: Vec<String>,
    /// Why the schema could not be followed.
    trouble: Option<String>,
}

impl Found<'_> {
    fn is_nothing(&self) -> bool {
        let Properties { new, gone, trouble } = &self.properties;
        self.comparison.changes.is_empty()
            && self.comparison.absent.is_empty()
            && (new.is_empty() && gone.is_empty() && trouble.is_none())
            && self.examples.iter().all(|it| !it.is_surprise())
    }

    /// The ids of all clauses that are not what they were.
    fn changed_clauses(&self) -> BTreeSet<&str> {
        let of_changes = self.comparison.changes.iter().flat_map(clauses_of);
        let of_files = self.comparison.absent.iter().flat_map(|it| it.clauses.iter().map(|it| it.id.as_str()));
        of_changes.chain(of_files).collect()
    }

    fn document(&self) -> Value {
        let requirements = self.touched.by(self.changed_clauses().into_iter(), &self.properties.gone);
        let absent = self.comparison.absent.iter();
        let absent = absent.map(|it| json!({ "file": it.file, "clauses": ids(&it.clauses) }));
        let surprises = self.examples.iter().filter(|it| it.is_surprise());
        json!({
            "upstream": self.name,
            "repository": self.repository.as_str(),
            "read": self.tags,
            "clauses": { "total": self.comparison.clauses, "unchanged": self.comparison.unchanged.len() },
            "absent": absent.collect::<Vec<_>>(),
            "changes": self.comparison.changes.iter().map(|it| self.change(it)).collect::<Vec<_>>(),
            "properties": {
                "new": self.properties.new.iter().map(|(name, leaf)| json!({ "name": name, "leaf": leaf })).collect::<Vec<_>>(),
                "gone": self.properties.gone.iter().map(|name| json!({
                    "name": name, "requirements": self.touched.deciders(name),
                })).collect::<Vec<_>>(),
                "trouble": self.properties.trouble,
            },
            "examples": {
                "total": self.examples.len(),
                "surprises": surprises.map(Example::document).collect::<Vec<_>>(),
            },
            "touched": requirements.iter().map(|it| self.touched.document(it)).collect::<Vec<_>>(),
        })
    }

    fn change(&self, change: &Change<'_>) -> Value {
        let requirements = self.touched.carriers(clauses_of(change).into_iter());
        match change {
            Change::Reworded { clauses, before, after, added } => json!({
                "change": "reworded",
                "file": after.file, "line": after.line, "anchor": after.anchor,
                "clauses": clauses.iter().map(|it| json!({
                    "id": it.clause.id, "before": it.clause.keyword, "now": it.keyword,
                })).collect::<Vec<_>>(),
                "new_keywords": added,
                "before": before, "now": after.text,
                "requirements": requirements,
            }),
            Change::Moved { clauses, to } => json!({
                "change": "moved",
                "file": to.file, "line": to.line, "anchor": to.anchor,
                "clauses": ids(clauses),
                "from": clauses.first().map(|it| format!("{}#{}", it.file, it.anchor)),
                "now": to.text,
                "requirements": requirements,
            }),
            Change::Gone { clauses, before, near } => json!({
                "change": "gone",
                "file": clauses.first().map(|it| &it.file), "anchor": clauses.first().map(|it| &it.anchor),
                "after_line": near,
                "clauses": ids(clauses),
                "before": before,
                "requirements": requirements,
            }),
            Change::New { keywords, sentence } => json!({
                "change": "new",
                "file": sentence.file, "line": sentence.line, "anchor": sentence.anchor,
                "new_keywords": keywords,
                "now": sentence.text,
            }),
        }
    }
}

fn ids<'a>(clauses: &[&'a ocf_spec::upstream::Clause]) -> Vec<&'a str> {
    clauses.iter().map(|it| it.id.as_str()).collect()
}

/// The ids of the clauses that a change concerns.
fn clauses_of<'a>(change: &Change<'a>) -> Vec<&'a str> {
    ids(&change.clauses())
}

fn tags(tables: &Tables, repository: Repository) -> Vec<&str> {
    let ours = tables.clauses.iter().filter(|it| Repository::of(&it.file).0 == repository);
    ours.map(|it| it.tag.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Holds the schema of config.json against the table.
fn properties(checkout: &Checkout, tables: &Tables, repository: Repository) -> Result<Properties, String> {
    let mut schemas = BTreeMap::new();
    for path in checkout.folder("schema")?.iter().filter(|it| it.ends_with(".json")) {
        let Some(bytes) = checkout.bytes(path)? else { continue };
        match serde_json::from_slice(&bytes) {
            Ok(schema) => schemas.insert(path.trim_start_matches("schema/").to_owned(), schema),
            Err(error) => return Ok(Properties { trouble: Some(format!("{path}: {error}")), ..Properties::default() }),
        };
    }
    if repository != Repository::Runtime {
        return Ok(Properties::default());
    }
    match properties_of(&schemas, "config-schema.json") {
        Ok(now) => Ok(Properties {
            gone: tables.properties.iter().filter(|it| !now.contains_key(&it.name)).map(|it| it.name.clone()).collect(),
            new: now.into_iter().filter(|(name, _)| tables.property(name).is_none()).collect(),
            trouble: None,
        }),
        Err(error) => Ok(Properties { trouble: Some(format!("schema/{error}")), ..Properties::default() }),
    }
}

//! Writes `upstream.tsv` anew from a checkout of one of upstream's repositories:
//!
//! ```text
//! cargo run -p ocf-spec --example anchors -- runtime-spec CHECKOUT TAG [OLD-CHECKOUT] > upstream.tsv.new
//! ```
//!
//! Every clause keeps its id. One whose sentence was reworded, or moved, follows it: by its words, if a checkout
//! of the text that was read last is given, else by its place. Clauses that are gone, and keywords that have no id
//! yet, are named on standard error, and the exit status is 1. Rows of the other repository stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use ocf_spec::upstream::{Carried, Change, Clause, MarkdownFiles, Repository, Sentence, Tables, check, digest};

/// Where a clause stands now, and with which keyword and digest.
struct Place {
    file: String,
    anchor: String,
    keyword: &'static str,
    ordinal: usize,
    sha256: String,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (repository, checkout, tag, old) = match &arguments[..] {
        [repository, checkout, tag] => (repository, checkout, tag, None),
        [repository, checkout, tag, old] => (repository, checkout, tag, Some(old)),
        _ => return Err("the arguments are REPOSITORY CHECKOUT TAG [OLD-CHECKOUT]".into()),
    };
    let repository = [Repository::Runtime, Repository::Image].into_iter().find(|it| it.as_str() == repository);
    let repository = repository.ok_or("REPOSITORY is runtime-spec or image-spec")?;
    let tables = Tables::embedded();
    let now = files(tables, repository, Path::new(checkout))?;
    let mut before = BTreeMap::new();
    if let Some(old) = old {
        let texts = files(tables, repository, Path::new(old))?;
        let tags: BTreeSet<&String> = tables.clauses.iter().map(|it| &it.tag).collect();
        before.extend(tags.into_iter().map(|tag| (tag.clone(), texts.clone())));
    }
    let (places, strays) = places(tables, repository, &now, &before);
    println!("id\tfile\tanchor\tkeyword\tordinal\ttag\tsha256");
    for clause in &tables.clauses {
        let Clause { id, file, anchor, keyword, ordinal, tag: read, sha256 } = clause;
        match places.get(id) {
            Some(it) => {
                println!("{id}\t{}\t{}\t{}\t{}\t{tag}\t{}", it.file, it.anchor, it.keyword, it.ordinal, it.sha256)
            }
            None if Repository::of(file).0 != repository => {
                println!("{id}\t{file}\t{anchor}\t{keyword}\t{ordinal}\t{read}\t{sha256}");
            }
            None => {}
        }
    }
    strays.iter().for_each(|stray| eprintln!("{stray}"));
    Ok(ExitCode::from(u8::from(!strays.is_empty())))
}

/// The texts of the files that have clauses.
fn files(tables: &Tables, repository: Repository, checkout: &Path) -> Result<MarkdownFiles, Box<dyn Error>> {
    let names: BTreeSet<&str> = tables.clauses.iter().map(|it| it.file.as_str()).collect();
    let ours = names.into_iter().map(|name| (name, Repository::of(name))).filter(|(_, (it, _))| *it == repository);
    let mut texts = MarkdownFiles::new();
    for (name, (_, path)) in ours {
        let path = checkout.join(path);
        let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
        texts.insert(name.to_owned(), text);
    }
    Ok(texts)
}

/// Where each clause stands now, by its id, and in a line each what has lost or got a keyword.
fn places(
    tables: &Tables,
    repository: Repository,
    now: &MarkdownFiles,
    before: &BTreeMap<String, MarkdownFiles>,
) -> (BTreeMap<String, Place>, Vec<String>) {
    let mut places = BTreeMap::new();
    let mut strays = Vec::new();
    let comparison = check(tables, repository, now, before);
    for (clause, at) in comparison.unchanged {
        places.insert(clause.id.clone(), place(&at, clause.keyword, at.ordinals[0]));
    }
    for change in &comparison.changes {
        match change {
            Change::Reworded { clauses, after, added, .. } => {
                let standing = clauses.iter().filter_map(|Carried { clause, keyword }| Some((*clause, (*keyword)?)));
                for ((clause, keyword), ordinal) in standing.zip(&after.ordinals) {
                    places.insert(clause.id.clone(), place(after, keyword, *ordinal));
                }
                let lost = clauses.iter().filter(|it| it.keyword.is_none());
                strays.extend(lost.map(|it| format!("gone: {}", it.clause.id)));
                strays.extend(added.iter().map(|it| format!("{}:{}: {it} without an id", after.file, after.line)));
            }
            Change::Moved { clauses, to } => {
                for (clause, ordinal) in clauses.iter().zip(&to.ordinals) {
                    places.insert(clause.id.clone(), place(to, clause.keyword, *ordinal));
                }
            }
            Change::Gone { clauses, .. } => strays.extend(clauses.iter().map(|it| format!("gone: {}", it.id))),
            Change::New { keywords, sentence } => {
                let words = keywords.join(", ");
                strays.push(format!("{}:{}: {words} without an id", sentence.file, sentence.line));
            }
        }
    }
    (places, strays)
}

fn place(at: &Sentence, keyword: &'static str, ordinal: usize) -> Place {
    let Sentence { file, anchor, text, .. } = at;
    Place { file: file.clone(), anchor: anchor.clone(), keyword, ordinal, sha256: digest(text) }
}

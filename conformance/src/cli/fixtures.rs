//! `ocf fixtures`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ocf_spec::{VERSIONS, Version};

use super::writable;
use crate::case::Case;
use crate::export::export;
use crate::suite::{self, Filter};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print each case with what it shows
    List {
        /// Only this chapter
        chapter: Option<String>,
    },
    /// Write cases as plain bundles with their steps and expectations beside them, for a harness in any language
    Export {
        /// Where they go; what is there is not overwritten
        directory: PathBuf,
        /// Only these cases or chapters
        #[arg(value_name = "CHAPTER|CASE")]
        only: Vec<String>,
        /// For this version of the specification; the newest when left out
        #[arg(long, value_name = "VERSION")]
        spec: Option<Version>,
    },
}

/// Prints or writes the cases.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    match &arguments.command {
        Command::List { chapter } => list(chapter.as_deref()),
        Command::Export { directory, only, spec } => {
            let version = spec.unwrap_or(VERSIONS[VERSIONS.len() - 1]);
            if !VERSIONS.contains(&version) {
                return Err(format!("--spec {version}: no such version of the specification is known"));
            }
            let cases = wanted(only)?;
            writable(directory)?;
            let count = export(&cases, version, directory)?;
            println!("{count} cases for {version} are in {}; README.md there tells the format", directory.display());
            Ok(0)
        }
    }
}

fn list(chapter: Option<&str>) -> Result<u8, String> {
    let cases = suite::cases()?;
    let shown: Vec<_> = cases.iter().filter(|(name, _)| chapter.is_none_or(|it| lies_in(name, it))).collect();
    if let (true, Some(chapter)) = (shown.is_empty(), chapter) {
        return Err(format!("{chapter}: no case lies in such a chapter"));
    }
    for (name, case) in &shown {
        println!("{name:<48} {}", case.about);
    }
    println!("{} cases", shown.len());
    Ok(0)
}

/// The cases that the words name, or that lie in the chapters that they name.
fn wanted(words: &[String]) -> Result<Vec<(String, Case)>, String> {
    Filter::parse(words)?;
    let mut cases = suite::cases()?;
    for word in words {
        if !cases.iter().any(|(name, _)| name == word || lies_in(name, word)) {
            return Err(format!("{word}: no case has this name, or lies in such a chapter"));
        }
    }
    cases.retain(|(name, _)| words.is_empty() || words.iter().any(|it| name == it || lies_in(name, it)));
    Ok(cases)
}

fn lies_in(name: &str, chapter: &str) -> bool {
    name.split('/').next() == Some(chapter)
}

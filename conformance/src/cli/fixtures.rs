//! `ocf fixtures`.

use clap::{Args, Subcommand};

use crate::suite;

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
}

/// Prints the cases.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let Command::List { chapter } = &arguments.command;
    let cases = suite::fixtures()?;
    let wanted = |name: &str| chapter.as_deref().is_none_or(|c| name.split('/').next() == Some(c));
    let shown: Vec<_> = cases.iter().filter(|(name, _)| wanted(name)).collect();
    if let (true, Some(chapter)) = (shown.is_empty(), chapter) {
        return Err(format!("{chapter}: no case lies in such a chapter"));
    }
    for (name, case) in &shown {
        println!("{name:<48} {}", case.about);
    }
    println!("{} cases", shown.len());
    Ok(0)
}

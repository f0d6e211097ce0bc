//! `ocf spec`: the specification as data, looked at from outside.

mod compare;
mod coverage;
mod export;
mod html;
mod impact;
mod lint;
mod upstream;
mod watch;

use clap::{Args, Subcommand};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what is wrong with the specification itself, its schemas and its fixtures
    Lint(lint::Arguments),
    /// Count what of upstream's text is carried, and how the requirements are checked
    Coverage(coverage::Arguments),
    /// Write the whole specification as one page
    Html(html::Arguments),
    /// Hold upstream's text, as it is in a checkout or a revision, against the one that was read
    Upstream(upstream::Arguments),
    /// Tell what changes from one version, directory or git revision to another
    Compare(compare::Arguments),
    /// Write the requirements, or the schema of a version, as JSON
    Export(export::Arguments),
    /// Tell which fixtures, checks and recorded runs such a change touches
    Impact(impact::Arguments),
    /// Lint, and tell the impact, each time a source is saved
    Watch(watch::Arguments),
}

/// Runs the subcommand; gives the exit status.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    match &arguments.command {
        Command::Lint(arguments) => lint::run(arguments),
        Command::Coverage(arguments) => coverage::run(arguments),
        Command::Html(arguments) => html::run(arguments),
        Command::Upstream(arguments) => upstream::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Impact(arguments) => impact::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
    }
}

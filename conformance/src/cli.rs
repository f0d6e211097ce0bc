//! The command line `ocf`.

mod checkout;
mod clean;
mod difference;
mod doctor;
mod explain;
mod fixtures;
mod judge;
mod report;
mod reproduce;
mod spec;
mod terminal;
mod test;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::{SUPERVISE, supervisor};

/// The exit status of a run that cannot be trusted, and of every mistake in the call.
pub const UNTRUSTED: u8 = 2;

#[derive(Parser)]
#[command(
    name = "ocf",
    version,
    about = "Tests any OCI runtime, requirement by requirement",
    after_help = "Exit status: 0 conformant to the profile, 1 a MUST failed, 2 the run cannot be trusted, 3 partial."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a runtime against the cases, and report
    Test(test::Arguments),
    /// Check documents of the format without running anything
    Validate(validate::Arguments),
    /// Tell all about one requirement, or what a chapter holds
    Explain(explain::Arguments),
    /// Lint, count and compare the specification itself
    #[command(name = "spec")]
    Specification(spec::Arguments),
    /// Make of each fail in a report the smallest bundle, and a script that shows it with the runtime alone
    Reproduce(reproduce::Arguments),
    /// Show a report in another form, compare two, or join the parts of one
    Report(report::Arguments),
    /// Judge recorded evidence again, without the runtime
    Judge(judge::Arguments),
    /// Tell what this host can decide, and why not the rest
    Doctor(doctor::Arguments),
    /// Sweep what an earlier, killed run has left
    Clean,
    /// List the cases, or export them as plain bundles
    Fixtures(fixtures::Arguments),
}

/// Runs the command line; gives the exit status.
pub fn main() -> ExitCode {
    // Before anything else: a supervisor must not have started a thread.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(SUPERVISE) {
        return words.next().and_then(|pid| pid.parse().ok()).map_or(ExitCode::from(UNTRUSTED), supervisor::main);
    }
    let done = match Cli::parse().command {
        Command::Test(arguments) => test::run(arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Specification(arguments) => spec::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Judge(arguments) => judge::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Clean => clean::run(),
        Command::Fixtures(arguments) => fixtures::run(&arguments),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(why) => {
            eprintln!("ocf: {why}");
            ExitCode::from(UNTRUSTED)
        }
    }
}

/// Makes a directory that can be written, or says at once why not.
fn writable(directory: &PathBuf) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("--out {}: {e}", directory.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    let probe = directory.join(".ocf-probe");
    std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)
}

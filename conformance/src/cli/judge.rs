//! `ocf judge`: recorded evidence, judged again.

use std::path::PathBuf;

use clap::Args;
use ocf_spec::{Specification, Version};

use super::{test, writable};
use crate::evidence;
use crate::judge::{Unusable, Waivers};
use crate::profile::Profile;
use crate::report::summary;
use crate::suite::Gathered;

#[derive(Args)]
pub struct Arguments {
    /// The file evidence.jsonl of an earlier run
    evidence: PathBuf,
    /// Judge by this version of the specification, not by the one that was tested
    #[arg(long, value_name = "VERSION")]
    spec: Option<Version>,
    /// Judge by this profile
    #[arg(long)]
    profile: Option<String>,
    /// Only requirements of this level: must or should
    #[arg(long, value_name = "LEVEL", value_parser = ["must", "should", "may"])]
    level: Option<String>,
    /// Write the report's files here, too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Judges, and prints the summary; gives the exit status.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let (mut header, cases) = evidence::read(&arguments.evidence)?;
    header.spec = arguments.spec.unwrap_or(header.spec);
    let (cases, left_out) = evidence::fitting(cases, header.spec);
    header.profile = arguments.profile.clone().unwrap_or(header.profile);
    let profile = test::with_level(Profile::of_runtimes(&header.profile)?, arguments.level.as_deref());
    let seconds = cases.iter().map(|case| case.seconds).sum();
    let unusable = match &cases[..] {
        // Nothing was tried but the base, as the gate has it.
        [base] => Unusable::of(base),
        _ => None,
    };
    let command = format!("ocf test --runtime {}", header.runtime.path);
    let gathered =
        Gathered { header, profile: profile.clone(), evidence: cases, unusable, stopped: None, left_out, seconds };
    let report = test::make(&gathered, &profile, &Waivers::new(), &[], None, &command);
    if let Some(out) = &arguments.out {
        writable(out)?;
        test::files(out, &report)?;
    }
    let shown = summary::Shown { colour: false, directory: arguments.out.as_deref() };
    print!("{}", summary::render(&report, Specification::embedded(), &shown));
    Ok(report.exit_status)
}

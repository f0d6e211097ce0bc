//! `ocf reproduce`: what failed, for the runtime's author.

use std::path::{Path, PathBuf};

use clap::Args;
use ocf_spec::Specification;

use super::report::read;
use super::writable;
use crate::host::View;
use crate::judge::visible;
use crate::report::{Entry, Report};
use crate::reproduce::{Reproduced, SCRIPT, reproduce};
use crate::suite::{self, Options, Session};

#[derive(Args)]
pub struct Arguments {
    /// report.json, or the directory that has it
    report: PathBuf,
    /// Only these of the requirements that failed
    #[arg(value_name = "ID")]
    only: Vec<String>,
    /// The runtime, if it is not where the report says
    #[arg(long)]
    runtime: Option<String>,
    /// How to call the runtime, if not by the adapter that the report names
    #[arg(long, value_name = "NAME|FILE")]
    adapter: Option<String>,
    /// Where the directories go, one for each requirement
    #[arg(long, default_value = "reproduce", value_name = "DIR")]
    out: PathBuf,
    /// Seconds until a call of the runtime is killed
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    deadline: u32,
}

/// Makes a directory of each fail, and runs its script; 0 if every script shows its fail.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    suite::need_root()?;
    let report = read(&arguments.report)?;
    let failed = wanted(&report, &arguments.only)?;
    let runtime = arguments.runtime.as_deref().unwrap_or(&report.runtime.path);
    let options = Options {
        runtime: suite::find_runtime(runtime)?,
        adapter: Some(arguments.adapter.clone().unwrap_or_else(|| report.runtime.adapter.clone())),
        view: report.host.cgroups.view,
        profile: Some(report.profile.clone()),
        spec: Some(report.suite.spec),
        filters: Vec::new(),
        jobs: None,
        shard: None,
        deadline: arguments.deadline,
        gate: false,
        keep: None,
        seed: 1,
        generated: 0,
        fail_fast: false,
        supervisor: None,
    };
    let out = std::path::absolute(&arguments.out).map_err(|e| format!("--out {}: {e}", arguments.out.display()))?;
    writable(&out)?;
    let session = Session::begin(&options)?;
    if session.header.runtime.sha256 != report.runtime.sha256 {
        eprintln!("ocf: {} is not the file of the report: its digest is another", options.runtime.display());
    }
    if report.host.cgroups.view != View::Host {
        eprintln!(
            "ocf: the report's cases saw the cgroups as {:?}; the scripts see the host's",
            report.host.cgroups.view
        );
    }
    let mut shown = 0;
    for entry in &failed {
        shown += usize::from(one(&session, &report, entry, &out)?);
    }
    println!("{shown} of {} fails are shown by their scripts, in {}", failed.len(), arguments.out.display());
    Ok(u8::from(shown < failed.len()))
}

fn one(session: &Session<'_>, report: &Report, entry: &Entry, out: &Path) -> Result<bool, String> {
    let directory = out.join(entry.id.as_str());
    // What an earlier call left would mix with this one's.
    if directory.join(SCRIPT).exists() {
        std::fs::remove_dir_all(&directory).map_err(|e| format!("remove {}: {e}", directory.display()))?;
    } else if directory.exists() {
        return Err(format!("{}: it is there, and nothing of this command's", directory.display()));
    }
    let (is_shown, told) = match reproduce(session, report, entry, &directory) {
        Ok(Reproduced::Shown) => (true, format!("shown by {}/{SCRIPT}", entry.id)),
        Ok(Reproduced::Kept) => (false, "the runtime does not fail it any more".to_owned()),
        Ok(Reproduced::NotShown(Some(status))) => {
            (false, format!("fails, but {}/{SCRIPT} ends with {status}: see for yourself", entry.id))
        }
        Ok(Reproduced::NotShown(None)) => (false, format!("fails, but {}/{SCRIPT} was killed", entry.id)),
        Err(why) => (false, visible(&why)),
    };
    println!("{:<44} {told}", entry.id.as_str());
    Ok(is_shown)
}

/// The fails that are meant.
fn wanted<'a>(report: &'a Report, only: &[String]) -> Result<Vec<&'a Entry>, String> {
    let failed = report.failed();
    if only.is_empty() {
        return if failed.is_empty() { Err("nothing failed in this report".to_owned()) } else { Ok(failed) };
    }
    let find = |id: &String| {
        if let Some(entry) = failed.iter().find(|it| it.id.as_str() == id) {
            return Ok(*entry);
        }
        match report.requirements.iter().find(|it| it.id.as_str() == id) {
            Some(entry) => Err(format!("{id}: it did not fail in this report: {}", entry.verdict.word())),
            None => {
                let near = Specification::embedded().nearest(id).map(|it| format!("; did you mean {it}?"));
                Err(format!("{id}: the report has no such requirement{}", near.unwrap_or_default()))
            }
        }
    };
    only.iter().map(find).collect()
}

//! The process that runs one case: it reads a job from stdin and writes the outcome to stdout.
//!
//! It has one thread from its first to its last instruction, and everything that it starts dies with it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use nix::unistd::Pid;
use serde_json::Value;

use super::cgroups::{self, Hierarchy};
use super::job::{Job, Outcome};
use super::sandbox::{self, Places};
use super::scene::Scene;

/// Runs the job on stdin. `parent` is the harness's pid as it told it.
pub fn main(parent: i32) -> ExitCode {
    match supervise(parent) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}

fn supervise(parent: i32) -> io::Result<u8> {
    sandbox::die_with_parent(Pid::from_raw(parent))?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let job: Job = serde_json::from_str(&text).map_err(|e| io::Error::other(format!("job: {e}")))?;
    let hierarchies = Hierarchy::mounted()?;
    sandbox::enter(&hierarchies, &job.cgroup, job.view, || {
        let outcome = inside(&job, &hierarchies);
        let told = serde_json::to_vec(&outcome).map(|bytes| io::stdout().write_all(&bytes));
        u8::from(!matches!(told, Ok(Ok(()))))
    })
}

fn inside(job: &Job, hierarchies: &[Hierarchy]) -> Outcome {
    let trouble = |why: String| Outcome { config: None, facts: Value::Null, trouble: Some(why), overdue: false };
    let name = job.runtime.file_name().map_or_else(|| "runtime".into(), |n| n.to_string_lossy().into_owned());
    let (places, roots) = match sandbox::furnish(hierarchies, job.view, &job.runtime, &name) {
        Ok(furnished) => furnished,
        Err(e) => return trouble(e.to_string()),
    };
    let mut scene = match Scene::set(job, &places, &roots) {
        Ok(scene) => scene,
        Err(why) => return trouble(why),
    };
    if let Some(keep) = &job.keep
        && let Err(e) = copy_tree(&Places::bundle(crate::case::MAIN), keep)
    {
        return trouble(format!("keep {}: {e}", keep.display()));
    }
    let config = scene.config();
    if job.stage.is_some() {
        return Outcome { config, facts: Value::Null, trouble: None, overdue: false };
    }
    let played = scene.play();
    // What is frozen can't be killed, and this process can't end before all others here have.
    roots.iter().for_each(|(_, root)| cgroups::thaw(root));
    match played {
        Ok(facts) => Outcome { config, facts, trouble: None, overdue: scene.overdue() },
        Err(why) => Outcome { config, overdue: scene.overdue(), ..trouble(why) },
    }
}

/// Copies a bundle for its reader: files, directories and links; device nodes and FIFOs stay behind.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

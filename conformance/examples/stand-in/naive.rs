//! A runtime that trusts whoever made the image and whoever calls it: every path is followed wherever it leads, and
//! everything of the caller's is handed on.
//!
//! What it does is what a first attempt does: `root.join(path)`, `create_dir_all`, `File::create`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::Failure;
use crate::call::Call;
use crate::chrooted::{self, Chrooted};
use crate::container::Container;
use crate::machine::Body;

/// The devices that every container has.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console"];

/// A changed root, in which everything was made that the config speaks of.
pub struct Naive;

impl Body for Naive {
    fn make(&self, call: &Call, container: &mut Container, config: &Value) -> Result<i32, Failure> {
        let root = chrooted::root(container, config)?;
        for entry in list(config, "/mounts") {
            mount_point(&root, entry, &mut container.mounts)?;
        }
        chrooted::bind_all(&root, config, &mut container.mounts)?;
        for path in DEVICES.into_iter().chain(list(config, "/linux/devices").filter_map(|it| it["path"].as_str())) {
            device(&inside(&root, path))?;
        }
        tell_kernel(&root, config);
        // A path that leads somewhere already is gone to while it still does.
        let directory = config.pointer("/process/cwd").and_then(Value::as_str).unwrap_or("/");
        let there = directory.starts_with("/proc/") && std::env::set_current_dir(directory).is_ok();
        chrooted::launch(call, container, &root, config, if there { "." } else { directory })
    }

    fn start(&self, call: &Call, container: &Container) -> Result<(), Failure> {
        Chrooted.start(call, container)
    }

    fn signal(&self, container: &Container, signal: Signal) -> Result<bool, Failure> {
        Chrooted.signal(container, signal)
    }

    fn has_ended(&self, container: &Container) -> bool {
        Chrooted.has_ended(container)
    }

    fn remove(&self, container: &Container) -> Result<(), Failure> {
        Chrooted.remove(container)
    }
}

fn list<'a>(config: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    config.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Makes the place of a mount, and mounts proc; what is bound is mounted later.
fn mount_point(root: &Path, entry: &Value, done: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let Some(destination) = entry["destination"].as_str() else { return Ok(()) };
    let point = inside(root, destination);
    let failed = |e: std::io::Error| format!("make {}: {e}", point.display());
    if entry["source"].as_str().is_some_and(|source| Path::new(source).is_file()) {
        fs::create_dir_all(point.parent().unwrap_or(&point)).map_err(failed)?;
        return File::options().append(true).create(true).open(&point).map(drop).map_err(failed);
    }
    if list(entry, "/options").any(|option| option == "tmpcopyup") {
        return copy_up(&point).map_err(failed);
    }
    if !point.is_dir() {
        fs::create_dir_all(&point).map_err(failed)?;
    }
    if entry["type"] == "proc" {
        mount(Some("proc"), &point, Some("proc"), MsFlags::empty(), None::<&str>)
            .map_err(|e| format!("mount proc on {}: {e}", point.display()))?;
        done.push(point);
    }
    Ok(())
}

/// A new directory in the place of whatever leads to one, with the same files.
fn copy_up(point: &Path) -> std::io::Result<()> {
    let files: Vec<_> = fs::read_dir(point)?.collect::<Result<_, _>>()?;
    let texts: Vec<_> = files.iter().map(|file| fs::read(file.path())).collect::<Result<_, _>>()?;
    fs::remove_file(point)?;
    fs::create_dir(point)?;
    files.iter().zip(texts).try_for_each(|(file, text)| fs::write(point.join(file.file_name()), text))
}

/// A file in the place of a device: who has no null device writes into it as well.
fn device(path: &Path) -> Result<(), Failure> {
    let failed = |e: std::io::Error| format!("make {}: {e}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(failed)
}

/// Parameters and the score go where proc ought to be.
fn tell_kernel(root: &Path, config: &Value) {
    for (name, value) in config.pointer("/linux/sysctl").and_then(Value::as_object).into_iter().flatten() {
        let path = inside(root, "proc/sys").join(name.replace('.', "/"));
        let _ = fs::write(path, value.as_str().unwrap_or_default());
    }
    if let Some(score) = config.pointer("/process/oomScoreAdj") {
        let _ = fs::write(inside(root, "proc/self/oom_score_adj"), score.to_string());
    }
}

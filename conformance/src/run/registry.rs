//! What a run may leave behind when it is killed, written down before it is made, so that a later run or
//! `ocf clean` can sweep it. The lock on a run's directory says whether the run still lives.
//!
//! One thing of the host is changed while runs live: controllers of cgroup v2 that its root does not pass on
//! are passed on, so that a case sees what the host has. The last run takes that back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::cgroups::{self, Hierarchy};

/// Where the runs are registered; also where a case's files are mounted, in a namespace of its own.
pub const BASE: &str = "/run/ocf-conformance";

/// The file that says which controllers were passed on.
const DELEGATED: &str = "delegated";

/// One run of the harness, registered until it is dropped.
pub struct Registration {
    directory: PathBuf,
    name: String,
    cgroups: Mutex<File>,
    _alive: Flock<File>,
}

/// What a sweep found and did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Runs that were killed, and are gone now.
    pub runs: usize,
    /// Cgroups removed.
    pub cgroups: usize,
    /// Runs that are still alive, and were left alone.
    pub alive: usize,
}

impl Registration {
    /// Registers a new run, first sweeping what killed runs have left; in `hierarchies` all controllers are passed
    /// on from now on.
    pub fn begin(hierarchies: &[Hierarchy]) -> io::Result<Self> {
        // What can't be swept yet is no reason not to run; its register stays for the next sweep.
        if let Err(e) = sweep() {
            eprintln!("ocf: sweep: {e}");
        }
        let base = lock_base()?;
        delegate(hierarchies)?;
        let name = format!("ocf-{}-{}", std::process::id(), crate::witness::Nonce::fresh()?);
        let directory = Path::new(BASE).join(&name);
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|e| told("make", &directory, &e))?;
        let alive = lock(&directory, FlockArg::LockExclusiveNonblock)?;
        let cgroups = OpenOptions::new().create(true).append(true).open(directory.join("cgroups"))?;
        drop(base);
        Ok(Self { directory, name, cgroups: Mutex::new(cgroups), _alive: alive })
    }

    /// The run's name, with which the names of all its cgroups begin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run's own directory, for private files; it goes with the run.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes down that this cgroup is about to be made.
    pub fn note_cgroup(&self, directory: &Path) -> io::Result<()> {
        let mut file = self.cgroups.lock().map_err(|_| io::Error::other("registry: a writer panicked"))?;
        writeln!(file, "{}", directory.display())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Err(e) = remove_run(&self.directory, &self.name) {
            eprintln!("ocf: {e}; `ocf clean` will try again");
        }
        remove_base();
    }
}

/// Removes what killed runs have left, and nothing that their own registers don't name.
pub fn sweep() -> io::Result<Swept> {
    let mut swept = Swept::default();
    if !Path::new(BASE).exists() {
        return Ok(swept);
    }
    let base = lock_base()?;
    for entry in fs::read_dir(BASE)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let (directory, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        match lock(&directory, FlockArg::LockExclusiveNonblock) {
            Ok(_stale) => {
                swept.cgroups += remove_run(&directory, &name)?;
                swept.runs += 1;
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => swept.alive += 1,
            // It has ended meanwhile, and swept for itself.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    drop(base);
    remove_base();
    Ok(swept)
}

fn remove_run(directory: &Path, name: &str) -> io::Result<usize> {
    let noted = fs::read_to_string(directory.join("cgroups")).unwrap_or_default();
    let is_ours = |cgroup: &&Path| {
        let named = cgroup.file_name().is_some_and(|stem| stem.to_string_lossy().starts_with(name));
        named && cgroup.starts_with("/sys/fs/cgroup") && cgroup.exists()
    };
    let ours: Vec<_> = noted.lines().map(Path::new).filter(is_ours).collect();
    // All of them first: what is frozen in one hierarchy can't be killed in another.
    ours.iter().for_each(|cgroup| cgroups::thaw(cgroup));
    for cgroup in &ours {
        cgroups::remove(cgroup, Duration::from_secs(10))?;
    }
    match fs::remove_dir_all(directory) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(told("remove", directory, &e)),
        _ => Ok(ours.len()),
    }
}

/// Holds the base directory, made if it is missing, so that nobody sweeps while a run registers.
fn lock_base() -> io::Result<Flock<File>> {
    loop {
        match fs::DirBuilder::new().mode(0o700).create(BASE) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(told("make", Path::new(BASE), &e)),
            _ => {}
        }
        let Ok(held) = lock(Path::new(BASE), FlockArg::LockExclusive) else { continue };
        // Another run may have removed it between the two calls.
        let there = fs::metadata(BASE).map(|m| m.ino()).ok();
        if there == Some(held.metadata()?.ino()) {
            return Ok(held);
        }
    }
}

/// Removes the base directory if this was the last run, and takes back what [`delegate`] did; if it was not the
/// last, that is no error.
fn remove_base() {
    let Ok(_held) = lock(Path::new(BASE), FlockArg::LockExclusive) else { return };
    let runs = fs::read_dir(BASE).into_iter().flatten().flatten().any(|entry| entry.file_name() != DELEGATED);
    if runs {
        return;
    }
    let file = Path::new(BASE).join(DELEGATED);
    for line in fs::read_to_string(&file).unwrap_or_default().lines() {
        if let Some((directory, controller)) = line.rsplit_once(' ') {
            let control = Path::new(directory).join("cgroup.subtree_control");
            // Somebody else may use it by now; then it is theirs.
            let _ = cgroups::write(&control, &format!("-{controller}"));
        }
    }
    let _ = fs::remove_file(&file);
    let _ = fs::remove_dir(BASE);
}

/// Passes controllers of version 2 on to the cases' cgroups, each written down first.
fn delegate(hierarchies: &[Hierarchy]) -> io::Result<()> {
    for hierarchy in hierarchies {
        for controller in hierarchy.undelegated() {
            let file = Path::new(BASE).join(DELEGATED);
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            writeln!(file, "{} {controller}", hierarchy.own.display())?;
            // A controller that is in use elsewhere can't be had; the facts say so.
            let _ = cgroups::write(&hierarchy.own.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
    Ok(())
}

fn lock(directory: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    let file = File::open(directory).map_err(|e| told("open", directory, &e))?;
    Flock::lock(file, how).map_err(|(_, e)| io::Error::from(e))
}

fn told(deed: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{deed} {}: {error}", path.display()))
}

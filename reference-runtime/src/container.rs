//! What the runtime keeps of a container between two operations, and what it finds out anew each time.
//!
//! A container is a directory below the runtime's root, named by its id:
//! `state.json` is the record, `config.json` the config as it was at the creation, `lock` is held by the one operation that
//! changes the container, `made` notes what has to be undone, and `start` and `started` are FIFOs between the start
//! operation and the container process, which holds both until it executes the user's program.

use crate::engine::pause::is_paused;
use crate::error::{Doing, Error, Result};
use crate::hooks::pidfd_open;
use crate::made::Notes;
use crate::state::{State, Status};
use crate::{cgroups, destroy, intel_rdt, kill};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, RenameFlags, fcntl, open, renameat2};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, geteuid, mkfifo};
use oci_spec::runtime::{Hook, Spec};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a process that was killed may take to exit.
const EXIT: Duration = Duration::from_secs(10);

const BUSY: &str = "another operation on it is under way";
const MISSING: &str = "there is no such container";

/// An id that names a directory of its own: letters, digits and `_+-.`, no dot in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerId(String);

impl std::str::FromStr for ContainerId {
    type Err = Error;

    // [create.id-invalid-error]
    fn from_str(id: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        if id.is_empty() || id.len() > 200 || !id.bytes().all(allowed) || id.starts_with('.') {
            return Err(Error::new(format!(
                "the id {id:?} is not 1 to 200 letters, digits and _+-. without a dot in front"
            )));
        }
        Ok(ContainerId(id.to_owned()))
    }
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// A container's place on disk.
#[derive(Debug)]
pub struct Container {
    directory: PathBuf,
    id: ContainerId,
}

/// What is known of a container since its creation. Nothing of it comes from config.json later on.
// [lifecycle.config-changes-ignored]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    version: String,
    bundle: PathBuf,
    annotations: HashMap<String, String>,
    /// Whether the config has a `process`.
    pub has_process: bool,
    /// Whether the create operation has ended well.
    pub created: bool,
    /// The creating process.
    pub creator: Process,
    /// The container process, once there is one.
    pub process: Option<Process>,
    /// The container's cgroups.
    pub cgroups: cgroups::Placement,
    /// The container's directories in resctrl.
    pub rdt: intel_rdt::Groups,
    /// The path of the mount namespace that the container joins.
    pub mount_namespace: Option<PathBuf>,
    /// Hooks that run after the program was executed.
    pub poststart: Vec<Hook>,
    /// Hooks that run after the container was destroyed.
    pub poststop: Vec<Hook>,
}

/// A process, told apart from a later one with the same id by the time of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id in the runtime's pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot, as of proc_pid_stat(5).
    start_time: u64,
}

/// The right to change a container, as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "holding the descriptor is what it is for")] File);

impl Container {
    /// Takes `id` for a new container; of several that try at once, one gets it.
    ///
    /// # Errors
    /// The id is in use.
    // [create.id-in-use-error] [create.id-in-use-no-container] [state.id-unique]
    pub fn claim(root: &Path, id: &ContainerId, record: &Record) -> Result<(Self, Lock)> {
        let private = |path: &Path, recursive| fs::DirBuilder::new().recursive(recursive).mode(0o700).create(path);
        private(root, true).doing(|| format!("make {}", root.display()))?;
        // It gets its name when it is whole, so that nobody ever finds a part of a container.
        let new = Container { directory: hidden(root, id, "new"), id: id.clone() };
        private(&new.directory, false).doing(|| format!("make {}", new.directory.display()))?;
        let directory = root.join(&id.0);
        let flags = RenameFlags::RENAME_NOREPLACE;
        // Locked first: as long as its maker lives, nobody takes it for a remnant.
        let claimed = new.try_lock(true).and_then(|lock| {
            let lock = lock.ok_or_else(|| Error::new(BUSY))?;
            new.save(record)?;
            match renameat2(AT_FDCWD, &new.directory, AT_FDCWD, &directory, flags) {
                Err(Errno::EEXIST) => Err(Error::new("the id is in use")),
                renamed => renamed.doing(|| format!("make {}", directory.display())).map(|()| lock),
            }
        });
        match claimed {
            Ok(lock) => Ok((Container { directory, id: id.clone() }, lock)),
            Err(error) => {
                let _ = fs::remove_dir_all(&new.directory);
                Err(error)
            }
        }
    }

    /// An existing container and its record.
    ///
    /// # Errors
    /// There is none of that id.
    pub fn find(root: &Path, id: &ContainerId) -> Result<Self> {
        let container = Container { directory: root.join(&id.0), id: id.clone() };
        // Whoever may write there could have the runtime execute hooks and end processes.
        if let Ok(facts) = fs::symlink_metadata(&container.directory)
            && (!facts.is_dir() || facts.uid() != geteuid().as_raw() || facts.mode() & 0o022 != 0)
        {
            return Err(Error::new(format!("{} is not the runtime's own directory", container.directory.display())));
        }
        container.record().map(|_| container)
    }

    /// Removes what killed operations left of an id before they gave it to a container, or after they took it away.
    ///
    /// # Errors
    /// The runtime's root can't be read, or a remnant not be removed.
    pub fn sweep(root: &Path, id: &ContainerId) -> Result<()> {
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.doing(|| format!("list {}", root.display()))?,
        };
        for entry in entries.flatten() {
            let remnant = Container { directory: entry.path(), id: id.clone() };
            if is_hidden(&entry.file_name(), id) && !remnant.is_locked() {
                let removed = fs::remove_dir_all(entry.path());
                removed.or_else(unless_gone).doing(|| format!("remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    /// Reads the record.
    ///
    /// # Errors
    /// There is no container of this id.
    pub fn record(&self) -> Result<Record> {
        let path = self.directory.join("state.json");
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new(MISSING)),
            bytes => serde_json::from_slice(&bytes.doing(|| format!("read {}", path.display()))?)
                .doing(|| format!("parse {}", path.display())),
        }
    }

    /// Replaces the record as a whole: no reader sees a part of it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, record: &Record) -> Result<()> {
        let (new, path) = (self.directory.join("state.json.new"), self.directory.join("state.json"));
        let bytes = serde_json::to_vec(record).doing(|| "encode the record".into())?;
        fs::write(&new, bytes).doing(|| format!("write {}", new.display()))?;
        fs::rename(&new, &path).doing(|| format!("replace {}", path.display()))
    }

    /// Keeps the config's text, which tells a later process what it shares with the container.
    ///
    /// # Errors
    /// It can't be written.
    // [lifecycle.config-changes-ignored]
    pub fn keep_config(&self, text: &[u8]) -> Result<()> {
        let path = self.directory.join("config.json");
        fs::write(&path, text).doing(|| format!("write {}", path.display()))
    }

    /// The config that the container was created from.
    ///
    /// # Errors
    /// It can't be read.
    pub fn config(&self) -> Result<Spec> {
        let path = self.directory.join("config.json");
        let text = fs::read(&path).doing(|| format!("read {}", path.display()))?;
        crate::config::parse_again(&text).doing(|| path.display().to_string())
    }

    /// Takes the right to change the container, after the operation that has it; a creation is not waited for.
    ///
    /// # Errors
    /// Another operation keeps it.
    pub fn lock(&self) -> Result<Lock> {
        if self.is_being_created(&self.record()?) {
            return Err(Error::new(BUSY));
        }
        self.seize()
    }

    /// As [`Container::lock`], after the end of whoever was creating the container: its last descriptor may yet close.
    ///
    /// # Errors
    /// Another operation keeps it.
    pub fn seize(&self) -> Result<Lock> {
        let deadline = Instant::now() + EXIT;
        loop {
            match self.try_lock(false)? {
                Some(lock) => return Ok(lock),
                None if Instant::now() >= deadline => return Err(Error::new(BUSY)),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn try_lock(&self, make: bool) -> Result<Option<Lock>> {
        let path = self.directory.join("lock");
        let what = || format!("lock {}", path.display());
        let mut options = OpenOptions::new();
        let file = match options.write(true).create_new(make).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::new(MISSING)),
            opened => opened.doing(what)?,
        };
        if !try_lock(&file).doing(what)? {
            return Ok(None);
        }
        // Between opening and locking the id may have come to another container, which has a lock of its own.
        let still = fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino()));
        Ok(still.then_some(Lock(file)))
    }

    /// Whether its creator is at work; one that was killed may have left the lock for a moment to the process it had made.
    fn is_being_created(&self, record: &Record) -> bool {
        !record.created && self.is_locked() && record.creator.is_alive()
    }

    fn is_locked(&self) -> bool {
        let mut found = whole_file();
        let Ok(file) = OpenOptions::new().write(true).open(self.directory.join("lock")) else { return false };
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).is_ok() && found.l_type != libc::F_UNLCK as libc::c_short
    }

    /// The container's state at this moment.
    ///
    /// # Errors
    /// There is no such container.
    pub fn state(&self) -> Result<State> {
        let (record, status) = self.status()?;
        Ok(record.state(&self.id, status))
    }

    /// The record, and what the container is doing at this moment.
    ///
    /// # Errors
    /// There is no such container.
    pub fn status(&self) -> Result<(Record, Status)> {
        let record = self.record()?;
        if record.created {
            return Ok(self.judge(record));
        }
        // The lock becomes free once a create operation has ended; whether well is asked again, for it may just have.
        if self.is_being_created(&record) {
            return Ok((record, Status::Creating));
        }
        Ok(self.judge(self.record()?))
    }

    /// As [`Container::status`], for the one who holds the lock, so that no create operation is under way.
    ///
    /// # Errors
    /// There is no such container.
    pub fn status_under(&self, _lock: &Lock) -> Result<(Record, Status)> {
        Ok(self.judge(self.record()?))
    }

    /// What a container is doing whose creation has ended, well or not.
    fn judge(&self, record: Record) -> (Record, Status) {
        let status = match record.process {
            Some(process) if record.created && process.is_alive() => {
                // Asked in this order: a process that has died meanwhile waits no more, and doesn't run either.
                let waits = self.awaits_start();
                if waits {
                    Status::Created
                } else if !process.is_alive() {
                    Status::Stopped
                } else if is_paused(&record.cgroups) {
                    Status::Paused
                } else {
                    Status::Running
                }
            }
            _ => Status::Stopped,
        };
        (record, status)
    }

    /// Whether the container process has not executed the user's program: until then it listens on `start`.
    pub fn awaits_start(&self) -> bool {
        open(&self.directory.join("start"), OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
            .is_ok()
    }

    /// Makes both FIFOs, and opens them for the container process.
    ///
    /// # Errors
    /// One can't be made.
    pub fn make_fifos(&self) -> Result<(File, File)> {
        let make = |name| -> Result<File> {
            let path = self.directory.join(name);
            mkfifo(&path, Mode::from_bits_truncate(0o600)).doing(|| format!("make {}", path.display()))?;
            // For both directions, so that opening waits for nobody and reading never finds an end.
            OpenOptions::new().read(true).write(true).open(&path).doing(|| format!("open {}", path.display()))
        };
        Ok((make("start")?, make("started")?))
    }

    /// Where the container process notes what it makes.
    ///
    /// # Errors
    /// The notes can't be made.
    pub fn begin_notes(&self) -> Result<Notes> {
        Notes::begin(&self.directory.join("made"))
    }

    /// The start operation's ends of both FIFOs.
    ///
    /// # Errors
    /// The container process doesn't listen.
    pub fn open_fifos(&self) -> Result<(File, File)> {
        let (start, started) = (self.directory.join("start"), self.directory.join("started"));
        let flags = libc::O_NONBLOCK;
        let start = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(start)
            .doing(|| "reach the container process".into())?;
        let started = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(started)
            .doing(|| "listen to the container process".into())?;
        Ok((start, started))
    }

    /// Undoes the creation: ends processes, and removes cgroups, mounts, files, and last the container itself.
    ///
    /// # Errors
    /// Something can't be removed; then the container stays, so that it can be tried again.
    pub fn destroy(&self, record: &Record) -> Result<()> {
        destroy::destroy(record, &self.directory.join("made"))?;
        let root = self.root();
        let old = hidden(root, &self.id, "old");
        fs::rename(&self.directory, &old).doing(|| format!("remove {}", self.directory.display()))?;
        fs::remove_dir_all(&old).or_else(unless_gone).doing(|| format!("remove {}", old.display()))
    }

    /// The path of a file of the container's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The directory below which this container is one of several.
    pub fn root(&self) -> &Path {
        self.directory.parent().unwrap_or(Path::new("/"))
    }

    /// The container's id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }
}

/// A name that is no container's, for this process's own use.
fn hidden(root: &Path, id: &ContainerId, what: &str) -> PathBuf {
    root.join(format!(".{id}.{}.{what}", std::process::id()))
}

/// Whether [`hidden`] makes this name from `id`.
fn is_hidden(name: &OsStr, id: &ContainerId) -> bool {
    let rest = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_prefix(&id.0)?.strip_prefix('.'));
    let process = rest.and_then(|rest| rest.strip_suffix(".new").or(rest.strip_suffix(".old")));
    process.is_some_and(|process| process.parse::<u32>().is_ok())
}

fn unless_gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Locks a file for as long as its descriptor is open, unless another one has it.
pub(crate) fn try_lock(file: &File) -> nix::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        locked => locked.map(|_| true),
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

impl Record {
    /// What is known of a container when its creation begins.
    ///
    /// # Errors
    /// The calling process can't find itself in /proc.
    pub fn new(spec: &Spec, bundle: &Path) -> Result<Self> {
        Ok(Record {
            version: spec.version().clone(),
            bundle: bundle.to_owned(),
            annotations: spec.annotations().clone().unwrap_or_default(),
            has_process: spec.process().is_some(),
            created: false,
            creator: Process::of(nix::unistd::getpid())?,
            process: None,
            cgroups: cgroups::Placement::default(),
            rdt: intel_rdt::Groups::default(),
            mount_namespace: crate::namespaces::path(spec, oci_spec::runtime::LinuxNamespaceType::Mount),
            poststart: crate::hooks::of(spec, oci_spec::runtime::Hooks::poststart).to_vec(),
            poststop: crate::hooks::of(spec, oci_spec::runtime::Hooks::poststop).to_vec(),
        })
    }

    /// The state as the specification writes it.
    pub fn state(&self, id: &ContainerId, status: Status) -> State {
        let pid = self.process.filter(|_| status != Status::Stopped).map(|process| process.pid);
        State {
            oci_version: self.version.clone(),
            id: id.0.clone(),
            status,
            pid,
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }

    /// The state as a hook in the container's namespaces reads it. // [hooks.state-pid-container-namespace]
    pub fn state_inside(&self, id: &ContainerId, status: Status, pid: Pid) -> State {
        State { pid: Some(pid.as_raw()), ..self.state(id, status) }
    }
}

impl Process {
    /// The process that has the id `pid` now.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: Pid) -> Result<Self> {
        let (_, start_time) = stat(pid.as_raw()).ok_or_else(|| Error::new(format!("there is no process {pid}")))?;
        Ok(Process { pid: pid.as_raw(), start_time })
    }

    /// Whether it has not exited. // [state.status-stopped]
    pub fn is_alive(self) -> bool {
        // A zombie has exited, and only its parent doesn't know yet.
        stat(self.pid)
            .is_some_and(|(run_state, start_time)| start_time == self.start_time && !"ZXx".contains(run_state))
    }

    /// A descriptor that means this process and no later one of the same id.
    ///
    /// # Errors
    /// It has exited.
    pub fn pidfd(self) -> Result<OwnedFd> {
        let fd = pidfd_open(Pid::from_raw(self.pid)).doing(|| format!("open the process {}", self.pid))?;
        // Asked after opening: if it is the same process now, it was so then.
        if self.is_alive() { Ok(fd) } else { Err(Error::new("the process has exited")) }
    }

    /// Kills it, unless it has exited already, and waits until it has.
    ///
    /// # Errors
    /// It can't be killed, or doesn't exit in time.
    pub fn end(self) -> Result<()> {
        let Ok(fd) = self.pidfd() else { return Ok(()) };
        kill::send(&fd, libc::SIGKILL).doing(|| format!("kill the process {}", self.pid))?;
        kill::await_exit(&fd, EXIT).doing(|| format!("wait for the end of the process {}", self.pid))
    }
}

/// The run state and the start time of a process, from proc_pid_stat(5).
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may itself contain some, and blanks.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_a_directory_of_their_own() {
        for id in ["a", "c1", "A.b-c_d+e", "-"] {
            id.parse::<ContainerId>().unwrap();
        }
        for id in ["", ".", "..", ".a", "a/b", "a b", "ä", &"a".repeat(201)] {
            id.parse::<ContainerId>().unwrap_err();
        }
    }

    #[test]
    fn a_process_is_told_apart_by_its_start() {
        let own = Process::of(nix::unistd::getpid()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start_time: own.start_time + 1, ..own }.is_alive());
    }
}

//! The operation that makes a container from a bundle, everything but the user's program.

use crate::birth::{Birth, Born};
use crate::cgroups::{self, Membership};
use crate::channel::{Channel, Message};
use crate::config;
use crate::container::{Container, ContainerId, Lock, Process, Record};
use crate::descriptors::Passed;
use crate::device_rules::Restriction;
use crate::error::{Doing, Error, Result};
use crate::init::Init;
use crate::net_devices::Moved;
use crate::state::Status;
use crate::{cgroup_owner, hooks, id_mapped_mounts, intel_rdt, namespaces, process, seccomp, terminal};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid};
use oci_spec::runtime::{Hooks, Spec};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a creation is given.
#[derive(Debug)]
pub struct Request {
    /// Where the runtime keeps its containers.
    pub root: PathBuf,
    /// The new container's id.
    pub id: ContainerId,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// Where to write the container process's id.
    pub pid_file: Option<PathBuf>,
    /// Who gets the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// Which of the caller's descriptors the container process gets.
    pub passed: Passed,
    /// Whether it keeps the caller's session keyring, and with it the caller's keys.
    pub keeps_keyring: bool,
}

impl Request {
    /// The creation of the container `id` below `root` from the bundle in the directory `bundle`, and nothing beside.
    pub fn new(root: impl Into<PathBuf>, id: ContainerId, bundle: impl Into<PathBuf>) -> Self {
        let (root, bundle) = (root.into(), bundle.into());
        let passed = Passed::default();
        Request { root, id, bundle, pid_file: None, console_socket: None, passed, keeps_keyring: false }
    }
}

/// A failure, and whether a hook is to blame.
enum Failure {
    Hook(Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}

/// Creates a container.
///
/// # Errors
/// It can't be made as described; then nothing of it remains.
// [create.new-container] [create.unappliable-property-no-container]
pub(crate) fn create(request: &Request) -> Result<Container> {
    request.passed.hold_back()?;
    let bundle = fs::canonicalize(&request.bundle).doing(|| format!("find the bundle {}", request.bundle.display()))?;
    let (spec, text) = config::load(&bundle)?;
    let console = terminal::connect(spec.process().as_ref(), request.console_socket.as_deref())?;
    let record = Record::new(&spec, &bundle)?;
    let (container, lock) = Container::claim(&request.root, &request.id, &record)?;
    let mut creation = Creation {
        request,
        spec,
        bundle,
        container,
        record,
        child: None,
        devices: None,
        lock: Some(lock),
        filter: None,
    };
    let made = creation.container.keep_config(&text).map_err(Failure::Other).and_then(|()| creation.make(console));
    match made {
        Ok(()) => Ok(creation.container),
        Err(failure) => Err(creation.undo(failure)),
    }
}

/// A creation under way, with what has been made so far.
struct Creation<'a> {
    request: &'a Request,
    spec: Spec,
    bundle: PathBuf,
    container: Container,
    record: Record,
    /// The first process, as long as it may live.
    child: Option<Pid>,
    /// The network devices that were moved.
    devices: Option<Moved>,
    /// The right to change the container, which its process must not inherit.
    lock: Option<Lock>,
    /// The filter of system calls, which the container process will find made.
    filter: Option<seccomp::Promise>,
}

impl Creation<'_> {
    fn make(&mut self, console: Option<std::os::unix::net::UnixStream>) -> Result<(), Failure> {
        let namespaces = namespaces::open_paths(&self.spec)?;
        let id_mapped_mounts = id_mapped_mounts::prepare(&self.spec, &self.bundle)?;
        let cgroups = cgroups::plan(&self.spec, &self.request.id.to_string(), &mut self.record.cgroups)?;
        self.record.rdt = intel_rdt::plan(&self.spec, &self.request.id.to_string())?;
        // Known before they are made: so they can be removed even if this process is killed at its work.
        self.save()?;
        cgroups::make(&self.spec, &cgroups, &mut self.record.cgroups)?;
        // Without a cgroup of its own the container is in the runtime's, and is shown that.
        let views = if cgroups.is_empty() { cgroups::own()? } else { cgroups.clone() };
        intel_rdt::make(&self.spec, &mut self.record.rdt)?;
        let (start, started) = self.container.make_fifos()?;
        self.filter = seccomp::Promise::of(&self.spec, &self.container)?;
        let notes = self.container.begin_notes()?;
        let (channel, theirs) = Channel::pair()?;
        let birth = Birth::of(&self.spec);
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { birth.give(cgroups::unified(&cgroups)) }.doing(|| "fork the first process".into())? {
            Born::Child => {
                drop((channel, self.lock.take()));
                let init = Init {
                    spec: &self.spec,
                    id: &self.request.id,
                    bundle: &self.bundle,
                    record: &self.record,
                    notes: &notes,
                    channel: theirs,
                    birth,
                    cgroups: &views,
                    namespaces: &namespaces,
                    id_mapped_mounts: &id_mapped_mounts,
                    start,
                    started,
                    console,
                    passed: self.request.passed,
                    keeps_keyring: self.request.keeps_keyring,
                    filter: self.filter.as_ref(),
                };
                init.bootstrap()
            }
            Born::Parent(child, placed) => {
                drop((theirs, start, started, console));
                self.child = Some(child);
                let elsewhere = cgroups.iter().filter(|member| !(placed && member.hierarchy.is_unified()));
                // A process that has ended can't be placed, and has said why it did.
                self.place(child, birth, &channel, elsewhere).map_err(|error| channel.told_failure(error))?;
                self.accompany(child, &channel, &cgroups)
            }
        }
    }

    /// Sees to it that the new process is where it belongs, while that one goes on as far as it can.
    fn place<'m>(
        &mut self,
        child: Pid,
        birth: Birth,
        channel: &Channel,
        cgroups: impl Iterator<Item = &'m Membership>,
    ) -> Result<()> {
        // Once the child is mapped it takes the ids of its user namespace and hides. From then on a caller who is not root
        // reaches neither its score, which the container process inherits, nor, in cgroups of version 1, the child itself.
        if let Some(process) = self.spec.process() {
            process::set_oom_score(process, child)?;
        }
        let (early, late) = if geteuid().is_root() { (None, Some(cgroups)) } else { (Some(cgroups), None) };
        early.map_or(Ok(()), |cgroups| cgroups::join(cgroups, child))?;
        if birth.flags().contains(CloneFlags::CLONE_NEWUSER) {
            namespaces::write_mappings(&self.spec, child)?;
            channel.send(&Message::Mapped)?;
        }
        late.map_or(Ok(()), |cgroups| cgroups::join(cgroups, child))?;
        channel.send(&Message::Placed)?;
        match birth {
            Birth::Direct(_) => self.adopt(child),
            Birth::Staged => Ok(()),
        }
    }

    /// The creating process's part in the making of the container process.
    fn accompany(&mut self, child: Pid, channel: &Channel, cgroups: &[Membership]) -> Result<(), Failure> {
        if let Some(filter) = &self.filter {
            filter.keep(&self.spec)?;
        }
        // Made ready while the container process is at work.
        let restriction = cgroups::device_restriction(&self.spec, cgroups)?;
        let mut is_ready = false;
        let mut needs_devices = false;
        loop {
            // The container process may be ready before its parent has come to tell its pid, which hooks must know.
            if let Some(process) = self.record.process.filter(|_| needs_devices) {
                needs_devices = false;
                self.devices.insert(Moved::nothing(process.pid)?).move_in(&self.spec)?;
                channel.send(&Message::DevicesMoved)?;
            }
            if is_ready && self.record.process.is_some() {
                is_ready = false;
                self.complete(cgroups, &restriction)?;
                if hooks::any_during_create(&self.spec) {
                    channel.send(&Message::HooksRun)?;
                }
                channel.send(&Message::Accompanied)?;
            }
            // Now that it waits for us, its parent has only that to tell and to end; if that was killed nothing will come.
            if (is_ready || needs_devices) && self.record.process.is_none() {
                self.await_first_process()?;
                if !channel.is_spoken_to()? {
                    return Err(Error::new("the first process was killed").into());
                }
            }
            match channel.receive()? {
                Message::NeedsMappings => {
                    namespaces::write_mappings(&self.spec, child)?;
                    channel.send(&Message::Mapped)?;
                }
                Message::Forked(pid) => {
                    self.await_first_process()?;
                    self.adopt(Pid::from_raw(pid))?;
                }
                Message::NeedsDevices => needs_devices = true,
                Message::Ready => is_ready = true,
                Message::Created => return self.finish(cgroups).map_err(Failure::Other),
                Message::HookFailed(text) => return Err(Failure::Hook(Error::new(text))),
                Message::Failed(text) => return Err(Failure::Other(Error::new(text))),
                other => return Err(Failure::Other(Error::new(format!("the container process said {other:?}")))),
            }
        }
    }

    /// What is left to do when the container process has made its environment: the last limits, and the hooks.
    fn complete(&mut self, cgroups: &[Membership], restriction: &Restriction) -> Result<(), Failure> {
        cgroups::restrict_devices(restriction)?;
        self.delegate_cgroup(cgroups)?;
        self.run_hooks()
    }

    fn adopt(&mut self, pid: Pid) -> Result<()> {
        self.record.process = Some(Process::of(pid)?);
        self.child = None;
        intel_rdt::join(&self.record.rdt, pid.as_raw())?;
        self.save()
    }

    fn await_first_process(&mut self) -> Result<()> {
        let Some(child) = self.child.take() else { return Ok(()) };
        waitpid(child, None).map(drop).doing(|| "wait for the first process".into())
    }

    fn delegate_cgroup(&self, cgroups: &[Membership]) -> Result<()> {
        self.record.process.map_or(Ok(()), |process| cgroup_owner::apply(&self.spec, cgroups, process.pid))
    }

    // [hooks.prestart-before-create-runtime] [hooks.create-runtime-during-create] [hooks.state-status-during-create]
    fn run_hooks(&mut self) -> Result<(), Failure> {
        let id = &self.request.id;
        let state = self.record.state(id, Status::Creating);
        let prestart = hooks::of(&self.spec, Hooks::prestart);
        hooks::run("prestart", prestart, &state).map_err(Failure::Hook)?;
        hooks::run("createRuntime", hooks::of(&self.spec, Hooks::create_runtime), &state).map_err(Failure::Hook)
    }

    fn finish(&mut self, cgroups: &[Membership]) -> Result<()> {
        cgroups::restrict_tasks(&self.spec, cgroups)?;
        let pid = self.record.process.map_or(0, |process| process.pid);
        if let Some(path) = &self.request.pid_file {
            write_whole(path, &pid.to_string())?;
        }
        self.record.created = true;
        self.save()
    }

    /// Takes everything back. // [errors.environment-unchanged]
    fn undo(&mut self, failure: Failure) -> Error {
        if let Some(devices) = &self.devices {
            devices.give_back();
        }
        let process = self.record.process.map(|process| Pid::from_raw(process.pid));
        for pid in [self.child, process].into_iter().flatten() {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
        let record = &self.record;
        if let Err(error) = self.container.destroy(record) {
            crate::error::warn(format!("undo the creation: {error}"));
        }
        match failure {
            // [hooks.create-runtime-failure-runs-poststop] [hooks.create-container-failure-runs-poststop]
            Failure::Hook(error) => {
                hooks::run_all("poststop", &record.poststop, &record.state(&self.request.id, Status::Stopped));
                error
            }
            Failure::Other(error) => error,
        }
    }

    fn save(&self) -> Result<()> {
        self.container.save(&self.record)
    }
}

/// Writes a file that its readers see as a whole. // [command-line.pid-file]
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::new(format!("{} names no file", path.display())))?;
    let new = path.with_file_name(format!(".{}.{}.new", name.display(), std::process::id()));
    // Nothing that stands there already is written to, be it a link to somebody else's file.
    let write = || {
        let mut file = File::create_new(&new)?;
        file.write_all(text.as_bytes())
            .and_then(|()| fs::rename(&new, path))
            .inspect_err(|_| drop(fs::remove_file(&new)))
    };
    write().doing(|| format!("write {}", path.display()))
}

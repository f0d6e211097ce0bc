//! The container process, from its fork to the user's program.

use crate::birth::{Arrival, Birth};
use crate::cgroups::Membership;
use crate::channel::{Channel, Message};
use crate::container::{ContainerId, Record};
use crate::descriptors::Passed;
use crate::error::{Doing, Error, Result};
use crate::id_mapped_mounts::Prepared;
use crate::lsm::Labels;
use crate::made::Notes;
use crate::mounts::Place;
use crate::path_in_root::RootDirectory;
use crate::process::Program;
use crate::procfs;
use crate::state::{State, Status};
use crate::{
    devices, hooks, hostname, keyring, masked_paths, mount_label, mounts, namespaces, net_devices, process,
    readonly_paths, root, seccomp, sysctl, terminal,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, getpid, setsid};
use oci_spec::runtime::{Hooks, LinuxNamespaceType as Type, Spec};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Everything that the container process is born with.
#[derive(Debug)]
pub struct Init<'a> {
    /// The config.
    pub spec: &'a Spec,
    /// The container's id.
    pub id: &'a ContainerId,
    /// The bundle's absolute path.
    pub bundle: &'a Path,
    /// What is known of the container.
    pub record: &'a Record,
    /// Where to note what is made.
    pub notes: &'a Notes,
    /// The connection to the creating process.
    pub channel: Channel,
    /// How this process came to life.
    pub birth: Birth,
    /// The cgroups that the container process will be in.
    pub cgroups: &'a [Membership],
    /// The namespaces to join.
    pub namespaces: &'a [(Type, OwnedFd)],
    /// The id-mapped mounts, which were made outside.
    pub id_mapped_mounts: &'a [Prepared],
    /// On which the order to start will come.
    pub start: File,
    /// On which to say how starting goes.
    pub started: File,
    /// Who gets the terminal's master.
    pub console: Option<UnixStream>,
    /// Which of the caller's descriptors the program gets.
    pub passed: Passed,
    /// Whether the caller's session keyring goes on to be this process's.
    pub keeps_keyring: bool,
    /// The filter of system calls, made meanwhile.
    pub filter: Option<&'a seccomp::Promise>,
}

/// What the container process answers to the order to start; the end of the FIFO then means that the program runs.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The program is executed next.
    Executing,
    /// A startContainer hook failed, and this process ends.
    HookFailed(String),
    /// The program can't be executed; this process goes on to wait.
    Failed(String),
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

impl Init<'_> {
    /// The first process, which is the container process, or leaves the rest to a child of its own.
    pub fn bootstrap(self) -> ! {
        let entered = match self.birth {
            Birth::Direct(_) => self.enter().map(|()| Fork::Child),
            // The child is where its parent is.
            Birth::Staged => {
                self.channel.expect(&Message::Placed).and_then(|()| self.enter()).and_then(|()| self.fork())
            }
        };
        match entered {
            Ok(Fork::Parent(pid)) => finish(self.channel.send(&Message::Forked(pid.as_raw())).is_err()),
            Ok(Fork::Child) => self.main(),
            Err(error) => self.fail(Failure::Other(error)),
        }
    }

    fn enter(&self) -> Result<()> {
        namespaces::enter(self.spec, self.namespaces, self.birth.flags(), &self.channel)
    }

    fn fork(&self) -> Result<Fork> {
        fork_sibling().doing(|| "fork the container process".into())
    }

    fn main(self) -> ! {
        match self.contain() {
            Ok((program, state)) => self.wait_for_start(program, state),
            Err(failure) => self.fail(failure),
        }
    }

    /// Makes the environment, in the order of the lifecycle, as far as the create operation goes.
    fn contain(&self) -> Result<(Option<Program>, State), Failure> {
        self.begin_session()?;
        let arrival = Arrival::new(self.spec, self.birth, &self.channel);
        self.await_devices(&arrival)?;
        hostname::apply(self.spec)?;
        sysctl::apply(self.spec)?;
        let directory = root::directory(self.spec, self.bundle);
        self.make_root_mount(&directory)?;
        let root = RootDirectory::open(&directory, self.notes)?;
        let place = self.place(&root, &arrival);
        let terminal = self.furnish(&place)?;
        arrival.complete()?;
        let state = self.run_hooks()?;
        let labels = self.spec.process().as_ref().map(Labels::open).transpose()?;
        masked_paths::apply(self.spec, &place)?;
        readonly_paths::apply(self.spec, &place)?;
        root::enter(self.spec, &directory, self.has_own_mounts())?;
        self.channel.expect(&Message::Accompanied)?;
        let program = self.prepare_process(labels)?;
        // Last, so that warnings go where the runtime's own go.
        terminal.as_ref().map_or(Ok(()), terminal::take)?;
        Ok((program, State { status: Status::Created, ..state }))
    }

    fn begin_session(&self) -> Result<()> {
        setsid().doing(|| "begin a session".into())?;
        if self.keeps_keyring { Ok(()) } else { keyring::begin() }
    }

    fn await_devices(&self, arrival: &Arrival) -> Result<()> {
        if !net_devices::are_wanted(self.spec) {
            return Ok(());
        }
        arrival.complete()?;
        self.channel.send(&Message::NeedsDevices)?;
        self.channel.expect(&Message::DevicesMoved)
    }

    fn has_own_mounts(&self) -> bool {
        namespaces::is_new(self.spec, Type::Mount)
    }

    fn make_root_mount(&self, directory: &Path) -> Result<()> {
        let readonly = self.spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false);
        if namespaces::path(self.spec, Type::Mount).is_some() {
            // Descriptors are passed to the kernel as paths in it.
            procfs::open_root()?;
        }
        if self.has_own_mounts() {
            root::detach()?;
        } else if readonly {
            RootDirectory::open(directory, self.notes)?.note_mount_on_itself()?;
        }
        if self.has_own_mounts() || readonly { root::make_mount(self.spec, directory) } else { Ok(()) }
    }

    fn place<'p>(&'p self, root: &'p RootDirectory<'p>, arrival: &'p Arrival<'p>) -> Place<'p> {
        Place {
            root,
            bundle: self.bundle,
            shared: !self.has_own_mounts(),
            prepared: self.id_mapped_mounts,
            cgroups: self.cgroups,
            arrival,
            cgroup_namespace: namespaces::is_new(self.spec, Type::Cgroup),
            views: RefCell::default(),
            label: mount_label::of(self.spec),
        }
    }

    /// Mounts and makes all that is to be found below the root; the answer is the terminal's inner end.
    fn furnish(&self, place: &Place) -> Result<Option<OwnedFd>> {
        // The modes of what is made are the config's, and not the caller's business.
        let mask = umask(Mode::empty());
        mounts::apply(self.spec, place)?;
        devices::apply(self.spec, place)?;
        let terminal = self.make_terminal(place)?;
        umask(mask);
        Ok(terminal)
    }

    /// The hooks of the create operation; the answer is the state that they are told.
    // [hooks.create-runtime-before-pivot] [hooks.prestart-before-pivot]
    fn run_hooks(&self) -> Result<State, Failure> {
        self.channel.send(&Message::Ready)?;
        let state = self.record.state_inside(self.id, Status::Creating, getpid());
        if hooks::any_during_create(self.spec) {
            self.channel.expect(&Message::HooksRun)?;
        }
        hooks::run("createContainer", hooks::of(self.spec, Hooks::create_container), &state).map_err(Failure::Hook)?;
        Ok(state)
    }

    fn make_terminal(&self, place: &Place) -> Result<Option<OwnedFd>> {
        match (self.spec.process(), &self.console) {
            (Some(process), Some(socket)) => terminal::make(process, place, socket).map(Some),
            _ => Ok(None),
        }
    }

    fn prepare_process(&self, labels: Option<Labels>) -> Result<Option<Program>> {
        let (Some(process), Some(labels)) = (self.spec.process(), labels) else { return Ok(None) };
        let mut program = process::prepare(self.spec, process, &labels, self.passed)?;
        program.filter = self.filter.map(|promise| promise.filter(self.spec)).transpose()?;
        // A hook may yet bring the program along.
        if hooks::of(self.spec, Hooks::start_container).is_empty() {
            program.look_for()?;
        }
        Ok(Some(program))
    }

    /// Tells the creating process what went wrong, and ends.
    fn fail(&self, failure: Failure) -> ! {
        let _ = self.channel.send(&match failure {
            Failure::Hook(error) => Message::hook_failed(&error),
            Failure::Other(error) => Message::failed(&error),
        });
        finish(true)
    }

    /// The container is created; the rest is for the start operation. // [create.program-not-run]
    fn wait_for_start(self, program: Option<Program>, state: State) -> ! {
        let Init { spec, channel, mut start, mut started, .. } = self;
        if channel.send(&Message::Created).is_err() {
            finish(true);
        }
        drop(channel);
        loop {
            let mut order = [0];
            if start.read_exact(&mut order).is_err() {
                finish(true);
            }
            let hooks = hooks::of(spec, Hooks::start_container);
            // [hooks.start-container-during-start] [hooks.start-container-before-program]
            if let Err(error) = hooks::run("startContainer", hooks, &state) {
                let _ = answer(&mut started, &Answer::HookFailed(error.to_string()));
                finish(true);
            }
            let _ = answer(&mut started, &Answer::Executing);
            let failure = match program.as_ref().map(Program::execute) {
                Some(Err(error)) => error,
                _ => Error::new("process is not set"),
            };
            let _ = answer(&mut started, &Answer::Failed(failure.to_string()));
        }
    }
}

fn answer(started: &mut File, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    started.write_all(&line)
}

/// On which side of a fork the caller is.
pub(crate) enum Fork {
    Parent(Pid),
    Child,
}

/// fork(2), but the child becomes a child of the caller's parent: the creating process, and after its end whoever adopts
/// its orphans. So no process of the runtime's has to stay.
pub(crate) fn fork_sibling() -> nix::Result<Fork> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and a stack of its own this is fork(2), and this process has one thread.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::ERANGE)?))),
    }
}

/// Ends this process, a copy of the creating one, without what that one does at its own end.
pub(crate) fn finish(failed: bool) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(i32::from(failed)) }
}

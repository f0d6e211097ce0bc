//! The operation that runs a further program in a container.
//!
//! The process that becomes it passes through namespaces in which a hostile program may already watch: so it brings
//! along nothing of the host's but the descriptors that it needs, nobody there can look into it, and its program is the
//! sealed copy.

use crate::cgroups;
use crate::channel::{Channel, Message};
use crate::container::{self, Container, Record};
use crate::descriptors::Passed;
use crate::error::{Doing, Error, Result};
use crate::init::{Fork, finish, fork_sibling};
use crate::lsm::Labels;
use crate::path_in_root::open_scoped;
use crate::process;
use crate::seccomp::{self, Filter};
use crate::seccomp_listener::{self, Agent};
use crate::signals::Held;
use crate::state::{self, Status};
use crate::terminal::{self, Terminal};
use crate::{intel_rdt, keyring, namespaces, procfs, scheduling};
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag, open};
use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, stat};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, chroot, fchdir, fork, setsid};
use oci_spec::runtime::{LinuxNamespaceType as Type, Process, Spec};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What is to be run.
#[derive(Debug)]
pub struct Request {
    /// The program, and all that it is to find.
    pub process: Process,
    /// Where to write the id of its process.
    pub pid_file: Option<PathBuf>,
    /// Who gets the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// Which of the caller's descriptors it gets.
    pub passed: Passed,
}

impl Request {
    /// That `process` be run, and nothing beside.
    pub fn new(process: Process) -> Self {
        Request { process, pid_file: None, console_socket: None, passed: Passed::default() }
    }
}

/// The process of a program that runs, a child of the calling one, from which signals are held back meanwhile.
#[derive(Debug)]
pub struct Executed {
    /// Its id.
    pub pid: Pid,
    held: Held,
}

impl Executed {
    /// Waits for its end, and passes on the signals that come and came; the answer is its exit status.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub fn wait(self) -> Result<u8> {
        let status = crate::run::wait(self.pid);
        drop(self.held);
        status
    }
}

/// Runs a program in a container that is created or running.
///
/// # Errors
/// The container is neither, or the program can't be run as described; then nothing of it remains.
pub(crate) fn exec(container: &Container, request: &Request) -> Result<Executed> {
    request.passed.hold_back()?;
    process::check(&request.process)?;
    let (record, status) = container.status()?;
    let (Status::Created | Status::Running, Some(init)) = (status, record.process) else {
        return Err(Error::new(format!("it is {}, neither created nor running", state::name(status))));
    };
    let console = terminal::connect(Some(&request.process), request.console_socket.as_deref())?;
    let spec = container.config()?;
    let (waiting, agent) = meet_listener(container, &spec)?.unzip();
    let filter = Filter::of(&spec, waiting)?;
    let place = Place::of(init, spec, filter)?;
    let terminal = console.is_some().then(|| place.open_terminal()).transpose()?;
    let (channel, theirs) = Channel::pair()?;
    let held = Held::hold()?;
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    let first = match unsafe { fork() }.doing(|| "fork the first process".into())? {
        ForkResult::Child => {
            drop((channel, console, agent));
            Newcomer { request, place, terminal, channel: theirs, held }.come()
        }
        ForkResult::Parent { child } => child,
    };
    drop((place, theirs));
    let mut escort = Escort { first: Some(first), process: None, agent };
    let outcome = escort.place(request, &record, init.pid).and_then(|()| {
        let pid = escort.await_execution(container, &channel)?;
        if let (Some(terminal), Some(console)) = (&terminal, &console) {
            terminal.send(console)?;
        }
        request.pid_file.as_ref().map_or(Ok(()), |path| crate::create::write_whole(path, &pid.to_string()))?;
        Ok(Executed { pid, held })
    });
    outcome.inspect_err(|_| escort.end())
}

/// If the container's filter has a listener: where the new process waits, and who passes its own listener on.
fn meet_listener(container: &Container, spec: &Spec) -> Result<Option<(UnixListener, Agent)>> {
    if !seccomp::of(spec).is_some_and(seccomp::notifies) {
        return Ok(None);
    }
    let socket = container.file(&format!("listener.{}", std::process::id()));
    let waiting = seccomp_listener::listen(&socket)?;
    let agent = Agent::connect(spec, &socket);
    let _ = std::fs::remove_file(&socket);
    Ok(agent?.map(|agent| (waiting, agent)))
}

/// Where the program is to run: beside the container process, wherever that is.
struct Place {
    /// The config that the container was created from, of which a part concerns every process in it.
    spec: Spec,
    /// The runtime's own procfs, for what the container's might be is the container's choice.
    proc: OwnedFd,
    /// The same filter of system calls that the container has.
    filter: Option<Filter>,
    /// The container process.
    init: OwnedFd,
    /// The namespaces that are not the runtime's own.
    namespaces: CloneFlags,
    /// The container's root directory.
    root: OwnedFd,
    /// Whether it is another one than that of its mount namespace.
    has_own_root: bool,
}

impl Place {
    fn of(process: container::Process, spec: Spec, filter: Option<Filter>) -> Result<Self> {
        let (init, pid) = (process.pidfd()?, process.pid);
        let namespaces = other_namespaces(pid)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(Path::new(&format!("/proc/{pid}/root")), flags, Mode::empty())
            .doing(|| "open the container's root".into())?;
        // Asked last: then it was this process that told its places.
        if !process.is_alive() {
            return Err(Error::new("the container process has exited"));
        }
        let has_own_root = !namespaces::is_new(&spec, Type::Mount);
        Ok(Place { spec, proc: procfs::open_root()?, filter, init, namespaces, root, has_own_root })
    }

    /// A terminal of the container's own, made from outside: its master never comes inside.
    fn open_terminal(&self) -> Result<Terminal> {
        let ptmx = open_scoped(&self.root, Path::new("dev/pts/ptmx"), OFlag::O_PATH, ResolveFlag::RESOLVE_IN_ROOT)
            .doing(|| "find /dev/pts/ptmx".into())?;
        Terminal::open(&ptmx)
    }

    fn enter(&self) -> Result<()> {
        // All at once, so that the kernel finds the right order, and none can be changed for another in between.
        // SAFETY: the call takes numbers alone; a process that is no more has none to give.
        let result = unsafe { libc::setns(self.init.as_raw_fd(), self.namespaces.bits()) };
        if !self.namespaces.is_empty() {
            Errno::result(result).doing(|| "join the container's namespaces".into())?;
        }
        // To join a mount namespace leads to its root, which is the container's only if it has made both.
        if self.has_own_root {
            fchdir(&self.root).and_then(|()| chroot(".")).doing(|| "enter the container's root".into())?;
        }
        Ok(())
    }
}

/// The namespaces that the process `pid` does not share with the calling one.
fn other_namespaces(pid: i32) -> Result<CloneFlags> {
    let types = [Type::User, Type::Mount, Type::Cgroup, Type::Uts, Type::Ipc, Type::Network, Type::Pid, Type::Time];
    let mut others = CloneFlags::empty();
    for typ in types {
        let identity = |who: &str| {
            // A kernel that doesn't know the type has no such file.
            match stat(Path::new(&format!("/proc/{who}/ns/{}", namespaces::file(typ)))) {
                Err(Errno::ENOENT) if Path::new(&format!("/proc/{who}/ns")).exists() => Ok(None),
                found => found.map(|found| Some((found.st_dev, found.st_ino))),
            }
            .doing(|| format!("find the container's {typ} namespace"))
        };
        if identity(&pid.to_string())? != identity("self")? {
            others |= namespaces::flag(typ);
        }
    }
    Ok(others)
}

/// What the calling process has to do while the program comes up.
struct Escort {
    first: Option<Pid>,
    process: Option<Pid>,
    agent: Option<Agent>,
}

impl Escort {
    fn place(&self, request: &Request, record: &Record, init: i32) -> Result<()> {
        let first = self.first.unwrap_or(Pid::this());
        let affinity = request.process.exec_cpu_affinity().as_ref();
        // [process.exec-affinity-initial]
        let list = affinity.and_then(|affinity| affinity.initial().as_deref());
        list.map_or(Ok(()), |list| scheduling::set_affinity(first, list))?;
        cgroups::join_beside(&record.cgroups, init, first)?;
        intel_rdt::join(&record.rdt, first.as_raw())?;
        // [process.exec-affinity-final] [process.exec-affinity-final-unset]
        let list = affinity.and_then(|affinity| affinity.cpu_affinity_final().as_deref());
        list.map_or(Ok(()), |list| scheduling::set_affinity(first, list))?;
        process::set_oom_score(&request.process, first)
    }

    fn await_execution(&mut self, container: &Container, channel: &Channel) -> Result<Pid> {
        channel.send(&Message::Placed)?;
        let (mut executing, mut failure) = (false, None);
        // It ends with the execution of the program, or with both processes, of which either may speak first.
        while let Ok(message) = channel.receive() {
            match message {
                Message::Forked(pid) => self.process = Some(Pid::from_raw(pid)),
                Message::Executing => executing = true,
                Message::Failed(text) => failure = Some(text),
                other => failure = Some(format!("the process said {other:?}")),
            }
            if let (true, Some(pid)) = (executing, self.process) {
                let agent = self.agent.take();
                agent.map_or(Ok(()), |agent| agent.introduce(Some(pid.as_raw()), &container.state()?))?;
            }
        }
        match (self.process, failure) {
            (_, Some(text)) => Err(Error::new(text)),
            (Some(pid), None) if executing => {
                self.first
                    .map_or(Ok(()), |first| waitpid(first, None).map(drop))
                    .doing(|| "wait for the first process".into())?;
                self.first = None;
                Ok(pid)
            }
            _ => Err(Error::new("the process ended without a word")),
        }
    }

    fn end(&self) {
        for pid in [self.first, self.process].into_iter().flatten() {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// The process on its way to becoming the program.
struct Newcomer<'a> {
    request: &'a Request,
    place: Place,
    terminal: Option<Terminal>,
    channel: Channel,
    held: Held,
}

impl Newcomer<'_> {
    fn come(self) -> ! {
        match self.enter() {
            Ok(Fork::Parent(pid)) => finish(self.channel.send(&Message::Forked(pid.as_raw())).is_err()),
            Ok(Fork::Child) => {
                let Newcomer { request, place, terminal, channel, .. } = self;
                let Err(error) = become_program(request, place, terminal, &channel);
                let _ = channel.send(&Message::Failed(error.to_string()));
                finish(true)
            }
            Err(error) => {
                let _ = self.channel.send(&Message::Failed(error.to_string()));
                finish(true)
            }
        }
    }

    fn enter(&self) -> Result<Fork> {
        self.held.release()?;
        self.channel.expect(&Message::Placed)?;
        // Before it can be seen there.
        nix::sys::prctl::set_dumpable(false).doing(|| "hide from other processes".into())?;
        self.place.enter()?;
        // Only a child is in the pid namespace.
        fork_sibling().doing(|| "fork the process".into())
    }
}

fn become_program(
    request: &Request,
    Place { mut spec, proc, init, root, filter, .. }: Place,
    terminal: Option<Terminal>,
    channel: &Channel,
) -> Result<std::convert::Infallible> {
    let Request { process, passed, .. } = request;
    // All that the config says of its own process holds for this one instead.
    spec.set_process(Some(process.clone()));
    setsid().doing(|| "begin a session".into())?;
    keyring::begin()?;
    let labels = Labels::open_in(&proc, process)?;
    // Gone before the program's directory is looked for, which must not be found by a descriptor of the host's.
    drop((proc, init, root));
    let terminal = terminal.map(|terminal| terminal.into_inner_end(process)).transpose()?;
    let mut program = process::prepare(&spec, process, &labels, *passed)?;
    program.filter = filter;
    program.look_for()?;
    terminal.as_ref().map_or(Ok(()), terminal::take)?;
    channel.send(&Message::Executing)?;
    program.execute()
}

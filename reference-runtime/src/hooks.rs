//! Programs that run at set moments of a container's life, each with the container's state on its standard input.

use crate::error::{Doing, Error, Result, warn};
use crate::signals;
use crate::state::State;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, execve, fork, setpgid};
use oci_spec::runtime::{Hook, Hooks, Spec};
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// What gives the list of one kind.
pub type Kind = fn(&Hooks) -> &Option<Vec<Hook>>;

/// The list of one kind, empty if the config has none. // [hooks.kinds-optional]
pub fn of(spec: &Spec, kind: Kind) -> &[Hook] {
    spec.hooks().as_ref().and_then(|hooks| kind(hooks).as_deref()).unwrap_or_default()
}

/// Whether any hook runs before the container is created.
pub fn any_during_create(spec: &Spec) -> bool {
    let kinds: [Kind; 3] = [Hooks::prestart, Hooks::create_runtime, Hooks::create_container];
    kinds.into_iter().any(|kind| !of(spec, kind).is_empty())
}

/// Refuses hooks with a relative path, or with a timeout that isn't positive.
///
/// # Errors
/// Names the hook.
pub fn check(spec: &Spec) -> Result<()> {
    let kinds: [Kind; 6] = [
        Hooks::prestart,
        Hooks::create_runtime,
        Hooks::create_container,
        Hooks::start_container,
        Hooks::poststart,
        Hooks::poststop,
    ];
    for hook in kinds.into_iter().flat_map(|kind| of(spec, kind)) {
        // [hooks.path-absolute]
        if hook.path().is_relative() {
            return Err(Error::new(format!("hooks: the path {} is not absolute", hook.path().display())));
        }
        // [hooks.timeout-positive]
        if hook.timeout().is_some_and(|seconds| seconds <= 0) {
            return Err(Error::new(format!("hooks: the timeout of {} is not positive", hook.path().display())));
        }
    }
    Ok(())
}

/// Runs hooks one after another; the first that fails ends it. // [hooks.listed-order]
///
/// # Errors
/// A hook can't be executed, fails, or runs out of time.
pub fn run(kind: &str, hooks: &[Hook], state: &State) -> Result<()> {
    hooks.iter().try_for_each(|hook| run_one(kind, hook, state))
}

/// Runs hooks one after another; those that fail are only warned about.
// [hooks.poststop-failure-continues] [hooks.poststop-failure-warned]
pub fn run_all(kind: &str, hooks: &[Hook], state: &State) {
    hooks.iter().filter_map(|hook| run_one(kind, hook, state).err()).for_each(warn);
}

fn run_one(kind: &str, hook: &Hook, state: &State) -> Result<()> {
    let what = || format!("{kind} hook {}", hook.path().display());
    let program = Program::of(hook).doing(what)?;
    let stdin = stdin(state).doing(what)?;
    let child = program.spawn(&stdin).doing(what)?;
    wait(child, hook.timeout()).doing(what)
}

/// A hook's arguments to execve(2), made before the fork.
struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    // [hooks.prestart-arguments] [hooks.prestart-environment], and so for the other kinds
    fn of(hook: &Hook) -> Result<Self> {
        let path = CString::new(hook.path().as_os_str().as_bytes()).doing(|| "read its path".into())?;
        let arguments = strings(hook.args().as_deref().unwrap_or_default())?;
        let arguments = if arguments.is_empty() { vec![path.clone()] } else { arguments };
        let environment = strings(hook.env().as_deref().unwrap_or_default())?;
        Ok(Program { path, arguments, environment })
    }

    /// Starts the hook in a process group of its own, so that a timeout ends all of it.
    fn spawn(&self, stdin: &File) -> Result<Pid> {
        let (mut reader, writer) = std::io::pipe().doing(|| "make a pipe".into())?;
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { fork() }.doing(|| "fork".into())? {
            ForkResult::Child => {
                let Err(errno) = self.become_it(stdin);
                let _ = (&writer).write_all(&(errno as i32).to_ne_bytes());
                // SAFETY: _exit(2) has no preconditions; nothing of the parent's is flushed twice.
                unsafe { libc::_exit(127) }
            }
            ForkResult::Parent { child } => {
                drop(writer);
                // The pipe ends without a word once the program is executed.
                let mut errno = [0; 4];
                match reader.read_exact(&mut errno) {
                    Err(_) => Ok(child),
                    Ok(()) => {
                        let _ = waitpid(child, None);
                        Err(Errno::from_raw(i32::from_ne_bytes(errno))).doing(|| "execute it".into())
                    }
                }
            }
        }
    }

    fn become_it(&self, stdin: &File) -> nix::Result<Infallible> {
        dup2_stdin(stdin)?;
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        signals::reset()?;
        execve(&self.path, &self.arguments, &self.environment)
    }
}

fn strings(list: &[String]) -> Result<Vec<CString>> {
    list.iter().map(|text| CString::new(text.as_str()).doing(|| format!("pass {text:?}"))).collect()
}

/// A file that holds the state and then ends. // [hooks.state-on-stdin]
fn stdin(state: &State) -> Result<File> {
    let mut file =
        File::from(memfd_create("state", MFdFlags::MFD_CLOEXEC).doing(|| "make a file for the state".into())?);
    serde_json::to_writer(&file, state).doing(|| "write the state".into())?;
    file.rewind().doing(|| "rewind the state".into())?;
    Ok(file)
}

/// Waits for the hook's end, for at most `seconds`.
fn wait(child: Pid, seconds: Option<i64>) -> Result<()> {
    // [hooks.prestart-timeout], and so for the other kinds
    if let Some(seconds) = seconds
        && !ends_within(child, Duration::from_secs(seconds.unsigned_abs()))?
    {
        killpg(child, Signal::SIGKILL).doing(|| "end it".into())?;
        waitpid(child, None).doing(|| "wait for its end".into())?;
        return Err(Error::new(format!("it ran longer than its timeout of {seconds} s")));
    }
    match waitpid(child, None).doing(|| "wait for its end".into())? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, status) => Err(Error::new(format!("it exited with the status {status}"))),
        WaitStatus::Signaled(_, signal, _) => Err(Error::new(format!("it was killed by {signal}"))),
        other => Err(Error::new(format!("it ended strangely: {other:?}"))),
    }
}

fn ends_within(child: Pid, limit: Duration) -> Result<bool> {
    let fd = pidfd_open(child).doing(|| "watch it".into())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a hook has all of its time.
        let left = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if Instant::now() >= deadline => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno).doing(|| "wait for its end".into()),
        }
    }
}

/// pidfd_open(2): a descriptor that goes on to mean this process, whatever becomes of its id.
pub fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

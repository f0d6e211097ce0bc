//! Starts one program with exactly the caller's state that a case asks for, and waits for it.
//!
//! The supervisor is single-threaded, so the child of a fork may do all that it needs before exec; with
//! `std::process::Command` the mask of signals, the ignored signals and the descriptors would not be ours.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid, execve, fork, setpgid};

use serde_json::{Value, json};

use super::caller;
use super::observe::{device, type_name};
use super::sandbox::Places;
use crate::case::{Caller, MemoryMode, Stdio};

/// Where descriptors are kept while those of the caller are put in place, out of their way.
const SHELF: RawFd = 400;
/// Where the child tells why it could not become the program.
const REPORT: RawFd = SHELF - 1;

/// A program to start.
pub struct Launch<'a> {
    /// The program's file.
    pub program: &'a Path,
    /// Its arguments, the first being its own name.
    pub arguments: &'a [String],
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// The caller's state besides.
    pub caller: &'a Caller,
    /// The terminal of the session, if it has one.
    pub terminal: Option<&'a OwnedFd>,
    /// Where stdout goes unless the caller says otherwise.
    pub stdout: File,
    /// Where stderr goes unless the caller says otherwise.
    pub stderr: File,
}

/// What was started.
pub struct Started {
    /// The process; it leads a process group of its own.
    pub pid: Pid,
    /// What it was given as descriptors, by number, complete.
    pub descriptors: Value,
    /// The other ends of pipes that the caller's descriptors are.
    pub held: Vec<OwnedFd>,
}

/// Starts the program. An error says what could not be done, up to and including exec.
pub fn start(launch: Launch<'_>) -> io::Result<Started> {
    let given = descriptors(&launch)?;
    let program = c_string(launch.program.as_os_str())?;
    let arguments = launch.arguments.iter().map(|a| c_string(OsStr::new(a))).collect::<io::Result<Vec<_>>>()?;
    let environment: Vec<_> = launch
        .environment
        .iter()
        .map(|(name, value)| c_string(OsStr::new(&format!("{name}={value}"))))
        .collect::<io::Result<_>>()?;
    let facts = facts(&given.descriptors)?;
    let (mut report, failure) = io::pipe()?;
    // SAFETY: this process has one thread, so the child may call anything; it ends in exec or _exit.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(failure);
            let mut why = String::new();
            report.read_to_string(&mut why)?;
            if !why.is_empty() {
                return Err(io::Error::other(why));
            }
            Ok(Started { pid: child, descriptors: facts, held: given.held })
        }
        ForkResult::Child => {
            let why = match become_caller(&launch, &given, failure.as_raw_fd()) {
                Ok(()) => format!("execute {}: {}", launch.program.display(), exec(&program, &arguments, &environment)),
                Err(what) => what,
            };
            // Whichever of the two is open still: a failure before the descriptors were placed, or after.
            if !tell(REPORT, &why) {
                tell(failure.as_raw_fd(), &why);
            }
            // SAFETY: _exit(2) has no preconditions; nothing of the parent's may be flushed by this child.
            unsafe { nix::libc::_exit(127) }
        }
    }
}

/// Puts this process into the caller's state.
fn become_caller(launch: &Launch<'_>, given: &Given, failure: RawFd) -> Result<(), String> {
    let state = launch.caller;
    let failed = |what: &str, e: nix::Error| format!("{what}: {e}");
    // First of all, while no limit of the caller's is in the way.
    // SAFETY: dup2(2) to a number that nothing else uses.
    if unsafe { nix::libc::dup2(failure, REPORT) } < 0 {
        return Err(format!("dup2: {}", io::Error::last_os_error()));
    }
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(|e| failed("setpgid", e))?;
    std::env::set_current_dir(&launch.cwd).map_err(|e| format!("cwd {}: {e}", launch.cwd.display()))?;
    if let Some(badness) = state.oom_score_adj {
        std::fs::write("/proc/self/oom_score_adj", badness.to_string()).map_err(|e| format!("oom_score_adj: {e}"))?;
    }
    for (name, limit) in &state.limits {
        let resource = resource(name).ok_or_else(|| format!("no resource is named {name}"))?;
        setrlimit(resource, limit.soft, limit.hard).map_err(|e| failed(name, e))?;
    }
    if let Some(processors) = &state.affinity {
        let mut set = CpuSet::new();
        for number in processors {
            set.set(*number).map_err(|e| failed("affinity", e))?;
        }
        sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| failed("affinity", e))?;
    }
    if let Some(MemoryMode::Interleave) = state.memory_policy {
        let nodes = 1_u64;
        let bits = u64::BITS;
        // SAFETY: the kernel reads so many bits of a live number.
        let set = unsafe {
            nix::libc::syscall(nix::libc::SYS_set_mempolicy, nix::libc::MPOL_INTERLEAVE, &raw const nodes, bits)
        };
        match nix::errno::Errno::result(set) {
            // A kernel without memory policies: nothing of the caller's can leak.
            Ok(_) | Err(nix::errno::Errno::ENOSYS) => {}
            Err(e) => return Err(failed("set_mempolicy", e)),
        }
    }
    let mask = u32::from_str_radix(state.umask.as_deref().unwrap_or("022"), 8).map_err(|e| format!("umask: {e}"))?;
    umask(Mode::from_bits_truncate(mask));
    set_signals(state)?;
    caller::take_on(state)?;
    place(&given.descriptors)
}

fn exec(program: &CString, arguments: &[CString], environment: &[CString]) -> nix::Error {
    match execve(program, arguments, environment) {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

fn tell(descriptor: RawFd, why: &str) -> bool {
    // SAFETY: write(2) of a slice that outlives the call.
    unsafe { nix::libc::write(descriptor, why.as_ptr().cast(), why.len()) >= 0 }
}

/// Puts each descriptor at its number and closes all others from 3 up, but for [`REPORT`], which exec closes.
fn place(descriptors: &[(RawFd, Option<OwnedFd>)]) -> Result<(), String> {
    for (number, descriptor) in descriptors {
        // SAFETY: dup2(2) and close(2) on numbers of this process, which is about to exec.
        let done = unsafe {
            match descriptor {
                Some(open) => nix::libc::dup2(open.as_raw_fd(), *number),
                None => {
                    nix::libc::close(*number);
                    0
                }
            }
        };
        if done < 0 {
            return Err(format!("descriptor {number}: {}", io::Error::last_os_error()));
        }
    }
    let wanted: Vec<RawFd> = descriptors.iter().filter(|(_, open)| open.is_some()).map(|(number, _)| *number).collect();
    for number in 3..REPORT {
        if !wanted.contains(&number) {
            // SAFETY: close(2) of a number that nothing in this process will use again.
            unsafe { nix::libc::close(number) };
        }
    }
    // SAFETY: close_range(2) and fcntl(2) take numbers only.
    unsafe {
        nix::libc::syscall(nix::libc::SYS_close_range, REPORT + 1, u32::MAX, 0);
        nix::libc::fcntl(REPORT, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC);
    }
    Ok(())
}

fn set_signals(caller: &Caller) -> Result<(), String> {
    let plain = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        let action = if caller.ignored.iter().any(|name| name == signal.as_str()) { &ignore } else { &plain };
        // SAFETY: neither action runs code of ours.
        unsafe { sigaction(signal, action) }.map_err(|e| format!("{signal}: {e}"))?;
    }
    // Those of real time have no names here; two of them the C library keeps to itself.
    (32..=64).try_for_each(set_default).map_err(|e| format!("a real-time signal: {e}"))?;
    let mut blocked = SigSet::empty();
    for name in &caller.blocked {
        blocked.add(signal(name)?);
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None).map_err(|e| format!("sigprocmask: {e}"))
}

/// Takes a signal as a new process does (rt_sigaction(2)).
fn set_default(number: i32) -> io::Result<()> {
    // The kernel's sigaction, nothing set in it; on every architecture it is no longer than this.
    let plain = [0_u64; 4];
    let (none, size) = (std::ptr::null_mut::<u64>(), size_of::<u64>());
    // SAFETY: the pointer is that of a live action, which is the default one and runs no code.
    let done = unsafe { nix::libc::syscall(nix::libc::SYS_rt_sigaction, number, plain.as_ptr(), none, size) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The signal of this name, with SIG.
pub fn signal(name: &str) -> Result<Signal, String> {
    name.parse().map_err(|_| format!("no signal is named {name}"))
}

/// What a caller is given, each on the shelf.
struct Given {
    /// Number and file, none for a closed one.
    descriptors: Vec<(RawFd, Option<OwnedFd>)>,
    /// The other ends of pipes.
    held: Vec<OwnedFd>,
}

/// Opens what the caller's descriptors are.
fn descriptors(launch: &Launch<'_>) -> io::Result<Given> {
    let state = launch.caller;
    let mut given = Given { descriptors: Vec::new(), held: Vec::new() };
    let outputs = [(1, &launch.stdout), (2, &launch.stderr)];
    let wanted = [(0, &state.stdin), (1, &state.stdout), (2, &state.stderr)];
    for (number, stdio) in wanted {
        let usual = outputs.iter().find(|(its, _)| *its == number).map(|(_, file)| *file);
        let file = open(launch, stdio.as_ref(), usual, &mut given)?;
        given.descriptors.push((number, file));
    }
    for (number, stdio) in &state.descriptors {
        let number = RawFd::try_from(*number).ok().filter(|n| (3..REPORT).contains(n));
        let number = number.ok_or_else(|| io::Error::other("caller: descriptors are numbered from 3 to 398"))?;
        let file = open(launch, Some(stdio), None, &mut given)?;
        given.descriptors.push((number, file));
    }
    Ok(given)
}

/// Opens one of them; `usual` is where an output goes.
fn open(
    launch: &Launch<'_>,
    wanted: Option<&Stdio>,
    usual: Option<&File>,
    given: &mut Given,
) -> io::Result<Option<OwnedFd>> {
    let file: OwnedFd = match (wanted, usual) {
        (Some(Stdio::Closed), _) => return Ok(None),
        (None | Some(Stdio::File), Some(usual)) => usual.try_clone()?.into(),
        (None | Some(Stdio::Null), _) => read_write(Path::new("/dev/null"))?.into(),
        (Some(Stdio::File), None) => read_write_new(Places::base())?.into(),
        (Some(Stdio::Path(path)), _) => read_write(Path::new(path))?.into(),
        (Some(Stdio::Directory(path)), _) => directory(Path::new(path))?.into(),
        (Some(Stdio::Terminal), _) => {
            let none = || io::Error::other("caller: a stream is its terminal, and it has none");
            launch.terminal.ok_or_else(none)?.try_clone()?
        }
        (Some(Stdio::Pipe), usual) => {
            let (reader, writer) = io::pipe()?;
            let (end, kept): (OwnedFd, OwnedFd) =
                if usual.is_some() { (writer.into(), reader.into()) } else { (reader.into(), writer.into()) };
            given.held.push(kept);
            end
        }
    };
    shelve(&file).map(Some)
}

/// The descriptors as facts, in the witness's words.
fn facts(descriptors: &[(RawFd, Option<OwnedFd>)]) -> io::Result<Value> {
    let mut found = super::observe::listing();
    for (number, descriptor) in descriptors {
        let Some(open) = descriptor else { continue };
        let file = File::from(open.try_clone()?).metadata()?;
        found.insert(
            number.to_string(),
            json!({
                "type": type_name(&file.file_type()),
                "dev": device(file.dev()),
                "rdev": device(file.rdev()),
                "ino": file.ino(),
            }),
        );
    }
    Ok(Value::Object(found))
}

fn shelve(file: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) with F_DUPFD_CLOEXEC gives a new descriptor, which nobody else owns.
    unsafe {
        let number = nix::libc::fcntl(file.as_raw_fd(), nix::libc::F_DUPFD_CLOEXEC, SHELF);
        if number < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(number)) }
    }
}

fn read_write(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|e| io::Error::new(e.kind(), format!("open {}: {e}", path.display())))
}

fn directory(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_DIRECTORY).open(path);
    opened.map_err(|e| io::Error::new(e.kind(), format!("open {}: {e}", path.display())))
}

fn read_write_new(directory: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join("stdio"))
}

/// The resource of this name, with RLIMIT_.
pub fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "RLIMIT_AS" => Resource::RLIMIT_AS,
        "RLIMIT_CORE" => Resource::RLIMIT_CORE,
        "RLIMIT_CPU" => Resource::RLIMIT_CPU,
        "RLIMIT_DATA" => Resource::RLIMIT_DATA,
        "RLIMIT_FSIZE" => Resource::RLIMIT_FSIZE,
        "RLIMIT_LOCKS" => Resource::RLIMIT_LOCKS,
        "RLIMIT_MEMLOCK" => Resource::RLIMIT_MEMLOCK,
        "RLIMIT_MSGQUEUE" => Resource::RLIMIT_MSGQUEUE,
        "RLIMIT_NICE" => Resource::RLIMIT_NICE,
        "RLIMIT_NOFILE" => Resource::RLIMIT_NOFILE,
        "RLIMIT_NPROC" => Resource::RLIMIT_NPROC,
        "RLIMIT_RSS" => Resource::RLIMIT_RSS,
        "RLIMIT_RTPRIO" => Resource::RLIMIT_RTPRIO,
        "RLIMIT_RTTIME" => Resource::RLIMIT_RTTIME,
        "RLIMIT_SIGPENDING" => Resource::RLIMIT_SIGPENDING,
        "RLIMIT_STACK" => Resource::RLIMIT_STACK,
        _ => return None,
    })
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::other(format!("{} has a zero byte in it", text.display())))
}

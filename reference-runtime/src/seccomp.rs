//! The filter that decides what becomes of the system calls of the container's processes.

use crate::container::Container;
use crate::error::{Doing, Error, Result};
use crate::{seccomp_listener, seccomp_program};
use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompFilterFlag as Flag, LinuxSyscall, Spec,
};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;

/// One instruction's size in bytes, as struct sock_filter in linux/filter.h.
const INSTRUCTION: usize = 8;

/// The greatest error number, as of linux/err.h.
const MAX_ERRNO: u32 = 4095;

/// How many comparisons one entry may have: no jump of a program goes further than 255 instructions.
const MOST_ARGS: usize = 32;

// As of config-linux.md.
const ACTIONS: &str = "ALLOW ERRNO KILL KILL_PROCESS KILL_THREAD LOG NOTIFY TRACE TRAP";
const OPERATORS: &str = "EQ GE GT LE LT MASKED_EQ NE";
/// The names of architectures, without the `SCMP_ARCH_` in front.
pub const ARCHITECTURES: &str = "AARCH64 ARM LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 \
    PARISC PARISC64 PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB X32 X86 X86_64";
const FLAGS: [Flag; 4] = [
    Flag::SeccompFilterFlagTsync,
    Flag::SeccompFilterFlagLog,
    Flag::SeccompFilterFlagSpecAllow,
    Flag::SeccompFilterFlagWaitKillableRecv,
];

/// What the config says of system calls, if anything.
pub fn of(spec: &Spec) -> Option<&LinuxSeccomp> {
    spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref())
}

fn entries(seccomp: &LinuxSeccomp) -> &[LinuxSyscall] {
    seccomp.syscalls().as_deref().unwrap_or_default()
}

/// Refuses what no filter can be made of.
///
/// # Errors
/// Names the property.
pub fn check(spec: &Spec) -> Result<()> {
    let Some(seccomp) = of(spec) else { return Ok(()) };
    // [seccomp.default-errno-refused]
    check_number(seccomp.default_action(), seccomp.default_errno_ret())
        .doing(|| "linux.seccomp.defaultErrnoRet".into())?;
    for (index, entry) in entries(seccomp).iter().enumerate() {
        check_entry(entry).doing(|| format!("linux.seccomp.syscalls[{index}]"))?;
    }
    if let Some(flag) = seccomp.flags().iter().flatten().find(|flag| !is_supported(**flag)) {
        return Err(Error::new(format!("linux.seccomp.flags: this kernel doesn't support {flag}")));
    }
    seccomp_listener::check(seccomp)
}

fn check_entry(entry: &LinuxSyscall) -> Result<()> {
    // [seccomp.names-not-empty]
    if entry.names().is_empty() {
        return Err(Error::new("names needs an entry"));
    }
    // [seccomp.errno-refused]
    check_number(entry.action(), entry.errno_ret()).doing(|| "errnoRet".into())?;
    let args = entry.args().as_deref().unwrap_or_default();
    // [seccomp.argument-index-known]
    if let Some(arg) = args.iter().find(|arg| arg.index() > 5) {
        return Err(Error::new(format!("args: a system call has no argument {}", arg.index())));
    }
    match args.len() {
        ..=MOST_ARGS => Ok(()),
        count => Err(Error::new(format!("args: {count} comparisons are more than {MOST_ARGS}"))),
    }
}

fn check_number(action: Action, number: Option<u32>) -> Result<()> {
    let most = match (action, number) {
        (_, None) => return Ok(()),
        (Action::ScmpActErrno, _) => MAX_ERRNO,
        (Action::ScmpActTrace, _) => u32::from(u16::MAX),
        (_, Some(number)) => return Err(Error::new(format!("{action} takes no number such as {number}"))),
    };
    match number {
        Some(number) if number > most => Err(Error::new(format!("{number} is greater than {most}"))),
        _ => Ok(()),
    }
}

/// Whether some call is to be answered by whoever listens.
pub fn notifies(seccomp: &LinuxSeccomp) -> bool {
    let actions = entries(seccomp).iter().map(LinuxSyscall::action);
    actions.chain([seccomp.default_action()]).any(|action| action == Action::ScmpActNotify)
}

/// Whether the process needs CAP_SYS_ADMIN to install its filter.
pub fn needs_privilege(spec: &Spec) -> bool {
    let no_new_privileges = spec.process().as_ref().and_then(|process| process.no_new_privileges());
    of(spec).is_some() && no_new_privileges != Some(true)
}

/// What the creating process makes for the container process while that one is at work on the rest.
#[derive(Debug)]
pub struct Promise {
    program: File,
    listener: Option<UnixListener>,
}

impl Promise {
    /// The promise of a filter, if the config asks for one.
    ///
    /// # Errors
    /// There is no memory, or no place for the socket over which the listener will go.
    pub fn of(spec: &Spec, container: &Container) -> Result<Option<Self>> {
        let Some(seccomp) = of(spec) else { return Ok(None) };
        let listener =
            notifies(seccomp).then(|| seccomp_listener::listen(&seccomp_listener::socket(container))).transpose()?;
        Ok(Some(Promise { program: memory()?, listener }))
    }

    /// Makes the program.
    ///
    /// # Errors
    /// It becomes too long.
    pub fn keep(&self, spec: &Spec) -> Result<()> {
        let Some(seccomp) = of(spec) else { return Ok(()) };
        let program = seccomp_program::compile(seccomp).doing(|| "linux.seccomp".into())?;
        (&self.program).write_all(&program).doing(|| "pass linux.seccomp on".into())
    }

    /// The filter, in the container process, which was told in the meantime that the creating process has gone on.
    ///
    /// # Errors
    /// It was not made.
    pub fn filter(&self, spec: &Spec) -> Result<Filter> {
        let mut program = vec![0; self.program.metadata().doing(|| "find linux.seccomp".into())?.len() as usize];
        self.program.read_exact_at(&mut program, 0).doing(|| "read linux.seccomp".into())?;
        if program.is_empty() {
            return Err(Error::new("linux.seccomp was not passed on"));
        }
        let listener = self.listener.as_ref().map(UnixListener::try_clone).transpose();
        let listener = listener.doing(|| "keep the socket of linux.seccomp".into())?;
        Ok(Filter::new(spec, program, listener))
    }
}

/// A filter that is ready to be put in force.
#[derive(Debug)]
pub struct Filter {
    program: Vec<u8>,
    flags: libc::c_ulong,
    listener: Option<UnixListener>,
    in_force: Cell<bool>,
}

impl Filter {
    /// The filter for a further program in a container; the start operation's part is the executing process's.
    ///
    /// # Errors
    /// The program becomes too long.
    pub fn of(spec: &Spec, listener: Option<UnixListener>) -> Result<Option<Self>> {
        let Some(seccomp) = of(spec) else { return Ok(None) };
        let program = seccomp_program::compile(seccomp).doing(|| "linux.seccomp".into())?;
        Ok(Some(Filter::new(spec, program, listener)))
    }

    fn new(spec: &Spec, program: Vec<u8>, listener: Option<UnixListener>) -> Self {
        let flags = of(spec).and_then(|seccomp| seccomp.flags().as_deref()).unwrap_or_default();
        Filter { program, flags: combine(flags, listener.is_some()), listener, in_force: Cell::new(false) }
    }

    /// Puts the filter in force for the calling process, once. What is called afterwards is subject to it: on success no
    /// system call is made any more.
    ///
    /// # Errors
    /// The kernel refuses, or whoever is to get the listener doesn't.
    pub fn enforce(&self) -> Result<()> {
        if self.in_force.get() {
            return Ok(());
        }
        match &self.listener {
            None => self.install().map(drop).doing(|| "install linux.seccomp".into())?,
            Some(socket) => seccomp_listener::hand_over(socket, || self.install())?,
        }
        self.in_force.set(true);
        Ok(())
    }

    fn install(&self) -> nix::Result<libc::c_int> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.program.len() / INSTRUCTION).map_err(|_| Errno::E2BIG)?,
            filter: self.program.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the program is as long as is said, and the kernel only reads it, whatever its alignment.
        let fd =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, self.flags, &raw const program) };
        Errno::result(fd).and_then(|fd| libc::c_int::try_from(fd).map_err(|_| Errno::EBADF))
    }
}

// [seccomp.flag-tsync] [seccomp.flag-log] [seccomp.flag-spec-allow] [seccomp.flag-wait-killable]
fn bit(flag: Flag) -> libc::c_ulong {
    match flag {
        Flag::SeccompFilterFlagTsync => libc::SECCOMP_FILTER_FLAG_TSYNC,
        Flag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
        Flag::SeccompFilterFlagSpecAllow => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        Flag::SeccompFilterFlagWaitKillableRecv => libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    }
}

/// The flags for seccomp(2). Two of them mean something for one kind of filter only, and the kernel takes them for no other.
fn combine(flags: &[Flag], listens: bool) -> libc::c_ulong {
    let all = flags.iter().fold(0, |bits, flag| bits | bit(*flag));
    if listens {
        // The other thread must stay free to give the listener away, and ends before the program begins.
        all & !libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
    } else {
        // Nobody waits for an answer.
        all & !libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    }
}

/// Asks the kernel by a call that fails either way: for an unknown flag before it looks for the program, which isn't there.
fn is_supported(flag: Flag) -> bool {
    let flags = match flag {
        Flag::SeccompFilterFlagWaitKillableRecv => bit(flag) | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        _ => bit(flag),
    };
    // SAFETY: the kernel finds no program at the null pointer, and changes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::null::<u8>()) };
    Errno::result(result) == Err(Errno::EFAULT)
}

/// What this runtime knows of filters, and what of it this kernel does.
// [features-linux.seccomp-enabled] [features-linux.seccomp-actions-recognized]
// [features-linux.seccomp-operators-recognized] [features-linux.seccomp-architectures-recognized]
// [features-linux.seccomp-flags-known] [features-linux.seccomp-flags-supported]
pub fn features() -> Value {
    let prefixed =
        |prefix: &str, names: &str| -> Vec<String> { names.split(' ').map(|name| format!("{prefix}{name}")).collect() };
    let named = |flags: &[Flag]| flags.iter().map(ToString::to_string).collect::<Vec<_>>();
    let supported: Vec<Flag> = FLAGS.into_iter().filter(|flag| is_supported(*flag)).collect();
    json!({
        "enabled": true,
        "actions": prefixed("SCMP_ACT_", ACTIONS),
        "operators": prefixed("SCMP_CMP_", OPERATORS),
        "archs": prefixed("SCMP_ARCH_", ARCHITECTURES),
        "knownFlags": named(&FLAGS),
        "supportedFlags": named(&supported),
    })
}

fn memory() -> Result<File> {
    memfd_create("seccomp", MFdFlags::MFD_CLOEXEC).map(File::from).doing(|| "make a file for the program".into())
}

//! The parts of a caller's state that are its own and no file's: scheduling, session, personality, ids, capabilities.
//!
//! Each function changes the calling process, which is about to execute the runtime.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid};

use crate::case::{Caller, Capabilities, IoClass, Policy};
use crate::host::CAPABILITIES;

/// Everything that `caller` says of these, in the one order that works: what takes privileges first, then whatever
/// gives them up.
pub fn take_on(caller: &Caller) -> Result<(), String> {
    schedule(caller)?;
    persona(caller)?;
    narrow(&caller.capabilities)?;
    become_user(caller)?;
    widen(&caller.capabilities)?;
    if !caller.securebits.is_empty() {
        let bits = caller.securebits.iter().fold(0, |all, bit| all | bit.bit());
        option(libc::PR_SET_SECUREBITS, bits.into()).map_err(|e| format!("securebits: {e}"))?;
    }
    if caller.no_new_privileges {
        option(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(|e| format!("no_new_privs: {e}"))?;
    }
    // Last of all: a change of ids takes it away.
    if let Some(name) = &caller.parent_death_signal {
        let signal = super::process::signal(name)?;
        option(libc::PR_SET_PDEATHSIG, signal as u64).map_err(|e| format!("parent-death-signal: {e}"))?;
    }
    Ok(())
}

/// Nice value, policy, and priority of input and output; the policy last, which may not be left again.
fn schedule(caller: &Caller) -> Result<(), String> {
    if let Some(nice) = caller.nice {
        // SAFETY: setpriority(2) takes numbers only; 0 is this process.
        checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map_err(|e| format!("nice {nice}: {e}"))?;
    }
    if let Some(wanted) = caller.io_priority {
        let class = match wanted.class {
            IoClass::BestEffort => 2,
            IoClass::Idle => 3,
        };
        let both = class << 13 | i64::from(wanted.priority);
        const WHO_PROCESS: i64 = 1;
        // SAFETY: ioprio_set(2) takes numbers only; 0 is this process.
        let done = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0_i64, both) };
        if done < 0 {
            return Err(format!("io-priority: {}", io::Error::last_os_error()));
        }
    }
    if let Some(policy) = caller.scheduler {
        let number = match policy {
            Policy::Other => libc::SCHED_OTHER,
            Policy::Batch => libc::SCHED_BATCH,
            Policy::Idle => libc::SCHED_IDLE,
        };
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the pointer is that of live parameters; 0 is this process.
        checked(unsafe { libc::sched_setscheduler(0, number, &raw const parameters) })
            .map_err(|e| format!("scheduler: {e}"))?;
    }
    Ok(())
}

/// Personality and timer slack.
fn persona(caller: &Caller) -> Result<(), String> {
    if !caller.personality.is_empty() {
        let flags = caller.personality.iter().fold(0, |all, flag| all | flag.bit());
        // SAFETY: personality(2) takes a number.
        checked(unsafe { libc::personality(flags.into()) }).map_err(|e| format!("personality: {e}"))?;
    }
    if let Some(nanoseconds) = caller.timer_slack {
        option(libc::PR_SET_TIMERSLACK, nanoseconds.into()).map_err(|e| format!("timer-slack: {e}"))?;
    }
    Ok(())
}

/// Takes capabilities out of the bounding set, as long as this process still may.
fn narrow(wanted: &Capabilities) -> Result<(), String> {
    for name in &wanted.dropped {
        option(libc::PR_CAPBSET_DROP, number(name)?.into()).map_err(|e| format!("drop {name}: {e}"))?;
    }
    Ok(())
}

/// The ids of an ordinary user, who has no further groups.
fn become_user(caller: &Caller) -> Result<(), String> {
    if let Some(gid) = caller.gid.map(Gid::from_raw) {
        setgroups(&[gid]).and_then(|()| setresgid(gid, gid, gid)).map_err(|e| format!("gid {gid}: {e}"))?;
    }
    if let Some(uid) = caller.uid.map(Uid::from_raw) {
        setresuid(uid, uid, uid).map_err(|e| format!("uid {uid}: {e}"))?;
    }
    Ok(())
}

/// The other four sets. What is ambient has to be permitted and inheritable before.
fn widen(wanted: &Capabilities) -> Result<(), String> {
    if *wanted == Capabilities::default() {
        return Ok(());
    }
    let dropped = mask(wanted.dropped.iter().map(String::as_str))?;
    let [effective, permitted, _] = sets().map_err(|e| format!("capget: {e}"))?;
    let inheritable = mask(wanted.all_inheritable().into_iter())?;
    set([effective & !dropped, permitted & !dropped, inheritable]).map_err(|e| format!("capset: {e}"))?;
    for name in &wanted.ambient {
        let number = u64::from(number(name)?);
        // SAFETY: prctl(2) takes numbers only here.
        checked(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, RAISE, number, 0_u64, 0_u64) })
            .map_err(|e| format!("ambient {name}: {e}"))?;
    }
    Ok(())
}

/// PR_CAP_AMBIENT_RAISE, as wide as prctl(2) takes it.
const RAISE: u64 = libc::PR_CAP_AMBIENT_RAISE as u64;

/// The head of capget(2) and capset(2): their third version, this process.
const HEAD: [u32; 2] = [0x2008_0522, 0];

/// Effective, permitted and inheritable.
fn sets() -> io::Result<[u64; 3]> {
    let mut halves = [0_u32; 6];
    // SAFETY: both pointers are those of live numbers, as many as this version of the call has.
    let done = unsafe { libc::syscall(libc::SYS_capget, HEAD.as_ptr(), halves.as_mut_ptr()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok([0, 1, 2].map(|set| u64::from(halves[set]) | u64::from(halves[set + 3]) << 32))
}

fn set(sets: [u64; 3]) -> io::Result<()> {
    let mut halves = [0_u32; 6];
    for (set, bits) in sets.into_iter().enumerate() {
        let upper = u32::try_from(bits >> 32).map_err(io::Error::other)?;
        (halves[set], halves[set + 3]) = ((bits & u64::from(u32::MAX)) as u32, upper);
    }
    // SAFETY: as in `sets`.
    let done = unsafe { libc::syscall(libc::SYS_capset, HEAD.as_ptr(), halves.as_ptr()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn mask<'a>(names: impl Iterator<Item = &'a str>) -> Result<u64, String> {
    names.map(number).try_fold(0, |all, number| Ok(all | 1 << number?))
}

fn number(name: &str) -> Result<u32, String> {
    let found = (0..).zip(CAPABILITIES).find(|(_, known)| *known == name);
    found.map(|(number, _)| number).ok_or_else(|| format!("no capability is named {name}"))
}

/// A new session, of which this process is the leader, with a new pseudo-terminal as its controlling terminal: what all
/// callers of a case are in whom the case gives a terminal. They are not its leader, at whose end it would lose it.
pub fn lead_session() -> Result<Terminal, String> {
    setsid().map_err(|e| format!("setsid: {e}"))?;
    let pair = nix::pty::openpty(None, None).map_err(|e| format!("openpty: {e}"))?;
    // SAFETY: ioctl(2) with a number for its argument; 0 takes the terminal from nobody.
    checked(unsafe { libc::ioctl(pair.slave.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .map_err(|e| format!("TIOCSCTTY: {e}"))?;
    Ok(Terminal { callers: pair.slave, _harness: pair.master })
}

/// A session's terminal.
pub struct Terminal {
    /// The end that a caller may have as a stream.
    pub callers: OwnedFd,
    /// The other end, at whose closing the terminal would hang up.
    _harness: OwnedFd,
}

/// Joins a new session keyring, which processes of the same user can find by its name (keyctl(2)).
pub fn join_keyring(name: &str) -> io::Result<()> {
    const JOIN: i64 = 1;
    const SET_PERMISSIONS: i64 = 5;
    /// The possessor may do everything; the owner may view, read, search and link.
    const PERMISSIONS: i64 = 0x3f1b_0000;
    let name = std::ffi::CString::new(name)?;
    // SAFETY: keyctl(2) with a C string that outlives the call.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, JOIN, name.as_ptr()) };
    if serial < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: keyctl(2) with numbers only.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, SET_PERMISSIONS, serial, PERMISSIONS) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The serial number of this process's session keyring; none where there are no keyrings.
pub fn session_keyring() -> Option<i64> {
    const GET_ID: i64 = 0;
    const SESSION: i64 = -3;
    // SAFETY: keyctl(2) with numbers only.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, GET_ID, SESSION, 0) };
    (serial >= 0).then_some(serial)
}

/// prctl(2) for an option that takes one number.
fn option(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: the callers' options take numbers only.
    checked(unsafe { libc::prctl(option, value, 0_u64, 0_u64, 0_u64) })
}

fn checked(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

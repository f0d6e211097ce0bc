//! The first process of a container: born with clone3(2), in new namespaces and in its cgroup at once if that can be.

use crate::cgroups::Membership;
use crate::channel::{Channel, Message};
use crate::error::Result;
use crate::namespaces;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};
use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};

/// A flag of clone3(2) that the libc crate doesn't name.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What a process can't get at its birth needs one process more, which makes it and then forks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Birth {
    /// The new process is the container process; it is born in new namespaces of these types.
    Direct(CloneFlags),
    /// The new process joins and makes namespaces, and leaves the rest to a child, which alone is in the pid namespace.
    Staged,
}

/// The new process as its parent and as it sees itself.
#[derive(Debug)]
pub enum Born {
    /// In the parent: its id, and whether it is in the cgroup that it was to be born in.
    Parent(Pid, bool),
    /// In the new process.
    Child,
}

impl Birth {
    /// How the container process of this config comes to life.
    pub fn of(spec: &Spec) -> Self {
        let joined = |typ| namespaces::path(spec, typ).is_some();
        let new_user = namespaces::is_new(spec, Type::User);
        // To be in another pid namespace takes a fork, and so does a time namespace whose offsets are set; a namespace
        // is owned by the user namespace in which it is made, and joined with the privileges of its owner.
        let staged = namespaces::is_new(spec, Type::Time)
            || [Type::Pid, Type::Time, Type::User].into_iter().any(joined)
            || new_user && namespaces::any_joined(spec);
        if staged { Birth::Staged } else { Birth::Direct(namespaces::new_at_birth(spec)) }
    }

    /// The types of namespaces that the process is in from its birth on.
    pub fn flags(self) -> CloneFlags {
        match self {
            Birth::Direct(flags) => flags,
            Birth::Staged => CloneFlags::empty(),
        }
    }

    /// Forks this process; the new one is born in the cgroup, if the kernel lets it.
    ///
    /// # Safety
    /// This process has one thread.
    ///
    /// # Errors
    /// clone3(2) fails.
    pub unsafe fn give(self, cgroup: Option<&Membership>) -> nix::Result<Born> {
        let directory = cgroup.and_then(|member| {
            open(&member.directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()
        });
        // SAFETY: the caller has promised it.
        let born = directory.and_then(|directory| unsafe { clone3(self.flags(), Some(&directory)) }.ok());
        // SAFETY: the same.
        born.map_or_else(|| unsafe { clone3(self.flags(), None) }, Ok)
    }
}

/// The new process's arrival in its cgroups, which is awaited where they are first needed: the creating process moves it
/// there while it makes mounts.
#[derive(Debug)]
pub struct Arrival<'a> {
    spec: &'a Spec,
    /// Who tells of it, unless it was awaited before.
    channel: Cell<Option<&'a Channel>>,
    complete: Cell<bool>,
}

impl<'a> Arrival<'a> {
    /// The arrival of this process, of which `channel` tells.
    pub fn new(spec: &'a Spec, birth: Birth, channel: &'a Channel) -> Self {
        let channel = (birth != Birth::Staged).then_some(channel);
        Arrival { spec, channel: Cell::new(channel), complete: Cell::new(false) }
    }

    /// Waits until this process is in its cgroups and in a cgroup namespace that begins there.
    ///
    /// # Errors
    /// The creating process is gone, or the namespace can't be made.
    pub fn complete(&self) -> Result<()> {
        if self.complete.replace(true) {
            return Ok(());
        }
        self.channel.take().map_or(Ok(()), |channel| channel.expect(&Message::Placed))?;
        namespaces::enter_cgroup_namespace(self.spec)
    }
}

/// # Safety
/// This process has one thread.
unsafe fn clone3(flags: CloneFlags, cgroup: Option<&OwnedFd>) -> nix::Result<Born> {
    // SAFETY: the structure is plain numbers, of which each may be 0.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(flags.bits().cast_unsigned()) | cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    arguments.cgroup = cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned()));
    // SAFETY: without CLONE_VM and a stack of its own this is fork(2), and this process has one thread; the structure
    // outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match Errno::result(pid)? {
        0 => Ok(Born::Child),
        pid => Ok(Born::Parent(Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::ERANGE)?), cgroup.is_some())),
    }
}

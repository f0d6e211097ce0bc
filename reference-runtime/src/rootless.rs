//! What is different where the caller is not root: where containers are kept, and who writes id mappings.

use crate::cgroup_owner;
use crate::error::{Doing, Error, Result};
use nix::unistd::{AccessFlags, Pid, access, getegid, geteuid};
use oci_spec::runtime::LinuxIdMapping;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where containers are kept if the caller doesn't say: below /run, or below the user's own part of it.
pub fn default_root() -> PathBuf {
    let run = Path::new("/run");
    // Asked of the directory and not of the user id, for root in a user namespace may be anybody outside.
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| access(run, AccessFlags::W_OK).is_err());
    // Whoever sets no absolute path sets none.
    own.map(PathBuf::from).filter(|own| own.is_absolute()).unwrap_or(run.to_owned()).join("ocf-runtime")
}

/// Whether the caller is an ordinary user to the host, whatever it is in its own user namespace.
pub fn is_ordinary() -> bool {
    let maps = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    cgroup_owner::outside(geteuid().as_raw(), &maps).is_some_and(|id| id != 0)
}

/// Which of the two mappings of a user namespace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// That of the users.
    Uid,
    /// That of the groups.
    Gid,
}

/// Writes one mapping of the user namespace that the process `pid` has just made.
///
/// # Errors
/// The kernel refuses it, or the program that may write it does.
pub fn write_map(pid: Pid, kind: Kind, mappings: &[LinuxIdMapping]) -> Result<()> {
    let (name, program, own) = match kind {
        Kind::Uid => ("uid_map", "newuidmap", geteuid().as_raw()),
        Kind::Gid => ("gid_map", "newgidmap", getegid().as_raw()),
    };
    let is_own = matches!(mappings, [only] if only.size() == 1 && only.host_id() == own);
    if !geteuid().is_root() && !is_own {
        return call(program, pid, mappings);
    }
    // Who is nobody special may map the own group only once the namespace has given up changing its groups.
    if kind == Kind::Gid && !geteuid().is_root() {
        write(pid, "setgroups", "deny")?;
    }
    write(pid, name, &mappings.iter().map(line).collect::<String>())
}

fn line(map: &LinuxIdMapping) -> String {
    format!("{} {} {}\n", map.container_id(), map.host_id(), map.size())
}

fn write(pid: Pid, file: &str, text: &str) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/{file}"), text).doing(|| format!("write {file} of the user namespace"))
}

/// Lets a program do it that is allowed what /etc/subuid and /etc/subgid grant the caller.
fn call(program: &str, pid: Pid, mappings: &[LinuxIdMapping]) -> Result<()> {
    let numbers = mappings.iter().flat_map(|map| [map.container_id(), map.host_id(), map.size()]);
    let mut command = Command::new(program);
    command.arg(pid.to_string()).args(numbers.map(|number| number.to_string()));
    let what = || format!("map more than the caller's own id by {program}");
    let output = command.stdin(Stdio::null()).output().doing(what)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(String::from_utf8_lossy(&output.stderr).trim().to_owned())).doing(what)
}

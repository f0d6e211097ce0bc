//! Kernel parameters that are set for the container.

use crate::error::{Doing, Error, Result};
use crate::procfs;
use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};
use std::path::{Component, Path, PathBuf};

/// Parameters of the ipc namespace below `kernel.` and `fs.`.
const OF_IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.msg_next_id",
    "kernel.auto_msgmni",
    "kernel.sem",
    "kernel.sem_next_id",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_next_id",
    "kernel.shm_rmid_forced",
];

/// Refuses a parameter that is not of a namespace of the container's own: it would change the host.
///
/// # Errors
/// Names the parameter.
// [sysctl.of-runtime-namespace] [sysctl.runtime-unchanged]
pub fn check(spec: &Spec, own_namespace: impl Fn(Type) -> bool) -> Result<()> {
    let parameters = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    for name in parameters.into_iter().flatten().map(|(name, _)| name) {
        file(name)?;
        let name = name.replace('/', ".");
        let namespace =
            namespace_of(&name).ok_or_else(|| Error::new(format!("linux.sysctl: {name} belongs to no namespace")))?;
        if !own_namespace(namespace) {
            return Err(Error::new(format!("linux.sysctl: {name} needs a {namespace} namespace in linux.namespaces")));
        }
    }
    Ok(())
}

fn namespace_of(name: &str) -> Option<Type> {
    match name {
        "kernel.hostname" | "kernel.domainname" => Some(Type::Uts),
        _ if name.starts_with("net.") => Some(Type::Network),
        _ if name.starts_with("fs.mqueue.") || OF_IPC.contains(&name) => Some(Type::Ipc),
        _ => None,
    }
}

/// Writes the parameters, as a process inside the container's namespaces that still sees the runtime's /proc.
///
/// # Errors
/// A parameter doesn't exist, or the kernel refuses its value.
// [sysctl.applied]
pub fn apply(spec: &Spec) -> Result<()> {
    let parameters = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    for (name, value) in parameters.into_iter().flatten() {
        procfs::write(file(name)?, value).doing(|| format!("set linux.sysctl {name}"))?;
    }
    Ok(())
}

/// `net.ipv4.ip_forward`, as for sysctl(8), is the file net/ipv4/ip_forward below sys; `net/ipv4/conf/eth0.1/mtu` is one already.
fn file(name: &str) -> Result<PathBuf> {
    let dots_separate = name.find(['.', '/']).is_none_or(|at| name.as_bytes()[at] == b'.');
    let path = if dots_separate { swap_separators(name) } else { name.to_owned() };
    if Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(Path::new("sys").join(path));
    }
    Err(Error::new(format!("linux.sysctl: {name:?} is no parameter's name")))
}

fn swap_separators(name: &str) -> String {
    name.chars()
        .map(|char| match char {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_files_as_for_sysctl() {
        assert_eq!(file("net.ipv4.ip_forward").unwrap(), Path::new("sys/net/ipv4/ip_forward"));
        assert_eq!(file("net.ipv4.conf.eth0/1.mtu").unwrap(), Path::new("sys/net/ipv4/conf/eth0.1/mtu"));
        assert_eq!(file("net/ipv4/conf/eth0.1/mtu").unwrap(), Path::new("sys/net/ipv4/conf/eth0.1/mtu"));
        file("net/../kernel/core_pattern").unwrap_err();
    }

    #[test]
    fn a_parameter_without_a_namespace_is_foreign() {
        assert_eq!(namespace_of("kernel.shmmax"), Some(Type::Ipc));
        assert_eq!(namespace_of("kernel.core_pattern"), None);
    }
}

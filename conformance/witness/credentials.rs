//! Who this process is, and what it may do.

use std::io;

use crate::kernel;
use crate::value::Value;

const PR_CAPBSET_READ: i32 = 23;
const PR_CAP_AMBIENT: i32 = 47;
const PR_CAP_AMBIENT_IS_SET: u64 = 1;

/// Capabilities by number (capabilities(7)).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Real, effective and saved id, of users or groups.
pub fn ids(ids: io::Result<[u32; 3]>) -> io::Result<Value> {
    let [real, effective, saved] = ids?.map(Value::from);
    Ok(Value::object([("real", real), ("effective", effective), ("saved", saved)]))
}

/// The supplementary groups, sorted.
pub fn groups() -> io::Result<Value> {
    let mut groups = kernel::supplementary_groups()?;
    groups.sort_unstable();
    Ok(Value::List(groups.into_iter().map(Value::from).collect()))
}

/// The five sets, each as sorted names.
pub fn capabilities() -> io::Result<Value> {
    let [effective, permitted, inheritable] = match kernel::capabilities() {
        Ok(sets) => sets.map(names),
        Err(error) => [(); 3].map(|()| Value::unreadable(&error)),
    };
    let ambient = |bit| kernel::process_option(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, bit);
    Ok(Value::object([
        ("bounding", Value::from(set(|bit| kernel::process_option(PR_CAPBSET_READ, bit, 0)))),
        ("effective", effective),
        ("permitted", permitted),
        ("inheritable", inheritable),
        ("ambient", Value::from(set(ambient))),
    ]))
}

/// A set that is asked for bit by bit, until the kernel knows no further one.
fn set(is_set: impl Fn(u64) -> io::Result<i32>) -> io::Result<Value> {
    let mut bits = 0;
    for bit in 0..64 {
        match is_set(bit) {
            Ok(answer) => bits |= u64::from(answer != 0) << bit,
            Err(error) if bit > 0 && error.raw_os_error() == Some(kernel::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(names(bits))
}

fn names(bits: u64) -> Value {
    let name = |bit: usize| CAPABILITIES.get(bit).map_or_else(|| format!("CAP_{bit}"), |name| (*name).to_owned());
    let mut names: Vec<String> = (0..64).filter(|bit| bits & 1 << bit != 0).map(name).collect();
    names.sort_unstable();
    Value::List(names.into_iter().map(Value::Text).collect())
}

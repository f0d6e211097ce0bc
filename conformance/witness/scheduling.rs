//! How the kernel schedules this process, and from where its memory comes.

use std::io;

use crate::{files, kernel};
use crate::value::Value;

/// Policies by number (sched(7)); 4 was never used.
const POLICIES: [&str; 8] =
    ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "", "SCHED_IDLE", "SCHED_DEADLINE", "SCHED_EXT"];
/// Flags by bit (sched_setattr(2)).
const FLAGS: [&str; 7] = [
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
];
/// Classes of I/O priority by number (ioprio_set(2)).
const CLASSES: [&str; 4] = ["IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

/// Modes of a memory policy by number (get_mempolicy(2)).
const MEMORY_MODES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];
/// Flags in a mode by bit, in the order of their names.
const MEMORY_FLAGS: [(i32, &str); 3] =
    [(1 << 13, "MPOL_F_NUMA_BALANCING"), (1 << 14, "MPOL_F_RELATIVE_NODES"), (1 << 15, "MPOL_F_STATIC_NODES")];

/// The policy and its parameters; times in nanoseconds.
pub fn scheduler() -> io::Result<Value> {
    let found = kernel::scheduling()?;
    let policy = POLICIES.get(found.policy as usize).filter(|name| !name.is_empty());
    let flags = FLAGS.iter().enumerate().filter(|(bit, _)| found.flags & 1 << bit != 0);
    Ok(Value::object([
        ("policy", policy.map_or_else(|| Value::from(found.policy), |name| Value::text(name))),
        ("priority", Value::from(found.priority)),
        ("nice", Value::from(found.nice)),
        ("flags", Value::names(flags.map(|(_, name)| *name))),
        ("runtime", Value::from(found.runtime)),
        ("deadline", Value::from(found.deadline)),
        ("period", Value::from(found.period)),
    ]))
}

/// The nodes from which memory may be taken, as /proc/self/status lists them: `0-1,4`.
pub fn memory_nodes() -> io::Result<Value> {
    let text = files::read("/proc/self/status", files::QUESTION_LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let list = text.lines().find_map(|line| line.strip_prefix("Mems_allowed_list:"));
    let list = list.ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))?;
    let mut nodes = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse::<u32>().ok().zip(last.parse::<u32>().ok());
        let (first, last) = range.ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))?;
        nodes.extend((first..=last).map(Value::from));
    }
    Ok(Value::List(nodes))
}

/// Class and priority; the class is in the bits from 13 up.
pub fn io_priority() -> io::Result<Value> {
    let found = kernel::io_priority()?;
    let class = CLASSES.get((found >> 13) as usize);
    Ok(Value::object([
        ("class", class.map_or_else(|| Value::from(found >> 13), |name| Value::text(name))),
        ("priority", Value::from(found & 0x1fff)),
    ]))
}

/// From which nodes memory comes: mode, flags and nodes.
pub fn memory_policy() -> io::Result<Value> {
    let (found, nodes) = kernel::memory_policy()?;
    let bits = MEMORY_FLAGS.iter().fold(0, |bits, (bit, _)| bits | bit);
    let mode = usize::try_from(found & !bits).ok().and_then(|mode| MEMORY_MODES.get(mode));
    let flags = MEMORY_FLAGS.iter().filter(|(bit, _)| found & bit != 0);
    Ok(Value::object([
        ("mode", mode.map_or_else(|| Value::from(found), |name| Value::text(name))),
        ("flags", Value::names(flags.map(|(_, name)| *name))),
        ("nodes", Value::List(nodes.into_iter().map(Value::from).collect())),
    ]))
}

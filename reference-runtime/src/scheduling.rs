//! How the kernel schedules the container process, on processors and on disks.

use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use oci_spec::runtime::{
    IOPriorityClass as Class, LinuxSchedulerFlag as Flag, LinuxSchedulerPolicy as Policy, Process, Scheduler,
};
use serde_json::Value;

/// Flags whose spelling in the specification, on the left, the parser doesn't know.
const SPELLINGS: [(&str, &str); 2] =
    [("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"), ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN")];

/// struct sched_attr of sched_setattr(2), in its first version.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Gives the parser the flags in the spelling that it knows.
pub fn respell(config: &mut Value) {
    let flags = config.pointer_mut("/process/scheduler/flags").and_then(Value::as_array_mut);
    for flag in flags.into_iter().flatten() {
        if let Some((_, known)) = SPELLINGS.iter().find(|(ours, _)| flag == ours) {
            *flag = Value::from(*known);
        }
    }
}

/// Refuses an I/O priority that there isn't.
///
/// # Errors
/// Names the value.
// [process.io-priority-range]
pub fn check(process: &Process) -> Result<()> {
    match process.io_priority() {
        Some(io) if !(0..8).contains(&io.priority()) => {
            Err(Error::new(format!("process.ioPriority.priority: {} is not from 0 to 7", io.priority())))
        }
        _ => Ok(()),
    }
}

/// Sets how the calling process is scheduled, as long as it still has the privileges.
///
/// # Errors
/// The kernel refuses.
pub fn apply(process: &Process) -> Result<()> {
    if let Some(scheduler) = process.scheduler() {
        set_scheduler(scheduler).doing(|| format!("set process.scheduler to {}", scheduler.policy()))?;
    }
    // [process.io-priority-class] [process.io-priority-priority]
    if let Some(io) = process.io_priority() {
        let class = match io.class() {
            Class::IoprioClassRt => 1,
            Class::IoprioClassBe => 2,
            Class::IoprioClassIdle => 3,
        };
        let who_process = 1;
        // SAFETY: the call takes numbers; 0 stands for the calling process.
        let result = unsafe { libc::syscall(libc::SYS_ioprio_set, who_process, 0, class << 13 | io.priority()) };
        Errno::result(result).doing(|| format!("set process.ioPriority to {} {}", io.class(), io.priority()))?;
    }
    Ok(())
}

/// Lets the process `pid` run on the processors that `list` names, as in `0-3,7`.
///
/// # Errors
/// The list can't be read, or names no processor that there is.
pub fn set_affinity(pid: Pid, list: &str) -> Result<()> {
    let what = || format!("let the process run on the processors {list}");
    let mut set = CpuSet::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<usize>().doing(what);
        for processor in number(first)?..=number(last)? {
            set.set(processor).doing(what)?;
        }
    }
    sched_setaffinity(pid, &set).doing(what)
}

// [process.scheduler-policy] [process.scheduler-nice] [process.scheduler-priority] [process.scheduler-flags]
// [process.scheduler-runtime] [process.scheduler-deadline] [process.scheduler-period], each 0 if it isn't set
fn set_scheduler(scheduler: &Scheduler) -> Result<()> {
    let flags = bits(scheduler);
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).doing(|| "measure the attributes".into())?,
        policy: number(*scheduler.policy()),
        flags,
        nice: scheduler.nice().unwrap_or(0),
        priority: u32::try_from(scheduler.priority().unwrap_or(0))
            .doing(|| "read process.scheduler.priority".into())?,
        runtime: scheduler.runtime().unwrap_or(0),
        deadline: scheduler.deadline().unwrap_or(0),
        period: scheduler.period().unwrap_or(0),
    };
    // SAFETY: the attributes say how long they are, and outlive the call; 0 stands for the calling process.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Errno::result(result).map(drop).doing(|| "sched_setattr".into())
}

fn number(policy: Policy) -> u32 {
    match policy {
        Policy::SchedOther => 0,
        Policy::SchedFifo => 1,
        Policy::SchedRr => 2,
        Policy::SchedBatch => 3,
        Policy::SchedIso => 4,
        Policy::SchedIdle => 5,
        Policy::SchedDeadline => 6,
    }
}

/// A flag that is listed twice is as if it were listed once.
fn bits(scheduler: &Scheduler) -> u64 {
    scheduler.flags().iter().flatten().fold(0, |bits, flag| bits | bit(*flag))
}

fn bit(flag: Flag) -> u64 {
    match flag {
        Flag::SchedResetOnFork => 0x01,
        Flag::SchedFlagReclaim => 0x02,
        Flag::SchedFlagDLOverrun => 0x04,
        Flag::SchedFlagKeepPolicy => 0x08,
        Flag::SchedFlagKeepParams => 0x10,
        Flag::SchedFlagUtilClampMin => 0x20,
        Flag::SchedFlagUtilClampMax => 0x40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_specification_is_read() {
        let names = [
            "RESET_ON_FORK",
            "RECLAIM",
            "DL_OVERRUN",
            "KEEP_POLICY",
            "KEEP_PARAMS",
            "UTIL_CLAMP_MIN",
            "UTIL_CLAMP_MAX",
            "RESET_ON_FORK",
        ];
        let flags: Vec<String> = names.iter().map(|name| format!("SCHED_FLAG_{name}")).collect();
        let mut config = serde_json::json!({ "process": { "scheduler": { "policy": "SCHED_OTHER", "flags": flags } } });
        respell(&mut config);
        let scheduler: Scheduler = serde_json::from_value(config["process"]["scheduler"].take()).unwrap();
        assert_eq!(bits(&scheduler), 0x7f);
    }
}

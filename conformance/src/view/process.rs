//! The program that the container runs, and what it finds at its first instruction.

use ocf_spec::Version;
use serde_json::Value;

use super::{Offence, declares, strings, typed};

/// Scheduling and I/O priority are properties since this version; before it they are unknown ones.
const SCHEDULING_SINCE: Version = Version::new(1, 1, 0);
/// Policies that may be named, also the one that no kernel has (SCHED_ISO).
const POLICIES: [&str; 7] =
    ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];
const CLASSES: [&str; 3] = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

/// `process`, but for user, capabilities and limits, which are chapters of their own.
pub struct Process<'a> {
    /// The argument vector.
    pub args: Vec<&'a str>,
    /// The working directory.
    pub cwd: &'a str,
    /// The environment, each string whole.
    pub env: Vec<&'a str>,
    /// Whether a terminal is asked for.
    pub terminal: bool,
    /// Rows and columns of the terminal.
    pub console_size: Option<(u64, u64)>,
    /// The no_new_privs attribute, if the config says something of it.
    pub no_new_privileges: Option<bool>,
    /// The badness for the out-of-memory killer.
    pub oom_score_adj: Option<i64>,
    /// How the kernel schedules it.
    pub scheduler: Option<Scheduler<'a>>,
    /// Class and priority of its input and output.
    pub io_priority: Option<(&'a str, i64)>,
    /// Whether there is something about the CPUs of further processes, which this one does not mind.
    pub exec_affinity: bool,
    /// The AppArmor profile that confines it.
    pub apparmor_profile: Option<&'a str>,
    /// Its SELinux context.
    pub selinux_label: Option<&'a str>,
}

/// `process.scheduler`; what may be left out is then 0.
pub struct Scheduler<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The nice value.
    pub nice: Option<i64>,
    /// The static priority.
    pub priority: Option<i64>,
    /// Flags of sched_setattr(2).
    pub flags: Vec<&'a str>,
    /// For SCHED_DEADLINE, in nanoseconds.
    pub runtime: Option<u64>,
    /// For SCHED_DEADLINE, in nanoseconds.
    pub deadline: Option<u64>,
    /// For SCHED_DEADLINE, in nanoseconds.
    pub period: Option<u64>,
}

impl<'a> Process<'a> {
    /// The value of the one variable of this name in `env`; none if there is none, or more than one.
    pub fn variable(&self, name: &str) -> Option<&'a str> {
        let mut values = self.env.iter().filter_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        values.next().filter(|_| values.next().is_none())
    }
}

/// The process, if the config has one.
pub fn view(config: &Value) -> Result<Option<Process<'_>>, Offence> {
    let Some(process) = typed(config, "/process", "an object", object)? else { return Ok(None) };
    let scheduled = declares(config, SCHEDULING_SINCE);
    Ok(Some(Process {
        args: arguments(process)?,
        cwd: directory(process)?,
        env: typed(process, "/env", "an array of strings", strings)?.unwrap_or_default(),
        terminal: typed(process, "/terminal", "a boolean", Value::as_bool)?.unwrap_or(false),
        console_size: console_size(process)?,
        no_new_privileges: typed(process, "/noNewPrivileges", "a boolean", Value::as_bool)?,
        oom_score_adj: typed(process, "/oomScoreAdj", "an integer", Value::as_i64)?,
        scheduler: if scheduled { scheduler(process)? } else { None },
        io_priority: if scheduled { io_priority(process)? } else { None },
        exec_affinity: process.get("execCPUAffinity").is_some(),
        apparmor_profile: label(process, "/apparmorProfile")?,
        selinux_label: label(process, "/selinuxLabel")?,
    }))
}

fn object(value: &Value) -> Option<&Value> {
    value.is_object().then_some(value)
}

fn arguments(process: &Value) -> Result<Vec<&str>, Offence> {
    let args = typed(process, "/args", "an array of strings", strings)?.unwrap_or_default();
    if args.is_empty() { Err(Offence::authors("process has no args")) } else { Ok(args) }
}

fn directory(process: &Value) -> Result<&str, Offence> {
    let cwd = typed(process, "/cwd", "a string", Value::as_str)?;
    match cwd {
        None | Some("") => Err(Offence::authors("process has no cwd")),
        Some(path) if path.starts_with('/') => Ok(path),
        Some(path) => Err(Offence::refused("errors.invalid-value", format!("process.cwd {path:?} is relative"))),
    }
}

/// A label; empty is what some writers leave for unset.
fn label<'a>(process: &'a Value, pointer: &str) -> Result<Option<&'a str>, Offence> {
    Ok(typed(process, pointer, "a string", Value::as_str)?.filter(|label| !label.is_empty()))
}

fn console_size(process: &Value) -> Result<Option<(u64, u64)>, Offence> {
    let Some(size) = typed(process, "/consoleSize", "an object", object)? else { return Ok(None) };
    let side = |name: &str| {
        let length = typed(size, &format!("/{name}"), "an unsigned integer", Value::as_u64)?;
        length.ok_or_else(|| Offence::authors(format!("process.consoleSize has no {name}")))
    };
    Ok(Some((side("height")?, side("width")?)))
}

fn scheduler(process: &Value) -> Result<Option<Scheduler<'_>>, Offence> {
    let Some(scheduler) = typed(process, "/scheduler", "an object", object)? else { return Ok(None) };
    let integer = |name: &str| typed(scheduler, &format!("/{name}"), "an integer", Value::as_i64);
    let time = |name: &str| typed(scheduler, &format!("/{name}"), "an unsigned integer", Value::as_u64);
    Ok(Some(Scheduler {
        policy: word(scheduler, "policy", &POLICIES)?,
        nice: integer("nice")?,
        priority: integer("priority")?,
        flags: typed(scheduler, "/flags", "an array of strings", strings)?.unwrap_or_default(),
        runtime: time("runtime")?,
        deadline: time("deadline")?,
        period: time("period")?,
    }))
}

fn io_priority(process: &Value) -> Result<Option<(&str, i64)>, Offence> {
    let Some(priority) = typed(process, "/ioPriority", "an object", object)? else { return Ok(None) };
    let level = typed(priority, "/priority", "an integer", Value::as_i64)?;
    let level = level.ok_or_else(|| Offence::authors("process.ioPriority has no priority"))?;
    Ok(Some((word(priority, "class", &CLASSES)?, level)))
}

/// The string of this name, which must be there and one of `known`.
fn word<'a>(object: &'a Value, name: &str, known: &[&str]) -> Result<&'a str, Offence> {
    let word = typed(object, &format!("/{name}"), "a string", Value::as_str)?;
    let word = word.ok_or_else(|| Offence::authors(format!("there is no {name}")))?;
    if known.contains(&word) {
        return Ok(word);
    }
    Err(Offence::refused("errors.invalid-value", format!("{word:?} is no {name}")))
}

/// Whether a process can see which file it runs: /proc is mounted, and nothing on the way to the link is masked.
pub fn shows_its_file(config: &Value) -> bool {
    let masked = config.pointer("/linux/maskedPaths").and_then(Value::as_array).into_iter().flatten();
    let on_the_way = |path: &str| ["/proc", "/proc/self", "/proc/self/exe"].contains(&path.trim_end_matches('/'));
    has_proc(config) && !masked.filter_map(Value::as_str).any(on_the_way)
}

/// Whether what lies at /proc is a proc file system, by which a process tells of itself.
pub fn has_proc(config: &Value) -> bool {
    let mut mounts = config.get("mounts").and_then(Value::as_array).into_iter().flatten();
    let at_proc =
        |mount: &&Value| mount["destination"].as_str().is_some_and(|point| point.trim_end_matches('/') == "/proc");
    mounts.rfind(at_proc).is_some_and(|mount| mount["type"] == "proc")
}

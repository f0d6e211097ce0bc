//! The program that the container runs, and what it finds at its first instruction.

use serde_json::{Value, json};

use super::{Subject, inside, refused};
use crate::ask::process::{APPARMOR, PROGRAM as LINK, SELINUX, raised};
use crate::case::{Node, Stdio, Try};
use crate::expectation::{Expectation, Matcher};
use crate::view::process::{Process, Scheduler, has_proc, shows_its_file, view};

/// The program that every base has.
const PROGRAM: &str = "/witness";
/// Descriptors that a careless runtime would leak.
const SPARE: std::ops::RangeInclusive<u32> = 3..=9;
/// Variables whose value a runtime may have given by itself, so that it tells nothing of the caller's.
const DEFAULTED: [&str; 3] = ["PATH", "HOME", "TERM"];
/// By these a runtime hands descriptors on for socket activation (sd_listen_fds(3)).
const ACTIVATION: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"];

/// What can be expected of the process, part by part.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let process = match view(subject.config) {
        Ok(Some(process)) => process,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    if let Some((requirement, created)) = process.scheduler.as_ref().and_then(unset_time).zip(subject.created()) {
        return vec![refused(requirement, &created)];
    }
    let Some(start) = subject.started() else { return Vec::new() };
    let laws = Laws { subject, process: &process, start: &start };
    let mut all = laws.arguments();
    all.extend(laws.program());
    all.extend(laws.directory());
    all.extend(laws.environment());
    all.extend(laws.terminal());
    all.extend(laws.descriptors());
    all.extend(laws.privileges());
    all.extend(laws.badness());
    all.extend(process.scheduler.iter().flat_map(|scheduler| laws.scheduling(scheduler)));
    all.extend(laws.io_priority());
    all.extend(laws.affinity());
    all.extend(laws.labels());
    all
}

/// The time without which the kernel lets nobody have the deadline policy, if it is left out.
fn unset_time(scheduler: &Scheduler<'_>) -> Option<&'static str> {
    match (scheduler.policy, scheduler.runtime, scheduler.deadline) {
        ("SCHED_DEADLINE", None, _) => Some("process.scheduler-runtime-default"),
        ("SCHED_DEADLINE", _, None) => Some("process.scheduler-deadline-default"),
        _ => None,
    }
}

struct Laws<'a> {
    subject: &'a Subject<'a>,
    process: &'a Process<'a>,
    start: &'a str,
}

impl Laws<'_> {
    fn law(&self, requirement: &str, fact: &str, matcher: Matcher) -> Expectation {
        super::expect(requirement, self.start, inside(self.start, fact), matcher)
    }

    fn equals(&self, requirement: &str, fact: &str, value: impl Into<Value>) -> Expectation {
        self.law(requirement, fact, Matcher::Equals(value.into()))
    }

    fn arguments(&self) -> Vec<Expectation> {
        vec![self.equals("process.args-applied", "args", json!(self.process.args))]
    }

    /// Which file runs, where the case says plainly which it must be.
    fn program(&self) -> Option<Expectation> {
        let name = self.process.args.first().filter(|_| shows_its_file(self.subject.config))?;
        let (requirement, path) = if name.contains('/') {
            let path = joined(self.process.cwd, name);
            (self.leads_straight(&path) && self.is_program(&path)).then_some(("process.args-path", path))?
        } else {
            ("process.args-search", self.found(name)?)
        };
        let fact = raised(self.subject.case, self.subject.config)?.fact(&Try::Stat(LINK.into()))?;
        Some(super::expect(requirement, self.start, format!("{fact}/target"), Matcher::Equals(json!(path))))
    }

    /// The first program of that name along `PATH`, unless something on the way makes that doubtful.
    fn found(&self, name: &str) -> Option<String> {
        for directory in self.process.variable("PATH")?.split(':') {
            let path = joined(directory, name);
            if !directory.starts_with('/') || !self.leads_straight(&path) {
                return None;
            }
            if self.is_program(&path) {
                return Some(path);
            }
            let entry = self.subject.case.rootfs.get(&path);
            if entry.is_some_and(|entry| entry.mode.is_some()) {
                // It may be executable, and no witness.
                return None;
            }
        }
        None
    }

    fn is_program(&self, path: &str) -> bool {
        match self.subject.case.rootfs.get(path) {
            Some(entry) => matches!(entry.node, Node::Witness(_)) && entry.mode.is_none(),
            None => path == PROGRAM,
        }
    }

    /// Whether neither a link nor a mount of the case lies on the way to a path.
    fn leads_straight(&self, path: &str) -> bool {
        let on_the_way = |place: &str| place != "/" && (path == place || path.starts_with(&format!("{place}/")));
        let links = self.subject.case.rootfs.iter().filter(|(_, entry)| matches!(entry.node, Node::Symlink(_)));
        let mounts = self.subject.config.get("mounts").and_then(Value::as_array).into_iter().flatten();
        let mut points = mounts.filter_map(|mount| mount.get("destination").and_then(Value::as_str));
        !links.map(|(place, _)| place.as_str()).any(on_the_way)
            && !points.any(|point| on_the_way(point.trim_end_matches('/')))
    }

    fn directory(&self) -> Option<Expectation> {
        let path = joined("/", self.process.cwd);
        let links = self.subject.case.rootfs.values().any(|entry| matches!(entry.node, Node::Symlink(_)));
        // With a link in it the kernel's name for the directory is another than the config's; proc has many.
        (!links && !path.starts_with("/proc/")).then(|| self.equals("process.cwd-applied", "cwd", path))
    }

    fn environment(&self) -> Vec<Expectation> {
        let has = |entry: &&str| {
            let name = entry.split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| !name.is_empty() && self.process.variable(name).is_some())
        };
        let given = self.process.env.iter().copied().filter(has);
        let mut laws: Vec<_> =
            given.map(|entry| self.law("process.env-applied", "env", Matcher::Contains(json!(entry)))).collect();
        laws.extend(
            self.callers_own().map(|entry| self.law("process.env-not-inherited", "env", Matcher::Lacks(json!(entry)))),
        );
        laws.push(self.law("process.env-additions", "env", Matcher::PRESENT));
        laws
    }

    /// Variables that the case gave the caller, and the config does not give the process.
    fn callers_own(&self) -> impl Iterator<Item = String> {
        let all = self.subject.case.caller.environment.iter().flatten();
        let own = all.filter(|(name, _)| {
            let known = DEFAULTED.contains(&name.as_str()) || ACTIVATION.contains(&name.as_str());
            let listed = self.process.env.iter().any(|entry| entry.split('=').next() == Some(name.as_str()));
            !known && !listed
        });
        own.map(|(name, value)| format!("{name}={value}"))
    }

    /// The terminal that was asked for, or none.
    fn terminal(&self) -> Vec<Expectation> {
        if self.process.terminal { self.own_terminal() } else { self.no_terminal() }
    }

    fn own_terminal(&self) -> Vec<Expectation> {
        let mut laws = Vec::new();
        for number in 0..3 {
            laws.push(self.equals("process.terminal-true", &format!("descriptors/{number}/tty"), true));
        }
        for number in 1..3 {
            let first = Matcher::SameAs(inside(self.start, "descriptors/0/ino"));
            laws.push(self.law("process.terminal-true", &format!("descriptors/{number}/ino"), first));
        }
        if let Some((height, width)) = self.process.console_size {
            laws.push(self.equals("process.console-height", "terminal/rows", height));
            laws.push(self.equals("process.console-width", "terminal/columns", width));
        }
        laws
    }

    /// A terminal that the caller has may be handed on; another one comes from nowhere.
    fn no_terminal(&self) -> Vec<Expectation> {
        let caller = &self.subject.case.caller;
        let streams = [&caller.stdin, &caller.stdout, &caller.stderr];
        if streams.iter().any(|stream| matches!(stream, Some(Stdio::Path(_) | Stdio::Terminal))) {
            return Vec::new();
        }
        let open = (0..).zip(streams).filter(|(_, stream)| !matches!(stream, Some(Stdio::Closed)));
        open.map(|(number, _)| self.equals("process.terminal-false", &format!("descriptors/{number}/tty"), false))
            .collect()
    }

    fn descriptors(&self) -> Vec<Expectation> {
        let caller = &self.subject.case.caller;
        if self.subject.created().is_none() {
            // A raw call may have asked for more.
            return Vec::new();
        }
        if caller.environment.iter().flatten().any(|(name, _)| name == "LISTEN_FDS") {
            return vec![self.law("process.descriptors-additional", "descriptors", Matcher::PRESENT)];
        }
        let mut numbers: Vec<u32> = SPARE.chain(caller.descriptors.keys().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let absent =
            |number| self.law("process.descriptors-standard", &format!("descriptors/{number}"), Matcher::ABSENT);
        let mut laws: Vec<_> = numbers.into_iter().map(absent).collect();
        laws.push(self.law("process.descriptors-null", "descriptors", Matcher::PRESENT));
        laws
    }

    fn privileges(&self) -> Option<Expectation> {
        let requirement = match self.process.no_new_privileges? {
            true => "process.no-new-privileges-true",
            // Who has the attribute can't lose it again, and hands it on.
            false if self.subject.before.get("no-new-privileges") == Some(&Value::Bool(true)) => return None,
            false => "process.no-new-privileges-false",
        };
        Some(self.equals(requirement, "no-new-privileges", self.process.no_new_privileges))
    }

    fn badness(&self) -> Option<Expectation> {
        has_proc(self.subject.config).then(|| match self.process.oom_score_adj {
            Some(value) => self.equals("process.oom-score-adj-set", "oom-score-adj", value),
            None => {
                let callers = Matcher::SameAs("/before/oom-score-adj".into());
                self.law("process.oom-score-adj-unset", "oom-score-adj", callers)
            }
        })
    }

    fn scheduling(&self, scheduler: &Scheduler<'_>) -> Vec<Expectation> {
        let law = |requirement, fact: &str, value: Value| self.equals(requirement, &format!("scheduler/{fact}"), value);
        let mut laws = vec![law("process.scheduler-policy", "policy", json!(scheduler.policy))];
        match (scheduler.policy, scheduler.priority) {
            ("SCHED_FIFO" | "SCHED_RR", Some(priority)) => {
                laws.push(law("process.scheduler-priority", "priority", json!(priority)));
            }
            ("SCHED_OTHER" | "SCHED_BATCH" | "SCHED_IDLE" | "SCHED_DEADLINE", None) => {
                laws.push(law("process.scheduler-priority-default", "priority", json!(0)));
            }
            _ => {}
        }
        if matches!(scheduler.policy, "SCHED_OTHER" | "SCHED_BATCH") {
            laws.push(match scheduler.nice {
                Some(nice) => law("process.scheduler-nice", "nice", json!(nice)),
                None => law("process.scheduler-nice-default", "nice", json!(0)),
            });
        }
        if scheduler.policy == "SCHED_DEADLINE" {
            laws.extend(scheduler.runtime.map(|time| law("process.scheduler-runtime", "runtime", json!(time))));
            laws.extend(scheduler.deadline.map(|time| law("process.scheduler-deadline", "deadline", json!(time))));
            laws.push(match (scheduler.period, scheduler.deadline) {
                (Some(time), _) if time > 0 => law("process.scheduler-period", "period", json!(time)),
                (_, deadline) => law("process.scheduler-period-default", "period", json!(deadline)),
            });
        }
        laws.extend(self.flags(scheduler));
        laws
    }

    /// The flags that sched_getattr(2) gives back.
    fn flags(&self, scheduler: &Scheduler<'_>) -> Vec<Expectation> {
        let deadline = scheduler.policy == "SCHED_DEADLINE";
        let told = |flag: &&&str| match **flag {
            "SCHED_FLAG_RESET_ON_FORK" => true,
            "SCHED_FLAG_RECLAIM" | "SCHED_FLAG_DL_OVERRUN" => deadline,
            _ => false,
        };
        let law = |flag: &&str| self.law("process.scheduler-flags", "scheduler/flags", Matcher::Contains(json!(flag)));
        scheduler.flags.iter().filter(told).map(law).collect()
    }

    fn io_priority(&self) -> Vec<Expectation> {
        let Some((class, priority)) = self.process.io_priority else { return Vec::new() };
        let mut laws = vec![self.equals("process.io-priority-class", "io-priority/class", class)];
        if class != "IOPRIO_CLASS_IDLE" {
            laws.push(self.equals("process.io-priority-priority", "io-priority/priority", priority));
        }
        laws
    }

    /// What a security module says of the process; each ends its answer in its own way.
    fn labels(&self) -> Vec<Expectation> {
        let Some(raised) = raised(self.subject.case, self.subject.config) else { return Vec::new() };
        let law = |requirement, file: &str, texts: Vec<String>| {
            let fact = raised.fact(&Try::Read(file.to_owned()))?;
            let answers = texts.into_iter().map(|text| json!({ "bytes": text })).collect();
            Some(super::expect(requirement, self.start, fact, Matcher::OneOf(answers)))
        };
        let profile = self.process.apparmor_profile.and_then(|name| {
            let texts = ["enforce", "complain", "kill", "unconfined", "user"].map(|mode| format!("{name} ({mode})\n"));
            let texts = texts.into_iter().chain([format!("{name}\n")]).collect();
            law("process.apparmor-profile", APPARMOR, texts)
        });
        let label = self
            .process
            .selinux_label
            .and_then(|label| law("process.selinux-label", SELINUX, vec![label.to_owned(), format!("{label}\0")]));
        profile.into_iter().chain(label).collect()
    }

    /// A process that inherits all processors from its caller has all of them, and so has one that is given them anew.
    fn affinity(&self) -> Option<Expectation> {
        let confined = self.subject.config.pointer("/linux/resources/cpu/cpus").is_some();
        let is_open = confined || self.subject.case.caller.affinity.is_some() || !self.process.exec_affinity;
        let callers = self.subject.before.get("affinity").filter(|_| !is_open)?;
        Some(self.equals("process.exec-affinity-not-for-start", "affinity", callers.clone()))
    }
}

/// `path` seen from `directory`, without `.` and `..` and needless slashes.
fn joined(directory: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_path_is_seen_from_its_directory() {
        assert_eq!(joined("/opt/", "./a//b/../init"), "/opt/a/init");
        assert_eq!(joined("/opt", "/witness"), "/witness");
        assert_eq!(joined("/", ".."), "/");
    }
}

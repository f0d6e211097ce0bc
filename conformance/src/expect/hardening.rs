//! Known attacks, and what of a caller leaks into its containers. None of it is the specification's.

use serde_json::{Value, json};

use super::{Expectation, Matcher, Subject, expect as expected, inside};
use crate::case::{Propagation, Stdio, Step};
use crate::view::namespaces::lists;
use crate::view::rlimits;

/// By which name the kernel tells that the way to a directory does not begin at the root.
const UNREACHABLE: &str = "(unreachable)";
/// What a closed stream must not have become; the null device is none of them.
const FILES: [&str; 4] = ["file", "directory", "socket", "fifo"];

/// The laws. What a particular link or file leads to, its fixture says.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let mut all: Vec<_> = outside(subject).into_iter().collect();
    if let Some(start) = subject.started().filter(|_| subject.case.before_report.is_empty()) {
        let laws = Laws { subject, start: &start };
        all.push(laws.law("directory-inside", "cwd", Matcher::Lacks(json!(UNREACHABLE))));
        all.extend(laws.mounts());
        all.extend(laws.session());
        all.extend(laws.signals());
        all.extend(laws.closed_streams());
        all.extend(laws.of_caller());
    }
    all
}

/// What the case has put outside is at its end as it was, unless the host itself changed it.
fn outside(subject: &Subject<'_>) -> Option<Expectation> {
    subject.before.get("outside")?;
    if subject.steps.iter().any(|step| matches!(step, Step::Host(_))) {
        return None;
    }
    let before = Matcher::SameAs("/before/outside".to_owned());
    Some(expected("hardening.nothing-outside-changes", &subject.created()?, "/left/outside", before))
}

struct Laws<'a> {
    subject: &'a Subject<'a>,
    start: &'a str,
}

impl Laws<'_> {
    fn law(&self, name: &str, fact: &str, matcher: Matcher) -> Expectation {
        expected(&format!("hardening.{name}"), self.start, inside(self.start, fact), matcher)
    }

    fn config(&self, pointer: &str) -> Option<&Value> {
        self.subject.config.pointer(pointer)
    }

    fn mounts(&self) -> Option<Expectation> {
        let shared = self.subject.case.caller.mounts == Some(Propagation::Shared);
        (shared && lists(self.subject.config, "mount")).then(|| {
            let mounts = format!("/host/{}/mounts", crate::expectation::token(self.start));
            expected("hardening.mounts-stay-inside", self.start, mounts, Matcher::Equals(json!({})))
        })
    }

    fn session(&self) -> Vec<Expectation> {
        let mut laws = Vec::new();
        if lists(self.subject.config, "pid") {
            // A session that began outside has no number inside, which reads as 0.
            laws.push(self.law("own-session", "sid", Matcher::AtLeast(1)));
        }
        if self.config("/process/terminal") != Some(&Value::Bool(true)) {
            laws.push(self.law("no-foreign-terminal", "controlling-terminal", Matcher::Equals(json!(0))));
        }
        if self.subject.case.caller.keyring.is_some() {
            let callers = Matcher::DiffersFrom("/before/session-keyring".to_owned());
            laws.push(self.law("own-keyring", "session-keyring", callers));
        }
        laws
    }

    fn signals(&self) -> [Expectation; 2] {
        let none = || Matcher::Equals(json!([]));
        [
            self.law("signals-unblocked", "signals/blocked", none()),
            self.law("signals-not-ignored", "signals/ignored", none()),
        ]
    }

    fn closed_streams(&self) -> Vec<Expectation> {
        let caller = &self.subject.case.caller;
        if self.config("/process/terminal") == Some(&Value::Bool(true)) {
            return Vec::new();
        }
        let streams = [&caller.stdin, &caller.stdout, &caller.stderr];
        let closed = streams.iter().enumerate().filter(|(_, stream)| matches!(stream, Some(Stdio::Closed)));
        let kinds = closed.flat_map(|(number, _)| FILES.map(|kind| (number, kind)));
        let lacks = |(number, kind): (usize, &str)| {
            self.law("closed-streams", &format!("descriptors/{number}/type"), Matcher::Lacks(json!(kind)))
        };
        kinds.map(lacks).collect()
    }

    /// What of the caller's is observed, where the case gave it another value than every process has.
    fn of_caller(&self) -> Vec<Expectation> {
        let caller = &self.subject.case.caller;
        let observed = |name: &str, fact: &str| self.law(&format!("{name}-of-caller"), fact, Matcher::PRESENT);
        let mut laws = Vec::new();
        if self.config("/process/scheduler").is_none() {
            laws.extend(caller.nice.map(|_| observed("scheduler", "scheduler/nice")));
            laws.extend(caller.scheduler.map(|_| observed("scheduler", "scheduler/policy")));
        }
        if self.config("/process/ioPriority").is_none() {
            laws.extend(caller.io_priority.map(|_| observed("io-priority", "io-priority")));
        }
        if self.config("/linux/personality").is_none() {
            laws.extend((!caller.personality.is_empty()).then(|| observed("personality", "personality")));
        }
        laws.extend(caller.affinity.iter().map(|_| observed("affinity", "affinity")));
        laws.extend(caller.timer_slack.map(|_| observed("timer-slack", "timer-slack")));
        laws.extend((!caller.securebits.is_empty()).then(|| observed("securebits", "securebits")));
        let listed = rlimits::view(self.subject.config).ok().flatten().unwrap_or_default();
        let unlisted = caller.limits.keys().filter(|name| !listed.iter().any(|limit| limit.name == name.as_str()));
        laws.extend(unlisted.map(|name| observed("limits", &format!("limits/{name}"))));
        laws
    }
}

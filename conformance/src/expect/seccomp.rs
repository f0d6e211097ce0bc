//! What becomes of system calls, by effect.

use serde_json::{Value, json};

use super::state::{bundle, versions};
use super::{Subject, expect as expected, inside, of_step, refused};
use crate::ask::seccomp::{call, raised};
use crate::case::{Action as Deed, Answer, MAIN, Step, Syscall, Try};
use crate::expectation::{Expectation, Matcher, token};
use crate::run::id;
use crate::view::seccomp::{self, Action, Decision, Misreading, Operator, Ruling, View};

/// The code of a SIGSYS that a filter sends (sigaction(2)).
const SYS_SECCOMP: i32 = 1;

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    match seccomp::view(subject.config) {
        Ok(Some(view)) => calls(subject, &view).into_iter().chain(listener(subject, &view)).collect(),
        Ok(None) => unset(subject).into_iter().collect(),
        Err(offence) => subject.refusal(&offence),
    }
}

fn unset(subject: &Subject<'_>) -> Option<Expectation> {
    let start = subject.started()?;
    Some(expected("seccomp.unset", &start, inside(&start, "seccomp"), Matcher::PRESENT))
}

/// All that was asked of calls, by the case or for it.
fn calls(subject: &Subject<'_>, view: &View) -> Vec<Expectation> {
    let (Some(start), Some(raised)) = (subject.started(), raised(subject.case, subject.config)) else {
        return Vec::new();
    };
    let bench = Bench { subject, view, start };
    let own = subject.case.questions.iter().filter(|question| question.moment() == bench.start);
    let own: Vec<_> = own.map(|question| (&question.what, inside(&bench.start, &token(&question.name)))).collect();
    let asked = raised.tries().iter().filter_map(|what| Some((what, raised.fact(what)?)));
    let asked: Vec<_> = asked.filter(|(what, _)| !own.iter().any(|(it, _)| it == what)).collect();
    let mut all: Vec<_> = own.into_iter().chain(asked).flat_map(|(what, fact)| bench.of(what, &fact)).collect();
    all.extend(bench.speculation());
    all
}

/// What the laws of calls need.
struct Bench<'a> {
    subject: &'a Subject<'a>,
    view: &'a View,
    start: String,
}

impl Bench<'_> {
    fn of(&self, what: &Try, fact: &str) -> Vec<Expectation> {
        let Some(call) = call(what) else { return Vec::new() };
        let machine = &self.subject.host.machine;
        if let Try::Foreign(call) = what {
            return self.foreign(call, fact);
        }
        if !self.view.is_native(machine) {
            return Vec::new();
        }
        let ruling = self.view.ruling(call);
        let decision = match ruling {
            Ruling::Open(id) => return vec![self.here(id, fact, Matcher::PRESENT)],
            Ruling::Entry(_, decision) | Ruling::Default(decision) => decision,
        };
        match what {
            Try::Syscall(_) => self.plain(call, ruling, decision, fact),
            Try::Trapped(_) => self.trapped(call, decision, fact),
            Try::Traced(_) => self.traced(ruling, decision, fact),
            Try::Threads(_) => self.threads(decision, fact),
            Try::Interrupted(_) => self.interrupted(decision, fact),
            _ => Vec::new(),
        }
    }

    /// What a child that makes the call shows, and for which requirements.
    fn plain(&self, call: &Syscall, ruling: Ruling, decision: Decision, fact: &str) -> Vec<Expectation> {
        let Some((place, matcher)) = self.outcome(call, decision) else { return Vec::new() };
        let fact = format!("{fact}{place}");
        let mut ids = by_action(ruling, decision);
        if ruling == Ruling::Default(decision) {
            ids.push("seccomp.default-action-applied");
        }
        if self.view.architectures.is_none() && !matches!(decision.action, Action::Allow | Action::Log) {
            ids.push("seccomp.native-calls");
        }
        if self.view.architectures.is_some() {
            ids.push("seccomp.architecture-listed");
        }
        ids.extend(self.shown_by(call, ruling));
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| self.here(id, &fact, matcher.clone())).collect()
    }

    /// The requirements which a wrong reading would break with this very call.
    fn shown_by(&self, call: &Syscall, ruling: Ruling) -> Vec<&'static str> {
        let decision = |ruling| match ruling {
            Ruling::Entry(_, decision) | Ruling::Default(decision) => Some(decision),
            Ruling::Open(_) => None,
        };
        let differs = |it: &Misreading| {
            let misread = decision(self.view.misread(call, *it));
            misread.is_some() && misread != decision(ruling)
        };
        Misreading::all().filter(differs).filter_map(|it| self.requirement(it, ruling)).collect()
    }

    fn requirement(&self, misreading: Misreading, ruling: Ruling) -> Option<&'static str> {
        Some(match misreading {
            Misreading::FirstName => match ruling {
                Ruling::Entry(place, _) if self.view.is_bare(place) => "seccomp.every-name",
                _ => return None,
            },
            Misreading::FirstEntry | Misreading::LastEntry => "seccomp.several-entries",
            Misreading::AnyComparison => "seccomp.every-argument",
            Misreading::IndexFromOne => "seccomp.argument-index",
            Misreading::HalfWidth => "seccomp.argument-width",
            Misreading::MaskLast | Misreading::Negated(Operator::MaskedEq) => "seccomp.masked-equal",
            Misreading::Negated(Operator::Ne) => "seccomp.not-equal",
            Misreading::Negated(Operator::Lt) => "seccomp.less",
            Misreading::Negated(Operator::Le) => "seccomp.less-or-equal",
            Misreading::Negated(Operator::Eq) => "seccomp.equal",
            Misreading::Negated(Operator::Ge) => "seccomp.greater-or-equal",
            Misreading::Negated(Operator::Gt) => "seccomp.greater",
        })
    }

    /// What is seen of a call, below the question's fact; none where nobody can know.
    fn outcome(&self, call: &Syscall, decision: Decision) -> Option<(&'static str, Matcher)> {
        Some(match decision.action {
            Action::Allow | Action::Log => ("/returned", self.unfiltered(&call.call)?),
            Action::Errno => match decision.number.unwrap_or(1) {
                number @ 1..=4095 => ("", Matcher::Equals(json!({ "error": error(number) }))),
                _ => return None,
            },
            Action::Kill | Action::KillProcess | Action::KillThread | Action::Trap => {
                ("", Matcher::Equals(json!({ "signal": "SIGSYS" })))
            }
            Action::Trace => ("", Matcher::Equals(json!({ "error": "ENOSYS" }))),
            // The signal that an interrupting agent sends kills whoever does not handle it.
            Action::Notify => ("", Matcher::Equals(answered(agent(self.subject).filter(|answer| !answer.interrupts)?))),
        })
    }

    /// What a free call returns without a filter.
    fn unfiltered(&self, call: &str) -> Option<Matcher> {
        Some(match call {
            "munlockall" | "sched_yield" => Matcher::Equals(json!(0)),
            "getppid" => Matcher::SameAs(inside(&self.start, "pid")),
            "getuid" => {
                let uid = self.subject.config.pointer("/process/user/uid").and_then(Value::as_u64).unwrap_or(0);
                Matcher::Equals(json!(uid))
            }
            _ => return None,
        })
    }

    fn trapped(&self, call: &Syscall, decision: Decision, fact: &str) -> Vec<Expectation> {
        match (decision.action, seccomp::number(&call.call)) {
            (Action::Trap, Some(number)) => {
                let told = json!({ "trapped": true, "code": SYS_SECCOMP, "call": number });
                vec![self.here("seccomp.trap", fact, Matcher::Equals(told))]
            }
            _ => Vec::new(),
        }
    }

    fn traced(&self, ruling: Ruling, decision: Decision, fact: &str) -> Vec<Expectation> {
        if decision.action != Action::Trace {
            return Vec::new();
        }
        let message = format!("{fact}/message");
        let mut all = vec![self.here("seccomp.trace-with-tracer", &message, Matcher::PRESENT)];
        if let Ruling::Entry(..) = ruling {
            let (id, number) = match decision.number {
                Some(number) => ("seccomp.trace-code", number),
                None => ("seccomp.trace-code-left-out", 1),
            };
            // The kernel keeps 16 bits of it.
            let is_kept = number <= u64::from(u16::MAX);
            all.extend(is_kept.then(|| self.here(id, &message, Matcher::Equals(json!(number)))));
        }
        all
    }

    fn threads(&self, decision: Decision, fact: &str) -> Vec<Expectation> {
        match decision.action {
            Action::Kill => vec![self.here("seccomp.kill-of-many", fact, Matcher::PRESENT)],
            Action::KillThread => {
                let goes_on = Matcher::Equals(json!({ "ended": true }));
                let ids = ["seccomp.kill-thread", "seccomp.kill-thread-spares-others"];
                ids.map(|id| self.here(id, fact, goes_on.clone())).into()
            }
            Action::KillProcess => {
                vec![self.here("seccomp.kill-process", fact, Matcher::Equals(json!({ "signal": "SIGSYS" })))]
            }
            _ => Vec::new(),
        }
    }

    fn interrupted(&self, decision: Decision, fact: &str) -> Vec<Expectation> {
        let flag = self.view.flags.iter().any(|it| it == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
        match (decision.action, agent(self.subject)) {
            (Action::Notify, Some(answer)) if flag && answer.interrupts => {
                let mut told = answered(answer);
                told["signalled"] = json!(true);
                vec![self.here("seccomp.flag-wait-killable", fact, Matcher::Equals(told))]
            }
            _ => Vec::new(),
        }
    }

    /// By the convention of x86's 32-bit programs, to which the filter speaks by the same names.
    fn foreign(&self, call: &Syscall, fact: &str) -> Vec<Expectation> {
        let listed = self.view.is_foreign(&self.subject.host.machine);
        let (Some(listed), Some(_)) = (listed, seccomp::foreign_number(&call.call)) else { return Vec::new() };
        if !listed {
            return vec![self.here("seccomp.architecture-unlisted", fact, Matcher::PRESENT)];
        }
        let args: Vec<_> = call.args.iter().map(|argument| argument & u64::from(u32::MAX)).collect();
        match self.view.ruling(&Syscall::new(call.call.clone(), args)) {
            Ruling::Entry(_, decision) => {
                let Some((place, matcher)) = self.outcome(call, decision) else { return Vec::new() };
                vec![self.here("seccomp.architecture-listed", &format!("{fact}{place}"), matcher)]
            }
            Ruling::Default(_) | Ruling::Open(_) => Vec::new(),
        }
    }

    fn speculation(&self) -> Option<Expectation> {
        let listed = self.view.flags.iter().any(|it| it == "SECCOMP_FILTER_FLAG_SPEC_ALLOW");
        let same = Matcher::SameAs("/before/speculation".to_owned());
        listed.then(|| self.here("seccomp.flag-spec-allow", &inside(&self.start, "speculation"), same))
    }

    fn here(&self, id: &str, fact: &str, matcher: Matcher) -> Expectation {
        expected(id, &self.start, fact, matcher)
    }
}

/// The requirements that an outcome by an action decides.
fn by_action(ruling: Ruling, decision: Decision) -> Vec<&'static str> {
    let of_entry = matches!(ruling, Ruling::Entry(..));
    match decision.action {
        Action::Allow => vec!["seccomp.allow"],
        Action::Log => vec!["seccomp.log"],
        Action::Errno => {
            let id = match (of_entry, decision.number.is_some()) {
                (true, true) => "seccomp.errno-code",
                (true, false) => "seccomp.errno-left-out",
                (false, true) => "seccomp.default-errno-code",
                (false, false) => "seccomp.default-errno-left-out",
            };
            vec![id, "seccomp.errno"]
        }
        Action::Kill => vec!["seccomp.kill"],
        Action::KillProcess => vec!["seccomp.kill-process"],
        Action::KillThread => vec!["seccomp.kill-thread"],
        Action::Trap => vec!["seccomp.trap"],
        Action::Trace => vec!["seccomp.trace-without-tracer"],
        Action::Notify => vec!["seccomp.notify"],
    }
}

/// An error's name by its number, as the witness tells it.
fn error(number: u64) -> String {
    let errno = i32::try_from(number).map_or(nix::errno::Errno::UnknownErrno, nix::errno::Errno::from_raw);
    if errno == nix::errno::Errno::UnknownErrno { format!("E{number}") } else { format!("{errno:?}") }
}

/// What a caller sees of an agent's answer.
fn answered(answer: &Answer) -> Value {
    match answer.error {
        0 => json!({ "returned": answer.returns }),
        number => json!({ "error": error(number.into()) }),
    }
}

/// The answer of the case's agent, if it has one.
fn agent<'a>(subject: &'a Subject<'_>) -> Option<&'a Answer> {
    subject.case.setup.iter().find_map(|deed| match deed {
        Deed::Agent { answer, .. } => Some(answer),
        _ => None,
    })
}

/// What whoever listens gets.
fn listener(subject: &Subject<'_>, view: &View) -> Vec<Expectation> {
    let Some(created) = subject.created() else { return Vec::new() };
    let failed = of_step(&created, "failed");
    let observed = |id| vec![expected(id, &created, failed.clone(), Matcher::PRESENT)];
    if view.default.action == Action::Notify {
        return observed("seccomp.notify-by-default");
    }
    let listens = agent(subject).is_some();
    match (view.notifies(), &view.listener) {
        (true, None) => observed("seccomp.notify-without-listener"),
        (true, Some(_)) if listens => told(subject, view, &created),
        (true, Some(_)) if subject.case.setup.is_empty() => {
            vec![refused("seccomp.listener-failure-refused", &created)]
        }
        (false, Some(_)) => ignored(subject, listens, &created),
        _ => Vec::new(),
    }
}

/// Without an action that needs it the path has no effect.
fn ignored(subject: &Subject<'_>, listens: bool, created: &str) -> Vec<Expectation> {
    let id = "seccomp.listener-ignored";
    let Some(start) = subject.started() else { return Vec::new() };
    let unheard = listens.then(|| expected(id, &start, "/agent/0", Matcher::ABSENT));
    let goes_on = expected(id, &start, of_step(created, "failed"), Matcher::Equals(json!(false)));
    unheard.into_iter().chain([goes_on]).collect()
}

/// The container process state, with its descriptors.
fn told(subject: &Subject<'_>, view: &View, created: &str) -> Vec<Expectation> {
    let Some(start) = subject.started() else { return Vec::new() };
    let here = |id: &str, fact: &str, matcher| expected(id, &start, format!("/agent/0/{fact}"), matcher);
    let document = |name: &str| format!("json/{name}");
    let yes = || Matcher::Equals(json!(true));
    let whole = || Matcher::Equals(json!(""));
    let receiver = |name: &str| Matcher::Contains(json!({ "name": name, "receives": true }));
    let statuses = ["creating", "created", "running"].map(|word| json!(word)).into();
    let mut all = vec![
        here("seccomp.listener-told", &document("state"), Matcher::PRESENT),
        here("seccomp.listener-one-state", "object", yes()),
        here("seccomp.listener-one-state", "rest", whole()),
        here("seccomp.listener-not-reused", "rest", whole()),
        here("seccomp.listener-descriptor", "receivers", Matcher::AtLeast(1)),
        here("seccomp.listener-descriptor-name", "descriptors", receiver("seccompFd")),
        here("seccomp.state-json", "object", yes()),
        here("seccomp.state-descriptors", "descriptors-all", Matcher::AtLeast(1)),
        here("seccomp.state-descriptors-first", "descriptors-first", Matcher::AtLeast(1)),
        here("seccomp.state-descriptors-first", "descriptors-later", Matcher::Equals(json!(0))),
        here("seccomp.state-version", &document("ociVersion"), Matcher::OneOf(versions())),
        here("seccomp.state-descriptor-names", "names-are-strings", yes()),
        here("seccomp.state-descriptor-names", "names", Matcher::SameAs("/agent/0/descriptors-all".to_owned())),
        here("seccomp.state-of-container", &document("state/id"), Matcher::Equals(json!(id(MAIN)))),
        here("seccomp.state-of-container", &document("state/ociVersion"), Matcher::OneOf(versions())),
        here("seccomp.state-of-container", &document("state/status"), Matcher::OneOf(statuses)),
    ];
    let pid = Matcher::SameAs(format!("/host/{}/process/pid", token(created)));
    all.push(here("seccomp.state-pid", &document("pid"), pid));
    let place = bundle(subject, MAIN);
    all.extend(
        place.map(|it| here("seccomp.state-of-container", &document("state/bundle"), Matcher::Equals(json!(it)))),
    );
    if let Some(metadata) = &view.metadata {
        for id in ["seccomp.listener-metadata", "seccomp.state-metadata"] {
            all.push(here(id, &document("metadata"), Matcher::Equals(json!(metadata))));
        }
    }
    let exit = subject.steps.iter().find(|step| matches!(step, Step::Exit(exit) if exit.container == MAIN));
    let ends = Matcher::Before("/journal/process exiting".to_owned());
    all.extend(exit.map(|exit| expected("seccomp.listener-closed", &exit.name(), "/journal/agent heard 0", ends)));
    all
}

//! The lifecycle as a pure model: in which status each container of a case is, step by step.
//!
//! It knows the case and never what the runtime did. Where the steps leave a status open it is unknown, and
//! no chapter derives anything from it.

use std::collections::{BTreeMap, BTreeSet};

use ocf_spec::Version;
use serde_json::Value;

use super::hooks::{self, Kind};
use crate::case::{Action, Call, Case, Order, Step, Try, Verb, WaitFor, While};

/// Where a container stands between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// There is none of that name.
    #[default]
    Absent,
    /// Its create operation has not ended.
    Creating,
    /// Created, and not started.
    Created,
    /// Its program runs, and goes on until it is told to end.
    Running,
    /// A signal that nothing survives was sent; nobody has waited for the end yet.
    Ending,
    /// Its process has ended.
    Stopped,
    /// The steps leave it open.
    Unknown,
}

/// What the specification demands of a call, as far as its container's status decides that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing in the lifecycle stands against it.
    Success,
    /// It is an error, by this requirement.
    Error(&'static str),
    /// The steps leave it open.
    Open,
}

/// One call of a case, and what is known of its container when it is made.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its step's name, which is its moment's too.
    pub name: String,
    /// The container's status when it is called.
    pub before: Status,
    /// What must come of it.
    pub outcome: Outcome,
    /// The requirement by which an earlier call, an error, left the container as it was, or by which a start went on
    /// over a hook's failure; all that is seen of the container from there on speaks of that requirement first.
    pub provoked: Option<&'static str>,
    /// The last moment before it, if a step of the case precedes it.
    pub since: Option<String>,
    /// The signals for which the container's process has a handler, with SIG.
    pub handled: BTreeSet<String>,
    /// The hook that is held meanwhile, as `KIND/N`.
    pub held: Option<&'a str>,
    /// Whether another call runs at the same time.
    pub crowded: bool,
    /// Whether it is the only container that exists or may exist.
    pub alone: bool,
}

/// The program of the bases, which serves until it is told to end; of another one nothing is known.
pub const PROGRAM: &str = "/witness";

/// All calls of a case that name an operation, in the order of the steps.
pub fn operations<'a>(case: &Case, steps: &'a [Step], config: &Value, spec: Version) -> Vec<Operation<'a>> {
    let broken = |verb| hooks::breaks(case, config, verb, spec);
    let pid_namespace = config
        .pointer("/linux/namespaces")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|namespace| namespace["type"] == "pid" && namespace.get("path").is_none()));
    let mut walk = Walk {
        serves: config.pointer("/process/args/0").and_then(Value::as_str) == Some(PROGRAM),
        create: broken(Verb::Create),
        start: broken(Verb::Start),
        warned: hooks::warns(case, config, Verb::Start, spec),
        pid_namespace,
        spec,
        containers: BTreeMap::new(),
        last: None,
        found: Vec::new(),
    };
    for step in steps {
        walk.step(step, None);
    }
    walk.found
}

/// The signal that a call of kill names, with SIG; none if it names none (signal(7)).
pub fn signal(call: &Call) -> Option<String> {
    let told = call.signal.as_deref().unwrap_or("TERM");
    if let Ok(number) = told.parse::<usize>() {
        let name = number.checked_sub(1).and_then(|index| SIGNALS.get(index));
        return name.map(|name| format!("SIG{name}"));
    }
    let name = told.strip_prefix("SIG").unwrap_or(told);
    SIGNALS.contains(&name).then(|| format!("SIG{name}"))
}

/// By number from 1, as signal(7) has them for x86 and ARM.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// Those whose default is to do nothing to a running process.
const HARMLESS: [&str; 4] = ["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"];

/// What is known of one container.
#[derive(Clone, Debug, Default)]
struct Container {
    status: Status,
    provoked: Option<&'static str>,
    handled: BTreeSet<String>,
}

struct Walk<'a> {
    /// Whether the program is the one that serves until it is told to end.
    serves: bool,
    /// Whether a hook makes create, and start, an error; none if that is open.
    create: Option<bool>,
    start: Option<bool>,
    /// Whether a hook of start may fail so that all goes on.
    warned: bool,
    pid_namespace: bool,
    spec: Version,
    containers: BTreeMap<String, Container>,
    last: Option<String>,
    found: Vec<Operation<'a>>,
}

impl<'a> Walk<'a> {
    fn step(&mut self, step: &'a Step, held: Option<&'a str>) {
        match step {
            Step::Call(call) => self.call(call, step.name(), held),
            Step::Exit(exit) => self.exit(&exit.container),
            Step::Host(host) => host.does.iter().for_each(|action| self.host(action)),
            Step::Inside(inside) => inside.orders.iter().for_each(|order| self.order(&inside.container, order)),
            Step::Wait(wait) => self.waited(&wait.until),
            Step::Together(together) => self.together(&together.steps, held),
            Step::While(held) => self.meanwhile(held),
            Step::Observe(_) => {}
        }
        self.last = Some(step.name());
    }

    fn call(&mut self, call: &'a Call, name: String, held: Option<&'a str>) {
        let container = self.containers.get(&call.container).cloned().unwrap_or_default();
        let outcome = self.outcome(call, container.status);
        self.record(call, name, &container, outcome, held, false);
        let slot = self.containers.entry(call.container.clone()).or_default();
        match outcome {
            Outcome::Error(_) => slot.provoked = slot.provoked.or(left_alone(call.verb, container.status)),
            Outcome::Success | Outcome::Open => self.take(call, &container),
        }
        if self.warned && call.verb == Verb::Start && outcome == Outcome::Success {
            let slot = self.containers.entry(call.container.clone()).or_default();
            slot.provoked = slot.provoked.or(Some("hooks.poststart-failure-continues"));
        }
    }

    fn record(
        &mut self,
        call: &'a Call,
        name: String,
        container: &Container,
        outcome: Outcome,
        held: Option<&'a str>,
        crowded: bool,
    ) {
        let others = self.containers.iter().filter(|(name, _)| **name != call.container);
        let alone = others.map(|(_, other)| other.status).all(|status| status == Status::Absent);
        self.found.push(Operation {
            call,
            name,
            before: container.status,
            outcome,
            provoked: container.provoked,
            since: self.last.clone(),
            handled: container.handled.clone(),
            held,
            crowded,
            alone,
        });
    }

    /// What the status, and the hooks, demand of a call.
    fn outcome(&self, call: &Call, status: Status) -> Outcome {
        use Outcome::{Error, Open, Success};
        use Status::{Absent, Created, Creating, Ending, Running, Stopped, Unknown};
        match (call.verb, status) {
            (Verb::Features, _) => Success,
            (Verb::Raw, _) => Open,
            (Verb::Delete, _) if call.force => Open,
            (Verb::State, Creating) => Open,
            (Verb::State, Created | Running | Ending | Stopped) => Success,
            (Verb::State, Absent) => Error("state.unknown-container-error"),
            (Verb::Create, Absent) if call.bundle.is_none() => by_hooks(self.create),
            (Verb::Create | Verb::Run, Absent) => Open,
            (Verb::Create | Verb::Run, Creating | Created | Running | Ending | Stopped) => {
                Error("create.id-in-use-error")
            }
            (Verb::Start, Created) => by_hooks(self.start),
            (Verb::Start, Absent) => Error("start.unknown-container-error"),
            (Verb::Start, Creating) => Error("start.creating-error"),
            (Verb::Start, Running) => Error("start.running-error"),
            (Verb::Start, Stopped) => Error("start.stopped-error"),
            (Verb::Kill, Created | Running) if signal(call).is_some() => Success,
            (Verb::Kill, Created | Running) if is_named(call) => Error("command-line.kill-signal-unknown"),
            (Verb::Kill, Absent) => Error("kill.unknown-container-error"),
            (Verb::Kill, Creating) => Error("kill.creating-error"),
            (Verb::Kill, Stopped) => Error("kill.stopped-error"),
            (Verb::Delete, Stopped) => Success,
            (Verb::Delete, Absent) => Error("delete.unknown-container-error"),
            (Verb::Delete, Creating) => Error("delete.creating-error"),
            (Verb::Delete, Created) => Error("delete.created-error"),
            (Verb::Delete, Running) => Error("delete.running-error"),
            (Verb::Start | Verb::Kill | Verb::Delete, Ending) | (Verb::Kill, Created | Running) | (_, Unknown) => Open,
        }
    }

    /// What a call that is no error does to its container.
    fn take(&mut self, call: &Call, found: &Container) {
        let status = match (call.verb, found.status) {
            (Verb::State | Verb::Features, status) => status,
            (Verb::Create, Status::Absent) => self.created(),
            (Verb::Run, Status::Absent) => Status::Absent,
            (Verb::Start, Status::Created) => self.started(),
            (Verb::Kill, status) => self.signalled(signal(call).as_deref(), found, status),
            (Verb::Delete, Status::Stopped) => Status::Absent,
            (Verb::Delete, Status::Created | Status::Running | Status::Ending) if call.force => Status::Absent,
            (Verb::Raw, status) => return self.raw(call, status),
            _ => Status::Unknown,
        };
        let slot = self.containers.entry(call.container.clone()).or_default();
        slot.status = status;
        if status == Status::Absent {
            *slot = Container::default();
        }
    }

    fn created(&self) -> Status {
        match self.create {
            Some(false) => Status::Created,
            Some(true) => Status::Absent,
            None => Status::Unknown,
        }
    }

    fn started(&self) -> Status {
        match self.start {
            Some(false) if self.serves => Status::Running,
            Some(true) => Status::Absent,
            _ => Status::Unknown,
        }
    }

    /// What is left after a signal to the process of a container.
    fn signalled(&self, signal: Option<&str>, found: &Container, status: Status) -> Status {
        match (signal, status) {
            (Some("SIGKILL"), Status::Created | Status::Running | Status::Ending) => Status::Ending,
            (Some(name), Status::Running) if found.handled.contains(name) || HARMLESS.contains(&name) => status,
            // The first process of a pid namespace gets only what it has a handler for (pid_namespaces(7)).
            (Some(name), Status::Running) if self.pid_namespace && name != "SIGSTOP" => status,
            _ => Status::Unknown,
        }
    }

    /// Raw arguments may do anything to a container that they name.
    fn raw(&mut self, call: &Call, _: Status) {
        for (name, container) in &mut self.containers {
            let named = format!("${{id:{name}}}");
            let asks = call.arguments.first().is_some_and(|verb| verb == "state");
            if !asks && call.arguments.iter().any(|argument| argument.contains(&named)) {
                container.status = Status::Unknown;
            }
        }
    }

    fn exit(&mut self, name: &str) {
        let container = self.containers.entry(name.to_owned()).or_default();
        container.status = if container.status == Status::Running { Status::Stopped } else { Status::Unknown };
    }

    fn host(&mut self, action: &Action) {
        match action {
            Action::Signal { container: name, signal } => {
                let found = self.containers.get(name).cloned().unwrap_or_default();
                let status = self.signalled(Some(signal), &found, found.status);
                self.containers.entry(name.clone()).or_default().status = status;
            }
            Action::KillRuntime { .. } => self.forget(),
            _ => {}
        }
    }

    fn forget(&mut self) {
        self.containers.values_mut().for_each(|container| container.status = Status::Unknown);
    }

    fn order(&mut self, name: &str, order: &Order) {
        let container = self.containers.entry(name.to_owned()).or_default();
        match order {
            Order::Handle(signal) => drop(container.handled.insert(signal.clone())),
            Order::Ask { what: Try::Kill { .. }, .. } => container.status = Status::Unknown,
            Order::Ask { .. } | Order::Spawn {} | Order::Ignore(_) | Order::Block(_) | Order::Keyring(_) => {}
        }
    }

    fn waited(&mut self, until: &WaitFor) {
        if let WaitFor::Gone(name) = until {
            let container = self.containers.entry(name.clone()).or_default();
            if matches!(container.status, Status::Created | Status::Running | Status::Ending) {
                container.status = Status::Stopped;
            }
        }
    }

    /// Which of several calls on one container came first is open, unless all of them only ask.
    fn together(&mut self, steps: &'a [Step], held: Option<&'a str>) {
        let calls: Vec<&'a Call> = steps.iter().flat_map(Step::calls).collect();
        let before = self.containers.clone();
        let created = self.created();
        let alone = |call: &Call| calls.iter().filter(|other| other.container == call.container).count() == 1;
        for step in steps {
            let Step::Call(call) = step else { return self.forget() };
            let container = before.get(&call.container).cloned().unwrap_or_default();
            if alone(call) || calls.iter().all(|call| call.verb == Verb::State) {
                let outcome = self.outcome(call, container.status);
                self.record(call, step.name(), &container, outcome, held, true);
                match outcome {
                    Outcome::Error(_) => {}
                    _ => self.take(call, &container),
                }
                continue;
            }
            self.record(call, step.name(), &container, Outcome::Open, held, true);
            let race = calls.iter().all(|call| call.verb == Verb::Create) && container.status == Status::Absent;
            let slot = self.containers.entry(call.container.clone()).or_default();
            // Whichever comes second must leave alone what the first has made.
            slot.provoked = race.then_some("create.id-in-use-no-container");
            slot.status = if race { created } else { Status::Unknown };
        }
    }

    /// The call comes to the held hook, the steps follow, and then the call ends.
    fn meanwhile(&mut self, step: &'a While) {
        let Step::Call(call) = &step.call else { return self.forget() };
        let container = self.containers.get(&call.container).cloned().unwrap_or_default();
        let outcome = self.outcome(call, container.status);
        self.record(call, step.call.name(), &container, outcome, None, true);
        let during = self.during(&step.hook, call.verb);
        self.containers.entry(call.container.clone()).or_default().status = during;
        self.last = None;
        for inner in &step.steps {
            self.step(inner, Some(&step.hook));
        }
        let left = self.containers.get(&call.container).cloned().unwrap_or_default();
        if left.status == during && during != Status::Unknown {
            self.take(call, &Container { status: container.status, ..left });
        } else {
            self.containers.entry(call.container.clone()).or_default().status =
                if call.verb == Verb::Delete && left.status == during { Status::Absent } else { Status::Unknown };
        }
    }

    /// The status while a hook of this place runs.
    fn during(&self, hook: &str, verb: Verb) -> Status {
        let Some(kind) = hook.split('/').next().and_then(Kind::named) else { return Status::Unknown };
        match kind {
            _ if kind.operation(self.spec) != Some(verb) => Status::Unknown,
            _ if verb == Verb::Create => Status::Creating,
            Kind::Poststart if self.serves => Status::Running,
            Kind::Prestart | Kind::StartContainer => Status::Created,
            _ => Status::Unknown,
        }
    }
}

fn by_hooks(broken: Option<bool>) -> Outcome {
    match broken {
        Some(false) => Outcome::Success,
        // Which requirement demands the error depends on the hook, so the chapter on hooks says it.
        Some(true) | None => Outcome::Open,
    }
}

/// Whether a signal is told by a name: a number may be one that only the kernel knows.
fn is_named(call: &Call) -> bool {
    call.signal.as_deref().is_some_and(|told| told.parse::<u32>().is_err() && !told.contains("RT"))
}

/// The requirement by which a call that is an error leaves its container alone.
pub fn left_alone(verb: Verb, status: Status) -> Option<&'static str> {
    match (verb, status) {
        (_, Status::Absent | Status::Unknown) => None,
        (Verb::Create | Verb::Run, _) => Some("create.id-in-use-no-container"),
        (Verb::Start, _) => Some("start.not-created-no-effect"),
        (Verb::Kill, Status::Created | Status::Running) => Some("command-line.kill-signal-unknown"),
        (Verb::Kill, _) => Some("kill.no-effect"),
        (Verb::Delete, Status::Creating) => Some("delete.creating-no-effect"),
        (Verb::Delete, Status::Created) => Some("delete.created-no-effect"),
        (Verb::Delete, Status::Running) => Some("delete.running-no-effect"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each call of a case as name, status before it, and what it must come to.
    fn calls(case: &Value) -> Vec<(String, Status, Outcome)> {
        let mut case = case.clone();
        case["about"] = json!("a test");
        let case = Case::parse(&case.to_string()).unwrap();
        let mut config = json!({"process": {"args": [PROGRAM]}, "linux": {"namespaces": [{"type": "pid"}]}});
        if let Some(patch) = &case.config {
            json_patch::merge(&mut config, patch);
        }
        let steps = case.steps();
        let all = operations(&case, &steps, &config, Version::new(1, 3, 0));
        all.into_iter().map(|it| (it.name, it.before, it.outcome)).collect()
    }

    #[test]
    fn what_follows_a_poststart_hook_that_fails_speaks_of_that_failure_before_1_3_0() {
        let provoked = |exit: u8, spec| {
            let config = json!({"process": {"args": [PROGRAM]}, "hooks": {"poststart": [{"path": "${hook:bad}"}]}});
            let steps = json!(["create", "start", "state"]);
            let document = json!({"about": "x", "config": config, "hooks": {"bad": {"exit": exit}}, "steps": steps});
            let case = Case::parse(&document.to_string()).unwrap();
            let steps = case.steps();
            operations(&case, &steps, &config, spec).into_iter().map(|it| it.provoked).collect::<Vec<_>>()
        };
        let blamed = Some("hooks.poststart-failure-continues");
        assert_eq!(provoked(3, Version::new(1, 0, 2)), [None, None, blamed]);
        assert_eq!(provoked(0, Version::new(1, 0, 2)), [None; 3]);
        assert_eq!(provoked(3, Version::new(1, 3, 0)), [None; 3]);
    }

    fn of_steps(steps: Value) -> Vec<(String, Status, Outcome)> {
        calls(&json!({ "steps": steps }))
    }

    fn last(steps: Value) -> (Status, Outcome) {
        let (_, before, outcome) = of_steps(steps).pop().unwrap();
        (before, outcome)
    }

    #[test]
    fn the_plain_life_goes_through_every_status_without_an_error() {
        let statuses: Vec<_> =
            of_steps(json!(["create", "start", "exit", "delete"])).into_iter().map(|it| (it.1, it.2)).collect();
        let success = |status| (status, Outcome::Success);
        assert_eq!(statuses, [Status::Absent, Status::Created, Status::Stopped].map(success));
    }

    #[test]
    fn each_operation_is_an_error_where_the_text_says_so() {
        for (steps, requirement) in [
            (json!(["state"]), "state.unknown-container-error"),
            (json!(["create", "start", "exit", "delete", "state"]), "state.unknown-container-error"),
            (json!(["create", {"create": {"name": "again"}}]), "create.id-in-use-error"),
            (json!(["create", "start", {"start": {"name": "again"}}]), "start.running-error"),
            (json!(["create", "start", "exit", {"start": {"name": "again"}}]), "start.stopped-error"),
            (json!(["create", "start", "exit", "kill"]), "kill.stopped-error"),
            (json!(["create", "delete"]), "delete.created-error"),
            (json!(["create", "start", "delete"]), "delete.running-error"),
            (json!(["create", "start", {"kill": {"signal": "NONE"}}]), "command-line.kill-signal-unknown"),
        ] {
            assert_eq!(last(steps.clone()).1, Outcome::Error(requirement), "{steps}");
        }
    }

    #[test]
    fn a_process_is_gone_only_once_that_was_waited_for() {
        let killed = json!(["create", {"kill": {"signal": "KILL"}}, "delete"]);
        assert_eq!(last(killed), (Status::Ending, Outcome::Open));
        let waited = json!(["create", {"kill": {"signal": "KILL"}}, {"wait": {"name": "gone", "until": {"gone": "main"}}}, "delete"]);
        assert_eq!(last(waited), (Status::Stopped, Outcome::Success));
    }

    #[test]
    fn the_first_process_of_a_pid_namespace_outlives_a_signal_that_it_does_not_handle() {
        assert_eq!(last(json!(["create", "start", "kill", "state"])), (Status::Running, Outcome::Success));
        let mut shared = calls(&json!({"config": {"linux": null}, "steps": ["create", "start", "kill", "state"]}));
        assert_eq!(shared.pop().unwrap().2, Outcome::Open);
    }

    #[test]
    fn while_a_hook_of_create_is_held_the_container_is_being_created() {
        let case = json!({
            "config": {"hooks": {"createRuntime": [{"path": "${hook:held}"}]}},
            "hooks": {"held": {"hold": true}},
            "steps": [
                {"while": {"name": "held", "hook": "createRuntime/0", "call": "create", "steps": ["state", "start"]}},
                {"start": {"name": "later"}},
            ],
        });
        let expected = [
            ("create", Status::Absent, Outcome::Success),
            ("state", Status::Creating, Outcome::Open),
            ("start", Status::Creating, Outcome::Error("start.creating-error")),
            ("later", Status::Created, Outcome::Success),
        ];
        assert_eq!(calls(&case), expected.map(|(name, status, outcome)| (name.to_owned(), status, outcome)));
    }

    #[test]
    fn a_hook_that_fails_makes_create_an_error_and_leaves_no_container() {
        let case = |kind: &str| {
            json!({
                "config": {"hooks": {kind: [{"path": "${hook:bad}"}]}},
                "hooks": {"bad": {"exit": 1}},
                "steps": ["create", "state"],
            })
        };
        assert_eq!(calls(&case("createRuntime")).pop().unwrap().1, Status::Absent);
        assert_eq!(calls(&case("poststop")).pop().unwrap().1, Status::Created);
    }

    #[test]
    fn after_an_error_what_is_seen_speaks_of_it_and_after_a_race_of_the_race() {
        let provoked = |steps: Value| {
            let case = Case::parse(&json!({"about": "a test", "steps": steps}).to_string()).unwrap();
            let steps = case.steps();
            operations(&case, &steps, &json!({}), Version::new(1, 3, 0)).pop().unwrap().provoked
        };
        assert_eq!(provoked(json!(["create", "state"])), None);
        assert_eq!(provoked(json!(["create", "delete", "state"])), Some("delete.created-no-effect"));
        let race = json!([{"together": {"name": "race", "steps": ["create", {"create": {"name": "again"}}]}}, "state"]);
        assert_eq!(provoked(race), Some("create.id-in-use-no-container"));
    }

    #[test]
    fn a_signal_is_told_by_name_or_number() {
        let named = |told: &str| signal(&Call { signal: Some(told.to_owned()), ..Call::default() });
        for told in ["USR1", "SIGUSR1", "10"] {
            assert_eq!(named(told).as_deref(), Some("SIGUSR1"));
        }
        for told in ["NONE", "SIG", "0", "99", ""] {
            assert_eq!(named(told), None, "{told}");
        }
        assert_eq!(signal(&Call::default()).as_deref(), Some("SIGTERM"));
    }
}

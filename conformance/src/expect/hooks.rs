//! Which hooks run, when, where, with what, and what their failure does.

use serde_json::{Value, json};

use super::create::new_namespaces;
use super::{Expectation, Matcher, Subject, errors, expect as expected, inside, of_step};
use crate::case::{MAIN, Verb};
use crate::expectation::token;
use crate::run::{Places, id};
use crate::view::annotations;
use crate::view::hooks::{self, Ending, Hook, Kind};
use crate::view::lifecycle::{Operation, Outcome};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    match hooks::view(subject.config) {
        Ok(None) => Vec::new(),
        Ok(Some(view)) => Life::of(subject, &view.hooks).map(|life| life.laws(&view.hooks)).unwrap_or_default(),
        Err(offence) => subject.refusal(&offence),
    }
}

/// The one life of the main container that the hooks belong to.
struct Life<'a> {
    subject: &'a Subject<'a>,
    create: Operation<'a>,
    start: Option<Operation<'a>>,
    delete: Option<Operation<'a>>,
    /// The hook whose failure ends it, if one does.
    fatal: Option<Hook>,
}

impl<'a> Life<'a> {
    /// None where several lives, a `run`, or a hook of which nothing is known leave open what belongs to what.
    fn of(subject: &'a Subject<'a>, hooks: &[Hook]) -> Option<Self> {
        let all = subject.operations();
        let of = |verb| all.iter().filter(move |o| o.call.verb == verb && o.call.container == MAIN).cloned();
        let mut creates = of(Verb::Create);
        let create = creates.next()?;
        if creates.next().is_some() || of(Verb::Run).next().is_some() || of(Verb::Raw).any(|raw| acts(&raw)) {
            return None;
        }
        let fatal = hooks.iter().find(|hook| is_fatal(subject, hook)).cloned();
        let start = of(Verb::Start).find(|start| !matches!(start.outcome, Outcome::Error(_)));
        let delete = of(Verb::Delete).find(|delete| delete.outcome == Outcome::Success && !delete.call.force);
        Some(Self { subject, create, start, delete, fatal })
    }

    fn laws(&self, hooks: &[Hook]) -> Vec<Expectation> {
        // What comes of a hook behind one that has failed, or after the end that a failure brings, is a matter of that failure.
        let behind_failure = |hook: &Hook| {
            hooks
                .iter()
                .any(|other| other.kind == hook.kind && other.index < hook.index && self.ending(other) != Ending::Well)
        };
        let owed_to_failure = |hook: &Hook| hook.kind == Kind::Poststop && self.fatal.is_some();
        let plain = hooks.iter().filter(|hook| self.runs(hook) && !behind_failure(hook) && !owed_to_failure(hook));
        let mut all: Vec<_> = plain.flat_map(|hook| self.of_hook(hook)).collect();
        all.extend(self.order(hooks));
        all.extend(self.failure(hooks));
        all.extend(self.all_well(hooks));
        all
    }

    /// Whether the lifecycle must come to this hook, a program of the case's.
    fn runs(&self, hook: &Hook) -> bool {
        if hooks::program(self.subject.case, hook).is_none() || self.call(hook.kind).is_none() {
            return false;
        }
        match &self.fatal {
            Some(fatal) if hook.kind == Kind::Poststop => fatal.kind != Kind::Poststop,
            Some(fatal) => (hook.kind, hook.index) <= (fatal.kind, fatal.index),
            None => true,
        }
    }

    fn ending(&self, hook: &Hook) -> Ending {
        hooks::ending(self.subject.case, hook)
    }

    /// The call that runs the hooks of a kind; after a fatal failure the poststop hooks are run by the same call.
    fn call(&self, kind: Kind) -> Option<&Operation<'a>> {
        let verb = match (&self.fatal, kind) {
            (Some(fatal), Kind::Poststop) => fatal.kind.operation(self.subject.spec)?,
            _ => kind.operation(self.subject.spec).or((kind == Kind::Prestart).then_some(Verb::Create))?,
        };
        match verb {
            Verb::Create => Some(&self.create),
            Verb::Start => self.start.as_ref(),
            _ => self.delete.as_ref(),
        }
    }

    /// The step after which a hook can be judged. A create which must succeed is judged after start, which is skipped if a
    /// bundle is refused for a reason of its own.
    fn after(&self, kind: Kind) -> String {
        let call = self.call(kind).map_or_else(|| self.create.name.clone(), |call| call.name.clone());
        match (&self.fatal, &self.start) {
            (None, Some(start)) if call == self.create.name => start.name.clone(),
            _ => call,
        }
    }

    fn of_hook(&self, hook: &Hook) -> Vec<Expectation> {
        let mut all = self.invoked(hook);
        all.extend(self.arguments(hook));
        all.extend(self.environment(hook));
        all.extend(self.state(hook));
        all.extend(self.pid(hook));
        all.extend(self.namespaces(hook));
        all.extend(self.time(hook));
        all.extend(self.timeout(hook));
        all.extend(self.mounts_made(hook));
        all
    }

    fn expected(&self, name: &str, hook: &Hook, fact: String, matcher: Matcher) -> Expectation {
        let requirement = format!("hooks.{}-{name}", hook.kind.stem());
        expected(&requirement, &self.after(hook.kind), fact, matcher)
    }

    /// Once, and found at its path: a copy for the container lies only below its root, every other only outside of it.
    fn invoked(&self, hook: &Hook) -> Vec<Expectation> {
        let ran = event(hook, "ran");
        vec![
            self.expected("invoked", hook, ran.clone(), Matcher::PRESENT),
            self.expected("invoked", hook, format!("{ran}/1"), Matcher::ABSENT),
            self.expected("path-namespace", hook, ran, Matcher::PRESENT),
        ]
    }

    fn arguments(&self, hook: &Hook) -> Option<Expectation> {
        let wanted = Matcher::Equals(json!(hook.args.as_ref()?));
        Some(self.expected("arguments", hook, fact(hook, "args"), wanted))
    }

    /// The strings in any order, and no others.
    fn environment(&self, hook: &Hook) -> Vec<Expectation> {
        let Some(strings) = &hook.env else { return Vec::new() };
        let mut all: Vec<_> = strings
            .iter()
            .map(|string| self.expected("environment", hook, fact(hook, "env"), Matcher::Contains(json!(string))))
            .collect();
        let beyond = fact(hook, &format!("env/{}", strings.len()));
        all.push(self.expected("environment", hook, beyond, Matcher::ABSENT));
        all
    }

    /// The whole state on stdin, and the status that the moment has.
    fn state(&self, hook: &Hook) -> Vec<Expectation> {
        let after = self.after(hook.kind);
        let state = |requirement: &str, name: &str, matcher| {
            expected(requirement, &after, fact(hook, &format!("state/{name}")), matcher)
        };
        let mut wanted = vec![
            ("ociVersion".to_owned(), Matcher::PRESENT),
            ("id".to_owned(), Matcher::Equals(json!(id(MAIN)))),
            ("bundle".to_owned(), Matcher::Equals(json!(Places::bundle(MAIN).display().to_string()))),
        ];
        if let Ok(Some(view)) = annotations::view(self.subject.config) {
            let pairs = view.pairs.iter();
            wanted.extend(
                pairs.map(|(key, value)| (format!("annotations/{}", token(key)), Matcher::Equals(json!(value)))),
            );
        }
        let mut all: Vec<_> =
            wanted.into_iter().map(|(name, matcher)| state("hooks.state-on-stdin", &name, matcher)).collect();
        // Where the version contradicts itself it is open in which operation the hook runs.
        let is_clear = hook.kind.operation(self.subject.spec).is_some();
        let of_status = statuses(hook.kind).iter().filter(|_| is_clear);
        all.extend(of_status.map(|(id, word)| state(id, "status", Matcher::Equals(json!(word)))));
        all
    }

    /// The pid as the hook's own pid namespace has it; after the end there is none.
    fn pid(&self, hook: &Hook) -> Option<Expectation> {
        let told = fact(hook, "state/pid");
        let after = self.after(hook.kind);
        let own_pids = new_namespaces(self.subject.config).contains(&"pid");
        if hook.kind.is_inside() && own_pids {
            let first = Matcher::Equals(json!(1));
            return Some(expected("hooks.state-pid-container-namespace", &after, told, first));
        }
        // A pid file is written only by a create that succeeds.
        if self.fatal.is_some() || hook.kind == Kind::Poststop {
            return None;
        }
        let id = if hook.kind.is_inside() {
            "hooks.state-pid-container-namespace"
        } else {
            "hooks.state-pid-runtime-namespace"
        };
        let of_host = Matcher::SameAs(format!("/host/{}/process/pid", token(&after)));
        Some(expected(id, &after, told, of_host))
    }

    fn namespaces(&self, hook: &Hook) -> Vec<Expectation> {
        let made = new_namespaces(self.subject.config);
        let started = self.start.as_ref().filter(|_| self.fatal.is_none()).map(|start| start.name.as_str());
        let own = |kind: &str| fact(hook, &format!("namespaces/{kind}"));
        let before = |kind: &str| format!("/before/namespaces/{kind}");
        let reported = |kind: &str| started.map(|started| inside(started, &format!("namespaces/{kind}")));
        let mut all = Vec::new();
        for kind in made {
            let (same, other) = match hook.kind.is_inside() {
                true => (reported(kind), Some(before(kind))),
                false => (Some(before(kind)), reported(kind)),
            };
            all.extend(same.map(|same| self.expected("namespace", hook, own(kind), Matcher::SameAs(same))));
            all.extend(other.map(|other| self.expected("namespace", hook, own(kind), Matcher::DiffersFrom(other))));
        }
        all
    }

    /// The hook's place in the journal among the calls and the process.
    fn time(&self, hook: &Hook) -> Vec<Expectation> {
        let Some(call) = self.call(hook.kind) else { return Vec::new() };
        let (called, returned) = (journal(&format!("call {}", call.name)), journal(&format!("return {}", call.name)));
        let (ran, exiting) = (event(hook, "ran"), event(hook, "exiting"));
        let begins = |name| self.expected(name, hook, called.clone(), Matcher::Before(ran.clone()));
        let ends = |name| self.expected(name, hook, exiting.clone(), Matcher::Before(returned.clone()));
        let before_program = |name| self.expected(name, hook, exiting.clone(), Matcher::Before(PROGRAM.to_owned()));
        let ends_by_itself = self.ending(hook) != Ending::Never;
        let mut all = match hook.kind {
            Kind::Prestart => vec![begins("during-start"), begins("during-create")],
            Kind::CreateRuntime | Kind::CreateContainer => vec![begins("during-create")],
            Kind::StartContainer => vec![begins("during-start")],
            Kind::Poststart => vec![begins("after-program")],
            Kind::Poststop if self.fatal.is_some() => Vec::new(),
            Kind::Poststop => vec![begins("after-destruction")],
        };
        if !ends_by_itself {
            return all;
        }
        all.extend(match hook.kind {
            Kind::Prestart => {
                vec![before_program("during-start"), before_program("before-program"), ends("during-create")]
            }
            Kind::CreateRuntime | Kind::CreateContainer => vec![ends("during-create")],
            Kind::StartContainer => vec![before_program("before-program")],
            Kind::Poststart => vec![ends("before-start-returns")],
            Kind::Poststop if self.fatal.is_some() => Vec::new(),
            Kind::Poststop => vec![ends("before-delete-returns")],
        });
        // Without a program there is nothing to come before.
        if self.fatal.is_some() || self.start.is_none() {
            all.retain(|expectation| expectation.matcher != Matcher::Before(PROGRAM.to_owned()));
        }
        all
    }

    /// A createContainer hook sees the mounts of the config, below the root file system that is not the root yet.
    fn mounts_made(&self, hook: &Hook) -> Vec<Expectation> {
        let root = self.subject.config.pointer("/root/path").and_then(Value::as_str);
        let Some(root) = root.filter(|_| hook.kind == Kind::CreateContainer && self.fatal.is_none()) else {
            return Vec::new();
        };
        let root = Places::bundle(MAIN).join(root);
        let entries = self.subject.config.pointer("/mounts").and_then(Value::as_array).into_iter().flatten();
        let destinations = entries.filter_map(|entry| entry["destination"].as_str());
        let seen = |destination: &str| {
            let point = root.join(destination.trim_start_matches('/'));
            let place = fact(hook, &format!("mounts/{}", token(&point.display().to_string())));
            self.expected("after-environment", hook, place, Matcher::PRESENT)
        };
        destinations.map(seen).collect()
    }

    /// It was ended, for it would have waited for ever, and the call that ran it came back.
    fn timeout(&self, hook: &Hook) -> Vec<Expectation> {
        if !hook.timeout || self.ending(hook) != Ending::Never {
            return Vec::new();
        }
        let Some(call) = self.call(hook.kind) else { return Vec::new() };
        let of = |fact, matcher| expected(&format!("hooks.{}-timeout", hook.kind.stem()), &call.name, fact, matcher);
        vec![
            of(event(hook, "holding"), Matcher::PRESENT),
            of(of_step(&call.name, "timeout"), Matcher::Equals(json!(false))),
        ]
    }

    /// One after another within a kind, and kind after kind where the text has an order for them.
    fn order(&self, hooks: &[Hook]) -> Vec<Expectation> {
        let ours: Vec<_> = hooks.iter().filter(|hook| self.runs(hook)).collect();
        let mut all = Vec::new();
        for pair in ours.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            if self.ending(first) != Ending::Well {
                continue;
            }
            let requirements: &[&str] = match (first.kind, second.kind) {
                (one, other) if one == other => &["hooks.listed-order"],
                (Kind::Prestart, Kind::CreateRuntime) => {
                    &["hooks.prestart-before-create-runtime", "hooks.prestart-in-create-before-create-runtime"]
                }
                (Kind::CreateRuntime, Kind::CreateContainer) => &["hooks.create-container-after-create-runtime"],
                _ => &[],
            };
            let after = self.after(second.kind);
            let before = Matcher::Before(event(second, "ran"));
            all.extend(requirements.iter().map(|id| expected(id, &after, event(first, "exiting"), before.clone())));
        }
        all.extend(self.before_pivot(&ours));
        all
    }

    /// A createContainer hook has the root that the container's process has at that time; what ended before such a hook
    /// began, ended before that root was changed, too.
    fn before_pivot(&self, ours: &[&Hook]) -> Vec<Expectation> {
        let Some(start) = self.start.as_ref().filter(|_| self.fatal.is_none()) else { return Vec::new() };
        let Some(witness) = ours.iter().find(|hook| hook.kind == Kind::CreateContainer) else { return Vec::new() };
        let not_yet = |hook: &Hook| {
            let root = Matcher::DiffersFrom(inside(&start.name, "root"));
            self.expected("before-pivot", hook, fact(witness, "root"), root)
        };
        let earlier = |hook: &&&Hook| matches!(hook.kind, Kind::Prestart | Kind::CreateRuntime);
        let mut all: Vec<_> =
            ours.iter().filter(|hook| hook.kind == Kind::CreateContainer).map(|hook| not_yet(hook)).collect();
        for hook in ours.iter().filter(earlier) {
            let began = Matcher::Before(event(witness, "ran"));
            all.push(self.expected("before-pivot", hook, event(hook, "exiting"), began));
            all.push(not_yet(hook));
        }
        all
    }

    /// What the failure that ends this life brings about.
    fn failure(&self, hooks: &[Hook]) -> Vec<Expectation> {
        let Some(fatal) = &self.fatal else { return Vec::new() };
        // Where the version contradicts itself it is open which call is the error.
        let Some(call) = self.call(fatal.kind).filter(|_| fatal.kind.operation(self.subject.spec).is_some()) else {
            return Vec::new();
        };
        let failure = |name: &str| format!("hooks.{}-failure-{name}", fatal.kind.stem());
        let mut all =
            vec![expected(&failure("error"), &call.name, of_step(&call.name, "failed"), Matcher::Equals(json!(true)))];
        if fatal.kind != Kind::Poststart {
            all.push(expected(&failure("destroys"), &call.name, PROGRAM, Matcher::ABSENT));
        }
        all.extend(errors::nothing_there(&failure("destroys"), self.subject, &call.name));
        let poststop = hooks.iter().filter(|hook| hook.kind == Kind::Poststop && self.runs(hook));
        all.extend(
            poststop.map(|hook| expected(&failure("runs-poststop"), &call.name, event(hook, "ran"), Matcher::PRESENT)),
        );
        all
    }

    /// After a failure that only calls for a warning, the rest of the hooks run and the call succeeds.
    fn all_well(&self, hooks: &[Hook]) -> Vec<Expectation> {
        let mut all = Vec::new();
        for kind in
            [Kind::Poststart, Kind::Poststop].into_iter().filter(|kind| !kind.failure_is_error(self.subject.spec))
        {
            let of_kind: Vec<_> = hooks.iter().filter(|hook| hook.kind == kind).collect();
            let Some(failed) = of_kind.iter().position(|hook| self.ending(hook) == Ending::Badly) else {
                continue;
            };
            let Some(call) = self.call(kind).filter(|_| self.fatal.is_none()) else { continue };
            let requirement = format!("hooks.{}-failure-continues", kind.stem());
            let warning = "errors.warning-continues";
            for id in [requirement.as_str(), warning] {
                all.push(expected(id, &call.name, of_step(&call.name, "failed"), Matcher::Equals(json!(false))));
                let rest = of_kind[failed + 1..].iter().filter(|hook| self.runs(hook));
                all.extend(rest.map(|hook| expected(id, &call.name, event(hook, "ran"), Matcher::PRESENT)));
            }
        }
        all
    }
}

const PROGRAM: &str = "/journal/process ran";

/// Whether the failure of this hook makes an operation an error.
fn is_fatal(subject: &Subject<'_>, hook: &Hook) -> bool {
    hook.kind.failure_is_error(subject.spec) && hooks::ending(subject.case, hook) == Ending::Badly
}

/// Whether raw arguments may do more than ask.
fn acts(raw: &Operation<'_>) -> bool {
    raw.call.arguments.first().is_none_or(|verb| verb != "state")
}

/// The requirements on the status that a kind of hook reads; those of other versions are left out later.
fn statuses(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Prestart => {
            &[("hooks.state-status-prestart", "created"), ("hooks.state-status-during-create", "creating")]
        }
        Kind::CreateRuntime | Kind::CreateContainer => &[("hooks.state-status-during-create", "creating")],
        Kind::StartContainer => &[("hooks.state-status-start-container", "created")],
        Kind::Poststart => &[("hooks.state-status-poststart", "running")],
        Kind::Poststop => &[("hooks.state-status-poststop", "stopped")],
    }
}

fn journal(label: &str) -> String {
    format!("/journal/{}", token(label))
}

/// An event of a hook's, in the journal.
fn event(hook: &Hook, event: &str) -> String {
    journal(&format!("hook:{}/{} {event}", hook.kind.word(), hook.index))
}

/// A fact that a hook told.
fn fact(hook: &Hook, name: &str) -> String {
    format!("/hooks/{}/{}/{name}", hook.kind.word(), hook.index)
}

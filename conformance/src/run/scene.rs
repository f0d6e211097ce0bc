//! Takes a case's steps, one after the other, and writes down the facts.
//!
//! Knows steps, questions and orders, and no requirement.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use super::action::{self, Held, Stage};
use super::agent;
use super::bundle::{self, Bundle};
use super::caller::{self, Terminal};
use super::cgroups;
use super::job::Job;
use super::network;
use super::observe::{self, listing};
use super::ordinary;
use super::process::{self, Launch, Started};
use super::sandbox::{self, Places};
use super::stage;
use super::watch::Watch;
use crate::case::{
    Action, Call, Caller, Channel, Exit, Inside, MAIN, Observe, Placeholders, Step, Together, Verb, Wait, WaitFor,
    While,
};
use crate::journal;
use crate::witness::{Instruction, Nonce, order_record};

/// The most of a call's output that becomes a fact, in bytes.
const OUTPUT: usize = 64 << 10;

/// A case under way.
pub struct Scene<'a> {
    job: &'a Job,
    places: &'a Places,
    roots: &'a [(String, PathBuf)],
    known: Placeholders,
    caller: Caller,
    terminal: Option<Terminal>,
    watch: Watch,
    harness: Nonce,
    agent: Nonce,
    writers: BTreeMap<Nonce, String>,
    bundles: BTreeMap<String, Bundle>,
    containers: BTreeMap<String, Container>,
    under_way: BTreeMap<String, Pid>,
    held: Held,
    pipes: Vec<OwnedFd>,
    before: Value,
    steps: Map<String, Value>,
    host: Map<String, Value>,
    moments: BTreeMap<String, String>,
    /// The first step that came to its deadline.
    overdue: Option<String>,
}

/// What the steps have made of a container so far.
#[derive(Default)]
struct Container {
    created: Option<bool>,
    pid: Option<i32>,
}

/// A call that has not returned yet.
struct UnderWay<'a> {
    name: String,
    call: &'a Call,
    arguments: Vec<String>,
    started: Started,
    deadline: Instant,
}

/// The harness's own trouble: the case is judged by nothing that it shows.
pub type Trouble = String;

impl<'a> Scene<'a> {
    /// Writes the bundles and looks at the host before the first step. What is only staged is not touched further.
    pub fn set(job: &'a Job, places: &'a Places, roots: &'a [(String, PathBuf)]) -> Result<Self, Trouble> {
        let containers = job.containers();
        let known = bundle::placeholders(places, &containers);
        let nonce = || Nonce::fresh().map_err(|e| format!("nonce: {e}"));
        let (harness, agent) = (nonce()?, nonce()?);
        let mut scene = Self {
            job,
            places,
            roots,
            watch: Watch::new(&places.journal).map_err(|e| format!("journal: {e}"))?,
            writers: BTreeMap::from([(harness.clone(), "harness".to_owned()), (agent.clone(), agent::NAME.to_owned())]),
            harness,
            agent,
            caller: filled(&job.case.caller, &known)?,
            known,
            terminal: None,
            bundles: BTreeMap::new(),
            containers: BTreeMap::new(),
            under_way: BTreeMap::new(),
            held: Held::default(),
            pipes: Vec::new(),
            before: Value::Null,
            steps: listing(),
            host: Map::new(),
            moments: BTreeMap::new(),
            overdue: None,
        };
        let ordinary = scene.caller.uid.filter(|uid| *uid != 0).map(|uid| (uid, scene.caller.gid.unwrap_or(uid)));
        if let Some((uid, gid)) = ordinary {
            ordinary::prepare(uid, gid, places, roots).map_err(|e| format!("caller: {e}"))?;
        }
        for container in &containers {
            let bundle = bundle::write(job, places, container, &scene.known)?;
            scene.writers.insert(bundle.process.clone(), bundle::writer(container));
            for (place, nonce) in &bundle.hooks {
                let writer =
                    if container == MAIN { format!("hook:{place}") } else { format!("hook:{container}:{place}") };
                scene.writers.insert(nonce.clone(), writer);
            }
            scene.bundles.insert(container.clone(), bundle);
            scene.moments.insert(job.started(container), bundle::writer(container));
        }
        if let Some(directory) = &job.stage {
            stage::copy(places, &containers, &scene.writers, directory)?;
            return Ok(scene);
        }
        for action in &job.case.setup {
            scene.act(action).map_err(|e| format!("setup: {e}"))?;
        }
        if let Some((uid, gid)) = ordinary {
            ordinary::give_scratch(uid, gid, places).map_err(|e| format!("caller: {e}"))?;
        }
        // These are this process's own, from which every call inherits them.
        if scene.caller.terminal {
            scene.terminal = Some(caller::lead_session().map_err(|e| format!("caller: {e}"))?);
        }
        if let Some(propagation) = scene.caller.mounts {
            sandbox::propagate(propagation).map_err(|e| format!("caller: {e}"))?;
        }
        if let Some(name) = &scene.caller.keyring {
            caller::join_keyring(name).map_err(|e| format!("caller: keyring {name}: {e}"))?;
        }
        scene.before = super::before::facts(job, roots);
        if let (Some(outside), Some(before)) = (scene.outside(), scene.before.as_object_mut()) {
            before.insert("outside".to_owned(), outside);
        }
        Ok(scene)
    }

    /// The main container's config, as written.
    pub fn config(&self) -> Option<Value> {
        self.bundles.get(MAIN).and_then(|bundle| bundle.config.clone())
    }

    /// Whether a step came to its deadline.
    pub fn overdue(&self) -> bool {
        self.overdue.is_some()
    }

    /// Takes all steps, and gives the facts.
    pub fn play(&mut self) -> Result<Value, Trouble> {
        for step in self.job.case.steps() {
            self.step(&step)?;
        }
        self.facts()
    }

    fn step(&mut self, step: &Step) -> Result<(), Trouble> {
        let name = step.name();
        if let Some(why) = self.skipped(step) {
            self.steps.insert(name, json!({ "skipped": why }));
            return Ok(());
        }
        match step {
            Step::Call(call) => {
                let under_way = self.begin(&name, call)?;
                self.finish(under_way)?;
                self.look(&name, &call.container, &[])?;
            }
            Step::Exit(exit) => self.exit(&name, exit)?,
            Step::Host(host) => {
                for action in &host.does {
                    self.act(action).map_err(|e| format!("{name}: {e}"))?;
                }
                self.done(&name);
                self.look(&name, MAIN, &[])?;
            }
            Step::Inside(inside) => self.inside(&name, inside)?,
            Step::Observe(Observe { paths, .. }) => {
                self.done(&name);
                self.look(&name, MAIN, paths)?;
            }
            Step::Wait(wait) => self.wait(&name, wait)?,
            Step::Together(together) => self.together(&name, together)?,
            Step::While(held) => self.hold(&name, held)?,
        }
        self.ask(&name, step)
    }

    /// Why a step makes no sense any more, if so: after a deadline nothing of the runtime is trusted, and what was not
    /// created has no further life.
    fn skipped(&self, step: &Step) -> Option<String> {
        if let Some(overdue) = self.overdue.as_ref().filter(|_| !matches!(step, Step::Observe(_))) {
            return Some(format!("{overdue} came to its deadline"));
        }
        let container = match step {
            Step::Call(call) if !matches!(call.verb, Verb::Create | Verb::Run | Verb::Features | Verb::Raw) => {
                &call.container
            }
            Step::Exit(exit) => &exit.container,
            Step::Inside(inside) => &inside.container,
            Step::Host(host) => host.does.iter().find_map(Action::container)?,
            _ => return None,
        };
        match self.containers.get(container).and_then(|c| c.created) {
            Some(false) => Some(format!("{container} was not created")),
            None if !matches!(step, Step::Call(_)) => Some(format!("{container} was not created")),
            _ => None,
        }
    }

    fn done(&mut self, name: &str) {
        self.steps.insert(name.to_owned(), json!({ "failed": false }));
    }

    fn begin<'c>(&mut self, name: &str, call: &'c Call) -> Result<UnderWay<'c>, Trouble> {
        let arguments = self.arguments(call)?;
        let output = |stream: &str| {
            let file = self.places.output.join(format!("{name}.{stream}"));
            File::create(&file).map_err(|e| format!("make {}: {e}", file.display()))
        };
        let to_journal = self.job.case.channel == Channel::Stdout && matches!(call.verb, Verb::Create | Verb::Run);
        let stdout = if to_journal {
            self.watch.journal_for_stdout(&self.places.journal).map_err(|e| format!("journal: {e}"))?
        } else {
            output("stdout")?
        };
        let stderr = output("stderr")?;
        self.record("call", name)?;
        let launch = Launch {
            program: &self.program(),
            arguments: &arguments,
            environment: super::before::environment(self.job),
            cwd: self.caller.cwd.as_ref().map_or_else(|| Places::base().to_owned(), PathBuf::from),
            caller: &self.caller,
            terminal: self.terminal.as_ref().map(|terminal| &terminal.callers),
            stdout,
            stderr,
        };
        let started = process::start(launch).map_err(|e| format!("{name}: {e}"))?;
        self.under_way.insert(name.to_owned(), started.pid);
        let deadline = Instant::now() + self.patience(call.deadline);
        Ok(UnderWay { name: name.to_owned(), call, arguments, started, deadline })
    }

    fn program(&self) -> PathBuf {
        self.job.adapter.via.as_ref().map_or_else(|| self.runtime(), PathBuf::from)
    }

    fn runtime(&self) -> PathBuf {
        if self.job.adapter.copy { self.places.runtime.clone() } else { self.job.runtime.clone() }
    }

    fn arguments(&self, call: &Call) -> Result<Vec<String>, Trouble> {
        let adapter = &self.job.adapter;
        let operation = match call.verb {
            Verb::Create => &adapter.operations.create,
            Verb::Start => &adapter.operations.start,
            Verb::State => &adapter.operations.state,
            Verb::Kill => &adapter.operations.kill,
            Verb::Delete if call.force => &adapter.operations.delete_force,
            Verb::Delete => &adapter.operations.delete,
            Verb::Run => &adapter.operations.run,
            Verb::Features => adapter.operations.features.as_ref().ok_or("the adapter has no features")?,
            Verb::Raw => &call.arguments,
        };
        let id = bundle::id(&call.container);
        let bundle = match &call.bundle {
            Some(path) => self.fill(path)?,
            None => Places::bundle(&call.container).display().to_string(),
        };
        let pid_file = self.places.pid_file(&call.container).display().to_string();
        let own = |word: &str| {
            word.replace("{root}", &self.places.state.display().to_string())
                .replace("{id}", &id)
                .replace("{bundle}", &bundle)
                .replace("{pid-file}", &pid_file)
                .replace("{signal}", call.signal.as_deref().unwrap_or("TERM"))
        };
        let program = self.program().display().to_string();
        let runtime = adapter.via.is_some().then(|| self.runtime().display().to_string());
        // Raw arguments are the case's, so its placeholders are filled in as well; first, because theirs have braces, too.
        let rest = operation.iter().map(|word| match call.verb {
            Verb::Raw => self.fill(word).map(|word| own(&word)),
            _ => Ok(own(word)),
        });
        let global = adapter.global.iter().map(|word| Ok(own(word)));
        std::iter::once(program).chain(runtime).map(Ok).chain(global).chain(rest).collect()
    }

    fn patience(&self, deadline: Option<u32>) -> Duration {
        Duration::from_secs(deadline.unwrap_or(self.job.deadline).into())
    }

    /// Waits until a call has returned, kills it at its deadline, and writes down what it did.
    fn finish(&mut self, under_way: UnderWay<'_>) -> Result<(), Trouble> {
        let UnderWay { name, call, arguments, started, deadline } = under_way;
        // A container may have them still, long after the call.
        self.pipes.extend(started.held);
        let pid = started.pid.as_raw();
        let mut status = self.until(deadline, |watch| Ok(watch.ended(pid)))?;
        let timeout = status.is_none();
        if timeout {
            self.overdue.get_or_insert_with(|| name.clone());
            // Its whole process group: a shell would leave its children behind.
            let _ = killpg(started.pid, Signal::SIGKILL);
            self.roots.iter().for_each(|(_, root)| cgroups::thaw(root));
            status = self.until(Instant::now() + Duration::from_secs(5), |watch| Ok(watch.ended(pid)))?;
        }
        self.under_way.remove(&name);
        self.record("return", &name)?;
        let (code, signal) = match status {
            Some(WaitStatus::Exited(_, code)) => (Some(code), None),
            Some(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal.as_str())),
            _ => (None, None),
        };
        let failed = timeout || code != Some(0);
        let (stdout, stderr) = (self.output(&name, "stdout"), self.output(&name, "stderr"));
        let mut facts = listing();
        facts.insert("verb".into(), json!(call.verb));
        facts.insert("container".into(), json!(call.container));
        facts.insert("arguments".into(), json!(arguments));
        facts.insert("failed".into(), json!(failed));
        facts.insert("timeout".into(), json!(timeout));
        facts.insert("descriptors".into(), started.descriptors);
        facts.extend(code.map(|code| ("code".to_owned(), json!(code))));
        facts.extend(signal.map(|signal| ("signal".to_owned(), json!(signal))));
        facts.extend(serde_json::from_str(&stdout).ok().map(|value| ("json".to_owned(), observe::whole(value))));
        facts.insert("stdout".into(), json!(stdout));
        facts.insert("stderr".into(), json!(stderr));
        self.steps.insert(name.clone(), Value::Object(facts));
        self.container_after(call, !failed);
        if !failed && matches!(call.verb, Verb::Start | Verb::Run) {
            self.await_report(&name, &call.container)?;
        }
        Ok(())
    }

    fn container_after(&mut self, call: &Call, succeeded: bool) {
        let pid_file = self.places.pid_file(&call.container);
        let container = self.containers.entry(call.container.clone()).or_default();
        if matches!(call.verb, Verb::Create | Verb::Run) {
            container.created = Some(container.created == Some(true) || succeeded);
            let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
            container.pid = if succeeded { pid } else { container.pid };
        }
    }

    fn output(&self, name: &str, stream: &str) -> String {
        let bytes = fs::read(self.places.output.join(format!("{name}.{stream}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes[..bytes.len().min(OUTPUT)]).into_owned()
    }

    /// Waits until the witness has said all that the start asks of it. If nobody is there who could speak, no
    /// time is lost: then its silence is the fact.
    fn await_report(&mut self, moment: &str, container: &str) -> Result<(), Trouble> {
        let label = format!("{} reported {moment}", bundle::writer(container));
        self.await_label(&label, self.patience(None))?;
        Ok(())
    }

    /// Waits for a label in the journal; gives up at once when no process of the container can be alive.
    fn await_label(&mut self, label: &str, patience: Duration) -> Result<bool, Trouble> {
        let ours = self.own_processes();
        let writers = self.writers.clone();
        let found = self.until(Instant::now() + patience, |watch| {
            // Looked at before the journal, or its last words could be missed.
            let silent = observe::processes(&ours).as_object().is_some_and(|all| all.values().all(|p| !lives(p)));
            if watch.has(label, &writers)? {
                return Ok(Some(true));
            }
            Ok(silent.then_some(false))
        })?;
        Ok(found == Some(true))
    }

    fn own_processes(&self) -> BTreeSet<i32> {
        let held = self.held.processes.iter().map(|pid| pid.as_raw());
        std::iter::once(1).chain(held).collect()
    }

    fn exit(&mut self, name: &str, exit: &Exit) -> Result<(), Trouble> {
        self.order(&exit.container, &Instruction::exit(exit.code))?;
        let pid = self.containers.get(&exit.container).and_then(|c| c.pid);
        let label = format!("{} exiting", bundle::writer(&exit.container));
        let patience = self.patience(exit.deadline);
        let gone = match pid {
            Some(pid) => self.until(Instant::now() + patience, |watch| {
                Ok((watch.ended(pid).is_some() || !alive(pid)).then_some(true))
            })?,
            None => Some(self.await_label(&label, patience)?),
        };
        // A container that lives on can't be judged by what befits one that has stopped.
        if gone.is_none() {
            self.overdue.get_or_insert_with(|| name.to_owned());
        }
        self.steps.insert(name.to_owned(), json!({ "failed": gone != Some(true) }));
        self.look(name, &exit.container, &[])
    }

    fn inside(&mut self, name: &str, inside: &Inside) -> Result<(), Trouble> {
        let writer = bundle::writer(&inside.container);
        for order in &inside.orders {
            self.order(&inside.container, &Instruction::of_order(order, name))?;
        }
        self.order(&inside.container, &Instruction::done(name))?;
        let reported = self.await_label(&format!("{writer} reported {name}"), self.patience(inside.deadline))?;
        self.moments.insert(name.to_owned(), writer);
        self.steps.insert(name.to_owned(), json!({ "failed": !reported }));
        self.look(name, &inside.container, &[])
    }

    fn wait(&mut self, name: &str, wait: &Wait) -> Result<(), Trouble> {
        let patience = self.patience(wait.deadline);
        let until = Instant::now() + patience;
        let came = match &wait.until {
            WaitFor::Journal(label) => self.await_label(label, patience)?,
            WaitFor::Gone(container) => match self.containers.get(container).and_then(|c| c.pid) {
                Some(pid) => {
                    self.until(until, |watch| Ok((watch.ended(pid).is_some() || !alive(pid)).then_some(())))?.is_some()
                }
                // The runtime told no pid, so nobody can tell.
                None => false,
            },
            WaitFor::Path(path) => {
                let path = PathBuf::from(self.fill(path)?);
                self.until(until, |_| Ok(path.symlink_metadata().is_ok().then_some(())))?.is_some()
            }
        };
        self.steps.insert(name.to_owned(), json!({ "failed": !came }));
        self.look(name, MAIN, &[])
    }

    fn together(&mut self, name: &str, together: &Together) -> Result<(), Trouble> {
        let mut all = Vec::new();
        for step in &together.steps {
            let Step::Call(call) = step else { return Err(format!("{name}: only calls can be made together")) };
            all.push(self.begin(&step.name(), call)?);
        }
        for under_way in all {
            self.finish(under_way)?;
        }
        let succeeded = together.steps.iter().filter(|step| self.steps[&step.name()]["failed"] == json!(false)).count();
        self.steps.insert(name.to_owned(), json!({ "failed": false, "succeeded": succeeded }));
        self.look(name, MAIN, &[])
    }

    fn hold(&mut self, name: &str, held: &While) -> Result<(), Trouble> {
        let Step::Call(call) = &held.call else { return Err(format!("{name}: only a call can be held")) };
        let under_way = self.begin(&held.call.name(), call)?;
        let pid = under_way.started.pid.as_raw();
        let label = format!("hook:{} holding", held.hook);
        let writers = self.writers.clone();
        let came = self.until(under_way.deadline, |watch| {
            let ended = watch.ended(pid).is_some();
            Ok(if watch.has(&label, &writers)? { Some(true) } else { ended.then_some(false) })
        })?;
        self.steps.insert(name.to_owned(), json!({ "failed": came != Some(true) }));
        for step in &held.steps {
            if came == Some(true) {
                self.step(step)?;
            } else {
                self.steps.insert(step.name(), json!({ "skipped": format!("{} was never held", held.hook) }));
            }
        }
        let nonce = self.bundles.get(&call.container).and_then(|b| b.hooks.get(&held.hook)).cloned();
        if let Some(nonce) = nonce {
            self.say(&order_record(&nonce, &Instruction::release()))?;
        }
        self.finish(under_way)?;
        self.look(&held.call.name(), &call.container, &[])
    }

    /// Puts the questions of a moment that the witness does not answer by itself.
    fn ask(&mut self, name: &str, step: &Step) -> Result<(), Trouble> {
        let questions: Vec<_> = self.job.questions.iter().filter(|q| q.moment() == name).collect();
        let by_itself = self.moments.contains_key(name);
        if questions.is_empty() || by_itself || matches!(step, Step::Exit(_)) || self.overdue() {
            return Ok(());
        }
        let ran = format!("{} ran", bundle::writer(MAIN));
        if !self.watch.has(&ran, &self.writers).map_err(|e| format!("journal: {e}"))? {
            return Ok(());
        }
        self.order(MAIN, &Instruction::report(name))?;
        for question in questions {
            self.order(MAIN, &Instruction::from(question))?;
        }
        self.order(MAIN, &Instruction::done(name))?;
        self.moments.insert(name.to_owned(), bundle::writer(MAIN));
        self.await_report(name, MAIN)
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        let (containers, under_way) = (&self.containers, &self.under_way);
        let stage = Stage {
            known: &self.known,
            roots: self.roots,
            container: &|name| containers.get(name).and_then(|c| c.pid),
            runtime: &|step| under_way.get(step).copied(),
            journal: &self.places.journal,
            agent: &self.agent,
        };
        action::act(action, &stage, &mut self.held)
    }

    /// What the host sees at this moment.
    fn look(&mut self, moment: &str, container: &str, paths: &[String]) -> Result<(), Trouble> {
        let pid = self.containers.get(container).and_then(|c| c.pid);
        let paths: Vec<_> =
            paths.iter().map(|path| Ok((path.clone(), self.fill(path)?.into()))).collect::<Result<_, Trouble>>()?;
        let mut facts = self.remains();
        facts.insert("process".into(), observe::process(pid));
        facts.insert("interfaces".into(), network::devices());
        facts.insert("cgroup".into(), observe::cgroup(pid.filter(|pid| alive(*pid)), self.roots));
        facts.insert("resctrl".into(), observe::resctrl(pid));
        facts.insert("paths".into(), observe::paths(paths.iter()));
        self.host.insert(moment.to_owned(), Value::Object(facts));
        Ok(())
    }

    fn remains(&self) -> Map<String, Value> {
        let mut facts = Map::from_iter([
            ("processes".to_owned(), observe::processes(&self.own_processes())),
            ("cgroups".to_owned(), observe::cgroups(self.roots)),
            ("mounts".to_owned(), observe::mounts(&self.before["mounts"])),
            ("state-root".to_owned(), observe::names(&self.places.state)),
        ]);
        facts.extend(self.outside().map(|outside| ("outside".to_owned(), outside)));
        facts
    }

    /// All of the directory that no runtime has any business in, if the case's setup has made one.
    fn outside(&self) -> Option<Value> {
        let directory = self.places.outside();
        directory.is_dir().then(|| observe::tree(&directory))
    }

    /// Puts together what was written down and what stands in the journal.
    fn facts(&mut self) -> Result<Value, Trouble> {
        let has_agent = self.stop_agent()?;
        let left = self.remains();
        let bytes = self.watch.bytes().map_err(|e| format!("journal: {e}"))?.to_vec();
        let read = journal::parse(&bytes, &self.writers)?;
        let mut inside = Map::new();
        for (moment, writer) in &self.moments {
            inside.insert(moment.clone(), journal::facts(&read.entries, writer, moment));
        }
        // A hook that the config does not have is known not to have run.
        let mut hooks = listing();
        for place in self.bundles.get(MAIN).into_iter().flat_map(|b| b.hooks.keys()) {
            let Some((kind, index)) = place.split_once('/') else { continue };
            let mut facts = journal::facts(&read.entries, &format!("hook:{place}"), "hook");
            let state =
                facts.pointer("/stdin").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
            if let (Some(fields), Some(state)) = (facts.as_object_mut(), state) {
                fields.insert("state".to_owned(), observe::whole(state));
            }
            let kinds = hooks.entry(kind.to_owned()).or_insert_with(|| Value::Object(listing()));
            kinds[index] = facts;
        }
        let exit = self.containers.get(MAIN).and_then(|c| c.pid).and_then(|pid| self.watch.ended(pid));
        let agent = if has_agent { heard(&read.entries) } else { json!({}) };
        Ok(json!({
            "agent": agent,
            "before": self.before,
            "steps": self.steps,
            "journal": journal::labels(&read.entries),
            "output": String::from_utf8_lossy(&read.foreign),
            "hooks": hooks,
            "inside": inside,
            "host": self.host,
            "exit": match exit {
                Some(WaitStatus::Exited(_, code)) => json!({ "$complete": true, "code": code }),
                Some(WaitStatus::Signaled(_, signal, _)) => json!({ "$complete": true, "signal": signal.as_str() }),
                _ => json!({}),
            },
            "left": left,
        }))
    }

    /// Lets the agent say what it has heard, if there is one.
    fn stop_agent(&mut self) -> Result<bool, Trouble> {
        let Some(agent) = self.held.agent.take() else { return Ok(false) };
        let pid = agent.pid.as_raw();
        agent.stop().map_err(|e| format!("stop the agent: {e}"))?;
        let patience = Instant::now() + self.patience(None);
        let ended = self.until(patience, |watch| Ok(watch.ended(pid)))?;
        match ended {
            Some(WaitStatus::Exited(_, 0)) => Ok(true),
            other => Err(format!("the agent ended otherwise than told: {other:?}")),
        }
    }

    fn order(&mut self, container: &str, order: &Instruction) -> Result<(), Trouble> {
        let nonce = self.bundles.get(container).map(|bundle| bundle.process.clone());
        let nonce = nonce.ok_or_else(|| format!("no container is named {container}"))?;
        self.say(&order_record(&nonce, order))
    }

    fn record(&mut self, event: &str, step: &str) -> Result<(), Trouble> {
        self.say(&journal::step_record(&self.harness, event, step))
    }

    fn say(&mut self, record: &str) -> Result<(), Trouble> {
        self.watch.append(record).map_err(|e| format!("journal: {e}"))
    }

    fn fill(&self, text: &str) -> Result<String, Trouble> {
        self.known.fill(text).map_err(|e| e.to_string())
    }

    fn until<T>(
        &mut self,
        deadline: Instant,
        fact: impl FnMut(&mut Watch) -> io::Result<Option<T>>,
    ) -> Result<Option<T>, Trouble> {
        self.watch.until(deadline, fact).map_err(|e| format!("wait: {e}"))
    }
}

/// The caller's state with its placeholders filled in.
fn filled(caller: &Caller, known: &Placeholders) -> Result<Caller, Trouble> {
    let written = serde_json::to_value(caller).map_err(|e| format!("caller: {e}"))?;
    let filled = known.fill_value(&written).map_err(|e| format!("caller: {e}"))?;
    serde_json::from_value(filled).map_err(|e| format!("caller: {e}"))
}

/// What an agent has said: a listing of its connections from which none is missing.
fn heard(entries: &[journal::Entry]) -> Value {
    let mut facts = journal::facts(entries, agent::NAME, agent::NAME);
    let whole = facts[journal::REPORTED] == Value::Bool(true);
    if let (Some(fields), true) = (facts.as_object_mut(), whole) {
        fields.extend(listing());
    }
    facts
}

fn alive(pid: i32) -> bool {
    observe::process(Some(pid))["alive"] == Value::Bool(true)
}

fn lives(process: &Value) -> bool {
    process.get("state").is_some_and(|state| state != "Z" && state != "X")
}

//! Writes reproduce.sh: a case's steps as a shell says them, and what was expected of one fact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use ocf_spec::Specification;
use serde_json::Value;

use super::{Failure, SCRIPT, put};
use crate::case::{Action, Call, Caller, Channel, MAIN, Placeholders, Stdio, Step, Verb, WaitFor};
use crate::evidence::COMPLETE;
use crate::expectation::{Expectation, Matcher};
use crate::judge::visible;
use crate::report::{Entry, Report};
use crate::run::{self, Places, registry, stage};
use crate::suite::Session;
use crate::witness::Instruction;

/// Writes the script into a directory where the case is staged.
pub(super) fn write(
    session: &Session<'_>,
    report: &Report,
    entry: &Entry,
    failure: &Failure,
    directory: &Path,
) -> Result<(), String> {
    let file = directory.join(stage::NONCES);
    let text = fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
    let nonces = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    fs::remove_file(&file).map_err(|e| format!("remove {}: {e}", file.display()))?;
    let cited = cited(&failure.outcome.expectation);
    let mut script = Script { session, failure, nonces, cited, known: placeholders(failure), text: String::new() };
    script.head(report, entry);
    script.caller()?;
    script.setup()?;
    for step in failure.case.steps() {
        script.step(&step)?;
    }
    script.expect();
    put(&directory.join(SCRIPT), &script.text, 0o755)
}

/// The steps and moments of which an expectation speaks.
pub(super) fn cited(expectation: &Expectation) -> BTreeSet<String> {
    let other = match &expectation.matcher {
        Matcher::SameAs(other) | Matcher::DiffersFrom(other) | Matcher::Before(other) => Some(other.as_str()),
        _ => None,
    };
    let places = [Some(expectation.fact.as_str()), other];
    let moments = places.into_iter().flatten().flat_map(|pointer| {
        let tokens: Vec<String> =
            pointer.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~")).collect();
        match (tokens.first().map(String::as_str), tokens.get(1)) {
            // A label: its last word is a step, if it has one.
            (Some("journal"), Some(label)) => label.split(' ').next_back().map(str::to_owned),
            (_, moment) => moment.cloned(),
        }
    });
    moments.chain([expectation.after.clone()]).collect()
}

/// What the placeholders stand for on the script's stage, which lies where a case's does.
fn placeholders(failure: &Failure) -> Placeholders {
    let base = Places::base();
    let bundle = Places::bundle(MAIN);
    let mut known = BTreeMap::from([
        ("host".to_owned(), base.join("host").display().to_string()),
        ("rootfs".to_owned(), bundle.join("rootfs").display().to_string()),
        ("bundle".to_owned(), bundle.display().to_string()),
    ]);
    for container in failure.case.steps().iter().flat_map(Step::containers).chain([MAIN.to_owned()]) {
        known.insert(format!("id:{container}"), run::id(&container));
        known.insert(format!("bundle:{container}"), Places::bundle(&container).display().to_string());
    }
    Placeholders(known)
}

struct Script<'a> {
    session: &'a Session<'a>,
    failure: &'a Failure,
    nonces: BTreeMap<String, String>,
    cited: BTreeSet<String>,
    known: Placeholders,
    text: String,
}

impl Script<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn head(&mut self, report: &Report, entry: &Entry) {
        let requirement = Specification::embedded().get(entry.id.as_str());
        let outcome = &self.failure.outcome;
        let mut text = String::from("#!/bin/sh\n");
        let _ = writeln!(text, "# {}", entry.id);
        if let Some(requirement) = requirement {
            let _ = writeln!(text, "#   {}", requirement.sentence.replace('\n', " "));
            let (level, spec) = (requirement.level, report.suite.spec);
            let _ = writeln!(text, "# {level} of the OCI Runtime Specification {spec}: {}", requirement.source);
        }
        let (name, version) = (visible(&report.runtime.name), visible(&report.runtime.version));
        let _ = writeln!(text, "#\n# expected: {}\n# seen:     {}", outcome.expected, outcome.seen);
        let _ = writeln!(text, "# by:       {name} ({version})\n#");
        let _ = writeln!(text, "# As root: ./{SCRIPT} [RUNTIME]");
        text.push_str("# It ends with 1 if the runtime breaks the requirement, with 0 if it keeps it, with 2 if nothing can be said.\n\n");
        self.text.push_str(&text);
        self.line("# shellcheck disable=SC2034,SC1091 # stage.sh uses these.");
        self.line(&format!("default={}", quoted(&self.session.header.runtime.path)));
        if let Some(via) = &self.session.header.adapter.via {
            self.line(&format!("via={}", quoted(via)));
        }
        if self.failure.case.channel == Channel::Stdout {
            self.line("stdout=journal");
        }
        self.line(". \"$(dirname \"$0\")/stage.sh\"");
    }

    /// The caller's state, where it is not the usual one.
    fn caller(&mut self) -> Result<(), String> {
        let caller = self.failure.case.caller.clone();
        can_be_made(&caller)?;
        if let Some(place) = caller.stdin.as_ref().and_then(path_of) {
            self.line(&format!("stdin={}", quoted(&self.fill(&place)?)));
        }
        let extra = &self.session.header.adapter.environment;
        if caller == (Caller { stdin: caller.stdin.clone(), ..Caller::default() }) && extra.is_empty() {
            return Ok(());
        }
        let cwd = caller.cwd.as_deref().map_or_else(|| Ok(registry::BASE.to_owned()), |cwd| self.fill(cwd))?;
        let mut words = vec!["exec timeout --foreground 20".to_owned()];
        if let Some(processors) = &caller.affinity {
            let list: Vec<_> = processors.iter().map(ToString::to_string).collect();
            words.push(format!("taskset -c {}", list.join(",")));
        }
        if let Some(badness) = caller.oom_score_adj {
            words.push(format!("choom -n {badness} --"));
        }
        for (name, limit) in &caller.limits {
            let name = name.trim_start_matches("RLIMIT_").to_lowercase();
            words.push(format!("prlimit --{name}={}:{}", limit.soft, limit.hard));
        }
        if let Some(nice) = caller.nice {
            words.push(format!("nice -n {nice}"));
        }
        if caller.no_new_privileges {
            words.push("setpriv --no-new-privs".to_owned());
        }
        words.push("env -i --default-signal".to_owned());
        let signals =
            |names: &[String]| names.iter().map(|it| it.trim_start_matches("SIG").to_owned()).collect::<Vec<_>>();
        if !caller.blocked.is_empty() {
            words.push(format!("--block-signal={}", signals(&caller.blocked).join(",")));
        }
        if !caller.ignored.is_empty() {
            words.push(format!("--ignore-signal={}", signals(&caller.ignored).join(",")));
        }
        let usual = || {
            BTreeMap::from([(
                "PATH".to_owned(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            )])
        };
        for (name, value) in caller.environment.clone().unwrap_or_else(usual).iter().chain(extra) {
            words.push(quoted(&format!("{name}={}", self.fill(value)?)));
        }
        words.push("\"$@\"".to_owned());
        let open = caller.descriptors.iter().filter_map(|(number, it)| Some((number, path_of(it)?)));
        for (number, place) in open {
            words.push(format!("{number}<>{}", quoted(&self.fill(&place)?)));
        }
        for (number, stream) in [(1, &caller.stdout), (2, &caller.stderr)] {
            if let Some(place) = stream.as_ref().and_then(path_of) {
                words.push(format!("{number}<>{}", quoted(&self.fill(&place)?)));
            }
        }
        self.line("\n# The state of the process that calls the runtime.\nas_caller() {\n    (");
        self.line(&format!("        umask {}", caller.umask.as_deref().unwrap_or("022")));
        self.line(&format!("        cd {} || exit 125", quoted(&cwd)));
        self.line(&format!("        {}", words.join(" ")));
        self.line("    )\n}\nbefore");
        Ok(())
    }

    fn setup(&mut self) -> Result<(), String> {
        if !self.failure.case.setup.is_empty() {
            self.line("\n# What the host has before.");
        }
        for action in self.failure.case.setup.clone() {
            self.act(&action)?;
        }
        self.line("");
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let name = step.name();
        match step {
            Step::Call(call) => self.call(&name, call, "")?,
            Step::Exit(exit) => {
                let order = Instruction::exit(exit.code);
                self.tell(&run::writer(&exit.container), &order);
                self.line(&format!("gone {}", exit.container));
                self.line(&format!("taken {}", quoted(&name)));
            }
            Step::Host(host) => {
                for action in &host.does {
                    self.act(action)?;
                }
                self.line(&format!("taken {}", quoted(&name)));
            }
            Step::Inside(inside) => {
                let writer = run::writer(&inside.container);
                for order in &inside.orders {
                    self.tell(&writer, &Instruction::of_order(order, &name));
                }
                self.tell(&writer, &Instruction::done(&name));
                self.line(&format!("await {} {}", quoted(&format!("{writer} reported {name}")), inside.container));
                self.line(&format!("taken {}", quoted(&name)));
            }
            Step::Observe(_) => self.line(&format!("taken {}", quoted(&name))),
            Step::Wait(wait) => {
                let line = match &wait.until {
                    WaitFor::Journal(label) => format!("await {}", quoted(label)),
                    WaitFor::Gone(container) => format!("gone {container}"),
                    WaitFor::Path(path) => format!("appears {}", quoted(&self.fill(path)?)),
                };
                self.line(&line);
                self.line(&format!("taken {}", quoted(&name)));
            }
            Step::Together(together) => {
                for step in &together.steps {
                    if let Step::Call(call) = step {
                        self.call(&step.name(), call, " &\ncalls=\"${calls:-} $!\"")?;
                    }
                }
                self.line("# shellcheck disable=SC2086 # Several.\nwait $calls");
                self.line(&format!("taken {}", quoted(&name)));
            }
            Step::While(held) => {
                let Step::Call(call) = &held.call else { return Err(format!("{name}: only a call can be held")) };
                let hook = hook_writer(&call.container, &held.hook);
                self.call(&held.call.name(), call, " &\nheld=$!")?;
                self.line(&format!("await {}", quoted(&format!("hook:{} holding", held.hook))));
                self.line(&format!("taken {}", quoted(&name)));
                for step in &held.steps {
                    self.step(step)?;
                }
                self.tell(&hook, &Instruction::release());
                self.line("wait \"$held\"");
                self.look(&held.call.name(), &call.container, &[]);
            }
        }
        self.ask(&name, step)?;
        let (container, paths) = match step {
            Step::Call(call) => (call.container.clone(), Vec::new()),
            Step::Exit(exit) => (exit.container.clone(), Vec::new()),
            Step::Inside(inside) => (inside.container.clone(), Vec::new()),
            Step::Observe(observe) => (MAIN.to_owned(), observe.paths.clone()),
            Step::While(_) => return Ok(()),
            _ => (MAIN.to_owned(), Vec::new()),
        };
        self.look(&name, &container, &paths);
        Ok(())
    }

    fn call(&mut self, name: &str, call: &Call, behind: &str) -> Result<(), String> {
        let adapter = &self.session.header.adapter;
        let operations = &adapter.operations;
        let operation = match call.verb {
            Verb::Create => &operations.create,
            Verb::Start => &operations.start,
            Verb::State => &operations.state,
            Verb::Kill => &operations.kill,
            Verb::Delete if call.force => &operations.delete_force,
            Verb::Delete => &operations.delete,
            Verb::Run => &operations.run,
            Verb::Features => operations.features.as_ref().ok_or("the adapter has no features")?,
            Verb::Raw => &call.arguments,
        };
        let bundle = match &call.bundle {
            Some(path) => self.fill(path)?,
            None => Places::bundle(&call.container).display().to_string(),
        };
        let base = registry::BASE;
        let own = |word: &str| {
            word.replace("{root}", &format!("{base}/state"))
                .replace("{id}", &run::id(&call.container))
                .replace("{bundle}", &bundle)
                .replace("{pid-file}", &format!("{base}/output/{}.pid", call.container))
                .replace("{signal}", call.signal.as_deref().unwrap_or("TERM"))
        };
        let mut words = vec!["call".to_owned(), quoted(name), call.verb.word().to_owned(), call.container.clone()];
        words.extend(adapter.global.iter().map(|word| quoted(&own(word))));
        for word in operation {
            let word = if call.verb == Verb::Raw { self.fill(word)? } else { word.clone() };
            words.push(quoted(&own(&word)));
        }
        self.line(&format!("{}{behind}", words.join(" ")));
        Ok(())
    }

    /// The questions of a moment that the program does not answer by itself, if its answers are cited.
    fn ask(&mut self, name: &str, step: &Step) -> Result<(), String> {
        let case = &self.failure.case;
        let config = case.config(&self.failure.base, self.session.header.spec).map_err(|e| e.to_string())?;
        let questions = crate::ask::questions(case, config.as_ref());
        let asked: Vec<_> = questions.iter().filter(|it| it.moment() == name).collect();
        let by_itself = step.calls().any(|it| matches!(it.verb, Verb::Start | Verb::Run));
        if asked.is_empty() || by_itself || !self.cited.contains(name) {
            return Ok(());
        }
        self.tell("process", &Instruction::report(name));
        for question in asked {
            self.tell("process", &Instruction::from(question));
        }
        self.tell("process", &Instruction::done(name));
        self.line(&format!("await {} {MAIN}", quoted(&format!("process reported {name}"))));
        Ok(())
    }

    /// A look from outside, at a moment that is cited.
    fn look(&mut self, name: &str, container: &str, paths: &[String]) {
        let Expectation { fact, matcher, .. } = &self.failure.outcome.expectation;
        let other = match matcher {
            Matcher::SameAs(it) | Matcher::DiffersFrom(it) => it.as_str(),
            _ => "",
        };
        let place = format!("/host/{}/", crate::expectation::token(name));
        if [fact.as_str(), other].iter().any(|it| it.starts_with(&place)) {
            let paths: String = paths.iter().map(|path| format!(" {}", quoted(path))).collect();
            self.line(&format!("look {} {container}{paths}", quoted(name)));
        }
    }

    fn tell(&mut self, writer: &str, order: &Instruction) {
        let nonce = self.nonces.get(writer).cloned().unwrap_or_default();
        self.line(&format!("tell {nonce} {}", quoted(&order.to_string())));
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        let path = |text: &str| self.fill(text).map(|it| quoted(&it));
        let line = match action {
            Action::Write { path: place, text, append } => {
                let word = if *append { "append" } else { "write" };
                format!("{word} {} {}", path(place)?, path(text)?)
            }
            Action::Directory { path: place } => format!("mkdir -p {}", path(place)?),
            Action::Remove { path: place } => format!("rm -r {}", path(place)?),
            Action::Rename { from, to } => format!("mv -T {} {}", path(from)?, path(to)?),
            Action::Symlink { path: place, target } => format!("ln -s {} {}", path(target)?, path(place)?),
            Action::Node { path: place, r#type, major, minor } => match r#type.as_str() {
                "p" => format!("mkfifo {}", path(place)?),
                kind => format!("mknod {} {kind} {major} {minor}", path(place)?),
            },
            Action::Mount { r#type, source, target, options } => mount(r#type, &path(source)?, &path(target)?, options),
            Action::Unmount { target } => format!("umount {}", path(target)?),
            Action::Cgroup { container: Some(_), .. }
            | Action::Cgroup { owner: Some(_), .. }
            | Action::Cgroup { filled: Some(_), .. } => {
                return Err("a cgroup is made in a way that no script of these can".to_owned());
            }
            Action::Cgroup { path: place, controller, occupied, .. } => {
                let occupied = if *occupied { "yes" } else { "no" };
                format!("cgroup {} {} {occupied}", path(place)?, controller.as_deref().unwrap_or("all"))
            }
            Action::Namespace { r#type, path: place, hostname } => {
                let file = match r#type.as_str() {
                    "network" => "net",
                    "mount" => "mnt",
                    "pid" => "pid_for_children",
                    "time" => "time_for_children",
                    other => other,
                };
                let name = hostname.as_deref().map(|it| format!(" {}", quoted(it))).unwrap_or_default();
                format!("namespace {type} {file} {}{name}", path(place)?)
            }
            Action::Listen { path: place } => format!("listen {}", path(place)?),
            Action::Signal { container, signal } => {
                format!("kill -s {} \"$(pid_of {container})\"", signal.trim_start_matches("SIG"))
            }
            // Among others the end of a call under way, a network device, another config.
            other => {
                let deed = serde_json::to_value(other).map_err(|e| e.to_string())?;
                let kind = deed.as_object().and_then(|it| it.keys().next().cloned()).unwrap_or_default();
                return Err(format!("the host does `{kind}` in it, for which a script of these has no word"));
            }
        };
        self.line(&line);
        Ok(())
    }

    fn expect(&mut self) {
        let Expectation { after, fact, matcher, .. } = &self.failure.outcome.expectation;
        let matcher = serde_json::to_value(matcher).map(plain).unwrap_or_default().to_string();
        self.line(&format!("\nexpect {} {} {}", quoted(after), quoted(fact), quoted(&matcher)));
    }

    fn fill(&self, text: &str) -> Result<String, String> {
        self.known.fill(text).map_err(|e| e.to_string())
    }
}

/// Whether the script's words can bring a process into this state.
fn can_be_made(caller: &Caller) -> Result<(), String> {
    let rest = Caller {
        umask: None,
        affinity: None,
        blocked: Vec::new(),
        ignored: Vec::new(),
        limits: BTreeMap::new(),
        stdin: None,
        stdout: None,
        stderr: None,
        descriptors: BTreeMap::new(),
        environment: None,
        cwd: None,
        oom_score_adj: None,
        nice: None,
        no_new_privileges: false,
        ..caller.clone()
    };
    let streams = [&caller.stdin, &caller.stdout, &caller.stderr].into_iter().flatten();
    let plain = |it: &Stdio| matches!(it, Stdio::Null | Stdio::File | Stdio::Path(_));
    if rest == Caller::default() && streams.chain(caller.descriptors.values()).all(plain) {
        return Ok(());
    }
    Err("its caller is in a state into which no script of these brings one".to_owned())
}

fn hook_writer(container: &str, hook: &str) -> String {
    if container == MAIN { format!("hook:{hook}") } else { format!("hook:{container}:{hook}") }
}

/// The file that a descriptor of the caller is; none for what the script's own are.
fn path_of(stdio: &Stdio) -> Option<String> {
    match stdio {
        Stdio::Path(path) => Some(path.clone()),
        _ => None,
    }
}

fn mount(kind: &str, source: &str, target: &str, options: &[String]) -> String {
    let is_propagation = |it: &&String| ["shared", "slave", "private", "unbindable"].contains(&it.as_str());
    let bind = options.iter().find(|it| ["bind", "rbind"].contains(&it.as_str()));
    let rest: Vec<&str> =
        options.iter().filter(|it| !is_propagation(it) && Some(*it) != bind).map(String::as_str).collect();
    let mut lines = vec![format!("[ -e {target} ] || mkdir -p {target}")];
    match bind {
        Some(bind) => {
            lines.push(format!("mount --{bind} {source} {target}"));
            if !rest.is_empty() {
                lines.push(format!("mount -o remount,bind,{} {target}", rest.join(",")));
            }
        }
        None => {
            let with = if rest.is_empty() { String::new() } else { format!(" -o {}", quoted(&rest.join(","))) };
            lines.push(format!("mount -t {kind}{with} {source} {target}"));
        }
    }
    lines.extend(options.iter().filter(is_propagation).map(|it| format!("mount --make-{it} {target}")));
    lines.join("\n")
}

/// A value without the marks of completeness, which are the harness's own.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().filter(|(name, _)| name != COMPLETE).map(|(name, value)| (name, plain(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

//! What a runtime's features document says of the runtime, held against what the runtime does.

use serde_json::{Map, Value, json};

use super::{Subject, expect as expected, inside, of_step};
use crate::case::{Call, Question, Step, Try, Verb};
use crate::evidence::COMPLETE;
use crate::expectation::{Expectation, Matcher, token};
use crate::view::seccomp::{self, View};
use crate::view::{hooks, memory_policy, namespaces, strings, text};

/// The greatest error number of Linux, at which a runtime may draw the line.
const GREATEST: u64 = 4095;

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let mut all = asked(subject);
    if let Some(features) = subject.features {
        let claims = Claims { subject, features };
        all.extend(claims.versions());
        all.extend(claims.hooks());
        all.extend(claims.mount_options());
        all.extend(claims.namespaces());
        all.extend(claims.capabilities());
        all.extend(claims.cgroups());
        all.extend(claims.seccomp());
        all.extend(claims.memory_policy());
        all.extend(claims.id_mapped_mounts());
    }
    all
}

/// What is seen of the document itself wherever it is asked for.
fn asked(subject: &Subject<'_>) -> Vec<Expectation> {
    let is_asked = |call: &&Call| call.verb == Verb::Features || call.arguments == ["features"];
    let calls = subject.steps.iter().flat_map(Step::calls).filter(is_asked);
    let names: Vec<_> = calls.map(|call| Step::Call(call.clone()).name()).collect();
    names.iter().flat_map(|name| of_document(subject, name)).collect()
}

fn of_document(subject: &Subject<'_>, name: &str) -> Vec<Expectation> {
    let here = |id, fact: &str, matcher| expected(id, name, of_step(name, fact), matcher);
    let mut all = vec![
        here("features.provided", "failed", Matcher::PRESENT),
        here("features.absent-or-null", "json", Matcher::PRESENT),
        here("features.linux-supported", "json", Matcher::PRESENT),
    ];
    if let Some(Value::Object(features)) = subject.features {
        let mut parts = Vec::new();
        fixed("json", features, &mut parts);
        all.extend(
            parts
                .into_iter()
                .map(|(place, value)| here("features.fixed-when-compiled", &place, Matcher::Equals(value))),
        );
    }
    all
}

/// Every property of the document with its place, but for the list that the current kernel may shorten.
fn fixed(place: &str, document: &Map<String, Value>, parts: &mut Vec<(String, Value)>) {
    for (name, value) in document.iter().filter(|(name, _)| *name != COMPLETE && *name != "supportedFlags") {
        let place = format!("{place}/{}", token(name));
        match value {
            Value::Object(fields) if !fields.is_empty() => fixed(&place, fields, parts),
            _ => parts.push((place, value.clone())),
        }
    }
}

struct Claims<'a> {
    subject: &'a Subject<'a>,
    features: &'a Value,
}

impl Claims<'_> {
    /// Whether a list of the document has a string.
    fn lists(&self, place: &str, name: &str) -> bool {
        self.features.pointer(place).and_then(strings).is_some_and(|all| all.contains(&name))
    }

    fn says(&self, place: &str) -> Option<bool> {
        self.features.pointer(place).and_then(Value::as_bool)
    }

    /// Whether the config differs from its base below `linux` alone, and there in these properties alone.
    fn changes_only(&self, properties: &[&str]) -> bool {
        let changed = self.subject.case.config.as_ref().and_then(|config| config["linux"].as_object());
        let within = changed.is_some_and(|all| all.keys().all(|name| properties.contains(&name.as_str())));
        within && self.subject.changes_only("linux")
    }

    /// That the container's program ran, so that nothing was refused; held against each of these requirements.
    fn runs(&self, ids: impl IntoIterator<Item = &'static str>) -> Vec<Expectation> {
        let Some(start) = self.subject.started() else { return Vec::new() };
        let ran = |id| expected(id, &start, "/journal/process ran", Matcher::PRESENT);
        // What was not created has no start to be reached; so it is held against the creation as well.
        let Some(create) = self.subject.created() else { return Vec::new() };
        let made = |id| expected(id, &create, of_step(&create, "failed"), Matcher::Equals(json!(false)));
        ids.into_iter().flat_map(|id| [made(id), ran(id)]).collect()
    }

    fn versions(&self) -> Vec<Expectation> {
        let declared = text(self.subject.config, "/ociVersion");
        let is = |name: &str| declared.is_some() && self.features[name].as_str() == declared;
        if !self.subject.changes_only("ociVersion") {
            return Vec::new();
        }
        let least = is("ociVersionMin").then_some("features.version-min-accepted");
        let most = is("ociVersionMax").then_some("features.version-max-accepted");
        self.runs(least.into_iter().chain(most))
    }

    /// The first hook of each kind that is claimed has run, where everything went its way.
    fn hooks(&self) -> Vec<Expectation> {
        let (Ok(Some(view)), Some(config)) = (hooks::view(self.subject.config), &self.subject.case.config) else {
            return Vec::new();
        };
        let well = |hook: &hooks::Hook| hooks::ending(self.subject.case, hook) == hooks::Ending::Well && !hook.timeout;
        let plain = view.hooks.iter().all(well);
        let is_alone = config.as_object().is_some_and(|all| all.keys().all(|name| name == "hooks"));
        let Some(last) = self.subject.call(Verb::Delete).filter(|_| plain && is_alone) else { return Vec::new() };
        let last = Step::Call(last.clone()).name();
        let firsts = view.hooks.iter().filter(|hook| hook.index == 0);
        let claimed = firsts.filter(|hook| self.lists("/hooks", hook.kind.word()));
        let ran = |hook: &hooks::Hook| format!("/journal/{}", token(&format!("hook:{}/0 ran", hook.kind.word())));
        claimed.map(|hook| expected("features.hooks-supported", &last, ran(hook), Matcher::PRESENT)).collect()
    }

    /// On a tmpfs an option that is handed on as data is refused, so nothing but a refusal has to be looked for.
    fn mount_options(&self) -> Vec<Expectation> {
        let added = self.subject.case.patch.as_ref().and_then(Value::as_array);
        let added = added.map(|all| all.iter().map(|it| &it["value"]).collect::<Vec<_>>()).unwrap_or_default();
        let is_claimed = |mount: &&Value| {
            strings(&mount["options"])
                .is_some_and(|all| all.len() == 1 && all.iter().all(|option| self.lists("/mountOptions", option)))
        };
        // Below a directory of the base's own a destination is where it says, and nothing is in its way.
        let lies_plainly = |mount: &&Value| text(mount, "/destination").is_some_and(|it| it.starts_with("/tmp/"));
        if added.is_empty() || !added.iter().all(|mount| is_claimed(mount) && lies_plainly(mount)) {
            return Vec::new();
        }
        let (Some(create), Some(start)) = (self.subject.created(), self.subject.started()) else { return Vec::new() };
        let id = "features.mount-options-recognized";
        let made = expected(id, &create, of_step(&create, "failed"), Matcher::Equals(json!(false)));
        let places = added.iter().filter_map(|mount| mount["destination"].as_str());
        let lies =
            |place: &str| expected(id, &start, inside(&start, &format!("mounts/{}", token(place))), Matcher::PRESENT);
        std::iter::once(made).chain(places.map(lies)).collect()
    }

    fn namespaces(&self) -> Vec<Expectation> {
        let Ok(Some(view)) = namespaces::view(self.subject.config) else { return Vec::new() };
        let of_namespaces = ["namespaces", "timeOffsets", "uidMappings", "gidMappings"];
        let listed = self.changes_only(&of_namespaces) && self.subject.case.setup.is_empty();
        let mapped = !view.uid_mappings.is_empty() && !view.gid_mappings.is_empty();
        let fits = |(kind, path): &(&str, Option<&str>)| {
            let usable = match *kind {
                "user" => mapped && self.subject.host.namespaces.contains("user"),
                "time" | "cgroup" => self.subject.host.namespaces.contains(*kind),
                _ => true,
            };
            path.is_none() && usable && self.lists("/linux/namespaces", kind)
        };
        let has = |kind: &str| view.entries.iter().any(|entry| entry.0 == kind);
        // Who owns only a new user namespace can't mount what belongs to an inherited one: /proc, /sys, the queues.
        let mountable = if has("user") {
            ["pid", "network", "ipc", "mount"].into_iter().all(has)
        } else {
            // Without one, mappings are an offence.
            view.uid_mappings.is_empty() && view.gid_mappings.is_empty()
        };
        // Which namespaces and mappings somebody else may make is no matter of the runtime's.
        let by_root = self.subject.before.get("uid") == Some(&json!(0));
        if !listed || view.entries.is_empty() || !mountable || !by_root || !view.entries.iter().all(fits) {
            return Vec::new();
        }
        self.runs(["features-linux.namespaces-recognized"])
    }

    /// What a config asks for beyond an ordinary set, of what the runtime has itself.
    fn capabilities(&self) -> Vec<Expectation> {
        let Some(start) = self.subject.started().filter(|_| self.subject.changes_only("process")) else {
            return Vec::new();
        };
        let place = "/process/capabilities/bounding";
        let asked = self.subject.config.pointer(place).and_then(strings).unwrap_or_default();
        let own = self.subject.before.pointer("/capabilities/bounding").and_then(strings).unwrap_or_default();
        let changed = self.subject.case.config.as_ref().is_some_and(|config| config.pointer(place).is_some());
        let has = |name: &&&str| changed && own.contains(*name) && self.lists("/linux/capabilities", name);
        let fact = inside(&start, "capabilities/bounding");
        let id = "features-linux.capabilities-recognized";
        asked.iter().filter(has).map(|name| expected(id, &start, &*fact, Matcher::Contains(json!(name)))).collect()
    }

    /// Whether there is a cgroup of the container's while it is there, and only then.
    fn cgroups(&self) -> Vec<Expectation> {
        let claims = [
            ("v1", "features-linux.cgroup-first-version", !self.subject.host.cgroups.v1.is_empty()),
            ("v2", "features-linux.cgroup-second-version", self.subject.host.cgroups.v1.is_empty()),
        ];
        let is_plain = self.subject.case.config.is_none() && self.subject.case.patch.is_none();
        let is_plain = is_plain && self.subject.case.raw.is_none() && self.subject.case.steps.is_none();
        let (Some(create), Some(delete), true) = (self.subject.created(), self.subject.call(Verb::Delete), is_plain)
        else {
            return Vec::new();
        };
        let delete = Step::Call(delete.clone()).name();
        let fact = format!("/host/{}/cgroups", token(&create));
        let gone = format!("/host/{}/cgroups", token(&delete));
        let law = |(version, id, here): (&str, &str, bool)| {
            let claim = self.says(&format!("/linux/cgroup/{version}")).filter(|_| here)?;
            let matcher = if claim { Matcher::DiffersFrom(gone.clone()) } else { Matcher::SameAs(gone.clone()) };
            Some(expected(id, &delete, fact.clone(), matcher))
        };
        claims.into_iter().filter_map(law).collect()
    }

    fn seccomp(&self) -> Vec<Expectation> {
        let Ok(Some(view)) = seccomp::view(self.subject.config) else { return Vec::new() };
        let mut all: Vec<_> = self.filters().into_iter().collect();
        if self.changes_only(&["seccomp"]) && self.is_usable(&view) {
            all.extend(self.recognized());
        }
        all
    }

    /// Whether a filter is in force if, and only if, the document says that the runtime has any.
    fn filters(&self) -> Option<Expectation> {
        const FILTERED: u8 = 2;
        let (start, enabled) = (self.subject.started()?, self.says("/linux/seccomp/enabled")?);
        let mode = if enabled { FILTERED } else { 0 };
        let fact = inside(&start, "seccomp");
        Some(expected("features-linux.seccomp-enabled", &start, fact, Matcher::Equals(json!(mode))))
    }

    /// Whether nothing but what the document speaks of could be a reason to refuse the filter.
    fn is_usable(&self, view: &View) -> bool {
        let answered = self.subject.case.setup.iter().any(|it| matches!(it, crate::case::Action::Agent { .. }));
        let by_default = view.default.action == seccomp::Action::Notify;
        let numbers_fit = view.decisions().all(|it| it.number.is_none_or(|number| number < GREATEST));
        !by_default && numbers_fit && answered == view.listener.is_some() && (answered || !view.notifies())
    }

    fn recognized(&self) -> Vec<Expectation> {
        let seccomp = &self.subject.config["linux"]["seccomp"];
        let entries = || seccomp["syscalls"].as_array().into_iter().flatten();
        let actions = entries().map(|it| &it["action"]).chain([&seccomp["defaultAction"]]);
        let actions: Vec<_> = actions.filter_map(Value::as_str).collect();
        let args = entries().flat_map(|it| it["args"].as_array().into_iter().flatten());
        let operators: Vec<_> = args.filter_map(|it| it["op"].as_str()).collect();
        let list = |name: &str| strings(&seccomp[name]).unwrap_or_default();
        let used = [
            ("features-linux.seccomp-actions-recognized", "/linux/seccomp/actions", actions),
            ("features-linux.seccomp-operators-recognized", "/linux/seccomp/operators", operators),
            ("features-linux.seccomp-architectures-recognized", "/linux/seccomp/archs", list("architectures")),
            ("features-linux.seccomp-flags-supported", "/linux/seccomp/supportedFlags", list("flags")),
        ];
        if !used.iter().all(|(_, place, names)| names.iter().all(|name| self.lists(place, name))) {
            return Vec::new();
        }
        self.runs(used.into_iter().filter(|(_, _, names)| !names.is_empty()).map(|(id, ..)| id))
    }

    /// Whose a directory of the harness's own is, where an id-mapped mount shows it, and the case looks there.
    fn id_mapped_mounts(&self) -> Vec<Expectation> {
        let Some(start) = self.subject.started() else { return Vec::new() };
        let added = self.subject.case.patch.as_ref().and_then(Value::as_array).into_iter().flatten();
        let mapped = added.map(|it| &it["value"]).filter_map(|mount| {
            let (place, shown) = (mount["destination"].as_str()?, mount.pointer("/uidMappings/0/hostID")?);
            let of_root = mount.pointer("/uidMappings/0/containerID") == Some(&json!(0));
            let is_looked_at = |it: &&Question| it.moment() == start && it.what == Try::Stat(place.to_owned());
            let looked = self.subject.case.questions.iter().find(is_looked_at)?;
            of_root.then(|| (inside(&start, &format!("{}/uid", token(&looked.name))), shown))
        });
        let claim = self.says("/linux/mountExtensions/idmap/enabled");
        let law = |(fact, shown): (String, &Value)| {
            let uid = if claim == Some(true) { shown.clone() } else { json!(0) };
            let of_claim = claim.map(|_| "features-linux.idmap-enabled");
            let ids = of_claim.into_iter().chain(["features-linux.idmap-partial"]);
            ids.map(|id| expected(id, &start, fact.clone(), Matcher::Equals(uid.clone()))).collect::<Vec<_>>()
        };
        mapped.flat_map(law).collect()
    }

    fn memory_policy(&self) -> Vec<Expectation> {
        let Ok(Some(view)) = memory_policy::view(self.subject.config) else { return Vec::new() };
        let nodes = &self.subject.host.nodes;
        let is_usable = view.fits() && view.nodes.is_subset(nodes) && !nodes.is_empty();
        let modes = self.lists("/linux/memoryPolicy/modes", &view.mode);
        let flags = view.flags.iter().all(|flag| self.lists("/linux/memoryPolicy/flags", flag));
        if !(self.changes_only(&["memoryPolicy"]) && is_usable && modes && flags) {
            return Vec::new();
        }
        let of_flags = (!view.flags.is_empty()).then_some("features-linux.memory-policy-flags-recognized");
        self.runs(["features-linux.memory-policy-modes-recognized"].into_iter().chain(of_flags))
    }
}

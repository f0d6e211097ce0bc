//! The container's cgroup is the one that the config names, and belongs to whom it has to.

use serde_json::{Value, json};

use super::resources::Resources;
use super::{Subject, expect as expected, of_step};
use crate::case::Action;
use crate::expectation::{Expectation, Matcher, token};
use crate::view::cgroups::{self, View};
use crate::view::namespaces;
use crate::view::tree::plain;

/// The file names that go with a cgroup to a new owner, where the kernel does not list them.
const DELEGATED: [&str; 3] = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match cgroups::view(subject.config) {
        Ok(view) => view,
        Err(offence) => return subject.refusal(&offence),
    };
    let placed = match &view {
        Some(view) if view.path.starts_with('/') => absolute(subject, view),
        Some(_) => Vec::new(),
        None => unset(subject),
    };
    placed.into_iter().chain(further(subject)).chain(owner(subject, view.as_ref())).collect()
}

/// Where the runtime has put the container, if it had the choice.
fn unset(subject: &Subject<'_>) -> Vec<Expectation> {
    let (Some(created), Some(started)) = (subject.created(), subject.started()) else { return Vec::new() };
    let places = format!("/host/{}/process/cgroups", token(&created));
    vec![expected("cgroups.path-unset", &started, places, Matcher::PRESENT)]
}

/// A controller that nothing in the config calls for.
fn further(subject: &Subject<'_>) -> Option<Expectation> {
    let (created, started) = (subject.created()?, subject.started()?);
    if subject.host.cgroups.v1.is_empty() {
        let controllers = format!("/host/{}/cgroup/cgroup.controllers", token(&created));
        return Some(expected("cgroups.further-controllers", &started, controllers, Matcher::PRESENT));
    }
    let called = cgroups::called_for(subject.config);
    let other = subject.host.cgroups.v1.iter().find(|controller| !called.contains(controller.as_str()))?;
    let place = format!("/host/{}/process/cgroups/{}", token(&created), token(other));
    Some(expected("cgroups.further-controllers", &started, place, Matcher::PRESENT))
}

/// Whose the container's cgroups are.
fn owner(subject: &Subject<'_>, view: Option<&View>) -> Vec<Expectation> {
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let Some(Value::Array(hierarchies)) = subject.before.get("cgroup-roots") else { return Vec::new() };
    // What a caller who is not root makes is his, and he can give it to nobody.
    if subject.before.get("uid").is_none_or(|uid| *uid != json!(0)) {
        return Vec::new();
    }
    let before = view.and_then(|view| owner_before(subject, &plain(&view.path))).unwrap_or(0);
    let mut all = Vec::new();
    for name in hierarchies.iter().filter_map(Value::as_str).filter(|name| *name != "unified") {
        all.push(resources.is("cgroups.owner-kept-on-v1", &format!("owners/{}/uid", token(name)), before));
    }
    if !subject.host.cgroups.v1.is_empty() || !hierarchies.contains(&json!("unified")) {
        return all;
    }
    const OWNER: &str = "owners/unified/uid";
    let namespaces = namespaces::view(subject.config).ok().flatten();
    if namespaces.is_some_and(|view| view.way("cgroup") == namespaces::Way::Inherited) {
        all.push(resources.is("cgroups.owner-kept-without-namespace", OWNER, before));
    }
    if !cgroups::has_writable_mount(subject.config) {
        all.push(resources.is("cgroups.owner-kept-without-mount", OWNER, before));
    }
    if let Some(user) = cgroups::new_owner(subject.config).filter(|user| *user != 0) {
        all.push(resources.is("cgroups.owner-changed", OWNER, user));
        all.push(resources.is("cgroups.owner-changed-for-writable-mount", OWNER, user));
        all.extend(given(subject, &resources));
    }
    all
}

/// The owner that the case itself gives to a cgroup before the container comes to be.
fn owner_before(subject: &Subject<'_>, path: &str) -> Option<u32> {
    subject.case.setup.iter().find_map(|action| match action {
        Action::Cgroup { path: made, owner, .. } if plain(made) == path => *owner,
        _ => None,
    })
}

/// Which files the new owner of the cgroup is given, and which not.
fn given(subject: &Subject<'_>, resources: &Resources<'_>) -> Vec<Expectation> {
    const GIVEN: &str = "owners/unified/given";
    let listed = subject.before.get("cgroup-delegate").and_then(Value::as_array);
    let listed: Option<Vec<&str>> = listed.map(|all| all.iter().filter_map(Value::as_str).collect());
    let delegated = listed.as_deref().unwrap_or(&DELEGATED);
    let (missing, mut there): (Vec<_>, Vec<_>) =
        delegated.iter().copied().partition(|file| resources.is_missing("unified-files", file));
    there.sort_unstable();
    let mut all = Vec::new();
    for file in &there {
        all.push(resources.shows("cgroups.owner-of-delegated-files", GIVEN, Matcher::Contains(json!(file))));
    }
    all.push(resources.is("cgroups.owner-of-other-files", GIVEN, json!(there)));
    if listed.is_none() {
        all.push(resources.is("cgroups.delegated-files-default", GIVEN, json!(there)));
    }
    if let (false, Some(created)) = (missing.is_empty(), subject.created()) {
        let failed = of_step(&created, "failed");
        all.push(expected("cgroups.delegated-file-missing", &created, failed, Matcher::Equals(json!(false))));
    }
    all
}

fn absolute(subject: &Subject<'_>, view: &View) -> Vec<Expectation> {
    // Expected once the start was come to, which is not the case after a create that failed.
    let (Some(created), Some(started)) = (subject.created(), subject.started()) else { return Vec::new() };
    let path = plain(&view.path);
    let moment = token(&created);
    let mut all = Vec::new();
    for controller in controllers(subject, view) {
        let process = format!("/host/{moment}/process/cgroups/{controller}");
        all.push(expected("cgroups.path-absolute", &started, process, Matcher::OneOf(places(&path))));
        if let Some(hierarchy) = hierarchy(subject, controller) {
            let made = format!("/host/{moment}/cgroups/{}", token(&format!("{hierarchy}:{path}")));
            all.push(expected("cgroups.path-created", &started, made, Matcher::PRESENT));
        }
    }
    all.extend(inside(subject, view, &path));
    all
}

/// The same from inside, where the container shares the cgroup namespace with its runtime.
fn inside(subject: &Subject<'_>, view: &View, path: &str) -> Vec<Expectation> {
    let Some(start) = subject.started().filter(|_| !namespaces::lists(subject.config, "cgroup")) else {
        return Vec::new();
    };
    let fact = format!("/inside/{}/cgroup", token(&start));
    let line = |controller: &str| {
        let name = if controller == "unified" { "" } else { controller };
        let line = format!(":{name}:{path}\n");
        expected("cgroups.path-absolute", &start, fact.clone(), Matcher::Contains(json!(line)))
    };
    // A hierarchy of several controllers has them all in one line, in an order that is the kernel's.
    let alone = |controller: &&str| hierarchy(subject, controller).as_deref() == Some(*controller);
    controllers(subject, view).into_iter().filter(alone).map(line).collect()
}

/// The configured cgroup, and one of the runtime's own making in it, which is let pass.
fn places(path: &str) -> Vec<Value> {
    vec![json!(path), json!(format!("{path}/container"))]
}

/// The names of the hierarchies that the config calls for: on version 2 there is one alone.
fn controllers<'a>(subject: &Subject<'_>, view: &'a View) -> Vec<&'a str> {
    if subject.host.cgroups.v1.is_empty() {
        return vec!["unified"];
    }
    view.controllers.iter().copied().filter(|controller| subject.host.cgroups.v1.contains(*controller)).collect()
}

/// The name under which the facts have a controller's hierarchy.
fn hierarchy(subject: &Subject<'_>, controller: &str) -> Option<String> {
    let names = subject.before.get("cgroup-roots")?.as_array()?;
    let has = |name: &&str| name.split(',').any(|it| it == controller);
    names.iter().filter_map(Value::as_str).find(has).map(str::to_owned)
}

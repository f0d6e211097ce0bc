//! The container's cgroup is the one that the config names.

use serde_json::{Value, json};

use super::{Subject, expect as expected};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::cgroups::{self, View};
use crate::view::namespaces;
use crate::view::tree::plain;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    match cgroups::view(subject.config) {
        Ok(Some(view)) if view.path.starts_with('/') => absolute(subject, &view),
        Ok(_) => Vec::new(),
        Err(offence) => subject.refusal(&offence),
    }
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

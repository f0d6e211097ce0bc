//! The root file system.

use serde_json::json;

use super::{Subject, inside};
use crate::case::{Action, Entry, Node};
use crate::expectation::{Expectation, Matcher};
use crate::view::namespaces::lists;
use crate::view::root::{MARKER, Root, view};
use crate::view::user;

/// Whose tree it is, whether it can be written, and how its mount propagates.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let root = match view(subject.config) {
        Ok(Some(root)) => root,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(start) = subject.started() else { return Vec::new() };
    let law = |requirement, fact, matcher| super::expect(requirement, &start, inside(&start, fact), matcher);
    let mut laws = Vec::new();
    if let Some(text) = marker(subject) {
        let requirement = if root.path.starts_with('/') { "root.path-absolute" } else { "root.path-relative" };
        laws.push(law(requirement, "root.1", Matcher::Equals(json!({ "bytes": text }))));
    }
    if root.readonly {
        laws.push(law("root.readonly-true", "root.0", Matcher::Equals(json!({ "error": "EROFS" }))));
        laws.push(law("root.readonly-true", "mounts/~1/options", Matcher::Contains(json!("ro"))));
    } else if may_write(subject) {
        laws.push(law("root.readonly-false", "root.0", Matcher::Equals(json!({ "made": true }))));
    }
    laws.extend(
        propagation(subject, &root).map(|(requirement, matcher)| law(requirement, "mounts/~1/propagation", matcher)),
    );
    laws
}

/// What the case's own marker says. That of the base is in every other case, and tells none from the other.
fn marker<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    match subject.case.rootfs.get(MARKER) {
        Some(Entry { node: Node::File(text), .. }) if !text.contains("${") => Some(text),
        _ => None,
    }
}

/// Whether nothing but `root.readonly` could keep the process from writing to `/`: it is root where the runtime is,
/// and the case has put nothing else there.
fn may_write(subject: &Subject<'_>) -> bool {
    let root = matches!(user::view(subject.config), Ok(Some(user)) if user.uid == 0);
    let untouched = !subject.case.setup.iter().any(|action| matches!(action, Action::Mount { .. }));
    root && untouched && !lists(subject.config, "user") && !subject.case.rootfs.contains_key("/")
}

/// What mountinfo (proc(5)) can show of a propagation; what receives and what keeps must be tried.
fn propagation(subject: &Subject<'_>, root: &Root<'_>) -> Option<(&'static str, Matcher)> {
    let has = |word: &str| Matcher::Contains(json!(word));
    let law = match root.propagation {
        None => ("root.propagation-unset", Matcher::PRESENT),
        Some("shared") => ("root.propagation-shared", has("shared")),
        Some("unbindable") => ("root.propagation-unbindable", has("unbindable")),
        Some(_) => return None,
    };
    lists(subject.config, "mount").then_some(law)
}

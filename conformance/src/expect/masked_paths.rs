//! What lies at a masked path can't be read.

use serde_json::{Value, json};

use super::{Subject, expect as expected};
use crate::ask;
use crate::case::Try;
use crate::expectation::{Expectation, Matcher};
use crate::view::masked_paths;
use crate::view::tree::Tree;

/// Ways in which the kernel says that something can't be had.
const ERRORS: [&str; 10] =
    ["EACCES", "EPERM", "ENOENT", "ENOTDIR", "EISDIR", "ENXIO", "ENODEV", "ELOOP", "EIO", "EINVAL"];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match masked_paths::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let (Some(start), Some(raised)) = (subject.started(), ask::masked_paths::raised(subject.case, subject.config))
    else {
        return Vec::new();
    };
    let tree = Tree::of(subject.case, subject.config);
    let mut all = Vec::new();
    let mut law = |requirement: &str, mounted: bool, what: Try, matcher: Matcher| {
        let Some(fact) = raised.fact(&what) else { return };
        if mounted {
            all.push(expected("masked-paths.over-mounts", &start, fact.clone(), matcher.clone()));
        }
        all.push(expected(requirement, &start, fact, matcher));
    };
    for path in &view.paths {
        if let Some(file) = tree.file(path).filter(|file| file.text.as_deref() != Some("")) {
            let read = Try::Read(path.clone());
            law("masked-paths.file-reads-nothing", file.mount.is_some(), read, nothing_but(json!({ "bytes": "" })));
        } else if let Some(directory) = tree.directory(path)
            && let Some(known) = tree.below(path).next()
        {
            let mounted = directory.mount.is_some();
            let list = Try::List(path.clone());
            let empty = nothing_but(json!({ "entries": {} }));
            law("masked-paths.directory-lists-nothing", mounted, list, empty);
            let open = Try::Open { path: known.path.clone(), mode: "r".into() };
            law("masked-paths.below-directory-unreachable", mounted, open, Matcher::OneOf(errors()));
        }
    }
    all
}

fn nothing_but(empty: Value) -> Matcher {
    let mut answers = errors();
    answers.push(empty);
    Matcher::OneOf(answers)
}

fn errors() -> Vec<Value> {
    ERRORS.iter().map(|error| json!({ "error": error })).collect()
}

//! What lies at a read-only path can't be written, and can be read.

use serde_json::json;

use super::{Subject, expect as expected};
use crate::ask::readonly_paths::{beside, making_in, opening, paths, raised};
use crate::case::Try;
use crate::expectation::{Expectation, Matcher};
use crate::view::readonly_paths;
use crate::view::tree::{File, Tree};

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    if let Err(offence) = readonly_paths::view(subject.config) {
        return subject.refusal(&offence);
    }
    let (Some(start), Some(raised)) = (subject.started(), raised(subject.case, subject.config)) else {
        return Vec::new();
    };
    let tree = Tree::of(subject.case, subject.config);
    let mut all = Vec::new();
    let mut refuses = |requirement: &str, mounted: bool, what: Try| {
        let Some(fact) = raised.fact(&what) else { return };
        let refused = Matcher::Equals(json!({ "error": "EROFS" }));
        if mounted {
            all.push(expected("readonly-paths.over-mounts", &start, fact.clone(), refused.clone()));
        }
        all.push(expected(requirement, &start, fact, refused));
    };
    let mut known: Vec<&File> = Vec::new();
    let paths = paths(subject.config);
    for path in &paths {
        if let Some(directory) = tree.directory(path).filter(|directory| directory.takes_files) {
            refuses("readonly-paths.directory-not-writable", directory.mount.is_some(), making_in(path));
        }
        if let Some(file) = tree.file(path) {
            refuses("readonly-paths.file-not-writable", file.mount.is_some(), opening(&file.path));
            known.push(file);
        }
        if let Some(file) = beside(&tree, path) {
            refuses("readonly-paths.below-directory-not-writable", file.mount.is_some(), opening(&file.path));
            known.push(file);
        }
    }
    let readable = |file: &File| {
        let fact = raised.fact(&Try::Read(file.path.clone()))?;
        let text = file.text.as_deref()?;
        Some(expected("readonly-paths.readable", &start, fact, Matcher::Equals(json!({ "bytes": text }))))
    };
    all.extend(known.into_iter().filter_map(readable));
    all
}

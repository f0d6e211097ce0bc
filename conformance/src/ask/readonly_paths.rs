//! What can be written at read-only paths and below them, and still be read.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::tree::{File, Tree, lies_in};
use crate::view::{masked_paths, namespaces, readonly_paths};

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let tree = Tree::of(case, config);
    let mut raised = Raised::new("readonly-paths", case)?;
    for path in paths(config) {
        if tree.directory(&path).is_some_and(|directory| directory.takes_files) {
            raised.add(making_in(&path));
        }
        let files = tree.file(&path).into_iter().chain(beside(&tree, &path));
        for file in files {
            raised.add(opening(&file.path));
            raised.add(Try::Read(file.path.clone()));
        }
    }
    Some(raised)
}

/// The read-only paths whose being so a process of the user 0 can try: those that no masked path touches.
///
/// To other users the kernel may refuse a write before it comes to look at the mount.
pub fn paths(config: &Value) -> Vec<String> {
    let uid = config.pointer("/process/user/uid").and_then(Value::as_u64);
    let (Ok(Some(view)), Ok(masked)) = (readonly_paths::view(config), masked_paths::view(config)) else {
        return Vec::new();
    };
    if uid.is_some_and(|uid| uid != 0) || namespaces::lists(config, "user") {
        return Vec::new();
    }
    let masked = masked.map(|view| view.paths).unwrap_or_default();
    let is_clear = |path: &String| !masked.iter().any(|other| lies_in(path, other) || lies_in(other, path));
    view.paths.into_iter().filter(is_clear).collect()
}

/// A file below a read-only directory and on the same mount, if one is known.
pub fn beside<'t>(tree: &'t Tree, path: &'t str) -> Option<&'t File> {
    let mount = &tree.directory(path)?.mount;
    tree.below(path).find(|file| file.mount == *mount)
}

/// Making a file in a directory.
pub fn making_in(directory: &str) -> Try {
    Try::Make(format!("{directory}/.ocf-made"))
}

/// Opening a file to write to it.
pub fn opening(path: &str) -> Try {
    Try::Open { path: path.to_owned(), mode: "w".into() }
}

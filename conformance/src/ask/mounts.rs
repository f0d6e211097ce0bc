//! What the mounts show, and hide.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::masked_paths;
use crate::view::mounts::{self, Entry, View};
use crate::view::tree::{File, Tree, lies_in};

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let mut raised = Raised::new("mounts", case)?;
    raised.add(proc_type());
    let Ok(Some(view)) = mounts::view(config) else { return Some(raised) };
    let tree = Tree::of(case, config);
    for entry in view.uncovered().filter(|entry| entry.is_bind()) {
        for file in shown(&tree, entry, config) {
            raised.add(Try::Read(file.path.clone()));
            raised.add(Try::Stat(file.path.clone()));
        }
    }
    for (index, _) in view.entries.iter().enumerate() {
        if let Some(entry) = hidden(&view, index) {
            raised.add(Try::Stat(entry.destination.clone()));
        }
    }
    Some(raised)
}

/// Which file system is at /proc: without one, mountinfo can't be read.
pub fn proc_type() -> Try {
    Try::Statfs("/proc".into())
}

/// The files that a bind mount is known to show, and that nothing masks.
pub fn shown<'t>(tree: &'t Tree, entry: &'t Entry, config: &Value) -> impl Iterator<Item = &'t File> {
    let masked = masked_paths::view(config).ok().flatten().map(|view| view.paths).unwrap_or_default();
    let of_entry =
        tree.files.iter().filter(|file| file.mount.as_ref() == Some(&entry.destination) && file.text.is_some());
    of_entry.filter(move |file| !masked.iter().any(|path| lies_in(&file.path, path)))
}

/// The entry with this index, if a later one mounts a new and empty file system above it, so that what is at its
/// destination can't be seen, and nothing else can have come there.
pub fn hidden(view: &View, index: usize) -> Option<&Entry> {
    let entry = &view.entries[index];
    let above = &view.entries[view.covering(index)?];
    let is_empty = above.is_new_of("tmpfs") && above.destination != entry.destination;
    let comes_there = |other: &Entry| {
        other.destination != above.destination
            && lies_in(&other.destination, &above.destination)
            && (lies_in(&other.destination, &entry.destination) || lies_in(&entry.destination, &other.destination))
    };
    let later = view.entries.iter().skip_while(|other| !std::ptr::eq(*other, above));
    (is_empty && !entry.is_remount() && !later.into_iter().any(comes_there)).then_some(entry)
}

//! What can be read at masked paths and below them.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::masked_paths;
use crate::view::tree::Tree;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let view = masked_paths::view(config).ok()??;
    let tree = Tree::of(case, config);
    let mut raised = Raised::new("masked-paths", case)?;
    for path in &view.paths {
        if tree.file(path).is_some() {
            raised.add(Try::Read(path.clone()));
        } else if tree.directory(path).is_some()
            && let Some(known) = tree.below(path).next()
        {
            raised.add(Try::List(path.clone()));
            raised.add(Try::Open { path: known.path.clone(), mode: "r".into() });
        }
    }
    Some(raised)
}

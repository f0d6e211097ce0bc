//! What happens when there would be more tasks than there may be.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::pids::{self, View};

/// Limits within which it is tried: more children than that cost time and show nothing more.
const TRIED: std::ops::RangeInclusive<i64> = 0..=64;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let view = pids::view(config).ok()??;
    let mut raised = Raised::new("pids", case)?;
    if let Some(children) = beyond(&view) {
        raised.add(Try::Fork(children));
    }
    Some(raised)
}

/// So many children that, with the process itself, they are more tasks than there may be.
pub fn beyond(view: &View) -> Option<u32> {
    let limit = view.limit.filter(|limit| TRIED.contains(limit))?;
    u32::try_from(limit.max(1)).ok()
}

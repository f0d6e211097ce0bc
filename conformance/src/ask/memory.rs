//! What happens when more memory is touched than there may be.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::memory::{self, View};

/// Bytes of a MiB.
pub const MEBIBYTE: i64 = 1 << 20;
/// Limits within which it is tried: below, the witness itself would suffer; above, the host.
const TRIED: std::ops::RangeInclusive<i64> = 16 * MEBIBYTE..=256 * MEBIBYTE;
/// MiB that are touched beyond the limit.
const BEYOND: u32 = 16;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let view = memory::view(config).ok()??;
    let mut raised = Raised::new("memory", case)?;
    if let (true, Some(mebibytes)) = (kills(&view), beyond(&view)) {
        raised.add(Try::Touch(mebibytes));
    }
    Some(raised)
}

/// Whether what goes beyond the limit is sure to be killed: nothing can be swapped out.
pub fn kills(view: &View) -> bool {
    view.limit.is_some_and(|limit| TRIED.contains(&limit))
        && view.swap == view.limit
        && view.disable_oom_killer != Some(true)
}

/// MiB that are more than the limit.
pub fn beyond(view: &View) -> Option<u32> {
    u32::try_from(view.limit? / MEBIBYTE).ok()?.checked_add(BEYOND)
}

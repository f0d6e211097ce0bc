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
    if kills(&view) {
        raised.add(beyond(&view));
    }
    Some(raised)
}

/// Whether what goes beyond the limit is sure to be killed: nothing can be swapped out.
pub fn kills(view: &View) -> bool {
    TRIED.contains(&view.limit) && view.swap == Some(view.limit) && !view.keeps_alive
}

/// Touching more than the limit.
pub fn beyond(view: &View) -> Try {
    Try::Touch(u32::try_from(view.limit / MEBIBYTE).unwrap_or(u32::MAX).saturating_add(BEYOND))
}

//! What happens when more huge pages would be reserved than there may be.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Syscall, Try};
use crate::view::hugepage_limits::{self, Entry};

/// Pages up to which it is tried: a host that has any has few.
const MOST_PAGES: u64 = 8;
/// For mmap(2): the memory may be read and written, is nobody else's, and no file's.
const PROTECTION: u64 = 0x3;
const PRIVATE_ANONYMOUS_HUGE: u64 = 0x02 | 0x20 | 0x4_0000;
/// Where in mmap(2)'s flags the binary logarithm of the page's size stands.
const SIZE_SHIFT: u32 = 26;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let entries = hugepage_limits::view(config).ok()??;
    let mut raised = Raised::new("hugepage-limits", case)?;
    for (what, _) in entries.iter().filter_map(beyond) {
        raised.add(what);
    }
    Some(raised)
}

/// A mapping of one page more than the limit allows, and how many pages those are.
pub fn beyond(entry: &Entry<'_>) -> Option<(Try, u64)> {
    let bytes = entry.bytes.filter(|bytes| bytes.is_power_of_two())?;
    let pages = (entry.limit / bytes).checked_add(1).filter(|pages| *pages <= MOST_PAGES)?;
    let flags = PRIVATE_ANONYMOUS_HUGE | u64::from(bytes.trailing_zeros()) << SIZE_SHIFT;
    let args = vec![0, pages * bytes, PROTECTION, flags, u64::MAX, 0];
    Some((Try::Syscall(Syscall::new("mmap", args)), pages))
}

//! Whether a child has the policy as well.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::memory_policy;

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    memory_policy::view(config).ok()??;
    let mut raised = Raised::new("memory-policy", case)?;
    raised.add(Try::MemoryPolicy {});
    Some(raised)
}

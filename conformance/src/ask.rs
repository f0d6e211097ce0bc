//! Which questions a case raises, chapter by chapter, besides its own.
//!
//! The witness reports the facts of its process anyway; a question is for what must be tried.

use serde_json::Value;

use crate::case::{Case, MAIN, Question, Step, Try, Verb};

pub(crate) mod devices;
pub(crate) mod hugepage_limits;
pub(crate) mod masked_paths;
pub(crate) mod memory;
pub(crate) mod memory_policy;
pub(crate) mod mounts;
pub(crate) mod pids;
pub(crate) mod process;
pub(crate) mod raised;
pub(crate) mod readonly_paths;
mod root;
pub(crate) mod seccomp;
mod sysctl;

/// What a chapter may ask from: the case and its config, placeholders not yet filled in.
pub struct Subject<'a> {
    /// The case.
    pub case: &'a Case,
    /// The config.
    pub config: &'a Value,
}

type Ask = fn(&Subject<'_>) -> Vec<Question>;

/// The chapters that raise questions.
const CHAPTERS: &[(&str, Ask)] = &[
    ("devices", devices::ask),
    ("hugepage-limits", hugepage_limits::ask),
    ("masked-paths", masked_paths::ask),
    ("memory", memory::ask),
    ("memory-policy", memory_policy::ask),
    ("mounts", mounts::ask),
    ("pids", pids::ask),
    ("process", process::ask),
    ("readonly-paths", readonly_paths::ask),
    ("root", root::ask),
    ("seccomp", seccomp::ask),
    ("sysctl", sysctl::ask),
];

/// All questions of a case: its own first, then those that its config raises. A question of a chapter is
/// named `CHAPTER.N`, so that it can't meet a case's own.
pub fn questions(case: &Case, config: Option<&Value>) -> Vec<Question> {
    let mut all = case.questions.clone();
    if let Some(config) = config {
        let subject = Subject { case, config };
        all.extend(CHAPTERS.iter().flat_map(|(_, ask)| ask(&subject)));
    }
    all
}

impl Subject<'_> {
    /// A question of the moment at which the main container's witness reports, whatever that step is called.
    pub fn question(&self, name: impl Into<String>, what: Try) -> Question {
        Question { name: name.into(), what, at: self.started() }
    }

    fn started(&self) -> Option<String> {
        let steps = self.case.steps();
        let mut calls = steps.iter().flat_map(Step::calls);
        let call = calls.find(|call| matches!(call.verb, Verb::Start | Verb::Run) && call.container == MAIN)?;
        Some(Step::Call(call.clone()).name())
    }
}

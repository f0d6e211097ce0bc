//! What the harness hands to a case's supervisor, and what it gets back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ocf_spec::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapter::Adapter;
use crate::case::{Base, Case, MAIN, Question, Step, Verb};
use crate::host::View;

/// One case to run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    /// The case; its control merged in if that is what is run.
    pub case: Case,
    /// Its base.
    pub base: Base,
    /// All that the witness is asked, the chapters' questions among it.
    pub questions: Vec<Question>,
    /// The version of the specification tested.
    pub spec: Version,
    /// How to call the runtime.
    pub adapter: Adapter,
    /// The runtime's file.
    pub runtime: PathBuf,
    /// What the case sees of the cgroups.
    pub view: View,
    /// The name of its cgroup.
    pub cgroup: String,
    /// Seconds until a call is killed, unless its step says otherwise.
    pub deadline: u32,
    /// Where the bundle is copied for the reader, if it is kept.
    pub keep: Option<PathBuf>,
    /// Where all that the case brings is copied, instead of doing it, if it is to be done elsewhere.
    pub stage: Option<PathBuf>,
}

/// What a supervisor tells when the case is over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// The main container's config as the runtime found it; none if it was no JSON.
    pub config: Option<Value>,
    /// The facts.
    pub facts: Value,
    /// The harness's own trouble.
    pub trouble: Option<String>,
    /// Whether a step came to its deadline.
    pub overdue: bool,
}

impl Job {
    /// The containers that the steps speak of; the main one always.
    pub fn containers(&self) -> Vec<String> {
        let mut names = BTreeSet::from([MAIN.to_owned()]);
        names.extend(self.case.steps().iter().flat_map(Step::containers));
        names.into_iter().collect()
    }

    /// The step that starts a container: the moment at which its witness reports by itself.
    pub fn started(&self, container: &str) -> String {
        let steps = self.case.steps();
        let mut calls = steps.iter().flat_map(Step::calls);
        let call = calls.find(|c| matches!(c.verb, Verb::Start | Verb::Run) && c.container == container);
        call.map_or_else(|| "start".to_owned(), |call| Step::Call(call.clone()).name())
    }
}

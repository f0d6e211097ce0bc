//! What holds across the operations of one life.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Expectation, Matcher, Subject, expect as expected, of_step};
use crate::case::Verb;
use crate::view::lifecycle::{self, Operation, Outcome};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let all = subject.operations();
    let verbs: BTreeSet<Verb> = all.iter().map(|operation| operation.call.verb).collect();
    let five = [Verb::State, Verb::Create, Verb::Start, Verb::Kill, Verb::Delete];
    if !five.iter().all(|verb| verbs.contains(verb)) {
        return Vec::new();
    }
    all.iter().filter(|operation| is_plain(operation)).flat_map(offered).collect()
}

/// A call on an existing container against which nothing stands. A bundle that is refused is no missing operation.
fn is_plain(operation: &Operation<'_>) -> bool {
    let on_existing = matches!(operation.call.verb, Verb::State | Verb::Kill | Verb::Delete);
    on_existing && operation.outcome == Outcome::Success && operation.provoked.is_none() && !operation.crowded
}

fn offered(operation: &Operation<'_>) -> Vec<Expectation> {
    let failed = of_step(&operation.name, "failed");
    ["lifecycle.operations", "lifecycle.creator-can-operate"]
        .map(|id| expected(id, &operation.name, &failed, Matcher::Equals(json!(false))))
        .into()
}

impl Subject<'_> {
    /// The calls of the case with what is known of their containers.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        lifecycle::operations(self.case, &self.steps, self.config, self.spec)
    }

    /// The calls of one operation.
    pub fn operations_of(&self, verb: Verb) -> Vec<Operation<'_>> {
        self.operations().into_iter().filter(|operation| operation.call.verb == verb).collect()
    }
}

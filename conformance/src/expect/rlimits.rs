//! The resource limits.

use serde_json::json;

use super::{Subject, inside};
use crate::expectation::{Expectation, Matcher};
use crate::view::rlimits::view;

/// Both values of each limit, as getrlimit(2) tells them inside.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let limits = match view(subject.config) {
        Ok(Some(limits)) => limits,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(start) = subject.started() else { return Vec::new() };
    let mut laws = Vec::new();
    for limit in limits {
        let fact = inside(&start, &format!("limits/{}", limit.name));
        let soft = Matcher::Equals(json!(limit.soft));
        laws.push(super::expect("rlimits.soft-applied", &start, format!("{fact}/soft"), soft));
        let hard = Matcher::Equals(json!(limit.hard));
        laws.push(super::expect("rlimits.hard-applied", &start, format!("{fact}/hard"), hard));
    }
    laws
}

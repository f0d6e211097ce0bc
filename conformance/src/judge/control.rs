//! Controls: what a case shows by an error, it shows only beside a twin that the same runtime accepted.
//!
//! A runtime which refuses all that it does not know would keep every requirement that demands an error, and with them
//! each that speaks of the time after one.

use std::collections::BTreeMap;

use serde_json::json;

use super::Reason;
use super::reach::{self, Unknown};
use super::refusal;
use crate::case::{Call, Step, Verb};
use crate::evidence::{Evidence, Role};
use crate::expectation::{Expectation, Matcher};

/// The controls of a run, by their cases, and the base that all of them start from.
pub(super) struct Controls<'a> {
    base: Option<&'a Evidence>,
    by_case: BTreeMap<&'a str, &'a Evidence>,
}

impl<'a> Controls<'a> {
    /// Finds them among the evidence of a run.
    pub fn of(evidence: &[&'a Evidence]) -> Self {
        let controls = evidence.iter().filter(|it| it.role == Role::Control);
        Self {
            base: evidence.iter().find(|it| it.role == Role::Base).copied(),
            by_case: controls.map(|it| (it.case.as_str(), *it)).collect(),
        }
    }

    /// Whether a pass counts, as far as its case's control has a say in it.
    pub fn vouch(&self, evidence: &Evidence, passed: &Expectation) -> Result<(), Unknown> {
        if let Matcher::Refused(refusal) = &passed.matcher {
            return accepted(refusal::accepted(self.needed(evidence)?, refusal));
        }
        for step in refused_bundles(evidence) {
            accepted(self.needed(evidence)?.succeeded(&step))?;
        }
        match (demanded_error(passed), self.by_case.get(evidence.case.as_str())) {
            (Some(step), Some(control)) if has_call(control, step) => accepted(control.succeeded(step)),
            _ => Ok(()),
        }
    }

    /// The case's control. For a config that is not the base's, the base is none: a runtime may accept that one alone.
    fn needed(&self, evidence: &Evidence) -> Result<&'a Evidence, Unknown> {
        let control = self.by_case.get(evidence.case.as_str()).copied();
        let control = control.ok_or_else(|| Unknown::undecided(Reason::NoControl))?;
        let is_base = |it: &Evidence| self.base.is_some_and(|base| base.config.is_some() && base.config == it.config);
        if is_base(control) && !is_base(evidence) {
            return Err(Unknown::undecided(Reason::ControlIsBase));
        }
        Ok(control)
    }
}

fn accepted(yes: bool) -> Result<(), Unknown> {
    if yes { Ok(()) } else { Err(Unknown::undecided(Reason::ControlRefused)) }
}

/// The calls of create and run that have failed. Whatever is seen in such a case may be owed to that.
fn refused_bundles(evidence: &Evidence) -> Vec<String> {
    let takes_a_bundle = |call: &Call| matches!(call.verb, Verb::Create | Verb::Run);
    let called = names_of_calls(evidence, takes_a_bundle);
    called.into_iter().filter(|step| reach::failed(evidence, step)).collect()
}

fn has_call(evidence: &Evidence, step: &str) -> bool {
    names_of_calls(evidence, |_| true).iter().any(|name| name == step)
}

fn names_of_calls(evidence: &Evidence, such: impl Fn(&Call) -> bool) -> Vec<String> {
    let steps = evidence.definition.steps();
    let calls = steps.iter().flat_map(Step::calls).filter(|call| such(call));
    calls.map(|call| Step::Call(call.clone()).name()).collect()
}

/// The step that is expected to fail, if that is what is expected.
fn demanded_error(passed: &Expectation) -> Option<&str> {
    let step = passed.fact.strip_prefix("/steps/")?.strip_suffix("/failed")?;
    (passed.matcher == Matcher::Equals(json!(true))).then_some(step)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::{evidence, expectation};
    use super::*;
    use crate::case::Case;

    fn case(steps: &str) -> Case {
        Case::parse(&format!(r#"{{"about": "x", "steps": {steps}}}"#)).unwrap()
    }

    fn seen(role: Role, config: Value, steps: &str, failed: Value) -> Evidence {
        let failed = failed.as_object().unwrap().iter();
        let facts: serde_json::Map<_, _> = failed.map(|(step, it)| (step.clone(), json!({ "failed": it }))).collect();
        let facts = json!({ "steps": facts });
        Evidence { role, config: Some(config), ..evidence("a/b", case(steps), facts) }
    }

    fn vouched(run: &[Evidence], passed: &Expectation) -> Result<(), Reason> {
        let usable: Vec<_> = run.iter().collect();
        Controls::of(&usable).vouch(&run[0], passed).map_err(|unknown| unknown.reason)
    }

    #[test]
    fn nothing_counts_after_a_refused_bundle_whose_control_was_refused() {
        let case = seen(Role::Case, json!(1), r#"["create", "state"]"#, json!({"create": true, "state": true}));
        let about = expectation("create", "/host/create/processes", json!({"equals": {}}));
        let with = |failed: bool| {
            let control = seen(Role::Control, json!(2), r#"["create"]"#, json!({ "create": failed }));
            vouched(&[case.clone(), control], &about)
        };
        assert_eq!(with(false), Ok(()));
        assert_eq!(with(true), Err(Reason::ControlRefused));
        assert_eq!(vouched(std::slice::from_ref(&case), &about), Err(Reason::NoControl));
    }

    #[test]
    fn the_base_is_no_control_of_another_config() {
        let failed = json!({"create": true});
        let about = expectation("create", "/steps/create/failed", json!({"equals": true}));
        let with = |config: u8| {
            let case = seen(Role::Case, json!(config), r#"["create"]"#, failed.clone());
            let base = |role| seen(role, json!(0), r#"["create"]"#, json!({"create": false}));
            vouched(&[case, base(Role::Control), base(Role::Base)], &about)
        };
        assert_eq!(with(1), Err(Reason::ControlIsBase));
        assert_eq!(with(0), Ok(()));
    }

    #[test]
    fn a_demanded_error_counts_only_if_the_controls_same_call_succeeded() {
        let steps = r#"["create", {"start": {"name": "again"}}]"#;
        let about = expectation("again", "/steps/again/failed", json!({"equals": true}));
        let life = |role, failed: bool| seen(role, json!(1), steps, json!({"create": false, "again": failed}));
        assert_eq!(vouched(&[life(Role::Case, true), life(Role::Control, false)], &about), Ok(()));
        let refused = vouched(&[life(Role::Case, true), life(Role::Control, true)], &about);
        assert_eq!(refused, Err(Reason::ControlRefused));
        assert_eq!(vouched(&[life(Role::Case, true)], &about), Ok(()));
    }
}

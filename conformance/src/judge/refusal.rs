//! Refusals: the operation failed, and the user's program never ran.

use crate::case::{Call, Step, Verb};
use crate::evidence::Evidence;
use crate::expectation::Refusal;

use super::Reason;
use super::reach::{self, Known, Unknown};

/// What the journal holds once the container's own process has run.
const RAN: &str = "/journal/process ran";

/// Characters that are kept of a runtime's own words about the base bundle.
const WORDS: usize = 4000;

/// Whether the named call, or any that launches a container, failed by itself and the program never ran.
///
/// A call that was killed at its deadline has refused nothing.
pub(super) fn refused(evidence: &Evidence, refusal: &Refusal) -> Result<bool, Unknown> {
    let calls: Vec<_> = candidates(evidence, refusal).into_iter().filter(|step| evidence.attempted(step)).collect();
    if calls.is_empty() {
        let step = refusal.at.as_deref().unwrap_or("create").to_owned();
        return Err(Unknown::blocked(Reason::NotReached(step, reach::first_failure(evidence))));
    }
    let ran = matches!(reach::known(evidence, RAN)?, Known::Present(_));
    let refuses = |step: &String| reach::failed(evidence, step) && !reach::timed_out(evidence, step);
    Ok(!ran && calls.iter().any(refuses))
}

/// Whether a control was accepted where the refusal was expected, and its program ran.
pub(super) fn accepted(control: &Evidence, refusal: &Refusal) -> bool {
    let calls = candidates(control, refusal);
    let ran = matches!(reach::known(control, RAN), Ok(Known::Present(_)));
    ran && !calls.is_empty() && calls.iter().all(|step| control.succeeded(step))
}

/// What happened, for a reader.
pub(super) fn seen(evidence: &Evidence, refusal: &Refusal) -> String {
    let mut parts: Vec<_> =
        candidates(evidence, refusal).iter().map(|step| format!("{step} {}", ending(evidence, step))).collect();
    parts.push(match reach::known(evidence, RAN) {
        Ok(Known::Present(_)) => "the program ran".to_owned(),
        Ok(Known::Absent) => "the program never ran".to_owned(),
        Err(_) => "whether the program ran is not known".to_owned(),
    });
    parts.join(", ")
}

fn ending(evidence: &Evidence, step: &str) -> &'static str {
    match (evidence.attempted(step), reach::timed_out(evidence, step)) {
        (false, _) => "was not tried",
        (true, true) => "came to its deadline",
        (true, false) if reach::failed(evidence, step) => "failed",
        (true, false) if evidence.succeeded(step) => "succeeded",
        (true, false) => "ended somehow",
    }
}

fn candidates(evidence: &Evidence, refusal: &Refusal) -> Vec<String> {
    match &refusal.at {
        Some(step) => vec![step.clone()],
        None => launches(&evidence.definition.steps()),
    }
}

/// The names of the calls that create, start or run a container.
fn launches(steps: &[Step]) -> Vec<String> {
    steps.iter().flat_map(launches_of).collect()
}

fn launches_of(step: &Step) -> Vec<String> {
    match step {
        Step::Call(Call { verb: Verb::Create | Verb::Start | Verb::Run, .. }) => vec![step.name()],
        Step::Together(together) => launches(&together.steps),
        Step::While(held) => [launches_of(&held.call), launches(&held.steps)].concat(),
        _ => Vec::new(),
    }
}

/// That the unpatched base bundle would not run: then nothing else is worth trying.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unusable {
    /// What happened, step by step.
    pub seen: String,
    /// The runtime's own words at the step that failed first, as it said them; cut, and hostile.
    pub words: String,
}

impl Unusable {
    /// Looks at the evidence of the base; none if it ran. The harness's own trouble is no fault of the
    /// runtime's: look at [`Evidence::trouble`] first.
    pub fn of(base: &Evidence) -> Option<Self> {
        let anywhere = Refusal::default();
        if accepted(base, &anywhere) {
            return None;
        }
        let steps = base.definition.steps();
        let mut names = steps.iter().flat_map(Step::names);
        let failed = names.find(|step| reach::failed(base, step) || reach::timed_out(base, step));
        let words = failed.map(|step| reach::words(base, &step).trim().to_owned()).unwrap_or_default();
        Some(Self { seen: seen(base, &anywhere), words: super::shorten(&words, WORDS) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Verdict;
    use super::super::testing::{case, evidence, ran};
    use super::*;

    fn life(create: Value, start: Value, journal: Value) -> Evidence {
        evidence("a/b", case(), json!({"steps": {"create": create, "start": start}, "journal": journal}))
    }

    fn silent() -> Value {
        json!({"$complete": true})
    }

    const ANYWHERE: Refusal = Refusal { at: None };

    #[test]
    fn refused_at_create_or_at_start() {
        let skipped = json!({"skipped": "create failed"});
        let at_create = life(json!({"failed": true}), skipped, silent());
        assert_eq!(refused(&at_create, &ANYWHERE), Ok(true));
        let at_start = life(json!({"failed": false}), json!({"failed": true}), silent());
        assert_eq!(refused(&at_start, &ANYWHERE), Ok(true));
        assert_eq!(refused(&at_start, &Refusal { at: Some("create".into()) }), Ok(false));
    }

    #[test]
    fn a_program_that_ran_was_not_refused() {
        let late = life(json!({"failed": false}), json!({"failed": true}), ran());
        assert_eq!(refused(&late, &ANYWHERE), Ok(false));
    }

    #[test]
    fn a_deadline_is_no_refusal() {
        let slow = life(json!({"failed": true, "timeout": true}), json!({"skipped": ""}), silent());
        assert_eq!(refused(&slow, &ANYWHERE), Ok(false));
    }

    #[test]
    fn silence_in_a_journal_that_is_not_complete_says_nothing() {
        let lost = life(json!({"failed": true}), json!({"skipped": ""}), json!({}));
        assert_eq!(refused(&lost, &ANYWHERE).unwrap_err().verdict, Verdict::Undecided);
    }

    #[test]
    fn a_call_that_was_never_made_refused_nothing() {
        let idle = life(json!({"skipped": "setup failed"}), json!({"skipped": ""}), silent());
        assert_eq!(refused(&idle, &ANYWHERE).unwrap_err().verdict, Verdict::Blocked);
    }

    #[test]
    fn calls_within_other_steps_count() {
        let nested = r#"{"about": "x", "steps": [
            {"while": {"name": "held", "hook": "prestart/0", "call": "create",
                "steps": [{"create": {"name": "again"}}, "state"]}},
            {"together": {"name": "race", "steps": ["start", {"start": {"name": "too"}}]}}]}"#;
        let nested = crate::case::Case::parse(nested).unwrap();
        assert_eq!(launches(&nested.steps()), ["create", "again", "start", "too"]);
    }

    #[test]
    fn an_accepted_control_started_and_ran() {
        let done = json!({"failed": false});
        assert!(accepted(&life(done.clone(), done.clone(), ran()), &ANYWHERE));
        assert!(!accepted(&life(done.clone(), done.clone(), silent()), &ANYWHERE));
        assert!(!accepted(&life(done, json!({"failed": true}), ran()), &ANYWHERE));
    }

    #[test]
    fn an_unusable_runtime_is_quoted() {
        let words = "cgroup: not supported\n";
        let refusing = life(json!({"failed": true, "stderr": words}), json!({"skipped": ""}), silent());
        let unusable = Unusable::of(&refusing).unwrap();
        assert_eq!(unusable.words, "cgroup: not supported");
        assert_eq!(unusable.seen, "create failed, start was not tried, the program never ran");
        let done = json!({"failed": false});
        assert_eq!(Unusable::of(&life(done.clone(), done, ran())), None);
    }
}

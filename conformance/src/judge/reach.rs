//! Whether a fact can be known at all, and if not, why.

use serde_json::Value;

use super::{Reason, Verdict};
use crate::evidence::{Evidence, Fact};
use crate::expectation::token;

/// The member of `/inside/MOMENT` by which the witness closes its report.
const REPORTED: &str = "$reported";

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The verdict that it leads to.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

impl Unknown {
    pub fn blocked(reason: Reason) -> Self {
        Self { verdict: Verdict::Blocked, reason }
    }

    pub fn undecidable(reason: Reason) -> Self {
        Self { verdict: Verdict::Undecidable, reason }
    }

    pub fn undecided(reason: Reason) -> Self {
        Self { verdict: Verdict::Undecided, reason }
    }
}

/// A fact of which something is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known<'a> {
    /// It was observed.
    Present(&'a Value),
    /// A complete listing lacks it.
    Absent,
}

/// Whether the step was taken at all.
pub(super) fn reached(evidence: &Evidence, step: &str) -> Result<(), Unknown> {
    if evidence.attempted(step) {
        return Ok(());
    }
    Err(Unknown::blocked(Reason::NotReached(step.to_owned(), first_failure(evidence))))
}

/// The fact that is expected after a step: what nobody asked because that step failed is blocked by it.
pub(super) fn known_after<'a>(evidence: &'a Evidence, step: &str, pointer: &str) -> Result<Known<'a>, Unknown> {
    known(evidence, pointer).map_err(|unknown| match unknown.reason {
        Reason::NotAsked(_) if failed(evidence, step) => {
            Unknown::blocked(Reason::NotReached(pointer.to_owned(), first_failure(evidence)))
        }
        _ => unknown,
    })
}

/// The fact, if it was had, and what is inside only once the witness has reported there in full.
pub(super) fn known<'a>(evidence: &'a Evidence, pointer: &str) -> Result<Known<'a>, Unknown> {
    if let Some(moment) = moment_inside(pointer)
        && !reported(evidence, moment)
    {
        let name = moment.replace("~1", "/").replace("~0", "~");
        let cause = first_failure(evidence);
        return Err(Unknown::blocked(Reason::Silent(name, cause)));
    }
    match evidence.fact(pointer) {
        Fact::Present(value) => Ok(Known::Present(value)),
        Fact::Absent => Ok(Known::Absent),
        Fact::NotAsked => Err(Unknown::undecided(Reason::NotAsked(pointer.to_owned()))),
        Fact::Unreadable(why) => Err(Unknown::undecidable(Reason::Unreadable(why.to_owned()))),
    }
}

/// The moment of a fact inside, as the pointer spells it.
fn moment_inside(pointer: &str) -> Option<&str> {
    pointer.strip_prefix("/inside/")?.split('/').next()
}

fn reported(evidence: &Evidence, moment: &str) -> bool {
    let place = format!("/inside/{moment}/{REPORTED}");
    evidence.facts.pointer(&place) == Some(&Value::Bool(true))
}

/// Whether the step was taken and failed.
pub(super) fn failed(evidence: &Evidence, step: &str) -> bool {
    step_fact(evidence, step, "failed") == Some(&Value::Bool(true))
}

/// Whether the step was ended at its deadline.
pub(super) fn timed_out(evidence: &Evidence, step: &str) -> bool {
    step_fact(evidence, step, "timeout") == Some(&Value::Bool(true))
}

/// What the runtime itself said at a step: its standard error, else its standard output.
pub(super) fn words<'a>(evidence: &'a Evidence, step: &str) -> &'a str {
    let said = |stream| step_fact(evidence, step, stream).and_then(text).filter(|it| !it.trim().is_empty());
    said("stderr").or_else(|| said("stdout")).unwrap_or_default()
}

/// A stream's text, which is given bare or, beside its size, as `bytes`.
fn text(stream: &Value) -> Option<&str> {
    stream.as_str().or_else(|| stream.get("bytes")?.as_str())
}

/// Which step went wrong first, and in whose words.
pub(super) fn first_failure(evidence: &Evidence) -> String {
    let steps = evidence.definition.steps();
    let mut names = steps.iter().flat_map(|step| step.names());
    let went_wrong = names.find_map(|step| mishap(evidence, &step));
    went_wrong.unwrap_or_else(|| "no step failed".to_owned())
}

fn mishap(evidence: &Evidence, step: &str) -> Option<String> {
    if timed_out(evidence, step) {
        return Some(format!("{step} came to its deadline"));
    }
    if failed(evidence, step) {
        return Some(match words(evidence, step) {
            "" => format!("{step} failed without a word"),
            words => format!("{step} failed: {}", Reason::words(words)),
        });
    }
    let skipped = step_fact(evidence, step, "skipped")?;
    Some(match skipped.as_str() {
        Some(why) => format!("{step} was skipped: {}", Reason::words(why)),
        None => format!("{step} was skipped"),
    })
}

fn step_fact<'a>(evidence: &'a Evidence, step: &str, name: &str) -> Option<&'a Value> {
    evidence.facts.pointer(&format!("/steps/{}/{name}", token(step)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{case, evidence};
    use super::*;

    fn create_failed() -> Evidence {
        let facts = json!({"steps": {
            "create": {"failed": true, "stderr": "bad\x1b[2J config\n"},
            "start": {"skipped": "create failed"},
        }});
        evidence("a/b", case(), facts)
    }

    #[test]
    fn a_skipped_or_missing_step_is_blocked_by_the_first_failure_in_the_runtimes_words() {
        for step in ["start", "delete"] {
            let unknown = reached(&create_failed(), step).unwrap_err();
            assert_eq!(unknown.verdict, Verdict::Blocked);
            let words = format!("not reached: {step}: create failed: bad\\u{{1b}}[2J config");
            assert_eq!(unknown.reason.to_string(), words);
        }
        assert_eq!(reached(&create_failed(), "create"), Ok(()));
    }

    #[test]
    fn nothing_inside_counts_before_the_witness_has_reported() {
        let ran = json!({"failed": false});
        let facts = json!({"steps": {"create": ran, "start": ran}, "inside": {"start": {"pid": 1}}});
        let mut silent = evidence("a/b", case(), facts);
        let unknown = known(&silent, "/inside/start/pid").unwrap_err();
        assert_eq!(unknown.verdict, Verdict::Blocked);
        let words = "the witness inside never reported: at start: no step failed";
        assert_eq!(unknown.reason.to_string(), words);
        silent.facts["inside"]["start"]["$reported"] = json!(true);
        assert_eq!(known(&silent, "/inside/start/pid"), Ok(Known::Present(&json!(1))));
    }

    #[test]
    fn a_silent_witness_is_blamed_on_the_step_that_failed() {
        let unknown = known(&create_failed(), "/inside/start/pid").unwrap_err();
        assert!(unknown.reason.to_string().contains("create failed: bad"), "{}", unknown.reason);
    }

    #[test]
    fn what_a_failed_step_left_unasked_is_blocked_and_not_undecided() {
        let evidence = create_failed();
        let pointer = "/host/create/process/uid";
        assert_eq!(known_after(&evidence, "create", pointer).unwrap_err().verdict, Verdict::Blocked);
        assert_eq!(known(&evidence, pointer).unwrap_err().verdict, Verdict::Undecided);
    }

    #[test]
    fn a_deadline_is_named_before_the_failure_that_it_causes() {
        let facts = json!({"steps": {"create": {"failed": true, "timeout": true, "stderr": "killed"}}});
        let cause = first_failure(&evidence("a/b", case(), facts));
        assert_eq!(cause, "create came to its deadline");
    }
}

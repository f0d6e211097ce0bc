//! Judges evidence: a pure function, without clock, file or process.
//!
//! 1. Each expectation is judged against its own evidence: an [`Outcome`].
//! 2. A pass is weighed against all evidence of the run: what an error shows counts beside an accepted control, and
//!    any pass only if what it rests on took a second value somewhere.
//! 3. A requirement is decided by the gravest of its outcomes: a [`Decided`].
//!
//! The order of the evidence does not matter: cases are judged in the order of their names.

use std::collections::BTreeMap;

use ocf_spec::{Level, Requirement, RequirementId, Specification};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Header, Role};
use crate::expectation::Expectation;
use crate::host::{HostFacts, Need};
use crate::profile::Profile;

mod claim;
mod conclusion;
mod control;
mod discrimination;
mod matching;
mod reach;
mod reason;
mod refusal;
mod seen;
#[cfg(test)]
pub(crate) mod testing;
mod visible;

pub use conclusion::{Conclusion, Waivers, conclude, exit_status};
pub use reason::Reason;
pub use refusal::Unusable;
pub use visible::{shorten, visible};

use control::Controls;
use discrimination::SecondValues;
use reach::Unknown;

/// What judging gives. Over cases, the first of these that any outcome has is the requirement's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The requirement is broken.
    Fail,
    /// The harness's own trouble.
    Error,
    /// The requirement is kept, by a fact that was really observed and could have been another.
    Pass,
    /// A step that had to be reached was not, or nobody inside reported.
    Blocked,
    /// The text permits a choice, and the runtime refused what its features don't claim.
    Unsupported,
    /// A fact of the host, or a vantage, is missing.
    Undecidable,
    /// No case raised it, or no pass counted; the reason says which.
    Undecided,
    /// A MAY: recorded, never judged.
    Observed,
}

impl Verdict {
    /// Every verdict, the gravest first.
    pub const ALL: [Self; 8] = [
        Self::Fail,
        Self::Error,
        Self::Pass,
        Self::Blocked,
        Self::Unsupported,
        Self::Undecidable,
        Self::Undecided,
        Self::Observed,
    ];

    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Pass => "pass",
            Self::Blocked => "blocked",
            Self::Unsupported => "unsupported",
            Self::Undecidable => "undecidable",
            Self::Undecided => "undecided",
            Self::Observed => "observed",
        }
    }

    /// Whether the runtime was found to keep or to break the requirement.
    pub fn is_decided(self) -> bool {
        matches!(self, Self::Pass | Self::Fail)
    }
}

/// What judging one expectation against one evidence gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What had to hold, for a reader; free of control characters.
    pub expected: String,
    /// What was there, for a reader; free of control characters, and cut.
    pub seen: String,
    /// The case's id.
    pub case: String,
    /// Why the case was run.
    pub role: Role,
    /// Why it is neither pass nor fail; none for those, and for what was observed.
    pub reason: Option<Reason>,
    /// The expectation itself.
    pub expectation: Expectation,
}

/// One requirement, decided over all cases.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The requirement.
    pub id: RequirementId,
    /// How strongly it binds.
    pub level: Level,
    /// Whether it belongs to the profile.
    pub in_profile: bool,
    /// The verdict over all outcomes.
    pub verdict: Verdict,
    /// Why it was not judged although cases may have raised it, or that none did.
    pub standing: Option<Reason>,
    /// Every outcome, in the order of the cases' names.
    pub outcomes: Vec<Outcome>,
}

impl Decided {
    /// The outcome that stands for the verdict: the first that has it. Where passes did not discriminate, one of them.
    pub fn leading(&self) -> Option<&Outcome> {
        let of_verdict = |outcome: &&Outcome| outcome.verdict == self.verdict;
        let is_other = |outcome: &&Outcome| outcome.reason != Some(Reason::NotDiscriminating);
        self.outcomes.iter().filter(of_verdict).min_by_key(is_other)
    }

    /// Why it is neither pass nor fail.
    pub fn reason(&self) -> Option<&Reason> {
        self.standing.as_ref().or_else(|| self.leading()?.reason.as_ref())
    }

    /// The cases that raised it, each once.
    pub fn cases(&self) -> Vec<&str> {
        let mut cases: Vec<&str> = self.outcomes.iter().map(|it| it.case.as_str()).collect();
        cases.dedup();
        cases
    }

    /// How many passes were not counted because nothing they rest on took a second value.
    pub fn not_discriminating(&self) -> usize {
        let is_one = |outcome: &&Outcome| outcome.reason == Some(Reason::NotDiscriminating);
        self.outcomes.iter().filter(is_one).count()
    }

    /// Whether the harness had trouble with any of its cases, even if another case was graver.
    pub fn has_error(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.verdict == Verdict::Error)
    }
}

/// Decides every requirement of the version tested, in the specification's order.
///
/// `evidence` holds each case's evidence with the expectations that were derived for it. One for a
/// requirement that is unknown, or not in force in this version, is left out.
pub fn judge(
    header: &Header,
    evidence: &[(Evidence, Vec<Expectation>)],
    specification: &Specification,
    profile: &Profile,
) -> Vec<Decided> {
    let mut bench = Bench::new(header, evidence);
    let in_force = specification.requirements().filter(|it| it.applies(header.spec));
    in_force.map(|requirement| bench.decide(requirement, profile)).collect()
}

/// All evidence of a run, laid out for judging.
struct Bench<'a> {
    header: &'a Header,
    raised: BTreeMap<&'a RequirementId, Vec<(&'a Evidence, &'a Expectation)>>,
    controls: Controls<'a>,
    second_values: SecondValues<'a>,
}

impl<'a> Bench<'a> {
    fn new(header: &'a Header, run: &'a [(Evidence, Vec<Expectation>)]) -> Self {
        let mut sorted: Vec<_> = run.iter().collect();
        sorted.sort_by_key(|(evidence, _)| (&evidence.case, evidence.role));
        let mut raised: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (evidence, expectations) in &sorted {
            for expectation in expectations {
                raised.entry(&expectation.requirement).or_default().push((evidence, expectation));
            }
        }
        let usable: Vec<_> = sorted.iter().map(|(it, _)| it).filter(|it| it.trouble.is_none()).collect();
        Self { header, raised, controls: Controls::of(&usable), second_values: SecondValues::new(usable) }
    }

    fn decide(&mut self, requirement: &Requirement, profile: &Profile) -> Decided {
        let (verdict, standing, outcomes) = match standing(requirement, &self.header.host) {
            Some((verdict, reason)) => (verdict, Some(reason), Vec::new()),
            None => self.outcomes(requirement),
        };
        Decided {
            id: requirement.id.clone(),
            level: requirement.level,
            in_profile: profile.includes(requirement, self.header.spec),
            verdict,
            standing,
            outcomes,
        }
    }

    fn outcomes(&mut self, requirement: &Requirement) -> (Verdict, Option<Reason>, Vec<Outcome>) {
        let raised = self.raised.remove(&requirement.id).unwrap_or_default();
        let outcomes: Vec<_> =
            raised.into_iter().map(|(evidence, it)| self.outcome(requirement, evidence, it)).collect();
        // What a MAY shows once is observed, however many other cases were not come to.
        let rank = |verdict: &Verdict| (requirement.level == Level::May && *verdict != Verdict::Observed, *verdict);
        match outcomes.iter().map(|outcome| outcome.verdict).min_by_key(rank) {
            Some(gravest) => (gravest, None, outcomes),
            None => (Verdict::Undecided, Some(Reason::NoCase), outcomes),
        }
    }

    fn outcome(&mut self, requirement: &Requirement, evidence: &Evidence, expectation: &Expectation) -> Outcome {
        let judged = self.judged(requirement.level, evidence, expectation);
        let judged = judged.map_err(|unknown| self.or_unclaimed(unknown, evidence));
        let (verdict, reason) = match judged {
            Ok(verdict) => (verdict, None),
            Err(Unknown { verdict, reason }) => (verdict, Some(reason)),
        };
        Outcome {
            verdict,
            expected: seen::expected(expectation),
            seen: seen::seen(evidence, expectation),
            case: evidence.case.clone(),
            role: evidence.role,
            reason,
            expectation: expectation.clone(),
        }
    }

    fn judged(&mut self, level: Level, evidence: &Evidence, expectation: &Expectation) -> Result<Verdict, Unknown> {
        if let Some(trouble) = &evidence.trouble {
            return Err(Unknown { verdict: Verdict::Error, reason: Reason::Trouble(trouble.clone()) });
        }
        if !self.header.adapter.allows(expectation.vantage) {
            return Err(Unknown::undecidable(Reason::Vantage(expectation.vantage)));
        }
        if level == Level::May {
            return matching::observe(evidence, expectation).map(|()| Verdict::Observed);
        }
        if !matching::holds(evidence, expectation)? {
            return Ok(Verdict::Fail);
        }
        self.count(evidence, expectation).map(|()| Verdict::Pass)
    }

    /// What was not come to because the runtime refused a value that it does not claim was never promised.
    fn or_unclaimed(&self, unknown: Unknown, evidence: &Evidence) -> Unknown {
        if unknown.verdict != Verdict::Blocked {
            return unknown;
        }
        match claim::unclaimed(self.header, evidence) {
            Some(claim) => Unknown { verdict: Verdict::Unsupported, reason: Reason::Unclaimed(claim) },
            None => unknown,
        }
    }

    /// Whether a pass counts.
    fn count(&mut self, evidence: &Evidence, expectation: &Expectation) -> Result<(), Unknown> {
        self.controls.vouch(evidence, expectation)?;
        if !self.second_values.exist_for(expectation) {
            return Err(Unknown::undecided(Reason::NotDiscriminating));
        }
        Ok(())
    }
}

/// Why a requirement isn't judged on this host, whatever the cases show.
fn standing(requirement: &Requirement, host: &HostFacts) -> Option<(Verdict, Reason)> {
    if requirement.party != ocf_spec::Party::Runtime {
        return Some((Verdict::Undecided, Reason::OtherParty(requirement.party)));
    }
    if requirement.draft {
        return Some((Verdict::Undecided, Reason::Draft));
    }
    if let Some(why) = &requirement.not_checked {
        return Some((Verdict::Undecided, Reason::NotChecked(why.clone())));
    }
    let is_met = |need: &&String| need.parse::<Need>().is_ok_and(|need| need.met(host));
    let missing: Vec<_> = requirement.needs.iter().filter(|need| !is_met(need)).cloned().collect();
    (!missing.is_empty()).then(|| (Verdict::Undecidable, Reason::HostLacks(missing.join(", "))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::testing::{case, evidence, expectation, header, profile, ran, specification};
    use super::*;

    type Run = Vec<(Evidence, Vec<Expectation>)>;

    fn decide_all(run: &Run) -> Vec<Decided> {
        judge(&header(), run, &specification(), &profile())
    }

    fn decide(run: &Run, id: &str) -> Decided {
        decide_all(run).into_iter().find(|it| it.id.as_str() == id).unwrap()
    }

    /// Evidence of a life that went well, where `/before/fact` is `fact`.
    fn lived(id: &str, fact: Value) -> Evidence {
        let done = json!({"failed": false});
        let facts = json!({
            "steps": {"create": done, "start": done, "exit": done, "delete": done},
            "journal": ran(),
            "before": {"fact": fact},
        });
        evidence(id, case(), facts)
    }

    /// That `/before/fact` is 1 is expected of a requirement.
    fn is_one(requirement: &str) -> Expectation {
        expectation("start", "/before/fact", json!({"equals": 1, "requirement": requirement}))
    }

    fn reason(decided: &Decided) -> String {
        decided.reason().unwrap().to_string()
    }

    #[test]
    fn every_requirement_in_force_is_decided_in_the_specifications_order() {
        let decided = decide_all(&Run::new());
        let ids: Vec<_> = decided.iter().map(|it| it.id.as_str()).collect();
        let expected = ["must", "needs", "should", "may", "author", "draft", "hidden"];
        assert_eq!(ids, expected.map(|name| format!("test.{name}")));
    }

    #[test]
    fn what_no_case_raised_is_undecided() {
        let decided = decide(&Run::new(), "test.must");
        assert_eq!((decided.verdict, reason(&decided).as_str()), (Verdict::Undecided, "no case raised it"));
    }

    #[test]
    fn a_fact_that_took_a_second_value_passes_or_fails() {
        let run = vec![(lived("a/b", json!(1)), vec![is_one("test.must")]), (lived("a/c", json!(2)), vec![])];
        let decided = decide(&run, "test.must");
        assert_eq!((decided.verdict, decided.reason()), (Verdict::Pass, None));
        let run = vec![(lived("a/b", json!(2)), vec![is_one("test.must")])];
        let decided = decide(&run, "test.must");
        assert_eq!((decided.verdict, decided.reason()), (Verdict::Fail, None));
        let leading = decided.leading().unwrap();
        assert_eq!((leading.expected.as_str(), leading.seen.as_str()), ("/before/fact: 1", "2"));
    }

    #[test]
    fn a_pass_that_could_not_be_otherwise_is_not_counted() {
        let same = || (lived("a/b", json!(1)), vec![is_one("test.must")]);
        let decided = decide(&vec![same(), same()], "test.must");
        assert_eq!(decided.verdict, Verdict::Undecided);
        assert_eq!(reason(&decided), "not discriminating");
        assert_eq!(decided.not_discriminating(), 2);
    }

    #[test]
    fn the_base_and_any_control_give_second_values_and_troubled_evidence_does_not() {
        let run_with = |role, trouble: Option<&str>| {
            let mut other = lived("a/other", json!(2));
            (other.role, other.trouble) = (role, trouble.map(str::to_owned));
            decide(&vec![(lived("a/b", json!(1)), vec![is_one("test.must")]), (other, vec![])], "test.must").verdict
        };
        assert_eq!(run_with(Role::Base, None), Verdict::Pass);
        assert_eq!(run_with(Role::Control, None), Verdict::Pass);
        assert_eq!(run_with(Role::Control, Some("disk full")), Verdict::Undecided);
    }

    #[test]
    fn trouble_of_the_harness_is_an_error_and_nothing_else() {
        let mut troubled = lived("a/b", json!(2));
        troubled.trouble = Some("write journal: ENOSPC".to_owned());
        let decided = decide(&vec![(troubled, vec![is_one("test.must")])], "test.must");
        assert_eq!(decided.verdict, Verdict::Error);
        assert_eq!(reason(&decided), "harness trouble: write journal: ENOSPC");
    }

    #[test]
    fn what_the_host_lacks_is_named_whatever_was_seen() {
        let decided = decide(&vec![(lived("a/b", json!(2)), vec![is_one("test.needs")])], "test.needs");
        assert_eq!(decided.verdict, Verdict::Undecidable);
        assert_eq!(reason(&decided), "the host lacks: controller:hugetlb, controller:rdma");
    }

    #[test]
    fn a_vantage_that_the_adapter_does_not_have_is_undecidable() {
        let pid = |seen: &str| {
            let mut header = header();
            header.adapter.sees = serde_json::from_value(json!({ "pid": seen })).unwrap();
            let expected = Expectation { vantage: crate::expectation::Vantage::Pid, ..is_one("test.must") };
            let run = vec![(lived("a/b", json!(2)), vec![expected])];
            judge(&header, &run, &specification(), &profile()).remove(0)
        };
        assert_eq!(pid("host").verdict, Verdict::Fail);
        assert_eq!(pid("opaque").verdict, Verdict::Undecidable);
        assert_eq!(reason(&pid("opaque")), "not visible from: pid");
    }

    #[test]
    fn a_may_is_observed_and_never_judged() {
        for value in [1, 2] {
            let run = vec![(lived("a/b", json!(value)), vec![is_one("test.may")])];
            let decided = decide(&run, "test.may");
            assert_eq!((decided.verdict, decided.reason()), (Verdict::Observed, None));
            assert_eq!(decided.leading().unwrap().seen, value.to_string());
        }
    }

    #[test]
    fn what_is_not_the_runtimes_a_draft_or_not_checked_is_undecided_whatever_was_seen() {
        for (id, why) in [
            ("test.author", "owed by another party: config"),
            ("test.draft", "draft"),
            ("test.hidden", "not checked: nobody can see it."),
        ] {
            let decided = decide(&vec![(lived("a/b", json!(2)), vec![is_one(id)])], id);
            assert_eq!((decided.verdict, reason(&decided).as_str()), (Verdict::Undecided, why));
            assert!(!decided.in_profile);
        }
    }

    /// A case that is refused and its control, with the refusal expected in the first.
    fn refusal(control: Option<Evidence>) -> Decided {
        let mut refused = lived("a/b", json!(1));
        refused.facts["steps"] = json!({"create": {"failed": true}, "start": {"skipped": "create failed"}});
        refused.facts["journal"] = json!({"$complete": true});
        let expected = expectation("create", "/steps/create/failed", json!({"refused": {}}));
        let mut run = vec![(lived("base", json!(1)), vec![]), (refused, vec![expected])];
        run[0].0.role = Role::Base;
        run.extend(control.map(|it| (Evidence { role: Role::Control, ..it }, vec![])));
        decide(&run, "test.must")
    }

    #[test]
    fn a_refusal_counts_beside_a_control_that_was_accepted() {
        assert_eq!(refusal(Some(lived("a/b", json!(1)))).verdict, Verdict::Pass);
    }

    #[test]
    fn a_refusal_without_a_control_of_the_same_case_is_undecided() {
        assert_eq!(reason(&refusal(None)), "no control");
        assert_eq!(reason(&refusal(Some(lived("a/other", json!(1))))), "no control");
        let troubled = Evidence { trouble: Some("ENOSPC".to_owned()), ..lived("a/b", json!(1)) };
        assert_eq!(reason(&refusal(Some(troubled))), "no control");
    }

    #[test]
    fn a_refusal_whose_control_is_refused_is_undecided() {
        let mut control = lived("a/b", json!(1));
        control.facts["steps"]["start"]["failed"] = json!(true);
        let decided = refusal(Some(control));
        assert_eq!((decided.verdict, reason(&decided).as_str()), (Verdict::Undecided, "control was refused"));
    }

    #[test]
    fn an_unrefused_offence_fails_without_looking_at_the_control() {
        let expected = expectation("create", "/steps/create/failed", json!({"refused": {}}));
        let decided = decide(&vec![(lived("a/b", json!(1)), vec![expected])], "test.must");
        assert_eq!(decided.verdict, Verdict::Fail);
        let seen = "create succeeded, start succeeded, the program ran";
        assert_eq!(decided.leading().unwrap().seen, seen);
    }

    /// Evidence whose judging against `is_one` gives this verdict, if something else gives 3 for a second value.
    fn giving(verdict: Verdict) -> Evidence {
        let mut it = lived(&format!("z/{}", verdict.word()), json!(1));
        match verdict {
            Verdict::Pass => {}
            Verdict::Fail => it.facts["before"]["fact"] = json!(2),
            Verdict::Error => it.trouble = Some("trouble".to_owned()),
            Verdict::Blocked => it.facts["steps"]["start"] = json!({"skipped": ""}),
            Verdict::Undecidable => it.facts["before"]["fact"] = json!({"$unreadable": "EIO"}),
            Verdict::Undecided => it.facts["before"] = json!({}),
            Verdict::Unsupported | Verdict::Observed => unreachable!("not by these facts"),
        }
        it
    }

    #[test]
    fn over_cases_the_gravest_verdict_stands_and_its_case_is_named() {
        let ladder =
            [Verdict::Fail, Verdict::Error, Verdict::Pass, Verdict::Blocked, Verdict::Undecidable, Verdict::Undecided];
        for (position, &graver) in ladder.iter().enumerate() {
            let mut run: Run = vec![(lived("second/value", json!(3)), vec![])];
            run.extend(ladder[position..].iter().rev().map(|it| (giving(*it), vec![is_one("test.must")])));
            let decided = decide(&run, "test.must");
            assert_eq!(decided.verdict, graver);
            assert_eq!(decided.leading().unwrap().case, format!("z/{}", graver.word()));
        }
        assert!(Verdict::ALL.is_sorted());
    }

    #[test]
    fn a_pass_that_did_not_discriminate_is_named_before_what_was_not_asked() {
        let mut unasked = lived("a/first", json!(1));
        unasked.facts["before"] = json!({});
        let run = vec![(unasked, vec![is_one("test.must")]), (lived("b/second", json!(1)), vec![is_one("test.must")])];
        assert_eq!(reason(&decide(&run, "test.must")), "not discriminating");
    }

    #[test]
    fn the_order_of_the_evidence_does_not_matter() {
        let mut run: Run = ["c/x", "a/x", "b/x"].map(|id| (lived(id, json!(2)), vec![is_one("test.must")])).into();
        let decided = decide_all(&run);
        run.reverse();
        assert_eq!(decide_all(&run), decided);
        assert_eq!(decided[0].leading().unwrap().case, "a/x");
        assert_eq!(decided[0].cases(), ["a/x", "b/x", "c/x"]);
    }
}

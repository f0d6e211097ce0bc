//! What the verdicts say of the whole profile, and the exit status.

use std::collections::BTreeMap;

use ocf_spec::RequirementId;
use serde::{Deserialize, Serialize};

use super::{Decided, Verdict};

/// What a run says of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Every MUST and MUST NOT of the profile is kept.
    Conformant,
    /// One of them is broken.
    Nonconformant,
    /// None is found broken, but not all were decided, or the harness had trouble.
    Partial,
    /// The runtime would not run the base bundle.
    Unusable,
}

impl Conclusion {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::Nonconformant => "nonconformant",
            Self::Partial => "partial",
            Self::Unusable => "unusable",
        }
    }
}

/// Requirements whose verdict is kept out of the exit status, with the reason.
pub type Waivers = BTreeMap<RequirementId, String>;

/// What the verdicts say of the profile. `whole` tells that the host has what the profile needs and that
/// the run came to its end: without that, nothing better than `partial` can be said.
pub fn conclude(decided: &[Decided], whole: bool) -> Conclusion {
    conclude_from(decided, whole, |_| true)
}

/// The exit status of a run: 2 if it can't be trusted, 1 if a MUST of the profile is broken, 3 if it is
/// partial, else 0; the first of these that applies. A waived requirement counts as kept.
pub fn exit_status(decided: &[Decided], whole: bool, usable: bool, waivers: &Waivers) -> u8 {
    let counts = |it: &Decided| !waivers.contains_key(&it.id);
    if !usable || decided.iter().any(|it| counts(it) && it.has_error()) {
        return 2;
    }
    match conclude_from(decided, whole, counts) {
        Conclusion::Nonconformant => 1,
        Conclusion::Partial => 3,
        Conclusion::Conformant => 0,
        Conclusion::Unusable => 2,
    }
}

fn conclude_from(decided: &[Decided], whole: bool, counts: impl Fn(&Decided) -> bool) -> Conclusion {
    let counted = || decided.iter().filter(|it| counts(it));
    let binding = || counted().filter(|it| it.in_profile && it.level.is_must());
    if binding().any(|it| it.verdict == Verdict::Fail) {
        return Conclusion::Nonconformant;
    }
    let is_green = whole && binding().all(|it| it.verdict == Verdict::Pass) && !counted().any(Decided::has_error);
    if is_green { Conclusion::Conformant } else { Conclusion::Partial }
}

#[cfg(test)]
mod tests {
    use ocf_spec::Level;
    use serde_json::json;

    use super::super::testing::expectation;
    use super::super::{Outcome, Role};
    use super::*;

    fn decided(level: Level, verdict: Verdict) -> Decided {
        let outcome = Outcome {
            verdict,
            expected: String::new(),
            seen: String::new(),
            case: "a/b".to_owned(),
            role: Role::Case,
            reason: None,
            expectation: expectation("create", "/x", json!({"equals": 1})),
        };
        let id = "test.must".parse().unwrap();
        Decided { id, level, in_profile: true, verdict, standing: None, outcomes: vec![outcome] }
    }

    /// Conclusion and exit status of a whole run.
    fn whole(decided: &[Decided]) -> (Conclusion, u8) {
        (conclude(decided, true), exit_status(decided, true, true, &Waivers::new()))
    }

    #[test]
    fn every_must_passed() {
        let all = [decided(Level::Must, Verdict::Pass), decided(Level::Should, Verdict::Fail)];
        assert_eq!(whole(&all), (Conclusion::Conformant, 0));
    }

    #[test]
    fn a_broken_must_is_nonconformant_even_if_another_is_undecided() {
        for level in [Level::Must, Level::MustNot] {
            let all = [decided(level, Verdict::Fail), decided(level, Verdict::Blocked)];
            assert_eq!(whole(&all), (Conclusion::Nonconformant, 1));
        }
    }

    #[test]
    fn a_must_without_a_pass_is_never_green() {
        for verdict in [Verdict::Blocked, Verdict::Unsupported, Verdict::Undecidable, Verdict::Undecided] {
            let all = [decided(Level::Must, Verdict::Pass), decided(Level::Must, verdict)];
            assert_eq!(whole(&all), (Conclusion::Partial, 3));
        }
    }

    #[test]
    fn harness_trouble_is_partial_with_status_two_at_any_level_and_before_a_fail() {
        let troubled = decided(Level::Should, Verdict::Error);
        assert_eq!(whole(std::slice::from_ref(&troubled)), (Conclusion::Partial, 2));
        let both = [decided(Level::Must, Verdict::Fail), troubled];
        assert_eq!(whole(&both), (Conclusion::Nonconformant, 2));
    }

    #[test]
    fn trouble_counts_even_where_a_fail_hides_it() {
        let mut all = decided(Level::Must, Verdict::Fail);
        all.outcomes.extend(decided(Level::Must, Verdict::Error).outcomes);
        assert_eq!(exit_status(&[all], true, true, &Waivers::new()), 2);
    }

    #[test]
    fn what_is_not_of_the_profile_changes_nothing() {
        let mut beside = decided(Level::Must, Verdict::Fail);
        beside.in_profile = false;
        assert_eq!(whole(&[beside]), (Conclusion::Conformant, 0));
    }

    #[test]
    fn a_waiver_changes_the_status_and_not_the_verdict() {
        let waivers = Waivers::from([("test.must".parse().unwrap(), "known".to_owned())]);
        for (verdict, conclusion) in
            [(Verdict::Fail, Conclusion::Nonconformant), (Verdict::Blocked, Conclusion::Partial)]
        {
            let all = [decided(Level::Must, verdict)];
            assert_eq!(conclude(&all, true), conclusion);
            assert_eq!(exit_status(&all, true, true, &waivers), 0);
        }
    }

    #[test]
    fn a_run_that_is_not_whole_or_not_usable_is_not_green() {
        let all = [decided(Level::Must, Verdict::Pass)];
        assert_eq!(conclude(&all, false), Conclusion::Partial);
        assert_eq!(exit_status(&all, false, true, &Waivers::new()), 3);
        assert_eq!(exit_status(&all, true, false, &Waivers::new()), 2);
    }
}

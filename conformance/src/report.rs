//! The report of one runtime on one host: the document from which every other format is made.
//!
//! It holds ids and never the specification's sentences. What a runtime or a host said stands in it as it was said, so
//! whoever shows it escapes it first, with [`crate::judge::visible`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ocf_spec::{Level, Party, Requirement, RequirementId, Specification, Version, upstream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{Evidence, Header, Identity, Role};
use crate::expectation::Expectation;
use crate::host::HostFacts;
use crate::judge::{Conclusion, Decided, Outcome, Unusable, Verdict, Waivers, conclude, exit_status};
use crate::profile::{BESIDE, Profile};

pub mod badge;
pub mod compare;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod place;
#[cfg(test)]
mod sample;
pub mod summary;
pub mod svg;
pub mod tap;

/// The name of the format.
pub const FORMAT: &str = "ocf-report/1";

/// One report.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// By which suite, and for which version of the specification.
    pub suite: Suite,
    /// Which runtime was tested.
    pub runtime: Identity,
    /// The merge patch that the adapter put on every config, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter_config: Option<Value>,
    /// What the host has.
    pub host: HostFacts,
    /// The profile's name.
    pub profile: String,
    /// Host facts that the profile needs and this host lacks: with any, nothing better than `partial` can be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_lacks: Vec<String>,
    /// The ids and chapters to which the run was confined; empty if it was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<String>,
    /// Which part of the cases it had, as `1/4`, if not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The command line that makes a run like this one, as a shell reads it, without ids.
    pub command: String,
    /// When the run started, RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// What the run says of the profile.
    pub verdict: Conclusion,
    /// The exit status of `ocf`: 0, 1, 2 or 3. Waivers change this alone.
    pub exit_status: u8,
    /// What the runtime made of the base bundle, if it would not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<Unusable>,
    /// Why the run ended before its time, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// What was run.
    pub cases: Cases,
    /// Cases that were not run, by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, Vec<String>>,
    /// Cases whose valid bundle was refused, by the properties that it was refused for, parted by blanks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, BTreeSet<String>>,
    /// How far the text and the properties are decided.
    pub coverage: Coverage,
    /// The profile's requirements, by level.
    pub summary: BTreeMap<Level, Tally>,
    /// The requirements of this version outside of the profile.
    pub outside: Tally,
    /// Every requirement of the version tested, in the specification's order.
    pub requirements: Vec<Entry>,
}

/// Which suite, and for which version of the specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The suite's own version.
    pub version: String,
    /// The version of the specification that was tested.
    pub spec: Version,
}

/// What was run; each number counts bundles that were started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// Cases, not counting controls and the base.
    pub run: usize,
    /// Their controls.
    pub controls: usize,
    /// Those of all these in which the harness had trouble.
    pub troubled: usize,
}

/// How far the text and the properties are decided, that is, passed or failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Distinct clauses of the ledger with the word MUST or SHOULD, of requirements that a runtime owes.
    pub clauses: Share,
    /// Distinct leaf properties of config.json that apply to Linux.
    pub properties: Share,
}

/// Some of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Those that a passed or failed requirement carries.
    pub decided: usize,
    /// For clauses, those that any requirement of this version carries; for properties, all that this version has.
    pub of: usize,
}

/// How many requirements got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// All of them.
    pub total: usize,
    /// Kept.
    pub pass: usize,
    /// Broken.
    pub fail: usize,
    /// Not decided for the harness's own trouble.
    pub error: usize,
    /// Not decided since a step was not reached.
    pub blocked: usize,
    /// Not decided since the runtime doesn't claim what the text leaves to it.
    pub unsupported: usize,
    /// Not decided since the host or a vantage lacks something.
    pub undecidable: usize,
    /// Not decided for another reason.
    pub undecided: usize,
    /// A MAY, recorded.
    pub observed: usize,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The requirement.
    pub id: RequirementId,
    /// How strongly it binds.
    pub level: Level,
    /// The verdict over all cases.
    pub verdict: Verdict,
    /// Whether it belongs to the profile.
    pub in_profile: bool,
    /// The clauses of upstream's text that it carries, by the ledger's ids.
    pub clauses: Vec<String>,
    /// The leaf properties whose effect it decides.
    pub properties: Vec<String>,
    /// The cases that raised it, in the order of their names.
    pub cases: Vec<String>,
    /// Passes that were not counted since what they rest on took no second value in the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_discriminating: usize,
    /// Unless it passed: what had to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Unless it passed: what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Unless it passed: in which case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Why it neither passed nor failed: a kind, and after a colon the particulars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// If it is blocked since a valid bundle was refused: the properties that it was refused for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blame: Vec<String>,
    /// Why its verdict is kept out of the exit status, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A signal asked for it.
    Signal,
    /// So many cases in a row ran into their deadline.
    Deadlines(usize),
    /// The runtime failed, and `--fail-fast` was given.
    FirstFail,
    /// Something of the host that no case may change was changed.
    HostChanged(String),
}

impl Stopped {
    /// Whether what was found until then can be trusted.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Deadlines(_) | Self::FirstFail)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("a signal asked for it"),
            Self::Deadlines(cases) => write!(f, "{cases} cases in a row ran into their deadline"),
            Self::FirstFail => f.write_str("the runtime failed, and --fail-fast was given"),
            Self::HostChanged(what) => write!(f, "the host changed under it: {what}"),
        }
    }
}

/// All that a report is made of.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Of whom and where the evidence is.
    pub header: &'a Header,
    /// The specification that it was judged by.
    pub specification: &'a Specification,
    /// The profile that the header names.
    pub profile: &'a Profile,
    /// All evidence.
    pub evidence: &'a [(Evidence, Vec<Expectation>)],
    /// What [`crate::judge::judge`] made of it.
    pub decided: &'a [Decided],
    /// What is kept out of the exit status.
    pub waivers: &'a Waivers,
    /// The ids and chapters to which the run was confined.
    pub selection: &'a [String],
    /// Which part of the cases was run, if not all of them.
    pub shard: Option<String>,
    /// The command line that makes a run like this one, quoted for a shell, without ids.
    pub command: &'a str,
    /// What the runtime made of the base bundle, if it would not run it.
    pub unusable: Option<&'a Unusable>,
    /// Why the run ended before its time, if it did.
    pub stopped: Option<&'a Stopped>,
    /// Cases that were not run, each with the reason.
    pub left_out: &'a [(String, String)],
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// Makes the report of a run. The same run gives the same report.
    pub fn new(run: &Run<'_>) -> Self {
        let Run { header, decided, .. } = run;
        let host_lacks: Vec<_> =
            run.profile.needs.iter().filter(|it| !it.met(&header.host)).map(ToString::to_string).collect();
        let is_whole = host_lacks.is_empty() && run.stopped.is_none() && run.shard.is_none();
        let is_usable = run.unusable.is_none() && run.stopped.is_none_or(Stopped::is_trusted);
        let verdict = match run.unusable {
            Some(_) => Conclusion::Unusable,
            None => conclude(decided, is_whole),
        };
        Self {
            format: FORMAT.to_owned(),
            suite: Suite { version: header.suite.clone(), spec: header.spec },
            runtime: header.runtime.clone(),
            adapter_config: header.adapter.config.clone(),
            host: header.host.clone(),
            profile: header.profile.clone(),
            host_lacks,
            selection: run.selection.to_vec(),
            shard: run.shard.clone(),
            command: run.command.to_owned(),
            started: header.started.clone(),
            seconds: run.seconds,
            verdict,
            exit_status: exit_status(decided, is_whole, is_usable, run.waivers),
            unusable: run.unusable.cloned(),
            stopped: run.stopped.map(ToString::to_string),
            cases: Cases::of(run.evidence),
            left_out: by_reason(run.left_out),
            refused: refused(run.evidence),
            coverage: Coverage::of(decided, run.specification, header.spec),
            summary: by_level(decided),
            outside: decided.iter().filter(|it| !it.in_profile).map(|it| it.verdict).collect(),
            requirements: decided.iter().map(|it| Entry::new(it, run)).collect(),
        }
    }

    /// The document, indented, with a line end after it.
    ///
    /// # Errors
    ///
    /// Never for a report made by [`Report::new`].
    pub fn to_json(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| format!("write the report as JSON: {e}"))?;
        Ok(text + "\n")
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// Text that is no JSON, has a member that this format lacks, lacks one, or is of another format.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let report: Self = serde_json::from_str(text).map_err(|e| format!("read the report: {e}"))?;
        if report.format != FORMAT {
            return Err(format!("read the report: the format is {:?}, not {FORMAT:?}", report.format));
        }
        Ok(report)
    }

    /// All of the profile together.
    pub fn total(&self) -> Tally {
        self.requirements.iter().filter(|it| it.in_profile).map(|it| it.verdict).collect()
    }

    /// What the run shows of known attacks, where that is no matter of its profile.
    pub fn beside(&self) -> Tally {
        let beside = |it: &&Entry| !it.in_profile && it.id.chapter() == BESIDE;
        self.requirements.iter().filter(beside).map(|it| it.verdict).collect()
    }

    /// What failed: the profile's MUSTs, its SHOULDs, and what is not of the profile, each in the
    /// specification's order.
    pub fn failed(&self) -> Vec<&Entry> {
        let mut failed: Vec<_> = self.requirements.iter().filter(|it| it.verdict == Verdict::Fail).collect();
        failed.sort_by_key(|it| (!it.in_profile, !it.level.is_must()));
        failed
    }

    /// The profile's MUSTs and MUST NOTs.
    pub fn binding(&self) -> Tally {
        let musts = self.summary.iter().filter(|(level, _)| level.is_must());
        musts.fold(Tally::default(), |sum, (_, tally)| sum.plus(tally))
    }

    /// The verdict in a sentence.
    pub fn sentence(&self) -> String {
        let musts = self.binding();
        let profile = &self.profile;
        match self.verdict {
            Conclusion::Conformant => format!("all {} MUSTs of {profile} are kept", musts.total),
            Conclusion::Nonconformant => format!("{} of {} MUSTs of {profile} are broken", musts.fail, musts.total),
            Conclusion::Partial => {
                let but = match musts.open() {
                    0 => "the run was not whole".to_owned(),
                    open => format!("{open} are not decided"),
                };
                format!("none of the {} MUSTs of {profile} was found broken, but {but}", musts.total)
            }
            Conclusion::Unusable => "the runtime would not run the base bundle, so nothing else was tried".to_owned(),
        }
    }

    /// Which cases were left out for which reason, in a phrase each; none if none was.
    pub fn left_out_in_words(&self) -> Option<String> {
        let phrase = |(reason, cases): (&String, &Vec<String>)| format!("{} {reason}", cases.len());
        let phrases: Vec<_> = self.left_out.iter().map(phrase).collect();
        (!phrases.is_empty()).then(|| phrases.join(", "))
    }

    /// For which properties how many valid bundles were refused, in a phrase each; none if none was.
    pub fn refused_in_words(&self) -> Option<String> {
        let phrase = |(blame, cases): (&String, &BTreeSet<String>)| {
            let cases: Vec<_> = cases.iter().map(String::as_str).collect();
            format!("for {blame} in {}", cases.join(", "))
        };
        let phrases: Vec<_> = self.refused.iter().map(phrase).collect();
        (!phrases.is_empty()).then(|| phrases.join("; "))
    }

    /// The command that runs one requirement again, and keeps its bundle.
    pub fn again(&self, id: &RequirementId) -> String {
        format!("{} {id} --keep", self.command)
    }
}

impl Entry {
    fn new(decided: &Decided, run: &Run<'_>) -> Self {
        let requirement = run.specification.get(decided.id.as_str());
        let leading = decided.leading().filter(|_| decided.verdict != Verdict::Pass);
        Self {
            id: decided.id.clone(),
            level: decided.level,
            verdict: decided.verdict,
            in_profile: decided.in_profile,
            clauses: requirement.map(|it| it.clauses.clone()).unwrap_or_default(),
            properties: requirement.map(|it| it.properties.clone()).unwrap_or_default(),
            cases: decided.cases().into_iter().map(str::to_owned).collect(),
            not_discriminating: decided.not_discriminating(),
            expected: leading.map(|it| it.expected.clone()),
            seen: leading.map(|it| it.seen.clone()),
            case: leading.map(|it| it.case.clone()),
            reason: decided.reason().map(ToString::to_string),
            blame: leading.filter(|it| it.verdict == Verdict::Blocked).map(|it| blame(run, it)).unwrap_or_default(),
            waived: run.waivers.get(&decided.id).cloned(),
        }
    }

    /// The kind of its reason, by which readers group.
    pub fn reason_kind(&self) -> &str {
        let reason = self.reason.as_deref().unwrap_or_default();
        reason.split_once(": ").map_or(reason, |(kind, _)| kind)
    }

    /// What follows the kind of its reason.
    pub fn reason_particulars(&self) -> Option<&str> {
        self.reason.as_deref()?.split_once(": ").map(|(_, particulars)| particulars)
    }
}

/// What the bundle was refused for in whose case this outcome is.
fn blame(run: &Run<'_>, outcome: &Outcome) -> Vec<String> {
    let of_it = |it: &&(Evidence, _)| it.0.case == outcome.case && it.0.role == outcome.role;
    run.evidence.iter().find(of_it).and_then(|(evidence, _)| evidence.blame.clone()).unwrap_or_default()
}

fn refused(evidence: &[(Evidence, Vec<Expectation>)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut refused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (evidence, _) in evidence {
        if let Some(blame) = &evidence.blame {
            refused.entry(blame.join(" ")).or_default().insert(evidence.case.clone());
        }
    }
    refused
}

fn by_reason(left_out: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (case, reason) in left_out {
        reasons.entry(reason.clone()).or_default().push(case.clone());
    }
    reasons
}

impl Cases {
    fn of(evidence: &[(Evidence, Vec<Expectation>)]) -> Self {
        let count = |is: fn(&Evidence) -> bool| evidence.iter().filter(|(it, _)| is(it)).count();
        Self {
            run: count(|it| it.role == Role::Case),
            controls: count(|it| it.role == Role::Control),
            troubled: count(|it| it.trouble.is_some()),
        }
    }
}

impl Coverage {
    fn of(decided: &[Decided], specification: &Specification, version: Version) -> Self {
        let known = |it: &Decided| Some((specification.get(it.id.as_str())?, it.verdict.is_decided()));
        let owed: Vec<_> = decided.iter().filter_map(known).filter(|(it, _)| it.party == Party::Runtime).collect();
        let is_leaf = |it: &&upstream::Property| it.is_linux_leaf() && it.since <= version;
        Self {
            clauses: Share {
                decided: distinct(&owed, |(_, is_decided)| *is_decided, binding_clauses).len(),
                of: distinct(&owed, |_| true, binding_clauses).len(),
            },
            properties: Share {
                decided: distinct(&owed, |(_, is_decided)| *is_decided, leaf_properties).len(),
                of: upstream::properties().iter().filter(is_leaf).count(),
            },
        }
    }
}

/// A requirement, and whether it was decided.
type Owed<'a> = (&'a Requirement, bool);

fn distinct<'a>(
    owed: &[Owed<'a>],
    counts: impl Fn(&Owed<'a>) -> bool,
    names: impl Fn(&'a Requirement) -> Vec<&'a str>,
) -> BTreeSet<&'a str> {
    owed.iter().filter(|it| counts(it)).flat_map(|(requirement, _)| names(requirement)).collect()
}

/// The clauses of a MUST or SHOULD whose keyword is no MAY either.
fn binding_clauses(requirement: &Requirement) -> Vec<&str> {
    if requirement.level == Level::May {
        return Vec::new();
    }
    let is_choice = |keyword: &str| matches!(keyword, "MAY" | "MAY NOT" | "OPTIONAL");
    let binds = |id: &&str| upstream::clause(id).is_some_and(|it| !is_choice(it.keyword));
    requirement.clauses.iter().map(String::as_str).filter(binds).collect()
}

fn leaf_properties(requirement: &Requirement) -> Vec<&str> {
    let is_leaf = |name: &&str| upstream::property(name).is_some_and(upstream::Property::is_linux_leaf);
    requirement.properties.iter().map(String::as_str).filter(is_leaf).collect()
}

fn by_level(decided: &[Decided]) -> BTreeMap<Level, Tally> {
    let mut levels: BTreeMap<Level, Tally> = BTreeMap::new();
    for it in decided.iter().filter(|it| it.in_profile) {
        levels.entry(it.level).or_default().add(it.verdict);
    }
    levels
}

impl Tally {
    /// How many got this verdict.
    pub fn of(&self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Fail => self.fail,
            Verdict::Error => self.error,
            Verdict::Pass => self.pass,
            Verdict::Blocked => self.blocked,
            Verdict::Unsupported => self.unsupported,
            Verdict::Undecidable => self.undecidable,
            Verdict::Undecided => self.undecided,
            Verdict::Observed => self.observed,
        }
    }

    /// How many neither passed nor failed.
    pub fn open(&self) -> usize {
        self.total - self.pass - self.fail
    }

    fn add(&mut self, verdict: Verdict) {
        self.total += 1;
        *match verdict {
            Verdict::Fail => &mut self.fail,
            Verdict::Error => &mut self.error,
            Verdict::Pass => &mut self.pass,
            Verdict::Blocked => &mut self.blocked,
            Verdict::Unsupported => &mut self.unsupported,
            Verdict::Undecidable => &mut self.undecidable,
            Verdict::Undecided => &mut self.undecided,
            Verdict::Observed => &mut self.observed,
        } += 1;
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            total: self.total + other.total,
            pass: self.pass + other.pass,
            fail: self.fail + other.fail,
            error: self.error + other.error,
            blocked: self.blocked + other.blocked,
            unsupported: self.unsupported + other.unsupported,
            undecidable: self.undecidable + other.undecidable,
            undecided: self.undecided + other.undecided,
            observed: self.observed + other.observed,
        }
    }
}

impl FromIterator<Verdict> for Tally {
    fn from_iter<T: IntoIterator<Item = Verdict>>(verdicts: T) -> Self {
        let mut tally = Self::default();
        verdicts.into_iter().for_each(|verdict| tally.add(verdict));
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_requirement_of_the_version_is_in_it_with_its_finding() {
        let report = sample::report();
        let found: Vec<_> = report.requirements.iter().map(|it| (it.id.as_str(), it.verdict)).collect();
        let expected = [
            ("test.must", Verdict::Fail),
            ("test.needs", Verdict::Undecidable),
            ("test.should", Verdict::Undecided),
            ("test.may", Verdict::Observed),
            ("test.author", Verdict::Undecided),
            ("test.draft", Verdict::Undecided),
            ("test.hidden", Verdict::Undecided),
        ];
        assert_eq!(found, expected);
        let must = serde_json::to_value(&report.requirements[0]).unwrap();
        let entry = json!({
            "id": "test.must", "level": "MUST", "verdict": "fail", "in_profile": true,
            "clauses": ["CFG-143", "CFG-146"], "properties": ["process.capabilities.bounding"], "cases": ["test/plain"],
            "expected": "/before/fact: 1", "seen": "2", "case": "test/plain",
        });
        assert_eq!(must, entry);
        assert_eq!(report.requirements[2].reason.as_deref(), Some("no case raised it"));
    }

    #[test]
    fn the_summary_counts_the_profile_and_the_rest_stands_outside() {
        let report = serde_json::to_value(sample::report()).unwrap();
        let tally = |verdict: &str| {
            let mut tally = serde_json::to_value(Tally { total: 1, ..Tally::default() }).unwrap();
            tally[verdict] = json!(1);
            tally
        };
        let summary = json!({
            "MUST": tally("fail"),
            "MUST NOT": tally("undecidable"),
            "SHOULD": tally("undecided"),
            "MAY": tally("observed"),
        });
        assert_eq!(report["summary"], summary);
        assert_eq!(report["outside"]["undecided"], 3);
        assert_eq!(report["outside"]["total"], 3);
    }

    #[test]
    fn coverage_counts_rows_and_leaves_that_were_decided() {
        // Of the two rows that `test.must` carries, one only says OPTIONAL.
        let report = sample::report();
        assert_eq!(report.coverage.clauses, Share { decided: 1, of: 1 });
        assert_eq!(report.coverage.properties.decided, 1);
        // The schema of 1.3.0 has 172 leaves that apply to Linux; that of 1.0.2 has fewer.
        let newest = Coverage::of(&[], &sample::specification(), Version::new(1, 3, 0));
        assert_eq!(newest.properties.of, 172);
        assert!((100..172).contains(&report.coverage.properties.of));
        let untried = sample::untried();
        assert_eq!(untried.coverage.clauses, Share { decided: 0, of: 1 });
        assert_eq!(untried.coverage.properties.decided, 0);
    }

    #[test]
    fn cases_controls_and_trouble_are_counted_apart() {
        let mut run = sample::run(json!(2));
        assert_eq!(Cases::of(&run), Cases { run: 1, controls: 1, troubled: 0 });
        run[1].0.trouble = Some("ENOSPC".to_owned());
        run[0].0.role = Role::Base;
        assert_eq!(Cases::of(&run), Cases { run: 0, controls: 1, troubled: 1 });
    }

    #[test]
    fn a_may_and_its_clauses_are_no_coverage() {
        let text = "# test\n\nOne.\n\n## test.may\n\
            MAY, runtime, since 1.0.0, config.md#configLinuxProcess, ledger CFG-143\nA choice.\n";
        let specification = Specification::parse(&[("test", text)]).unwrap();
        assert!(binding_clauses(specification.get("test.may").unwrap()).is_empty());
    }

    #[test]
    fn the_same_evidence_gives_the_same_bytes_and_they_read_back() {
        for report in [sample::report, sample::hostile, sample::unusable] {
            let text = report().to_json().unwrap();
            assert_eq!(text, report().to_json().unwrap());
            assert_eq!(Report::from_json(&text).unwrap(), report());
        }
    }

    #[test]
    fn a_member_too_many_or_too_few_or_another_format_is_an_error() {
        let document = serde_json::to_value(sample::report()).unwrap();
        let with = |name: &str, value| {
            let mut changed = document.clone();
            changed[name] = value;
            Report::from_json(&changed.to_string())
        };
        assert!(with("format", json!("ocf-report/1")).is_ok());
        assert!(with("format", json!("ocf-report/2")).is_err());
        assert!(with("extra", json!(1)).is_err());
        for name in ["suite", "runtime", "host", "profile", "started", "seconds", "verdict", "summary", "requirements"]
        {
            let mut changed = document.clone();
            assert!(changed.as_object_mut().unwrap().remove(name).is_some(), "{name}");
            assert!(Report::from_json(&changed.to_string()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_keeps_the_run_from_being_whole_keeps_it_from_green() {
        let (header, profile) = (crate::judge::testing::header(), crate::judge::testing::profile());
        let specification = sample::specification();
        let report = |profile: &Profile, stopped: Option<&Stopped>| {
            let waivers = Waivers::new();
            let run = Run {
                header: &header,
                specification: &specification,
                profile,
                evidence: &[],
                decided: &[],
                waivers: &waivers,
                selection: &[],
                shard: None,
                command: "ocf test",
                unusable: None,
                stopped,
                left_out: &[],
                seconds: 0.0,
            };
            let report = Report::new(&run);
            (report.verdict, report.exit_status, report.host_lacks)
        };
        assert_eq!(report(&profile, None), (Conclusion::Conformant, 0, vec![]));
        assert_eq!(report(&profile, Some(&Stopped::Deadlines(3))), (Conclusion::Partial, 3, vec![]));
        assert_eq!(report(&profile, Some(&Stopped::Signal)), (Conclusion::Partial, 2, vec![]));
        assert_eq!(report(&profile, Some(&Stopped::HostChanged("x".into()))), (Conclusion::Partial, 2, vec![]));
        let needs = Profile { needs: vec![crate::host::Need::CgroupV1, crate::host::Need::CgroupV2], ..profile };
        assert_eq!(report(&needs, None), (Conclusion::Partial, 3, vec!["cgroup=v1".to_owned()]));
    }

    #[test]
    fn an_unusable_runtime_has_status_two() {
        let report = sample::unusable();
        assert_eq!((report.verdict, report.exit_status), (Conclusion::Unusable, 2));
    }
}

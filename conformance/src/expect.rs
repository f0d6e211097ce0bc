//! Which facts a case calls for, chapter by chapter: the laws that hold for any case, and the case's own.

use ocf_spec::{RequirementId, Specification, Version};
use serde_json::Value;

use crate::case::{Call, Case, MAIN, Step, Verb};
use crate::evidence::{Evidence, Header};
use crate::expectation::{Expectation, Matcher, Refusal, Vantage, token};
use crate::host::HostFacts;
use crate::view::Offence;

mod annotations;
mod block_io;
mod capabilities;
mod cgroups;
mod command_line;
mod cpu;
mod create;
mod delete;
mod devices;
mod errors;
mod features;
mod hardening;
mod hooks;
mod hostname;
mod hugepage_limits;
mod intel_rdt;
mod kill;
mod lifecycle;
mod masked_paths;
mod memory;
mod memory_policy;
mod mounts;
mod namespaces;
mod net_devices;
mod network;
mod personality;
mod pids;
mod process;
mod rdma;
mod readonly_paths;
mod resources;
mod rlimits;
mod root;
mod seccomp;
mod start;
mod state;
mod sysctl;
mod unified;
mod user;
mod version;

/// What a chapter may expect from: the case, and the facts before the run. Never what the runtime did.
pub struct Subject<'a> {
    /// The case as it was run.
    pub case: &'a Case,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The config as the runtime found it.
    pub config: &'a Value,
    /// The facts under `/before`.
    pub before: &'a Value,
    /// The host.
    pub host: &'a HostFacts,
    /// The version of the specification tested.
    pub spec: Version,
    /// What the runtime's `features` says, if it has it.
    pub features: Option<&'a Value>,
}

type Expect = fn(&Subject<'_>) -> Vec<Expectation>;

/// The chapters and their laws.
const CHAPTERS: &[(&str, Expect)] = &[
    ("annotations", annotations::expect),
    ("block-io", block_io::expect),
    ("capabilities", capabilities::expect),
    ("cgroups", cgroups::expect),
    ("command-line", command_line::expect),
    ("cpu", cpu::expect),
    ("create", create::expect),
    ("delete", delete::expect),
    ("devices", devices::expect),
    ("errors", errors::expect),
    ("features", features::expect),
    ("hardening", hardening::expect),
    ("hooks", hooks::expect),
    ("hostname", hostname::expect),
    ("hugepage-limits", hugepage_limits::expect),
    ("intel-rdt", intel_rdt::expect),
    ("kill", kill::expect),
    ("lifecycle", lifecycle::expect),
    ("masked-paths", masked_paths::expect),
    ("memory", memory::expect),
    ("memory-policy", memory_policy::expect),
    ("mounts", mounts::expect),
    ("namespaces", namespaces::expect),
    ("net-devices", net_devices::expect),
    ("network", network::expect),
    ("pids", pids::expect),
    ("personality", personality::expect),
    ("process", process::expect),
    ("rdma", rdma::expect),
    ("readonly-paths", readonly_paths::expect),
    ("rlimits", rlimits::expect),
    ("root", root::expect),
    ("seccomp", seccomp::expect),
    ("start", start::expect),
    ("state", state::expect),
    ("sysctl", sysctl::expect),
    ("unified", unified::expect),
    ("user", user::expect),
    ("version", version::expect),
];

/// All expectations of a case that was run: the laws', and its own if it was run for itself; those of requirements
/// that are in force in the version tested.
pub fn expectations(header: &Header, evidence: &Evidence) -> Vec<Expectation> {
    expectations_under(Specification::embedded(), header, evidence)
}

/// The same with the requirements of another specification than the one that this program carries.
pub fn expectations_under(specification: &Specification, header: &Header, evidence: &Evidence) -> Vec<Expectation> {
    let mut all = derived(header, evidence);
    all.retain(|e| specification.get(e.requirement.as_str()).is_some_and(|r| r.applies(header.spec)));
    all
}

/// The same for every version.
fn derived(header: &Header, evidence: &Evidence) -> Vec<Expectation> {
    let nothing = Value::Null;
    let mut all: Vec<Expectation> = evidence.definition.expect.iter().cloned().map(Expectation::from).collect();
    if let Some(config) = &evidence.config {
        let subject = Subject {
            case: &evidence.definition,
            steps: evidence.definition.steps(),
            config,
            before: evidence.facts.get("before").unwrap_or(&nothing),
            host: &header.host,
            spec: header.spec,
            features: header.features.as_ref(),
        };
        all.extend(CHAPTERS.iter().flat_map(|(_, expect)| expect(&subject)));
    }
    all
}

impl Subject<'_> {
    /// The first call of `verb` on the main container, at the top of the steps.
    pub fn call(&self, verb: Verb) -> Option<&Call> {
        self.steps.iter().find_map(|step| match step {
            Step::Call(call) if call.verb == verb && call.container == MAIN => Some(call),
            _ => None,
        })
    }

    /// The name of the step that starts the main container: the moment at which the witness reports.
    pub fn started(&self) -> Option<String> {
        let call = self.call(Verb::Start).or_else(|| self.call(Verb::Run))?;
        Some(Step::Call(call.clone()).name())
    }

    /// The name of the step that creates the main container.
    pub fn created(&self) -> Option<String> {
        let call = self.call(Verb::Create).or_else(|| self.call(Verb::Run))?;
        Some(Step::Call(call.clone()).name())
    }

    /// What an offence calls for: a refusal, if a requirement of the runtime demands it, and nothing else.
    pub fn refusal(&self, offence: &Offence) -> Vec<Expectation> {
        let refusal = offence.refusal.zip(self.created());
        refusal.map(|(requirement, created)| refused(requirement, &created)).into_iter().collect()
    }
}

/// An expectation of the moment after `step`; the vantage follows from the fact.
///
/// # Panics
/// When `requirement` is no id: the laws' ids are constants, and a test looks each of them up.
pub fn expect(requirement: &str, after: &str, fact: impl Into<String>, matcher: Matcher) -> Expectation {
    let fact = fact.into();
    let requirement: RequirementId = requirement.parse().expect("a law cites a well-formed id");
    let vantage = Vantage::of(&fact);
    Expectation { requirement, after: after.to_owned(), fact, matcher, vantage }
}

/// The pointer of a fact that the witness told at a moment.
pub fn inside(moment: &str, fact: &str) -> String {
    format!("/inside/{}/{fact}", token(moment))
}

/// The pointer of a fact of a step: of its call, or whether it failed.
pub fn of_step(step: &str, fact: &str) -> String {
    format!("/steps/{}/{fact}", token(step))
}

/// The expectation that the bundle is refused, at create or at start.
pub fn refused(requirement: &str, after: &str) -> Expectation {
    expect(requirement, after, "/steps", Matcher::Refused(Refusal::default()))
}

#[cfg(test)]
mod tests {
    use ocf_spec::Party;
    use serde_json::json;

    use super::*;
    use crate::judge::testing;
    use crate::suite;

    /// Every fixture, every control and every base, as if it had been run up to its first step.
    fn runs() -> Vec<Evidence> {
        let bases: std::collections::BTreeMap<_, _> =
            ocf_fixtures::BASES.iter().map(|(stem, _)| (*stem, suite::base(stem).unwrap())).collect();
        let cases = suite::fixtures().unwrap();
        let with_controls = cases.into_iter().flat_map(|(name, case)| {
            let control = case.control().unwrap();
            [Some(case), control].into_iter().flatten().map(move |case| (name.clone(), case))
        });
        with_controls
            .map(|(name, case)| {
                let config =
                    case.config(&bases[case.base.as_deref().unwrap_or("plain")], "1.3.0".parse().unwrap()).unwrap();
                let mut evidence = testing::evidence(&name, case, json!({ "before": {} }));
                evidence.config = config;
                evidence
            })
            .collect()
    }

    #[test]
    fn every_law_cites_a_requirement_that_a_runtime_owes_and_a_step_of_the_case() {
        let specification = Specification::embedded();
        for evidence in runs() {
            let names: Vec<_> = evidence.definition.steps().iter().flat_map(Step::names).collect();
            for expected in derived(&testing::header(), &evidence) {
                let id = &expected.requirement;
                let requirement = specification.get(id.as_str()).unwrap_or_else(|| panic!("{}: {id}", evidence.case));
                assert_eq!(requirement.party, Party::Runtime, "{}: {id}", evidence.case);
                assert_eq!(requirement.not_checked, None, "{}: {id} says that it is not checked", evidence.case);
                assert!(names.contains(&expected.after), "{}: {id}: no step {}", evidence.case, expected.after);
                assert_eq!(expected.vantage, Vantage::of(&expected.fact), "{}: {id}", evidence.case);
            }
        }
    }
}

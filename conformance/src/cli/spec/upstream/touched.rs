//! What a changed clause or property touches: requirements, checks, fixtures and reports.

use std::collections::BTreeSet;

use ocf_spec::upstream::SetAside;
use ocf_spec::{Requirement, Specification};
use serde_json::{Value, json};

use crate::checks::{Check, Checks, Tested};
use crate::cli::terminal::counted;
use crate::judge::Verdict;

/// What there is to be touched.
pub(super) struct Touched<'a> {
    specification: &'a Specification,
    checks: &'a Checks,
    tested: &'a [Tested],
}

impl<'a> Touched<'a> {
    pub(super) fn new(specification: &'a Specification, checks: &'a Checks, tested: &'a [Tested]) -> Self {
        Self { specification, checks, tested }
    }

    /// The ids of the requirements that carry one of these clauses, in the specification's order.
    pub(super) fn carriers<'c>(&self, clauses: impl Iterator<Item = &'c str>) -> Vec<&'a str> {
        let clauses: BTreeSet<&str> = clauses.collect();
        let carries = |it: &&Requirement| it.clauses.iter().any(|its| clauses.contains(its.as_str()));
        self.specification.requirements().filter(carries).map(|it| it.id.as_str()).collect()
    }

    /// The ids of the requirements that decide this property's effect.
    pub(super) fn deciders(&self, property: &str) -> Vec<&'a str> {
        let decides = |it: &&Requirement| it.properties.iter().any(|its| its == property);
        self.specification.requirements().filter(decides).map(|it| it.id.as_str()).collect()
    }

    /// Why a clause calls for no requirement, if it is set aside.
    pub(super) fn set_aside(&self, clause: &str) -> Option<&'a SetAside> {
        self.specification.upstream.set_aside(clause)
    }

    /// All requirements that these clauses and properties touch, in the specification's order.
    pub(super) fn by<'c>(&self, clauses: impl Iterator<Item = &'c str>, properties: &[String]) -> Vec<&'a Requirement> {
        let mut ids: BTreeSet<&str> = self.carriers(clauses).into_iter().collect();
        ids.extend(properties.iter().flat_map(|it| self.deciders(it)));
        self.specification.requirements().filter(|it| ids.contains(it.id.as_str())).collect()
    }

    pub(super) fn requirement(&self, id: &str) -> Option<&'a Requirement> {
        self.specification.get(id)
    }

    pub(super) fn check(&self, requirement: &Requirement) -> Check {
        self.checks.get(&requirement.id)
    }

    /// The names of the reports that decide it: with this requirement reworded they say nothing.
    pub(super) fn reports(&self, requirement: &Requirement) -> Vec<String> {
        let decides = |it: &&Tested| matches!(it.verdict(requirement), Some(Verdict::Pass | Verdict::Fail));
        self.tested.iter().filter(decides).map(|it| format!("{} under {}", it.name, it.report.suite.spec)).collect()
    }

    /// How a requirement is checked, in a phrase.
    pub(super) fn phrase(&self, requirement: &Requirement) -> String {
        let check = self.check(requirement);
        let mut parts: Vec<String> = Vec::new();
        parts.extend(check.schema.then(|| "schema".to_owned()));
        parts.extend(check.rule.then(|| "rule".to_owned()));
        parts.extend((!check.by_law.is_empty() || !check.generated.is_empty()).then(|| "law".to_owned()));
        parts.extend((!check.cases.is_empty()).then(|| counted(check.cases.len(), "case")));
        parts.extend((!check.wrong.is_empty()).then(|| format!("{} static", check.wrong.len())));
        let reports = self.reports(requirement).len();
        parts.extend((reports > 0).then(|| counted(reports, "report")));
        match parts.is_empty() {
            true if requirement.not_checked.is_some() => "not checked".to_owned(),
            true => "no check".to_owned(),
            false => parts.join(", "),
        }
    }

    pub(super) fn document(&self, requirement: &Requirement) -> Value {
        let check = self.check(requirement);
        json!({
            "requirement": requirement.id,
            "level": requirement.level,
            "party": requirement.party,
            "schema": check.schema,
            "rule": check.rule,
            "law": !check.by_law.is_empty(),
            "generated": check.generated,
            "cases": check.cases,
            "static": check.wrong,
            "reports": self.reports(requirement),
        })
    }
}

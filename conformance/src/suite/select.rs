//! Which cases a run takes, and what it leaves out with which reason.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ocf_spec::Specification;

use super::{Options, Planned, engines};
use crate::case::{Base, Case};
use crate::evidence::{Header, Role};
use crate::profile::Profile;
use crate::properties;

/// The base that a case starts from when it names none.
pub const PLAIN: &str = "plain";

/// One part of the cases, of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub part: usize,
    /// Of how many.
    pub of: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no shard: it is written PART/OF, as 1/4");
        let (part, of) = text.split_once('/').ok_or_else(wrong)?;
        let (part, of) = (part.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if (1..=of).contains(&part) { Ok(Self { part, of }) } else { Err(wrong()) }
    }
}

/// What was asked for by name: nothing means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    requirements: BTreeSet<String>,
    cases: BTreeSet<String>,
    chapters: BTreeSet<String>,
}

impl Filter {
    /// Reads the words: each must be a requirement, a case or a chapter.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let specification = Specification::embedded();
        let mut filter = Self::default();
        for word in words {
            let case = ocf_fixtures::CASES.iter().any(|(name, _)| name == word)
                || properties::is_case(word)
                || word
                    .strip_prefix("engines/")
                    .is_some_and(|stem| ocf_fixtures::ENGINES.iter().any(|it| it.0 == stem));
            if specification.get(word).is_some() {
                filter.requirements.insert(word.clone());
            } else if case {
                filter.cases.insert(word.clone());
            } else if specification.chapters.iter().any(|c| c.name == *word) || word == engines::CHAPTER {
                filter.chapters.insert(word.clone());
            } else {
                let near = specification.nearest(word).map(|id| format!("; did you mean {id}?")).unwrap_or_default();
                return Err(format!("{word}: no requirement, chapter or case has this name{near}"));
            }
        }
        Ok(filter)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The profile without what was not asked for.
    #[must_use]
    pub fn narrow(&self, mut profile: Profile) -> Profile {
        // An engine's config is meant for no requirement, and shows whatever it calls for.
        let is_engines = |word: &String| word.split('/').next() == Some(engines::CHAPTER);
        if self.is_empty() || self.chapters.iter().chain(&self.cases).any(is_engines) {
            return profile;
        }
        for requirement in Specification::embedded().requirements() {
            let id = requirement.id.as_str();
            let wanted = self.requirements.contains(id)
                || self.chapters.contains(requirement.id.chapter())
                || self.cases.iter().any(|case| case.split('/').next() == Some(requirement.id.chapter()));
            if !wanted {
                profile.except.entry(requirement.id.clone()).or_insert_with(|| "not asked for in this run".to_owned());
            }
        }
        profile
    }

    /// Whether a case is of use: it was named, lies in a chapter that was, or is meant for a requirement that
    /// was, or for one of its chapter when no case is meant for it alone.
    fn takes(&self, name: &str, case: &Case, meant: &BTreeSet<String>) -> bool {
        let chapter = name.split('/').next().unwrap_or_default();
        let cited = || case.requirements.iter().chain(case.expect.iter().map(|e| &e.requirement));
        self.is_empty()
            || self.cases.contains(name)
            || self.chapters.contains(chapter)
            || cited().any(|id| self.requirements.contains(id.as_str()) || self.chapters.contains(id.chapter()))
            || self.requirements.iter().any(|id| !meant.contains(id) && id.split('.').next() == Some(chapter))
    }
}

/// All fixtures, parsed, by name.
pub fn fixtures() -> Result<Vec<(String, Case)>, String> {
    let parse = |(name, text): &(&str, &str)| {
        let case = Case::parse(text).map_err(|e| format!("fixtures/{name}.json: {e}"))?;
        Ok(((*name).to_owned(), case))
    };
    ocf_fixtures::CASES.iter().map(parse).collect()
}

/// All cases that are not generated: the fixtures, and the configs of engines' shape.
pub fn cases() -> Result<Vec<(String, Case)>, String> {
    let mut cases = fixtures()?;
    cases.extend(engines::cases()?);
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(cases)
}

/// The base of this stem.
pub fn base(stem: &str) -> Result<Base, String> {
    let found = ocf_fixtures::BASES.iter().find(|(known, _)| *known == stem);
    let (_, text) = found.ok_or_else(|| format!("no base is named {stem}"))?;
    let written = Base::parse(text).map_err(|e| format!("fixtures/base/{stem}.json: {e}"))?;
    match written.of.clone() {
        Some(first) => Ok(written.on(base(&first)?)),
        None => Ok(written),
    }
}

/// A case as the base's caller runs it.
pub fn called(mut case: Case, base: &Base) -> Case {
    case.caller.uid = case.caller.uid.or(base.caller.uid);
    case.caller.gid = case.caller.gid.or(base.caller.gid);
    if case.caller.is_ordinary() {
        // He has no capabilities, and so none to hand on, and no say in how they are handed on.
        case.caller.securebits.clear();
        case.caller.capabilities.inheritable.clear();
        case.caller.capabilities.ambient.clear();
    }
    case
}

/// What a run does, and what it doesn't.
pub(super) struct Plan {
    /// The cases to run with their controls, by name.
    pub cases: Vec<Planned>,
    /// The cases that are left out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// Plans a run.
///
/// `usual` is the stem of the base for the cases that name none.
pub(super) fn plan(options: &Options, filter: &Filter, header: &Header, usual: &str) -> Result<Plan, String> {
    let mut cases = cases()?;
    cases.extend(properties::generate(options.seed, options.generated));
    cases.extend(header.features.iter().flat_map(properties::of_claims));
    let meant: BTreeSet<String> =
        cases.iter().flat_map(|(_, case)| case.requirements.iter().map(ToString::to_string)).collect();
    let mut plan = Plan { cases: Vec::new(), left_out: Vec::new() };
    let taken = cases.into_iter().filter(|(name, case)| filter.takes(name, case, &meant));
    for (number, (name, case)) in taken.enumerate() {
        if options.shard.is_some_and(|shard| number % shard.of != shard.part - 1) {
            continue;
        }
        if let Some(why) = unfit(&case, header) {
            plan.left_out.push((name, why));
            continue;
        }
        let base = base(case.base.as_deref().unwrap_or(usual))?;
        if let Some(control) = case.control().map_err(|e| format!("fixtures/{name}.json: {e}"))? {
            let case = called(control, &base);
            plan.cases.push(Planned { name: name.clone(), role: Role::Control, case, base: base.clone() });
        }
        plan.cases.push(Planned { name, role: Role::Case, case: called(case, &base), base });
    }
    Ok(plan)
}

/// Why a case can't be run here, if so.
fn unfit(case: &Case, header: &Header) -> Option<String> {
    if let Some(why) = case.other_versions(header.spec) {
        return Some(why);
    }
    let missing = case.needs.iter().find(|need| !need.met(&header.host))?;
    Some(format!("this host lacks {missing}"))
}

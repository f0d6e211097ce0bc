//! Profiles: named sets of requirements with the host facts they need.

use std::collections::{BTreeMap, BTreeSet};

use ocf_spec::{Level, Party, Requirement, RequirementId, Specification, Version};
use serde::{Deserialize, Serialize};

use crate::host::{HostFacts, Need};

/// The profiles that the suite brings, each file once.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("linux-core", include_str!("../profiles/linux-core.json")),
    ("linux-v1", include_str!("../profiles/linux-v1.json")),
    ("rdt", include_str!("../profiles/rdt.json")),
    ("selinux", include_str!("../profiles/selinux.json")),
    ("apparmor", include_str!("../profiles/apparmor.json")),
    ("hardening", include_str!("../profiles/hardening.json")),
    ("rootless", include_str!("../profiles/rootless.json")),
    ("static", include_str!("../profiles/static.json")),
];

/// The chapter about attacks: it belongs to a profile only by its name, and so never to what conformance is.
pub const BESIDE: &str = "hardening";

/// One profile file. `conformant` is a statement about a profile.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is, in one phrase.
    pub about: String,
    /// Whose requirements belong to it.
    #[serde(default = "runtime")]
    pub party: Party,
    /// Host facts without which it can't be decided.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Only requirements that need one of these facts belong to it; whatever they need when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<Need>>,
    /// The chapters that belong to it; all but the one that stands beside the specification when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chapters: Option<BTreeSet<String>>,
    /// The stem of the base from which its cases start; `plain` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The levels that belong to it.
    pub levels: Vec<Level>,
    /// Requirements that don't belong to it, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub except: BTreeMap<RequirementId, String>,
}

fn runtime() -> Party {
    Party::Runtime
}

impl Profile {
    /// The profile of this name.
    pub fn named(name: &str) -> Result<Self, String> {
        let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = EMBEDDED.iter().map(|(name, _)| *name).collect();
            return Err(format!("no profile is named {name}; there are {}", names.join(", ")));
        };
        serde_json::from_str(text).map_err(|e| format!("profile {name}: {e}"))
    }

    /// The profile of this name, to judge a runtime by.
    ///
    /// # Errors
    /// There is none of this name, or it is about what needs no runtime.
    pub fn of_runtimes(name: &str) -> Result<Self, String> {
        let profile = Self::named(name)?;
        match profile.party {
            Party::Runtime => Ok(profile),
            _ => Err(format!("profile {name} is about documents and no runtime: {WITHOUT_RUNTIME}")),
        }
    }

    /// Whether its base is called by an ordinary user.
    pub fn is_rootless(&self) -> Result<bool, String> {
        let base = self.base.as_deref().map(crate::suite::base).transpose()?;
        Ok(base.is_some_and(|base| base.caller.uid.is_some_and(|uid| uid != 0)))
    }

    /// The default on this host: `linux-v1` where memory and pids are on cgroup v1, else `linux-core`.
    pub fn default_name(host: &HostFacts) -> &'static str {
        if host.cgroups.v1.contains("memory") && host.cgroups.v1.contains("pids") { "linux-v1" } else { "linux-core" }
    }

    /// Whether the requirement belongs to it: of its party, in force, decidable at all and on its sort of host, of a
    /// level that it names.
    pub fn includes(&self, requirement: &Requirement, version: Version) -> bool {
        requirement.party == self.party
            && requirement.applies(version)
            && requirement.not_checked.is_none()
            && !requirement.draft
            && self.levels.contains(&requirement.level)
            && self.has_chapter(requirement.id.chapter())
            && !self.except.contains_key(&requirement.id)
            && self.suits(&requirement.needs.iter().filter_map(|need| need.parse().ok()).collect::<Vec<_>>())
    }

    fn has_chapter(&self, chapter: &str) -> bool {
        self.chapters.as_ref().map_or(chapter != BESIDE, |chapters| chapters.contains(chapter))
    }

    /// Whether what has these needs is decided on its sort of host.
    fn suits(&self, needs: &[Need]) -> bool {
        needs.iter().all(|need| !need.tells_hosts_apart() || self.needs.contains(need))
            && self.only.as_ref().is_none_or(|only| needs.iter().any(|need| only.contains(need)))
    }

    /// Names in `except` and `chapters` that the specification doesn't have.
    pub fn dangling(&self, specification: &Specification) -> Vec<String> {
        let ids = self.except.keys().filter(|id| specification.get(id.as_str()).is_none()).map(ToString::to_string);
        let known: BTreeSet<_> = specification.chapters.iter().map(|c| c.name.as_str()).collect();
        let chapters = self.chapters.iter().flatten().filter(|name| !known.contains(name.as_str())).cloned();
        ids.chain(chapters).collect()
    }
}

/// What decides a profile that is about no runtime.
pub const WITHOUT_RUNTIME: &str = "`ocf validate FILE|BUNDLE` decides it";

#[cfg(test)]
mod tests {
    use ocf_schema::{Kind, validate};
    use ocf_spec::VERSIONS;

    use super::*;

    #[test]
    fn every_embedded_profile_parses_satisfies_its_schema_and_names_what_exists() {
        for (name, text) in EMBEDDED {
            let dangling = Profile::named(name).unwrap().dangling(Specification::embedded());
            assert_eq!(dangling, Vec::<String>::new(), "{name}");
            let document = serde_json::from_str(text).unwrap();
            assert_eq!(validate(Kind::Profile, &document, VERSIONS[6]), [], "{name}");
        }
    }

    /// The ids of the requirements in a profile, over all versions.
    fn members(name: &str) -> BTreeSet<&'static str> {
        let profile = Profile::named(name).unwrap();
        let is_member = |it: &&Requirement| VERSIONS.iter().any(|version| profile.includes(it, *version));
        Specification::embedded().requirements().filter(is_member).map(|it| it.id.as_str()).collect()
    }

    fn needing(need: &str) -> BTreeSet<&'static str> {
        let all = Specification::embedded().requirements();
        let of_runtimes = all.filter(|it| it.party == Party::Runtime && it.not_checked.is_none() && !it.draft);
        of_runtimes.filter(|it| it.needs.iter().any(|its| its == need)).map(|it| it.id.as_str()).collect()
    }

    #[test]
    fn what_few_hosts_have_makes_a_profile_of_its_own() {
        for (name, need) in [("rdt", "resctrl"), ("selinux", "lsm:selinux"), ("apparmor", "lsm:apparmor")] {
            assert!(!members(name).is_empty(), "{name}");
            assert_eq!(members(name), needing(need), "{name}");
            for ordinary in ["linux-core", "linux-v1"] {
                assert!(members(ordinary).is_disjoint(&members(name)), "{ordinary} and {name}");
            }
        }
    }

    #[test]
    fn a_profile_has_nothing_that_only_hosts_of_another_sort_decide() {
        assert!(members("linux-core").is_disjoint(&needing("cgroup=v1")));
        assert!(members("linux-v1").is_disjoint(&needing("cgroup=v2")));
        assert!(members("linux-core").is_superset(&needing("cgroup=v2")));
        assert!(members("linux-v1").is_superset(&needing("controller:cpuset")));
    }

    #[test]
    fn whatever_a_run_can_decide_belongs_to_a_profile() {
        let all: BTreeSet<&str> = EMBEDDED.iter().flat_map(|(name, _)| members(name)).collect();
        let decidable = |it: &&Requirement| it.party == Party::Runtime && it.not_checked.is_none() && !it.draft;
        let forgotten = Specification::embedded().requirements().filter(decidable).map(|it| it.id.as_str());
        assert_eq!(forgotten.filter(|id| !all.contains(id)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn documents_are_no_matter_of_runtimes() {
        assert!(members("static").contains("process.cwd-absolute"));
        assert!(!members("linux-core").contains("process.cwd-absolute"));
        assert!(Profile::of_runtimes("static").unwrap_err().contains("ocf validate"));
        assert!(Profile::of_runtimes("linux-core").is_ok());
    }
}

//! Profiles: named sets of requirements with the host facts they need.

use std::collections::{BTreeMap, BTreeSet};

use ocf_spec::{Level, Party, Requirement, RequirementId, Specification, Version};
use serde::{Deserialize, Serialize};

use crate::host::{HostFacts, Need};

/// The profiles that the suite brings, each file once.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("linux-core", include_str!("../profiles/linux-core.json")),
    ("linux-v1", include_str!("../profiles/linux-v1.json")),
];

/// One profile file. `conformant` is a statement about a profile.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is, in one phrase.
    pub about: String,
    /// Host facts without which it can't be decided.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The chapters that belong to it; all of the specification when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chapters: Option<BTreeSet<String>>,
    /// The levels that belong to it.
    pub levels: Vec<Level>,
    /// Requirements that don't belong to it, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub except: BTreeMap<RequirementId, String>,
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

    /// The default on this host: `linux-v1` where memory and pids are on cgroup v1, else `linux-core`.
    pub fn default_name(host: &HostFacts) -> &'static str {
        if host.cgroups.v1.contains("memory") && host.cgroups.v1.contains("pids") { "linux-v1" } else { "linux-core" }
    }

    /// Whether the requirement belongs to it: of a runtime, in force, decidable at all, of a level it names.
    pub fn includes(&self, requirement: &Requirement, version: Version) -> bool {
        requirement.party == Party::Runtime
            && requirement.applies(version)
            && requirement.not_checked.is_none()
            && !requirement.draft
            && self.levels.contains(&requirement.level)
            && self.chapters.as_ref().is_none_or(|chapters| chapters.contains(requirement.id.chapter()))
            && !self.except.contains_key(&requirement.id)
    }

    /// Names in `except` and `chapters` that the specification doesn't have.
    pub fn dangling(&self, specification: &Specification) -> Vec<String> {
        let ids = self.except.keys().filter(|id| specification.get(id.as_str()).is_none()).map(ToString::to_string);
        let known: BTreeSet<_> = specification.chapters.iter().map(|c| c.name.as_str()).collect();
        let chapters = self.chapters.iter().flatten().filter(|name| !known.contains(name.as_str())).cloned();
        ids.chain(chapters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_profile_parses_and_names_what_exists() {
        for (name, _) in EMBEDDED {
            assert_eq!(
                Profile::named(name).unwrap().dangling(Specification::embedded()),
                Vec::<String>::new(),
                "{name}"
            );
        }
    }
}

//! What the chapters of `linux.resources` have in common: a limit shows in a file of the container's cgroup, and what
//! can't be applied is refused.

use serde_json::Value;

use super::{Subject, expect as expected, refused};
use crate::expectation::{Expectation, Matcher, token};

/// The greatest page of any machine, in bytes: a multiple of it is rounded nowhere.
const GREATEST_PAGE: u64 = 64 << 10;
/// The greatest number that is expected to show as it is, in bytes: the kernel's own greatest is near 2^63.
const GREATEST: u64 = 1 << 60;

/// A version of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1.
    V1,
    /// Version 2.
    V2,
}

/// The container's cgroup once it is created, for the laws about it.
pub struct Resources<'a> {
    subject: &'a Subject<'a>,
    created: String,
    started: String,
}

impl<'a> Resources<'a> {
    /// None if the case never creates or never starts its container.
    pub fn of(subject: &'a Subject<'_>) -> Option<Self> {
        Some(Self { subject, created: subject.created()?, started: subject.started()? })
    }

    /// Where the case sees a controller; none if it does not, or if the config names files of the controller itself:
    /// which of two values holds then is unsaid.
    pub fn version(&self, controller: &str) -> Option<Version> {
        let cgroups = &self.subject.host.cgroups;
        match (cgroups.v1.contains(controller), cgroups.v2.contains(controller)) {
            (true, _) => Some(Version::V1),
            (false, true) if !self.names_itself(controller) => Some(Version::V2),
            (false, _) => None,
        }
    }

    fn names_itself(&self, controller: &str) -> bool {
        let files = self.subject.config.pointer("/linux/resources/unified").and_then(Value::as_object);
        let is_its = |file: &String| file.split_once('.').is_some_and(|(word, _)| word == controller);
        files.is_some_and(|files| files.keys().any(is_its))
    }

    /// What a file of the container's cgroup shows, or a part of it: `cpu.max/0`.
    ///
    /// Expected once the start was come to, which is not the case after a create that failed.
    pub fn shows(&self, requirement: &str, file: &str, matcher: Matcher) -> Expectation {
        let fact = format!("/host/{}/cgroup/{file}", token(&self.created));
        expected(requirement, &self.started, fact, matcher)
    }

    /// That it shows this value.
    pub fn is(&self, requirement: &str, file: &str, value: impl Into<Value>) -> Expectation {
        self.shows(requirement, file, Matcher::Equals(value.into()))
    }

    /// That the bundle is refused.
    pub fn refused(&self, requirement: &str) -> Expectation {
        refused(requirement, &self.created)
    }

    /// Whether the kernel is known not to have a file.
    pub fn lacks(&self, file: &str) -> bool {
        self.is_missing("cgroup-files", file)
    }

    /// Whether a complete listing among the facts before the run lacks a name.
    pub fn is_missing(&self, listing: &str, name: &str) -> bool {
        self.listed(listing).is_some_and(|all| all.get(name).is_none())
    }

    /// A listing among the facts before the run.
    pub fn listed(&self, listing: &str) -> Option<&'a Value> {
        self.subject.before.get(listing).filter(|all| all.is_object())
    }

    /// The kernel's version, major and minor.
    pub fn kernel(&self) -> (u32, u32) {
        self.subject.host.kernel_version()
    }
}

/// Whether a number of bytes shows as it is, on any machine.
pub fn is_shown(bytes: u64) -> bool {
    bytes > 0 && bytes.is_multiple_of(GREATEST_PAGE) && bytes <= GREATEST
}

//! Cases and evidence for this module's tests.

use ocf_spec::Specification;
use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::case::Case;
use crate::evidence::{Evidence, FORMAT, Header, Identity, Role};
use crate::expectation::Expectation;
use crate::host::HostFacts;
use crate::profile::Profile;

/// The plain life.
pub fn case() -> Case {
    Case { about: "a case of a test".to_owned(), ..Case::default() }
}

/// Evidence of a case that was run for itself.
pub fn evidence(id: &str, definition: Case, facts: Value) -> Evidence {
    Evidence {
        case: id.to_owned(),
        role: Role::Case,
        definition,
        config: None,
        facts,
        trouble: None,
        blame: None,
        seconds: 0.5,
    }
}

/// An expectation with a matcher as a fixture writes it, of `test.must` unless the matcher names a `requirement`.
pub fn expectation(after: &str, fact: &str, matcher: Value) -> Expectation {
    let vantage = crate::expectation::Vantage::of(fact);
    let mut document = json!({"requirement": "test.must", "after": after, "fact": fact, "vantage": vantage});
    let fields = document.as_object_mut().unwrap();
    fields.extend(matcher.as_object().unwrap().clone());
    serde_json::from_value(document).unwrap()
}

/// A complete journal of a container whose program ran.
pub fn ran() -> Value {
    json!({"$complete": true, "process ran": [3]})
}

/// A chapter with a requirement of each sort.
pub fn specification() -> Specification {
    let text = "\
# test

A chapter for tests.

## test.must
MUST, runtime, since 1.0.0, config.md#configLinuxProcess, ledger CFG-143 CFG-146, property process.capabilities.bounding
The runtime keeps what it has to keep.

## test.needs
MUST NOT, runtime, since 1.0.0, ours
The runtime does not break what it has to leave alone.
Needs: controller:memory, controller:hugetlb, controller:rdma

## test.should
SHOULD, runtime, since 1.0.0, ours
The runtime does what is good for it.

## test.may
MAY, runtime, since 1.0.0, ours
The runtime does as it likes.

## test.author
MUST, config, since 1.0.0, ours
The author writes well.

## test.draft
MUST, runtime, since 1.0.0, ours
The runtime does what is not agreed yet.
Draft

## test.hidden
MUST, runtime, since 1.0.0, ours
The runtime does what nobody sees.
Not checked: nobody can see it.

## test.former
MUST, runtime, since 1.0.0, ours
The runtime did this once.
Until: 1.0.2

## test.later
MUST, runtime, since 1.1.0, ours
The runtime does this one day.
";
    Specification::parse(&[("test", text)]).unwrap()
}

/// A profile of everything.
pub fn profile() -> Profile {
    let levels = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];
    serde_json::from_value(json!({"about": "a profile of a test", "levels": levels})).unwrap()
}

/// A run of the reference host: cgroup version 2, memory and pids.
pub fn header() -> Header {
    let mut host = HostFacts { kernel: "6.1.0".to_owned(), ..HostFacts::default() };
    host.cgroups.unified = true;
    host.cgroups.v2 = ["memory".to_owned(), "pids".to_owned()].into();
    let (adapter_name, adapter) = Adapter::choose("runc".as_ref(), None).unwrap();
    Header {
        format: FORMAT.to_owned(),
        suite: "0.1.0".to_owned(),
        spec: ocf_spec::Version::new(1, 0, 2),
        runtime: Identity {
            name: "runc".to_owned(),
            version: "runc version 1.1.5".to_owned(),
            path: "/usr/sbin/runc".to_owned(),
            sha256: "5f".repeat(32),
            adapter: adapter_name,
        },
        adapter,
        features: None,
        host,
        profile: "linux-core".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
    }
}

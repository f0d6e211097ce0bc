//! The five capability sets: what the config lists, and what execve(2) makes of it.

use std::collections::BTreeSet;

use ocf_spec::Version;
use serde_json::{Value, json};

use super::{Subject, inside, refused};
use crate::expectation::{Expectation, Matcher};
use crate::host::CAPABILITIES;
use crate::view::capabilities::{Capabilities, view};
use crate::view::{namespaces, process, user};

/// Before this version a name that stands for no capability had to be refused; since then it should not be.
const UNKNOWN_PASSED_OVER: Version = Version::new(1, 1, 0);

/// The sets as the program sees them.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let listed = match view(subject.config) {
        Ok(listed) => listed,
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(start) = subject.started() else { return Vec::new() };
    let law = |requirement, set, matcher| {
        super::expect(requirement, &start, inside(&start, &format!("capabilities{set}")), matcher)
    };
    let Some(listed) = listed else {
        return vec![law("capabilities.unset", "", Matcher::PRESENT)];
    };
    if subject.spec < UNKNOWN_PASSED_OVER && listed.unknown().next().is_some() {
        let create = subject.created();
        return create.map(|step| refused("capabilities.unknown-refused", &step)).into_iter().collect();
    }
    let sets = Sets::of(&listed, &grantable(subject));
    let mut laws = vec![
        law("capabilities.bounding", "/bounding", exactly(&sets.bounding)),
        law("capabilities.inheritable", "/inheritable", exactly(&sets.inheritable)),
        law("capabilities.ambient", "/ambient", exactly(&sets.ambient)),
    ];
    if let Some(after) = sets.after_exec(subject.config) {
        laws.push(law("capabilities.permitted", "/permitted", exactly(&after)));
        laws.push(law("capabilities.effective", "/effective", exactly(&after)));
    }
    laws
}

/// The four sets on which execve(2) builds, as the process has them just before it.
struct Sets<'a> {
    bounding: BTreeSet<&'a str>,
    inheritable: BTreeSet<&'a str>,
    permitted: BTreeSet<&'a str>,
    ambient: BTreeSet<&'a str>,
}

impl<'a> Sets<'a> {
    fn of(listed: &Capabilities<'a>, grantable: &BTreeSet<&str>) -> Self {
        let granted = |set: &BTreeSet<&'a str>| -> BTreeSet<&'a str> {
            set.iter().filter(|name| grantable.contains(*name)).copied().collect()
        };
        let (inheritable, permitted) = (granted(&listed.inheritable), granted(&listed.permitted));
        let mut ambient = granted(&listed.ambient);
        ambient.retain(|name| inheritable.contains(name) && permitted.contains(name));
        Self { bounding: granted(&listed.bounding), inheritable, permitted, ambient }
    }

    /// The permitted set afterwards, which is the effective one too (capabilities(7)): for root what its inheritable
    /// and bounding sets hold, for others the ambient set. The program's file has no capabilities of its own. Who has
    /// no_new_privs gains nothing that was not permitted before. None if the config doesn't say who it is.
    fn after_exec(&self, config: &Value) -> Option<BTreeSet<&'a str>> {
        let user = user::view(config).ok()??;
        if user.uid != 0 {
            return Some(self.ambient.clone());
        }
        let process = process::view(config).ok()??;
        let mut all: BTreeSet<_> = self.inheritable.union(&self.bounding).copied().collect();
        if process.no_new_privileges == Some(true) {
            all.retain(|name| self.permitted.contains(name));
        }
        Some(all)
    }
}

/// What can be granted: all in a user namespace of the container's own, else what the runtime's caller has.
fn grantable<'a>(subject: &Subject<'a>) -> BTreeSet<&'a str> {
    if namespaces::lists(subject.config, "user") {
        return CAPABILITIES.into_iter().collect();
    }
    let callers = |set: &str| -> BTreeSet<&'a str> {
        let names = subject.before.pointer(&format!("/capabilities/{set}")).and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    callers("permitted").intersection(&callers("bounding")).copied().collect()
}

fn exactly(set: &BTreeSet<&str>) -> Matcher {
    Matcher::Equals(json!(set))
}

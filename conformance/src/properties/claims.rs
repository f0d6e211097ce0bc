//! Cases that try what a runtime's features document claims: made from that document, so that nothing is asked of a
//! runtime which it does not claim.

use serde_json::{Value, json};

use crate::case::{Action, Answer, Case};
use crate::view::strings;

/// The names of all such cases.
const NAMES: [&str; 10] = [
    "features/oldest-version",
    "features/newest-version",
    "features/every-action",
    "features/every-operator",
    "features/every-architecture",
    "features/flag-log",
    "features/flag-spec-allow",
    "features/flag-tsync",
    "features/flag-wait-killable-recv",
    "features/every-mount-option",
];

/// Where the container process state goes.
const AGENT: &str = "${host}/agent";
/// Calls that only the suite makes, one for each action, and what tries an operator.
const CALLS: [&str; 9] =
    ["getppid", "getuid", "munlockall", "sched_yield", "getpriority", "getpgid", "mincore", "getitimer", "kcmp"];
/// Options that ask for more than a mount: an earlier one, or mappings.
const NOT_ALONE: [&str; 3] = ["remount", "idmap", "ridmap"];
/// Options that show only in what is not there, for which the chapter on mounts has cases with the opposite beside them.
const WITH_OPPOSITE: [&str; 11] =
    ["async", "atime", "defaults", "dev", "diratime", "exec", "nolazytime", "rw", "strictatime", "suid", "symfollow"];

/// Whether this is the name of such a case.
pub fn is_case(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The cases that a features document calls for.
pub fn cases(features: &Value) -> Vec<(String, Case)> {
    NAMES.iter().filter_map(|name| Some(((*name).to_owned(), case(name, features)?))).collect()
}

fn case(name: &str, features: &Value) -> Option<Case> {
    let list = |place: &str| features.pointer(place).and_then(strings).filter(|all| !all.is_empty());
    match name {
        "features/oldest-version" => version("the oldest version that is claimed", &features["ociVersionMin"]),
        "features/newest-version" => version("the newest version that is claimed", &features["ociVersionMax"]),
        "features/every-action" => Some(actions(&list("/linux/seccomp/actions")?)),
        "features/every-operator" => Some(operators(&list("/linux/seccomp/operators")?)),
        "features/every-architecture" => Some(architectures(&list("/linux/seccomp/archs")?)),
        "features/every-mount-option" => Some(mount_options(&list("/mountOptions")?)),
        _ => {
            let word = name.strip_prefix("features/flag-")?.to_uppercase().replace('-', "_");
            let flag = format!("SECCOMP_FILTER_FLAG_{word}");
            list("/linux/seccomp/supportedFlags")?.contains(&flag.as_str()).then(|| with_flag(&flag))
        }
    }
}

fn version(about: &str, version: &Value) -> Option<Case> {
    let version = version.as_str()?;
    Some(Case { about: about.to_owned(), config: Some(json!({ "ociVersion": version })), ..Case::default() })
}

/// A filter with all claimed actions, each for another call. Nothing but an agent makes sense of SCMP_ACT_NOTIFY.
fn actions(claimed: &[&str]) -> Case {
    let entries = claimed.iter().zip(CALLS).map(|(action, call)| json!({ "names": [call], "action": action }));
    let mut seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries.collect::<Vec<_>>() });
    let notifies = claimed.contains(&"SCMP_ACT_NOTIFY");
    if notifies {
        seccomp["listenerPath"] = json!(AGENT);
    }
    filter("a filter with every action that is claimed", &seccomp, notifies)
}

fn operators(claimed: &[&str]) -> Case {
    let entry = |(operator, call): (&&str, &str)| {
        let masked = json!({ "index": 0, "value": 0xf0, "valueTwo": 0x10, "op": operator });
        let plain = json!({ "index": 0, "value": 9, "op": operator });
        let comparison = if *operator == "SCMP_CMP_MASKED_EQ" { masked } else { plain };
        json!({ "names": [call], "action": "SCMP_ACT_ERRNO", "args": [comparison] })
    };
    let entries: Vec<_> = claimed.iter().zip(CALLS).map(entry).collect();
    let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries });
    filter("a filter with every operator that is claimed", &seccomp, false)
}

fn architectures(claimed: &[&str]) -> Case {
    let entries = json!([{ "names": ["getppid"], "action": "SCMP_ACT_ERRNO" }]);
    let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": claimed, "syscalls": entries });
    filter("a filter for every architecture that is claimed", &seccomp, false)
}

/// One flag changes only how notifications are received, so there has to be one.
fn with_flag(flag: &str) -> Case {
    let notifies = flag.ends_with("WAIT_KILLABLE_RECV");
    let action = if notifies { "SCMP_ACT_NOTIFY" } else { "SCMP_ACT_ERRNO" };
    let mut seccomp = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": [flag],
        "syscalls": [{ "names": ["getppid"], "action": action }],
    });
    if notifies {
        seccomp["listenerPath"] = json!(AGENT);
    }
    filter(&format!("a filter with the flag {flag}"), &seccomp, notifies)
}

fn filter(about: &str, seccomp: &Value, notifies: bool) -> Case {
    let agent = Action::Agent { path: AGENT.to_owned(), answer: Answer { returns: 1, ..Answer::default() } };
    Case {
        about: about.to_owned(),
        config: Some(json!({ "linux": { "seccomp": seccomp } })),
        setup: if notifies { vec![agent] } else { Vec::new() },
        ..Case::default()
    }
}

/// A mount for each claimed option that can stand alone, behind those of an ordinary bundle.
fn mount_options(claimed: &[&str]) -> Case {
    let alone = claimed.iter().filter(|option| !NOT_ALONE.contains(option) && !WITH_OPPOSITE.contains(option));
    let mount = |(number, option): (usize, &&str)| {
        let destination = format!("/tmp/{number}");
        let mount = match *option {
            "bind" | "rbind" => {
                json!({ "destination": destination, "type": "none", "source": "${host}", "options": [option] })
            }
            _ => json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs", "options": [option] }),
        };
        json!({ "op": "add", "path": "/mounts/-", "value": mount })
    };
    Case {
        about: "a mount with each option that is claimed".to_owned(),
        patch: Some(alone.enumerate().map(mount).collect()),
        ..Case::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tried_that_is_not_claimed() {
        assert_eq!(cases(&json!({})), []);
        let some = json!({ "linux": { "seccomp": { "supportedFlags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] } } });
        let names: Vec<_> = cases(&some).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["features/flag-spec-allow"]);
    }

    #[test]
    fn an_option_that_needs_more_is_not_tried_alone() {
        let case = mount_options(&["ro", "idmap", "bind"]);
        assert_eq!(case.patch.unwrap().as_array().map(Vec::len), Some(2));
    }
}

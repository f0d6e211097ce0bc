//! Error numbers for actions that take none.

use serde_json::Value;

use super::{Offence, Rule, entries};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("seccomp.default-errno-refused"), offences: default_errno_without_use },
    Rule { requirement: Some("seccomp.errno-refused"), offences: errno_without_use },
];

/// The actions that know no number. Of one that is none, the schema has told already.
const WITHOUT_NUMBER: [&str; 7] = [
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
];

fn default_errno_without_use(config: &Value) -> Vec<Offence> {
    let seccomp = config.pointer("/linux/seccomp");
    let offence = seccomp.and_then(|it| without_use(it, "defaultErrnoRet", "defaultAction", "/linux/seccomp"));
    offence.into_iter().collect()
}

fn errno_without_use(config: &Value) -> Vec<Offence> {
    entries(config, "/linux/seccomp/syscalls")
        .filter_map(|(pointer, entry)| without_use(entry, "errnoRet", "action", &pointer))
        .collect()
}

fn without_use(object: &Value, errno: &str, action: &str, pointer: &str) -> Option<Offence> {
    object.get(errno)?;
    let action = object.get(action)?.as_str()?;
    WITHOUT_NUMBER
        .contains(&action)
        .then(|| Offence { pointer: format!("{pointer}/{errno}"), message: format!("{action} takes no error number") })
}

//! Error numbers for actions that take none, and names that are defined but not meant.

use serde_json::Value;

use super::{Offence, Rule, at, entries};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("seccomp.default-errno-refused"), offences: default_errno_without_use },
    Rule { requirement: Some("seccomp.errno-refused"), offences: errno_without_use },
    Rule { requirement: Some("seccomp.architecture-native"), offences: native_architecture },
    Rule { requirement: Some("seccomp.flag-listed"), offences: flags_of_the_runtime },
];

/// The flags of seccomp(2) that change what the call returns, which is the runtime's to choose.
const OF_THE_RUNTIME: [&str; 2] = ["SECCOMP_FILTER_FLAG_NEW_LISTENER", "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"];

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
    let seccomp = at(config, "/linux/seccomp");
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

fn native_architecture(config: &Value) -> Vec<Offence> {
    entries(config, "/linux/seccomp/architectures")
        .filter(|(_, architecture)| *architecture == "SCMP_ARCH_NATIVE")
        .map(|(pointer, _)| Offence { pointer, message: "SCMP_ARCH_NATIVE names no architecture".to_owned() })
        .collect()
}

fn flags_of_the_runtime(config: &Value) -> Vec<Offence> {
    entries(config, "/linux/seccomp/flags")
        .filter_map(|(pointer, flag)| Some((pointer, flag.as_str().filter(|it| OF_THE_RUNTIME.contains(it))?)))
        .map(|(pointer, flag)| Offence { pointer, message: format!("{flag} is the runtime's to set") })
        .collect()
}

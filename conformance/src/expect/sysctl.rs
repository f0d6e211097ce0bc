//! Kernel parameters.

use serde_json::json;

use super::{Subject, inside};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::namespaces::lists;
use crate::view::process::has_proc;
use crate::view::sysctl::{file, view};

/// What each parameter reads inside.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let parameters = match view(subject.config) {
        Ok(Some(parameters)) => parameters,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let mut laws = Vec::new();
    for (number, (name, value)) in parameters.iter().enumerate() {
        if let (Some(start), Some(_), true) = (subject.started(), file(name), has_proc(subject.config)) {
            let answer = inside(&start, &format!("sysctl.{number}"));
            laws.push(super::expect(
                "sysctl.applied",
                &start,
                answer,
                Matcher::Equals(json!({ "bytes": reads(value) })),
            ));
        }
        if let (Some(create), true) = (subject.created(), of_the_runtime(subject, name)) {
            let failed = format!("/steps/{}/failed", token(&create));
            laws.push(super::expect("sysctl.of-runtime-namespace", &create, failed, Matcher::PRESENT));
        }
    }
    laws
}

/// How the kernel writes a value that was given: its words parted by tabs, and a line's end.
fn reads(value: &str) -> String {
    let words: Vec<_> = value.split_whitespace().collect();
    format!("{}\n", words.join("\t"))
}

/// Whether the parameter belongs to a namespace that the container shares with the runtime (ipc_namespaces(7),
/// network_namespaces(7)), or to none at all.
fn of_the_runtime(subject: &Subject<'_>, name: &str) -> bool {
    let ipc = ["kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."];
    if ipc.iter().any(|family| name.starts_with(family)) {
        return !lists(subject.config, "ipc");
    }
    !(name.starts_with("net.") && lists(subject.config, "network"))
}

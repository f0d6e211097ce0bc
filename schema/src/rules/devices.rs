//! One device, one node; one path, one device.

use std::collections::HashMap;

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};
use crate::message::text_quoted;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("devices.numbers-unique"), offences: duplicates },
    Rule { requirement: Some("devices.other-file-refused"), offences: others_at_one_path },
];

/// A FIFO has no numbers, so there may be several.
fn duplicates(config: &Value) -> Vec<Offence> {
    let device = |node: &'_ Value| {
        let kind = node.get("type")?.as_str()?.to_owned();
        Some((kind, node.get("major")?.as_i64()?, node.get("minor")?.as_i64()?))
    };
    repeated(entries(config, "/linux/devices"), device)
        .into_iter()
        .filter(|(_, _, (kind, ..))| kind != "p")
        .map(|(pointer, first, (kind, major, minor))| Offence {
            pointer,
            message: format!("the device {} {major}:{minor} stands already at {first}", text_quoted(&kind)),
        })
        .collect()
}

/// Whichever of the two a runtime makes first, the other finds it there.
fn others_at_one_path(config: &Value) -> Vec<Offence> {
    let mut at_path: HashMap<&str, (String, Node<'_>)> = HashMap::new();
    let mut offences = Vec::new();
    for (pointer, entry) in entries(config, "/linux/devices") {
        let Some((path, node)) = entry.get("path").and_then(Value::as_str).zip(Node::of(entry)) else { continue };
        match at_path.get(path) {
            Some((first, other)) if *other != node => {
                offences
                    .push(Offence { pointer, message: format!("another device is to be at this path, see {first}") });
            }
            Some(_) => {}
            None => drop(at_path.insert(path, (pointer, node))),
        }
    }
    offences
}

/// What mknod(1) makes of an entry.
#[derive(PartialEq, Eq)]
enum Node<'a> {
    Fifo,
    Device { kind: &'a str, major: i64, minor: i64 },
}

impl<'a> Node<'a> {
    /// `None` if it can't be read.
    fn of(entry: &'a Value) -> Option<Self> {
        let number = |name: &str| entry.get(name)?.as_i64();
        match entry.get("type")?.as_str()? {
            "p" => Some(Self::Fifo),
            // Unbuffered is a word of the past: the node is a character device's.
            "u" => Some(Self::Device { kind: "c", major: number("major")?, minor: number("minor")? }),
            kind => Some(Self::Device { kind, major: number("major")?, minor: number("minor")? }),
        }
    }
}

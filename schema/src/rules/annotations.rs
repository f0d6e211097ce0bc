//! Keys that the specification keeps for itself.

use serde_json::Value;

use super::{Offence, Rule};
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("annotations.reserved-key"), offences: reserved_keys }];

/// The keys in its own namespace that the specification describes.
const DESCRIBED: [&str; 8] = [
    "org.opencontainers.image.os",
    "org.opencontainers.image.os.version",
    "org.opencontainers.image.os.features",
    "org.opencontainers.image.architecture",
    "org.opencontainers.image.variant",
    "org.opencontainers.image.author",
    "org.opencontainers.image.created",
    "org.opencontainers.image.stopSignal",
];

fn reserved_keys(config: &Value) -> Vec<Offence> {
    let Some(annotations) = config.get("annotations").and_then(Value::as_object) else {
        return Vec::new();
    };
    let reserved = annotations.keys().filter(|key| is_reserved(key));
    reserved
        .map(|key| Offence {
            pointer: joined("/annotations", key),
            message: "the namespace org.opencontainers has no such key".to_owned(),
        })
        .collect()
}

fn is_reserved(key: &str) -> bool {
    let ours = key == "org.opencontainers" || key.starts_with("org.opencontainers.");
    ours && !DESCRIBED.contains(&key)
}

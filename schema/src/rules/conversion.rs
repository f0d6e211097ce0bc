//! What a config shows of the image that it was made from.

use serde_json::Value;

use super::{Offence, Rule};
use crate::text::joined;

pub(super) const RULES: &[Rule] =
    &[Rule { requirement: Some("conversion.exposed-ports-list"), offences: exposed_ports }];

const EXPOSED_PORTS: &str = "org.opencontainers.image.exposedPorts";

fn exposed_ports(config: &Value) -> Vec<Offence> {
    let annotations = config.get("annotations");
    let ports = annotations.and_then(|it| it.get(EXPOSED_PORTS)).and_then(Value::as_str);
    match ports {
        Some(ports) if !ports.is_empty() && !ports.split(',').all(is_port) => vec![Offence {
            pointer: joined("/annotations", EXPOSED_PORTS),
            message: "the value does not list ports such as 80/tcp, parted by commas".to_owned(),
        }],
        _ => Vec::new(),
    }
}

/// A number, and perhaps a protocol: TCP is meant where there is none.
fn is_port(text: &str) -> bool {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number && number.parse::<u16>().is_ok() && matches!(protocol, "tcp" | "udp")
}

//! Kernel parameters of namespaces that are not the container's own.

use serde_json::{Map, Value};

use super::{Offence, Rule, at, namespaces};
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[Rule { requirement: Some("sysctl.of-runtime-namespace"), offences: shared }];

/// What the names of parameters begin with that each namespace of a type has for itself.
const OF_NAMESPACES: [(&str, &[&str]); 4] = [
    ("network", &["net/"]),
    ("ipc", &["fs/mqueue/", "kernel/msg", "kernel/sem", "kernel/shm"]),
    ("uts", &["kernel/domainname", "kernel/hostname"]),
    ("user", &["user/max_"]),
];

fn shared(config: &Value) -> Vec<Offence> {
    let parameters = at(config, "/linux/sysctl").and_then(Value::as_object);
    let missing = OF_NAMESPACES.map(|(kind, _)| namespaces::lists(config, kind) == Some(false));
    let shared = parameters.into_iter().flat_map(Map::keys).filter_map(|name| {
        let index = of_namespace(name).filter(|index| missing[*index])?;
        Some(Offence {
            pointer: joined("/linux/sysctl", name),
            message: format!(
                "without a namespace of type {:?} this is the runtime's parameter, which it may refuse to change",
                OF_NAMESPACES[index].0
            ),
        })
    });
    shared.collect()
}

/// The index of the type whose namespaces have this parameter. Its first separator says, as for
/// sysctl(8), whether slashes part the name or full stops.
fn of_namespace(name: &str) -> Option<usize> {
    let separator = name.find(['.', '/']).map(|at| &name[at..=at]);
    let path = if separator == Some(".") { name.replace('.', "/") } else { name.to_owned() };
    OF_NAMESPACES.iter().position(|(_, starts)| starts.iter().any(|start| path.starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_by_either_spelling() {
        let kind = |name: &str| of_namespace(name).map(|index| OF_NAMESPACES[index].0);
        assert_eq!(kind("net.ipv4.ip_forward"), Some("network"));
        assert_eq!(kind("net/ipv4/conf/eth0.1/forwarding"), Some("network"));
        assert_eq!(kind("fs.mqueue.msg_max"), Some("ipc"));
        assert_eq!(kind("fs.file-max"), None);
        assert_eq!(kind("kernel/hostname"), Some("uts"));
        assert_eq!(kind("kernel"), None);
    }
}

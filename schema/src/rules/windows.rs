//! What Windows makes of the root, the mounts and the process, and settings that exclude each other.

use serde_json::{Map, Value};

use super::{Offence, Rule, at, entries};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("windows.root-required"), offences: root_missing },
    Rule { requirement: Some("windows.root-absent"), offences: root_beside_hyperv },
    Rule { requirement: Some("windows.root-writable"), offences: root_readonly },
    Rule { requirement: Some("windows.command-line-required"), offences: neither_arguments_nor_command_line },
    Rule { requirement: Some("windows.mount-destinations-apart"), offences: nested_destinations },
    Rule { requirement: Some("windows.mount-source-local"), offences: remote_sources },
    Rule { requirement: Some("windows.cpu-limits-exclusive"), offences: several_cpu_limits },
    Rule { requirement: Some("windows.cpu-affinity-alone"), offences: affinity_beside_limits },
    Rule { requirement: Some("windows.network-namespace-alone"), offences: namespace_beside_others },
];

/// The properties of `windows.resources.cpu` that limit the time.
const CPU_LIMITS: [&str; 3] = ["count", "shares", "maximum"];

/// The properties of `windows.network` beside the namespace.
const NETWORK: [&str; 4] = ["endpointList", "allowUnqualifiedDNSQuery", "DNSSearchList", "networkSharedContainerName"];

/// The section, if the config is for Windows: with `linux` beside it Linux has a say too, and the
/// text does not tell whose rules about paths count.
fn windows(config: &Value) -> Option<&Map<String, Value>> {
    let windows = config.get("windows")?.as_object()?;
    config.get("linux").is_none().then_some(windows)
}

fn root_missing(config: &Value) -> Vec<Offence> {
    let is_server = windows(config).is_some_and(|it| !it.contains_key("hyperv"));
    if !is_server || config.get("root").is_some() {
        return Vec::new();
    }
    offence("", "a Windows Server container needs `root`")
}

fn root_beside_hyperv(config: &Value) -> Vec<Offence> {
    let is_isolated = windows(config).is_some_and(|it| it.contains_key("hyperv"));
    if !is_isolated || config.get("root").is_none() {
        return Vec::new();
    }
    offence("/root", "a container that Hyper-V isolates has no `root`")
}

fn root_readonly(config: &Value) -> Vec<Offence> {
    let is_readonly = at(config, "/root/readonly").and_then(Value::as_bool) == Some(true);
    if windows(config).is_none() || !is_readonly {
        return Vec::new();
    }
    offence("/root/readonly", "on Windows the root file system is not read-only")
}

fn neither_arguments_nor_command_line(config: &Value) -> Vec<Offence> {
    let process = windows(config).and(config.get("process")).and_then(Value::as_object);
    if process.is_none_or(|it| it.contains_key("args") || it.contains_key("commandLine")) {
        return Vec::new();
    }
    offence("/process", "there is neither `commandLine` nor `args`")
}

fn offence(pointer: &str, message: &str) -> Vec<Offence> {
    vec![Offence { pointer: pointer.to_owned(), message: message.to_owned() }]
}

/// Sorted name by name, all that lies below a directory follows it before anything else does.
fn nested_destinations(config: &Value) -> Vec<Offence> {
    if windows(config).is_none() {
        return Vec::new();
    }
    let mut destinations: Vec<(Vec<String>, String)> = entries(config, "/mounts")
        .filter_map(|(pointer, mount)| Some((names(mount.get("destination")?)?, pointer)))
        .collect();
    // A stable sort leaves the order of the list among equal ones.
    destinations.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut offences = Vec::new();
    let mut outer: Option<&(Vec<String>, String)> = None;
    for inner in &destinations {
        match outer {
            Some((above, first)) if inner.0.starts_with(above) && inner.0.len() > above.len() => {
                let message = format!("it lies below the destination of {first}");
                offences.push(Offence { pointer: format!("{}/destination", inner.1), message });
            }
            _ => outer = Some(inner),
        }
    }
    offences
}

/// The names of a path, in lower case, for Windows minds neither case nor which slash it is.
fn names(path: &Value) -> Option<Vec<String>> {
    let path = path.as_str()?.to_lowercase();
    let names = path.split(['\\', '/']).filter(|name| !name.is_empty());
    Some(names.map(str::to_owned).collect())
}

fn remote_sources(config: &Value) -> Vec<Offence> {
    if windows(config).is_none() {
        return Vec::new();
    }
    entries(config, "/mounts")
        .filter(|(_, mount)| mount.get("source").and_then(Value::as_str).is_some_and(is_unc))
        .map(|(pointer, _)| Offence {
            pointer: format!("{pointer}/source"),
            message: "a UNC path is not supported as a source".to_owned(),
        })
        .collect()
}

/// Two slashes begin the name of a server, unless `.` or `?` follows, which begins that of a device.
fn is_unc(path: &str) -> bool {
    let path = path.replace('/', "\\").to_lowercase();
    let Some(rest) = path.strip_prefix(r"\\") else {
        return false;
    };
    match rest.strip_prefix(r".\").or_else(|| rest.strip_prefix(r"?\")) {
        Some(device) => device.starts_with(r"unc\"),
        None => true,
    }
}

const CPU: &str = "/windows/resources/cpu";

fn several_cpu_limits(config: &Value) -> Vec<Offence> {
    let limits = present(config, CPU, &CPU_LIMITS);
    if limits.len() < 2 {
        return Vec::new();
    }
    offence(CPU, &format!("{} exclude each other", limits.join(", ")))
}

fn affinity_beside_limits(config: &Value) -> Vec<Offence> {
    let limits = present(config, CPU, &CPU_LIMITS);
    if limits.is_empty() || present(config, CPU, &["affinity"]).is_empty() {
        return Vec::new();
    }
    offence(&format!("{CPU}/affinity"), &format!("it stands beside {}", limits.join(", ")))
}

fn namespace_beside_others(config: &Value) -> Vec<Offence> {
    let place = "/windows/network";
    let others = present(config, place, &NETWORK);
    if others.is_empty() || present(config, place, &["networkNamespace"]).is_empty() {
        return Vec::new();
    }
    offence(&format!("{place}/networkNamespace"), &format!("it stands beside {}", others.join(", ")))
}

/// Those of `names` that the object at `pointer` has.
fn present<'n>(config: &Value, pointer: &str, names: &[&'n str]) -> Vec<&'n str> {
    let object = at(config, pointer).and_then(Value::as_object);
    let has = |name: &&&str| object.is_some_and(|it| it.contains_key(**name));
    names.iter().filter(has).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_is_named_by_a_unc_path_and_a_device_is_not() {
        for remote in [r"\\server\share", "//server/share", r"\\?\UNC\server\share", r"\/server\share"] {
            assert!(is_unc(remote), "{remote}");
        }
        for local in [r"C:\data", r"\data", r"\\.\pipe\engine", r"\\?\C:\data", "data", ""] {
            assert!(!is_unc(local), "{local}");
        }
    }

    #[test]
    fn what_lies_below_is_found_in_any_order_and_spelling() {
        let nested = |destinations: &[&str]| {
            let mounts: Vec<Value> = destinations.iter().map(|it| json!({"destination": it})).collect();
            let config = json!({"windows": {}, "mounts": mounts});
            nested_destinations(&config).into_iter().map(|it| it.pointer).collect::<Vec<_>>()
        };
        assert_eq!(nested(&[r"c:\foo\bar\baz", "C:/Foo/", r"c:\foo"]), ["/mounts/0/destination"]);
        assert_eq!(
            nested(&[r"c:\a", r"c:\a-b", r"c:\a\b", r"c:\a\c"]),
            ["/mounts/2/destination", "/mounts/3/destination"]
        );
        assert_eq!(nested(&[r"c:\foo", r"c:\foobar", r"d:\foo\bar", "c:\\foo"]), [""; 0]);
    }
}

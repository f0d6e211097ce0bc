//! Reads config.json and refuses, before anything is made, what this runtime can't apply.

use crate::error::{Doing, Error, Result, warn};
use crate::{
    capabilities, cgroups, devices, hooks, intel_rdt, lsm, masked_paths, memory_policy, mounts, namespaces,
    net_devices, personality, process, readonly_paths, resources, rlimits, root, scheduling, seccomp, version,
};
use nix::libc;
use oci_spec::runtime::{LinuxResources, Process, Spec};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Properties that this runtime knows and can't apply: a JSON Pointer in which `*` stands for each entry.
const UNSUPPORTED: &[&str] = &["/solaris", "/vm", "/windows", "/zos"];

/// What every entry of a list of rates has to hold.
const RATE: &[&str] = &["major", "minor", "rate"];

/// Properties that their object has to hold.
const REQUIRED: &[(&str, &[&str])] = &[
    ("", &["ociVersion", "root"]),                     // [version.present] [root.required]
    ("/root", &["path"]),                              // [root.path-required]
    ("/mounts/*", &["destination"]),                   // [mounts.destination-required]
    ("/process", &["cwd"]),                            // [process.cwd-required]
    ("/process/consoleSize", &["height", "width"]),    // [process.console-height-required]
    ("/process/rlimits/*", &["type", "soft", "hard"]), // [rlimits.soft-required]
    ("/process/user", &["uid", "gid"]),                // [user.uid-required]
    ("/process/ioPriority", &["class", "priority"]),   // [process.io-priority-class-required]
    ("/process/scheduler", &["policy"]),               // [process.scheduler-policy-required]
    ("/mounts/*/gidMappings/*", &["containerID", "hostID", "size"]), // [mounts.id-mapping-entry-complete]
    ("/mounts/*/uidMappings/*", &["containerID", "hostID", "size"]), // [mounts.id-mapping-entry-complete]
    ("/linux/devices/*", &["path", "type"]),           // [devices.path-required]
    ("/linux/gidMappings/*", &["containerID", "hostID", "size"]), // [namespaces.mapping-size-required]
    ("/linux/namespaces/*", &["type"]),                // [namespaces.type-required]
    ("/linux/resources/blockIO/throttleReadBpsDevice/*", RATE), // [block-io.throttle-bytes-rate-required]
    ("/linux/resources/blockIO/throttleReadIOPSDevice/*", RATE), // [block-io.throttle-operations-rate-required]
    ("/linux/resources/blockIO/throttleWriteBpsDevice/*", RATE),
    ("/linux/resources/blockIO/throttleWriteIOPSDevice/*", RATE),
    ("/linux/resources/blockIO/weightDevice/*", &["major", "minor"]), // [block-io.device-weight-numbers-required]
    ("/linux/resources/devices/*", &["allow"]),                       // [devices.rule-allow-required]
    ("/linux/resources/hugepageLimits/*", &["pageSize", "limit"]),    // [hugepage-limits.page-size-required]
    ("/linux/resources/network/priorities/*", &["name", "priority"]), // [network.priority-name-required]
    ("/linux/seccomp", &["defaultAction"]),                           // [seccomp.default-action-required]
    ("/linux/seccomp/syscalls/*", &["names", "action"]),              // [seccomp.names-required]
    ("/linux/seccomp/syscalls/*/args/*", &["index", "value", "op"]),  // [seccomp.argument-index-required]
    ("/linux/uidMappings/*", &["containerID", "hostID", "size"]),     // [namespaces.mapping-size-required]
];

/// Reads the config of the bundle in the directory `bundle`, and gives its text, too.
///
/// # Errors
/// It can't be read, is malformed, or asks for what can't be applied.
pub fn load(bundle: &Path) -> Result<(Spec, Vec<u8>)> {
    let path = bundle.join("config.json");
    let bytes = read(&path).doing(|| format!("read {}", path.display()))?;
    let spec = parse(&bytes).doing(|| format!("{}", path.display()))?;
    Ok((spec, bytes))
}

/// Reads a regular file; anything else might make us wait for ever.
fn read(path: &Path) -> Result<Vec<u8>> {
    let what = || "open it".into();
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).doing(what)?;
    if !file.metadata().doing(what)?.is_file() {
        return Err(Error::new("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map(|_| bytes).doing(|| "read it".into())
}

/// Reads a config and checks it, chapter by chapter.
///
/// # Errors
/// As for [`load`].
pub fn parse(bytes: &[u8]) -> Result<Spec> {
    let value: Value = serde_json::from_slice(bytes).doing(|| "parse".into())?;
    refuse_missing(&value)?;
    // The version comes first: the rest may mean something else in a version that we don't know.
    if let Some(text) = value["ociVersion"].as_str() {
        version::check(text)?;
    }
    refuse_unsupported(&value)?;
    let (spec, warnings) = interpret(value)?;
    // [capabilities.unknown-refused]
    if let (false, Some(unknown)) = (version::is_at_least(spec.version(), 1), warnings.first()) {
        return Err(Error::new(unknown));
    }
    warnings.iter().for_each(warn);
    check(&spec)?;
    Ok(spec)
}

/// Reads the process of a further program, and checks it as if it stood in a config.
///
/// # Errors
/// As for [`load`].
pub fn parse_process(process: &Value) -> Result<Process> {
    let spec = parse_around(serde_json::json!({ "process": process }))?;
    spec.process().clone().ok_or_else(|| Error::new("process is required"))
}

/// Reads new limits, and checks them as if they stood in a config.
///
/// # Errors
/// As for [`load`].
pub fn parse_resources(text: &str) -> Result<LinuxResources> {
    let resources: Value = serde_json::from_str(text).doing(|| "parse".into())?;
    let spec = parse_around(serde_json::json!({ "linux": { "resources": resources } }))?;
    Ok(spec.linux().as_ref().and_then(|linux| linux.resources().clone()).unwrap_or_default())
}

/// Reads a part of a config, by adding what no config can be without.
fn parse_around(mut part: Value) -> Result<Spec> {
    part["ociVersion"] = version::NEWEST.into();
    part["root"] = serde_json::json!({ "path": "/" });
    parse(part.to_string().as_bytes())
}

/// Reads once more the config that a container was created from, without a second word about what it lacks.
///
/// # Errors
/// It is not that config.
pub fn parse_again(bytes: &[u8]) -> Result<Spec> {
    interpret(serde_json::from_slice(bytes).doing(|| "parse".into())?).map(|(spec, _)| spec)
}

fn interpret(mut value: Value) -> Result<(Spec, Vec<String>)> {
    normalise(&mut value);
    scheduling::respell(&mut value);
    let warnings = capabilities::drop_unknown(&mut value);
    // Its errors begin with the property's path.
    Ok((serde_path_to_error::deserialize(value).doing(|| "parse".into())?, warnings))
}

/// Says what a config leaves out where the parser would take it for something else.
fn normalise(config: &mut Value) {
    if config["process"].is_object() && config["process"].get("user").is_none() {
        config["process"]["user"] = serde_json::json!({ "uid": 0, "gid": 0 });
    }
    // An empty list of processors is none. // [process.exec-affinity-final-unset]
    if let Some(affinity) = config.pointer_mut("/process/execCPUAffinity").and_then(Value::as_object_mut) {
        affinity.retain(|_, list| list != "");
    }
    let version = config["ociVersion"].as_str().unwrap_or_default().to_owned();
    if let Some(resources) = config.pointer_mut("/linux/resources") {
        resources::normalise(resources, &version);
    }
    if let Some(rdt) = config.pointer_mut("/linux/intelRdt") {
        intel_rdt::respell(rdt, &version);
    }
}

// [errors.invalid-value] [errors.unsupported-value] [create.early-validation]
fn check(spec: &Spec) -> Result<()> {
    root::check(spec)?;
    mounts::check(spec)?;
    if let Some(process) = spec.process() {
        process::check(process)?;
        rlimits::check(process)?;
        scheduling::check(process)?;
    }
    hooks::check(spec)?;
    namespaces::check(spec)?;
    devices::check(spec)?;
    lsm::check(spec)?;
    personality::check(spec)?;
    net_devices::check(spec)?;
    memory_policy::check(spec)?;
    masked_paths::check(spec)?;
    readonly_paths::check(spec)?;
    intel_rdt::check(spec)?;
    cgroups::check(spec)?;
    seccomp::check(spec)
}

// [errors.unsupported-value] [create.unappliable-property-error]
fn refuse_unsupported(config: &Value) -> Result<()> {
    let found = |pointer: &&&str| each(config, pointer).iter().any(|value| !is_unset(value));
    match UNSUPPORTED.iter().find(found) {
        Some(pointer) => Err(Error::new(format!("{} is not supported", name(pointer)))),
        None => Ok(()),
    }
}

// [errors.invalid-value]
fn refuse_missing(config: &Value) -> Result<()> {
    for (pointer, names) in REQUIRED {
        for object in each(config, pointer) {
            let absent = names.iter().find(|name| object.get(name).is_none_or(Value::is_null));
            if let (false, Some(absent)) = (object.is_null(), absent) {
                return Err(Error::new(format!("{} is required", name(&format!("{pointer}/{absent}")))));
            }
        }
    }
    Ok(())
}

/// A property that is there and yet asks for nothing.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => false,
    }
}

/// All values at `pointer`, in which `*` stands for each entry of an array.
fn each<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    match pointer.split_once("/*") {
        None => value.pointer(pointer).into_iter().collect(),
        Some((list, rest)) => {
            let entries = value.pointer(list).and_then(Value::as_array);
            entries.into_iter().flatten().flat_map(|entry| each(entry, rest)).collect()
        }
    }
}

/// `linux.devices[].path` for `/linux/devices/*/path`.
fn name(pointer: &str) -> String {
    pointer[1..].replace("/*", "[]").replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::{Value, json};

    fn with(pointer: &str, value: Value) -> Result<(), String> {
        let mut config = json!({
            "ociVersion": "1.0.2", "root": { "path": "rootfs" },
            "process": { "args": ["/x"], "cwd": "/" },
            "linux": { "resources": { "memory": {}, "cpu": {} } },
        });
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[name] = value;
        parse(config.to_string().as_bytes()).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_properties_are_ignored() {
        with("/linux/futureProperty", json!({ "a": 1 })).unwrap();
        with("/futureProperty", json!([1])).unwrap();
    }

    #[test]
    fn what_cannot_be_applied_is_refused_by_name() {
        let error = with("/windows", json!({ "layerFolders": [] })).unwrap_err();
        assert_eq!(error, "windows is not supported");
    }

    #[test]
    fn unset_values_of_unsupported_properties_are_accepted() {
        with("/process/apparmorProfile", json!("")).unwrap();
        with("/linux/seccomp", Value::Null).unwrap();
    }

    #[test]
    fn missing_required_properties_are_refused_by_name() {
        let error = with("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "hard": 0 }])).unwrap_err();
        assert_eq!(error, "process.rlimits[].soft is required");
        with("/root", json!({})).unwrap_err();
    }

    #[test]
    fn invalid_values_are_refused() {
        let error = with("/linux/memoryPolicy", json!({ "mode": "MPOL_WRONG" })).unwrap_err();
        assert!(error.starts_with("parse: linux.memoryPolicy.mode: unknown variant `MPOL_WRONG`"), "{error}");
        with("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND" })).unwrap_err();
        with("/linux/memoryPolicy", json!({ "mode": "MPOL_LOCAL", "nodes": "0" })).unwrap_err();
        with("/linux/personality", json!({ "domain": "LINUX", "flags": ["X"] })).unwrap_err();
        with("/linux/personality", json!({ "domain": "SOLARIS" })).unwrap_err();
        with("/process/user", json!({ "uid": u32::MAX, "gid": 0 })).unwrap_err();
        with("/process/rlimits", json!([{ "type": "RLIMIT_BAD", "soft": 0, "hard": 0 }])).unwrap_err();
        with("/linux/namespaces", json!([{ "type": "pid" }, { "type": "pid" }])).unwrap_err();
        with("/process/cwd", json!("relative")).unwrap_err();
        with("/hooks", json!({ "poststop": [{ "path": "relative" }] })).unwrap_err();
        with("/hooks", json!({ "prestart": [{ "path": "/x", "timeout": 0 }] })).unwrap_err();
        with("/linux/rootfsPropagation", json!("sideways")).unwrap_err();
    }

    #[test]
    fn a_destination_may_be_relative_since_the_rule_was_reversed() {
        let mounts = json!([{ "destination": "tmp", "type": "tmpfs" }]);
        assert!(with("/mounts", mounts.clone()).unwrap_err().starts_with("mounts: tmp: "));
        let config = json!({ "ociVersion": "1.2.0", "root": { "path": "rootfs" }, "mounts": mounts });
        parse(config.to_string().as_bytes()).unwrap();
    }

    #[test]
    fn unknown_capabilities_are_accepted_since_their_refusal_was_reversed() {
        let config = |version: &str| {
            json!({ "ociVersion": version, "root": { "path": "rootfs" }, "process": { "args": ["/x"], "cwd": "/",
                "capabilities": { "bounding": ["CAP_FUTURE", "CAP_CHOWN"] } } })
        };
        parse(config("1.1.0").to_string().as_bytes()).unwrap();
        let error = parse(config("1.0.2").to_string().as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "process.capabilities.bounding: no capability is called \"CAP_FUTURE\"");
    }
}

//! What this runtime can do, as the features structure of the specification.

use crate::{memory_policy, mount_options, seccomp, version};
use serde_json::{Value, json};

/// The features structure.
pub fn features() -> Value {
    json!({
        "ociVersionMin": version::OLDEST,
        "ociVersionMax": version::NEWEST,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": mount_options::known(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities(),
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": seccomp::features(),
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
            "memoryPolicy": { "modes": memory_policy::modes(), "flags": memory_policy::flags() },
        },
        // No annotation of a config changes what this runtime does.
        "potentiallyUnsafeConfigAnnotations": [],
        "annotations": {
            "org.opencontainers.runtime.ocf.version": env!("CARGO_PKG_VERSION"),
        },
    })
}

fn capabilities() -> Vec<String> {
    let mut names: Vec<String> = caps::all().iter().map(ToString::to_string).collect();
    names.sort();
    names
}

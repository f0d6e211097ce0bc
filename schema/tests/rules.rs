//! Each rule with a document that offends against it and one that, nearly the same, does not.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::BTreeSet;

use ocf_schema::{Finding, Kind, Severity, rules, validate, validate_bytes};
use ocf_spec::{Specification, VERSIONS, Version};
use serde_json::{Value, json};

const NEWEST: Version = VERSIONS[6];

/// A merge patch on the right config, what it offends against and where, and a patch that is right.
struct Example {
    wrong: Value,
    requirement: &'static str,
    pointer: &'static str,
    right: Value,
}

fn examples() -> Vec<Example> {
    let example = |requirement, wrong, pointer, right| Example { wrong, requirement, pointer, right };
    let mapping = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    let mapped = |options: Value| {
        json!({"mounts": [
            {"destination": "/a", "source": "/b", "uidMappings": mapping, "gidMappings": mapping, "options": options},
        ]})
    };
    let unmapped = |namespaces: Value| {
        json!({
            "mounts": [{"destination": "/a", "source": "/b", "options": ["bind", "ridmap"]}],
            "linux": {"namespaces": namespaces, "uidMappings": null, "gidMappings": null},
        })
    };
    let limits = |kinds: [&str; 2]| json!({"process": {"rlimits": kinds.map(|kind| json!({"type": kind, "soft": 1, "hard": 1}))}});
    let resources = |resources: Value| json!({"linux": {"resources": resources}});
    let cpu = |cpu: Value| resources(json!({"cpu": cpu}));
    let memory = |memory: Value| resources(json!({"memory": memory}));
    let weights =
        |entry: Value| resources(json!({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 1}, entry]}}));
    let huge_pages = |size: &str| {
        resources(json!({"hugepageLimits": [{"pageSize": "1GB", "limit": 0}, {"pageSize": size, "limit": 0}]}))
    };
    let priorities = |names: [&str; 2]| {
        resources(json!({"network": {"priorities": names.map(|name| json!({"name": name, "priority": 1}))}}))
    };
    let rdma = |limits: Value| resources(json!({"rdma": {"mlx4_0": limits}}));
    let policy = |mode: &str, nodes: Value, flags: &[&str]| json!({"linux": {"memoryPolicy": {"mode": mode, "nodes": nodes, "flags": flags}}});
    let devices = |devices: Value| json!({"linux": {"netDevices": devices}});
    let seccomp = |seccomp: Value| json!({"linux": {"seccomp": seccomp}});
    let balancing = ["MPOL_F_NUMA_BALANCING"];
    let relative = ["MPOL_F_RELATIVE_NODES"];
    let both = ["MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];
    let nodes = |minors: [u64; 2]| {
        json!({"linux": {"devices": minors.map(|minor| json!({
            "type": "c", "path": format!("/dev/{minor}"), "major": 1, "minor": minor
        }))}})
    };
    vec![
        example(
            "root.path-conventional",
            json!({"root": {"path": "/srv/rootfs"}}),
            "/root/path",
            json!({"root": {"path": "rootfs"}}),
        ),
        example(
            "mounts.id-mappings-with-option",
            mapped(json!(["bind"])),
            "/mounts/0",
            mapped(json!(["bind", "ridmap"])),
        ),
        example(
            "mounts.id-mapping-without-user-namespace-refused",
            unmapped(json!([{"type": "uts"}])),
            "/mounts/0",
            unmapped(json!([{"type": "uts"}, {"type": "user"}])),
        ),
        example(
            "rlimits.duplicate-refused",
            limits(["RLIMIT_CPU", "RLIMIT_CPU"]),
            "/process/rlimits/1",
            limits(["RLIMIT_CPU", "RLIMIT_CORE"]),
        ),
        example(
            "namespaces.duplicate-refused",
            json!({"linux": {"namespaces": [{"type": "user"}, {"type": "uts"}, {"type": "uts", "path": "/a"}]}}),
            "/linux/namespaces/2",
            json!({"linux": {"namespaces": [{"type": "user"}, {"type": "uts"}, {"type": "ipc", "path": "/a"}]}}),
        ),
        example(
            "memory.swap-at-least-limit",
            memory(json!({"limit": 8192, "reservation": 4096, "swap": 8191})),
            "/linux/resources/memory/swap",
            memory(json!({"limit": 8192, "reservation": 4096, "swap": 8192})),
        ),
        example(
            "memory.reservation-within-limit",
            memory(json!({"limit": 8192, "reservation": 8193})),
            "/linux/resources/memory/reservation",
            memory(json!({"limit": 8192, "reservation": 8192})),
        ),
        example(
            "memory.kernel-not-recommended",
            memory(json!({"kernel": 0})),
            "/linux/resources/memory/kernel",
            memory(json!({"kernel": -1})),
        ),
        example(
            "memory.kernel-tcp-not-recommended",
            memory(json!({"kernelTCP": 4096})),
            "/linux/resources/memory/kernelTCP",
            memory(json!({"kernelTCP": -1})),
        ),
        example(
            "cpu.burst-within-quota",
            cpu(json!({"quota": 50000, "burst": 50001})),
            "/linux/resources/cpu/burst",
            cpu(json!({"quota": -1, "burst": 50001})),
        ),
        example(
            "cpu.realtime-runtime-within-period",
            cpu(json!({"realtimePeriod": 500, "realtimeRuntime": 501})),
            "/linux/resources/cpu/realtimeRuntime",
            cpu(json!({"realtimePeriod": 500, "realtimeRuntime": 500})),
        ),
        example(
            "cpu.shares-in-kernel-range",
            cpu(json!({"shares": 1})),
            "/linux/resources/cpu/shares",
            cpu(json!({"shares": 262144})),
        ),
        example(
            "cpu.shares-in-kernel-range",
            cpu(json!({"shares": 262145})),
            "/linux/resources/cpu/shares",
            cpu(json!({"shares": 0})),
        ),
        example(
            "cpu.quota-in-kernel-range",
            cpu(json!({"burst": 0, "quota": 999})),
            "/linux/resources/cpu/quota",
            cpu(json!({"burst": 0, "quota": 1000})),
        ),
        example(
            "cpu.period-in-kernel-range",
            cpu(json!({"period": 1000001})),
            "/linux/resources/cpu/period",
            cpu(json!({"period": 1000000})),
        ),
        example("cpu.idle-known", cpu(json!({"idle": -1})), "/linux/resources/cpu/idle", cpu(json!({"idle": 1}))),
        example(
            "cpu.cpus-list",
            cpu(json!({"cpus": "0,10-9"})),
            "/linux/resources/cpu/cpus",
            cpu(json!({"cpus": "0,9-10,12-12"})),
        ),
        example("cpu.mems-list", cpu(json!({"mems": "1-0"})), "/linux/resources/cpu/mems", cpu(json!({"mems": ""}))),
        example(
            "pids.limit-in-kernel-range",
            resources(json!({"pids": {"limit": 4_194_305}})),
            "/linux/resources/pids/limit",
            resources(json!({"pids": {"limit": 4_194_304}})),
        ),
        example(
            "block-io.device-weight-either",
            weights(json!({"major": 8, "minor": 16})),
            "/linux/resources/blockIO/weightDevice/1",
            weights(json!({"major": 8, "minor": 16, "leafWeight": 10})),
        ),
        example(
            "block-io.weights-in-kernel-range",
            weights(json!({"major": 8, "minor": 16, "weight": 1, "leafWeight": 9})),
            "/linux/resources/blockIO/weightDevice/1/leafWeight",
            weights(json!({"major": 8, "minor": 16, "weight": 1, "leafWeight": 10})),
        ),
        example(
            "block-io.devices-unique",
            weights(json!({"major": 8, "minor": 0, "weight": 1})),
            "/linux/resources/blockIO/weightDevice/1",
            weights(json!({"major": 0, "minor": 8, "weight": 1})),
        ),
        example(
            "hugepage-limits.page-size-in-kernel-form",
            huge_pages("1024MB"),
            "/linux/resources/hugepageLimits/1/pageSize",
            huge_pages("2048GB"),
        ),
        example(
            "hugepage-limits.page-size-unique",
            huge_pages("1GB"),
            "/linux/resources/hugepageLimits/1",
            huge_pages("1MB"),
        ),
        example(
            "network.priority-names-unique",
            priorities(["eth0", "eth0"]),
            "/linux/resources/network/priorities/1",
            priorities(["eth0", "eth1"]),
        ),
        example(
            "rdma.either",
            rdma(json!({"other": 1})),
            "/linux/resources/rdma/mlx4_0",
            rdma(json!({"hcaObjects": 1})),
        ),
        example(
            "rdma.in-kernel-range",
            rdma(json!({"hcaHandles": 2_147_483_648_u64})),
            "/linux/resources/rdma/mlx4_0/hcaHandles",
            rdma(json!({"hcaHandles": 2_147_483_647})),
        ),
        example(
            "unified.overlapping",
            resources(json!({"unified": {"pids.max": "64"}})),
            "/linux/resources/unified/pids.max",
            resources(json!({"unified": {"pids.events": "64"}})),
        ),
        example("devices.numbers-unique", nodes([7, 7]), "/linux/devices/1", nodes([7, 8])),
        example(
            "memory-policy.nodes-range-ascending",
            policy("MPOL_BIND", json!("0,10-9"), &[]),
            "/linux/memoryPolicy/nodes",
            policy("MPOL_BIND", json!("0,9-10,010-10"), &[]),
        ),
        example(
            "memory-policy.nodes-forbidden",
            policy("MPOL_DEFAULT", json!("0"), &[]),
            "/linux/memoryPolicy/nodes",
            policy("MPOL_DEFAULT", json!(""), &[]),
        ),
        example(
            "memory-policy.nodes-needed",
            policy("MPOL_PREFERRED_MANY", json!(""), &[]),
            "/linux/memoryPolicy",
            policy("MPOL_PREFERRED", json!(""), &[]),
        ),
        example(
            "memory-policy.node-flags-exclusive",
            policy("MPOL_BIND", json!("0"), &both),
            "/linux/memoryPolicy/flags",
            policy("MPOL_BIND", json!("0"), &relative),
        ),
        example(
            "memory-policy.balancing-mode",
            policy("MPOL_PREFERRED", json!("0"), &balancing),
            "/linux/memoryPolicy/flags",
            policy("MPOL_PREFERRED_MANY", json!("0"), &balancing),
        ),
        example(
            "memory-policy.node-flags-without-nodes",
            policy("MPOL_PREFERRED", json!(""), &relative),
            "/linux/memoryPolicy/flags",
            policy("MPOL_PREFERRED", json!("0"), &relative),
        ),
        example(
            "net-devices.name-length",
            devices(json!({"eth0": {"name": "sixteen-bytes-\u{fc}"}})),
            "/linux/netDevices/eth0/name",
            devices(json!({"eth0": {"name": "fifteen-bytes-u"}})),
        ),
        example(
            "net-devices.name-template",
            devices(json!({"eth0": {"name": "%d%d"}})),
            "/linux/netDevices/eth0/name",
            devices(json!({"eth0": {"name": "%d"}})),
        ),
        example(
            "net-devices.unmovable-refused",
            devices(json!({"lo": {}})),
            "/linux/netDevices/lo",
            devices(json!({"lo0": {}})),
        ),
        example(
            "net-devices.name-taken-refused",
            devices(json!({"eth1": {"name": "lo"}})),
            "/linux/netDevices/eth1",
            devices(json!({"eth1": {"name": "lo0"}})),
        ),
        example(
            "net-devices.duplicate-refused",
            devices(json!({"a": {"name": "c"}, "b": {"name": "a"}, "c": {}})),
            "/linux/netDevices/c",
            devices(json!({"a": {"name": "b"}, "b": {"name": "a"}, "c": {"name": "box%d"}})),
        ),
        example(
            "seccomp.default-errno-refused",
            seccomp(json!({"defaultAction": "SCMP_ACT_ALLOW"})),
            "/linux/seccomp/defaultErrnoRet",
            seccomp(json!({"defaultAction": "SCMP_ACT_TRACE"})),
        ),
        example(
            "seccomp.errno-refused",
            seccomp(json!({"syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRAP", "errnoRet": 1}]})),
            "/linux/seccomp/syscalls/0/errnoRet",
            seccomp(json!({"syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]})),
        ),
        example(
            "seccomp.architecture-native",
            seccomp(json!({"architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_NATIVE"]})),
            "/linux/seccomp/architectures/1",
            seccomp(json!({"architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_SHEB"]})),
        ),
        example(
            "seccomp.flag-listed",
            seccomp(json!({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"]})),
            "/linux/seccomp/flags/1",
            seccomp(json!({"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]})),
        ),
        example(
            "annotations.reserved-key",
            json!({"annotations": {"org.opencontainers.image.exposedPorts": ""}}),
            "/annotations/org.opencontainers.image.exposedPorts",
            json!({"annotations": {"org.opencontainers.image.variant": "v8"}}),
        ),
        example(
            "conversion.exposed-ports-list",
            json!({"annotations": {"org.opencontainers.image.exposedPorts": "80/tcp, 53/udp"}}),
            "/annotations/org.opencontainers.image.exposedPorts",
            json!({"annotations": {"org.opencontainers.image.exposedPorts": "80/tcp,53/udp"}}),
        ),
    ]
}

/// A patch that makes a config one for Windows, with these parts of its own.
fn on_windows(parts: Value) -> Value {
    let mut config = json!({
        "linux": null,
        "root": {"path": VOLUME, "readonly": null},
        "windows": {"layerFolders": [r"C:\scratch"]},
    });
    merge(&mut config["windows"], &parts["windows"]);
    for name in ["root", "mounts", "process"] {
        if let Some(part) = parts.get(name) {
            config[name] = part.clone();
        }
    }
    config
}

const VOLUME: &str = r"\\?\Volume{ec84d99e-3f02-11e7-ac6c-00155d7682cf}\";

fn windows_examples() -> Vec<Example> {
    let example = |requirement, wrong, pointer, right| Example {
        wrong: on_windows(wrong),
        requirement,
        pointer,
        right: on_windows(right),
    };
    let root = |readonly: bool| json!({"windows": {}, "root": {"path": VOLUME, "readonly": readonly}});
    let destinations = |of: [&str; 2]| json!({"windows": {}, "mounts": of.map(|it| json!({"destination": it}))});
    let source = |source: &str| json!({"windows": {}, "mounts": [{"destination": r"C:\data", "source": source}]});
    let cpu = |cpu: Value| json!({"windows": {"resources": {"cpu": cpu}}});
    let network = |network: Value| json!({"windows": {"network": network}});
    let affinity = json!([{"mask": 1, "group": 0}]);
    vec![
        example("windows.root-required", json!({"windows": {}, "root": null}), "", json!({"windows": {}})),
        example(
            "windows.root-absent",
            json!({"windows": {"hyperv": {}}}),
            "/root",
            json!({"windows": {"hyperv": {}}, "root": null}),
        ),
        example("windows.root-writable", root(true), "/root/readonly", root(false)),
        example(
            "windows.command-line-required",
            json!({"windows": {}, "process": {"args": null}}),
            "/process",
            json!({"windows": {}, "process": {"args": null, "commandLine": "cmd.exe"}}),
        ),
        example(
            "windows.mount-destinations-apart",
            destinations([r"C:\foo", r"c:\FOO\bar"]),
            "/mounts/1/destination",
            destinations([r"C:\foo", r"c:\FOObar"]),
        ),
        example(
            "windows.mount-source-local",
            source(r"\\server\share"),
            "/mounts/0/source",
            source(r"\\.\pipe\engine"),
        ),
        example(
            "windows.cpu-limits-exclusive",
            cpu(json!({"count": 1, "maximum": 1})),
            "/windows/resources/cpu",
            cpu(json!({"maximum": 1})),
        ),
        example(
            "windows.cpu-affinity-alone",
            cpu(json!({"count": 1, "affinity": affinity})),
            "/windows/resources/cpu/affinity",
            cpu(json!({"affinity": affinity})),
        ),
        example(
            "windows.network-namespace-alone",
            network(json!({"networkNamespace": "a", "endpointList": []})),
            "/windows/network/networkNamespace",
            network(json!({"networkNamespace": "a"})),
        ),
    ]
}

fn examples_of_other_platforms() -> Vec<Example> {
    let example = |requirement, wrong, pointer, right| Example { wrong, requirement, pointer, right };
    let zos = |zos: Value| json!({"linux": null, "zos": zos});
    let nodes = |kind: &str| {
        let node = |path: &str| json!({"type": kind, "path": path, "major": 1, "minor": 3});
        zos(json!({"devices": [node("/dev/null"), node("/run/null")]}))
    };
    let jail = |jail: Value| json!({"linux": null, "freebsd": {"jail": jail}});
    let device = |path: &str| json!({"linux": null, "freebsd": {"devices": [{"path": path}]}});
    vec![
        example(
            "zos.namespace-duplicate-refused",
            zos(json!({"namespaces": [{"type": "pid"}, {"type": "pid", "path": "/a"}]})),
            "/zos/namespaces/1",
            zos(json!({"namespaces": [{"type": "pid"}, {"type": "ipc", "path": "/a"}]})),
        ),
        example("zos.device-numbers-unique", nodes("c"), "/zos/devices/1", nodes("p")),
        example("freebsd.device-path-relative", device("/dev/pf"), "/freebsd/devices/0/path", device("pf")),
        example(
            "freebsd.ip4-addresses-numeric",
            jail(json!({"ip4Addr": ["10.0.0.1", "harbour"]})),
            "/freebsd/jail/ip4Addr/1",
            jail(json!({"ip4Addr": ["10.0.0.1", "10.0.0.2/24"]})),
        ),
        example(
            "freebsd.ip6-addresses-numeric",
            jail(json!({"ip6Addr": ["10.0.0.1"]})),
            "/freebsd/jail/ip6Addr/0",
            jail(json!({"ip6Addr": ["::10.0.0.1"]})),
        ),
        example(
            "freebsd.own-vnet",
            jail(json!({"vnet": "new", "ip6": "inherit"})),
            "/freebsd/jail/ip6",
            jail(json!({"vnet": "new"})),
        ),
        example(
            "freebsd.shared-vnet",
            jail(json!({"vnet": "inherit", "ip4": "inherit", "ip6": "inherit"})),
            "/freebsd/jail/vnet",
            jail(json!({"ip4": "inherit", "ip6": "inherit"})),
        ),
        example(
            "freebsd.interface-without-vnet",
            jail(json!({"vnet": "new", "interface": "lo1"})),
            "/freebsd/jail/interface",
            jail(json!({"interface": "lo1"})),
        ),
    ]
}

/// Of the process, and of what needs a namespace or is in one.
fn examples_of_process_and_namespaces() -> Vec<Example> {
    let example = |requirement, wrong, pointer, right| Example { wrong, requirement, pointer, right };
    let scheduler = |scheduler: Value| json!({"process": {"scheduler": scheduler}});
    let deadline = |runtime: u64, deadline: u64, period: u64| {
        scheduler(json!({"runtime": runtime, "deadline": deadline, "period": period}))
    };
    let round_robin = |priority: i32| scheduler(json!({"policy": "SCHED_RR", "priority": priority}));
    let limit = |soft: u64| json!({"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": soft, "hard": 7}]}});
    let bind = |options: Value| json!({"mounts": [{"destination": "/a", "options": options}]});
    let named = |hostname: Value, domainname: Value, kind: &str| {
        json!({
            "hostname": hostname,
            "domainname": domainname,
            "linux": {"namespaces": [{"type": "user"}, {"type": kind}], "sysctl": null},
        })
    };
    let sysctl = |name: &str| json!({"linux": {"sysctl": {name: "1"}}});
    let mappings = |first: Value, second: Value| json!({"linux": {"gidMappings": [first, second]}});
    let mapping =
        |container: u64, host: u64, size: u64| json!({"containerID": container, "hostID": host, "size": size});
    let unmapped = |gids: Value, namespaces: Value| json!({"linux": {"uidMappings": [], "gidMappings": gids, "namespaces": namespaces}});
    let offset = |offset: Value| json!({"linux": {"timeOffsets": {"boottime": offset}}});
    let nodes = |path: &str| {
        json!({"linux": {"devices": [
            {"type": "c", "path": "/dev/one", "major": 1, "minor": 7},
            {"type": "p", "path": path},
        ]}})
    };
    vec![
        example(
            "process.scheduler-policy-known",
            scheduler(json!({"policy": "SCHED_ISO"})),
            "/process/scheduler/policy",
            scheduler(json!({"policy": "SCHED_IDLE"})),
        ),
        example(
            "process.scheduler-nice-in-kernel-range",
            scheduler(json!({"nice": 20})),
            "/process/scheduler/nice",
            scheduler(json!({"nice": 19})),
        ),
        example(
            "process.scheduler-priority-of-policy",
            round_robin(100),
            "/process/scheduler/priority",
            round_robin(99),
        ),
        example(
            "process.scheduler-priority-of-policy",
            scheduler(json!({"policy": "SCHED_FIFO", "priority": null})),
            "/process/scheduler",
            scheduler(json!({"policy": "SCHED_FIFO", "priority": 1})),
        ),
        example(
            "process.scheduler-priority-of-policy",
            scheduler(json!({"priority": 1})),
            "/process/scheduler/priority",
            scheduler(json!({"priority": null})),
        ),
        example(
            "process.scheduler-times-of-deadline",
            deadline(1023, 2000, 2000),
            "/process/scheduler",
            deadline(1024, 2000, 2000),
        ),
        example(
            "process.scheduler-times-of-deadline",
            deadline(2001, 2000, 2000),
            "/process/scheduler",
            deadline(2000, 2000, 2000),
        ),
        example(
            "process.scheduler-times-of-deadline",
            deadline(2000, 2000, 1999),
            "/process/scheduler",
            deadline(2000, 2000, 0),
        ),
        example("rlimits.soft-within-hard", limit(8), "/process/rlimits/0/soft", limit(7)),
        example("mounts.bind-source-set", bind(json!(["ro", "rbind"])), "/mounts/0", bind(json!(["ro"]))),
        example("mounts.bind-source-set", bind(json!(["bind"])), "/mounts/0", bind(json!(["bind", "remount"]))),
        example(
            "hostname.runtime-namespace",
            named(json!("box"), json!(null), "ipc"),
            "/hostname",
            named(json!("box"), json!(null), "uts"),
        ),
        example(
            "hostname.domainname-runtime-namespace",
            named(json!(""), json!("example.test"), "ipc"),
            "/domainname",
            named(json!(""), json!(""), "ipc"),
        ),
        example(
            "sysctl.of-runtime-namespace",
            sysctl("fs.mqueue.msg_max"),
            "/linux/sysctl/fs.mqueue.msg_max",
            sysctl("kernel.hostname"),
        ),
        example(
            "namespaces.mapping-in-kernel-range",
            mappings(mapping(0, 1000, 1), mapping(1, 2000, 0)),
            "/linux/gidMappings/1",
            mappings(mapping(0, 1000, 1), mapping(1, 2000, 1)),
        ),
        example(
            "namespaces.mapping-in-kernel-range",
            mappings(mapping(0, 1000, 1), mapping(1, 4_294_967_294, 2)),
            "/linux/gidMappings/1",
            mappings(mapping(0, 1000, 1), mapping(1, 4_294_967_294, 1)),
        ),
        example(
            "namespaces.mappings-disjoint",
            mappings(mapping(10, 1000, 1), mapping(0, 2000, 11)),
            "/linux/gidMappings/0",
            mappings(mapping(10, 1000, 1), mapping(0, 2000, 10)),
        ),
        example(
            "namespaces.mappings-disjoint",
            mappings(mapping(0, 1000, 2), mapping(2, 1001, 2)),
            "/linux/gidMappings/1",
            mappings(mapping(0, 1000, 2), mapping(2, 1002, 2)),
        ),
        example(
            "namespaces.mappings-without-namespace-refused",
            unmapped(json!([mapping(0, 0, 1)]), json!([{"type": "uts"}, {"type": "mount"}])),
            "/linux/gidMappings",
            unmapped(json!([]), json!([{"type": "uts"}, {"type": "mount"}])),
        ),
        example(
            "namespaces.time-offset-nanoseconds-in-kernel-range",
            json!({"linux": {
                "namespaces": [{"type": "uts"}, {"type": "user"}, {"type": "time"}],
                "timeOffsets": {"boottime": {"nanosecs": 1_000_000_000}},
            }}),
            "/linux/timeOffsets/boottime/nanosecs",
            json!({"linux": {
                "namespaces": [{"type": "uts"}, {"type": "user"}, {"type": "time"}],
                "timeOffsets": {"boottime": {"nanosecs": 999_999_999}},
            }}),
        ),
        example(
            "namespaces.time-offsets-without-namespace-refused",
            offset(json!({"secs": -1})),
            "/linux/timeOffsets/boottime",
            offset(json!({"secs": 0})),
        ),
        example("devices.other-file-refused", nodes("/dev/one"), "/linux/devices/1", nodes("/dev/other")),
    ]
}

fn all_examples() -> impl Iterator<Item = Example> {
    let others = windows_examples().into_iter().chain(examples_of_other_platforms());
    examples().into_iter().chain(examples_of_process_and_namespaces()).chain(others)
}

fn right_config() -> Value {
    serde_json::from_str(include_str!("right/config.json")).unwrap()
}

fn patched(patch: &Value) -> Value {
    let mut config = right_config();
    merge(&mut config, patch);
    config
}

/// A merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            target.retain(|name, _| !patch.get(name).is_some_and(Value::is_null));
            for (name, value) in patch.iter().filter(|(_, value)| !value.is_null()) {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn ids(findings: &[Finding]) -> Vec<(&str, &str)> {
    findings.iter().map(|it| (id(it), it.pointer.as_str())).collect()
}

fn id(finding: &Finding) -> &str {
    finding.requirement.as_ref().map_or("", |id| id.as_str())
}

#[test]
fn each_rule_finds_its_offence_and_passes_the_control() {
    for Example { wrong, requirement, pointer, right } in all_examples() {
        let version = newest(requirement);
        let findings = validate(Kind::Config, &patched(&wrong), version);
        assert_eq!(ids(&findings), [(requirement, pointer)], "{findings:?}");
        assert_eq!(validate(Kind::Config, &patched(&right), version), [], "{requirement}");
    }
}

/// The newest version in which it applies.
fn newest(requirement: &str) -> Version {
    let binding = Specification::embedded().get(requirement).unwrap();
    *VERSIONS.iter().rev().find(|version| binding.applies(**version)).unwrap()
}

#[test]
fn each_rule_of_a_config_has_an_example() {
    let rules = rules::of(Kind::Config).filter_map(|rule| rule.requirement);
    let examples = all_examples().map(|it| it.requirement);
    assert_eq!(rules.collect::<BTreeSet<_>>(), examples.collect());
}

#[test]
fn a_rule_is_silent_before_its_requirement_came() {
    for Example { wrong, requirement, .. } in all_examples() {
        let binding = Specification::embedded().get(requirement).unwrap();
        for version in VERSIONS {
            let findings = validate(Kind::Config, &patched(&wrong), version);
            let found = findings.iter().any(|it| it.requirement.as_ref() == Some(&binding.id));
            assert_eq!(found, binding.applies(version), "{requirement} {version}");
        }
    }
}

#[test]
fn a_rule_passes_over_what_it_cannot_read() {
    let scalars = [json!(null), json!(7), json!("text"), json!([]), json!({}), json!([7, {}, []])];
    let places = [
        "/mounts",
        "/process",
        "/process/scheduler",
        "/process/scheduler/policy",
        "/process/rlimits",
        "/hostname",
        "/linux/sysctl",
        "/linux/uidMappings",
        "/linux/timeOffsets",
        "/linux/timeOffsets/monotonic",
        "/linux/resources/memory",
        "/linux/resources/cpu",
        "/linux/resources/cpu/cpus",
        "/linux/resources/pids",
        "/linux/resources/blockIO",
        "/linux/resources/blockIO/throttleReadBpsDevice",
        "/linux/resources/hugepageLimits",
        "/linux/resources/network/priorities",
        "/linux/resources/rdma",
        "/linux/resources/unified",
        "/linux/devices",
        "/annotations",
    ];
    for place in places {
        for scalar in &scalars {
            let mut config = right_config();
            *config.pointer_mut(place).unwrap() = scalar.clone();
            for rule in
                rules::of(Kind::Config).filter(|rule| !rule.requirement.is_some_and(|id| wants_more(id, scalar)))
            {
                assert_eq!((rule.offences)(&config), [], "{place} {scalar}");
            }
        }
    }
}

/// An empty object can be read, and one requirement wants more of it.
fn wants_more(requirement: &str, scalar: &Value) -> bool {
    requirement == "block-io.device-weight-either" && scalar.get(1).is_some_and(Value::is_object)
}

#[test]
fn nothing_lacks_a_namespace_where_the_list_cannot_be_read() {
    let unreadable = [
        json!(null),
        json!(7),
        json!("text"),
        json!({}),
        json!([7]),
        json!([[]]),
        json!([{}]),
        json!([{"type": "unix"}]),
    ];
    for list in unreadable {
        let config = patched(&json!({"linux": {"timeOffsets": {"boottime": {"secs": 1}}}}));
        let offences = |list: Value| {
            let mut config = config.clone();
            config["linux"]["namespaces"] = list;
            rules::of(Kind::Config).flat_map(|rule| (rule.offences)(&config)).collect::<Vec<_>>()
        };
        assert_eq!(offences(list.clone()), [], "{list}");
        assert_eq!(offences(json!([])).len(), 6, "both names, both mappings, an offset, a parameter");
    }
    let config = json!({"hostname": "box", "linux": []});
    assert_eq!(rules::of(Kind::Config).flat_map(|rule| (rule.offences)(&config)).collect::<Vec<_>>(), []);
}

#[test]
fn a_rule_of_another_platform_passes_over_what_it_cannot_read() {
    let scalars = [json!(null), json!(7), json!("text"), json!([]), json!([7, {}, []])];
    let config = json!({
        "root": {},
        "windows": {},
        "zos": {"namespaces": [], "devices": []},
        "freebsd": {"devices": [], "jail": {"ip4Addr": []}},
    });
    let sections = ["/windows", "/zos", "/freebsd"];
    let parts = ["/zos/namespaces", "/zos/devices", "/freebsd/devices", "/freebsd/jail", "/freebsd/jail/ip4Addr"];
    for place in sections.into_iter().chain(parts) {
        for scalar in &scalars {
            let mut config = config.clone();
            *config.pointer_mut(place).unwrap() = scalar.clone();
            for rule in rules::of(Kind::Config) {
                assert_eq!((rule.offences)(&config), [], "{place} {scalar}");
            }
        }
    }
}

#[test]
fn windows_has_paths_of_its_own_and_beside_linux_neither_decides() {
    let mut config = patched(&on_windows(json!({
        "windows": {},
        "mounts": [{"destination": r"C:\data"}],
        "process": {"cwd": r"C:\"},
    })));
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
    config["process"]["cwd"] = json!("data");
    config["root"]["path"] = json!(r"C:\data");
    let findings = validate(Kind::Config, &config, NEWEST);
    let found: BTreeSet<_> = ids(&findings).into_iter().collect();
    assert_eq!(found, [("windows.cwd-absolute", "/process/cwd"), ("windows.root-volume", "/root/path")].into());
    config["linux"] = json!({"namespaces": [{"type": "uts"}]});
    config["mounts"] = json!([]);
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
}

#[test]
fn an_unknown_capability_was_an_error_and_is_worth_a_warning() {
    let config = patched(&json!({"process": {"capabilities": {"bounding": ["CAP_KILL", "CAP_FLY"]}}}));
    let severity = |version: &str| {
        let findings = validate(Kind::Config, &config, version.parse().unwrap());
        assert_eq!(ids(&findings), [("capabilities.names", "/process/capabilities/bounding/1")]);
        findings[0].severity
    };
    assert_eq!(severity("1.0.2"), Severity::Error);
    assert_eq!(severity("1.1.0"), Severity::Warning);
}

#[test]
fn a_limit_that_no_kernel_has_is_worth_a_warning_and_no_name_an_error() {
    let severity = |kind: &str| {
        let config = patched(&json!({"process": {"rlimits": [{"type": kind, "soft": 0, "hard": 0}]}}));
        let findings = validate(Kind::Config, &config, NEWEST);
        assert_eq!(ids(&findings), [("rlimits.type-name", "/process/rlimits/0/type")]);
        findings[0].severity
    };
    assert_eq!(severity("RLIMIT_PORTS"), Severity::Warning);
    assert_eq!(severity("nofile"), Severity::Error);
}

#[test]
fn a_hundred_thousand_entries_of_each_list_are_looked_at() {
    let list = |entry: fn(u32) -> Value| (0..100_000).map(entry).collect::<Value>();
    let config = json!({
        "process": {"rlimits": list(|n| json!({"type": n.to_string(), "soft": 1, "hard": 0}))},
        "mounts": list(|_| json!({"options": ["bind"]})),
        "linux": {
            "namespaces": list(|n| json!({"type": n.to_string()})),
            "devices": list(|n| json!({"type": "c", "path": n.to_string(), "major": 1, "minor": n})),
            "uidMappings": list(|n| json!({"containerID": 2 * n, "hostID": 2 * n, "size": 2})),
        },
    });
    let offences: usize = rules::of(Kind::Config).map(|rule| (rule.offences)(&config).len()).sum();
    assert_eq!(offences, 200_000, "each limit and each mount, and nothing else");
}

#[test]
fn several_fifos_are_several_devices() {
    let fifos = json!({"linux": {"devices": [
        {"type": "p", "path": "/a", "major": 0, "minor": 0},
        {"type": "p", "path": "/b", "major": 0, "minor": 0},
    ]}});
    assert_eq!(validate(Kind::Config, &patched(&fifos), NEWEST), []);
}

#[test]
fn one_device_twice_at_a_path_is_no_other_device() {
    let node = |kind: &str, minor: u32| json!({"type": kind, "path": "/dev/one", "major": 1, "minor": minor});
    let found = |second: Value| {
        let config = patched(&json!({"linux": {"devices": [node("c", 3), second]}}));
        ids(&validate(Kind::Config, &config, NEWEST)).into_iter().map(|it| it.0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(node("u", 3)), [""; 0]);
    assert_eq!(found(node("c", 3)), ["devices.numbers-unique"]);
    assert_eq!(found(node("u", 5)), ["devices.other-file-refused"]);
    assert_eq!(found(node("b", 3)), ["devices.other-file-refused"]);
}

#[test]
fn a_relative_destination_was_forbidden_and_is_discouraged() {
    let config = patched(&json!({"mounts": [{"destination": "data"}]}));
    let requirement = |version: &str| {
        let findings = validate(Kind::Config, &config, version.parse().unwrap());
        ids(&findings).first().unwrap().0.to_owned()
    };
    assert_eq!(requirement("1.1.0"), "mounts.destination-must-be-absolute");
    assert_eq!(requirement("1.2.0"), "mounts.destination-should-be-absolute");
}

#[test]
fn a_time_namespace_came_with_its_version() {
    let config = patched(&json!({"linux": {"namespaces": [{"type": "time"}, {"type": "user"}, {"type": "uts"}]}}));
    let before = validate(Kind::Config, &config, "1.0.2".parse().unwrap());
    assert_eq!(ids(&before), [("namespaces.type-before-time", "/linux/namespaces/0/type")]);
    assert_eq!(validate(Kind::Config, &config, "1.1.0".parse().unwrap()), []);
}

#[test]
fn a_property_of_a_later_version_is_an_unknown_one() {
    let config = patched(&json!({"domainname": 7, "process": {"user": {"umask": "022"}}}));
    assert_eq!(validate(Kind::Config, &config, "1.0.0".parse().unwrap()), []);
    assert_eq!(validate(Kind::Config, &config, "1.0.2".parse().unwrap()).len(), 1);
    assert_eq!(validate(Kind::Config, &config, "1.1.0".parse().unwrap()).len(), 2);
}

#[test]
fn windows_needs_neither_arguments_nor_ids() {
    let config = json!({
        "ociVersion": "1.3.0",
        "windows": {"layerFolders": ["a"], "hyperv": {}},
        "process": {"cwd": r"C:\", "commandLine": "cmd.exe", "user": {"username": "a"}},
    });
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
    let config = json!({"ociVersion": "1.3.0", "process": {"cwd": "/", "user": {"username": "a"}}});
    let expected = [
        ("root.required", ""),
        ("process.args-required", "/process"),
        ("user.uid-required", "/process/user"),
        ("user.gid-required", "/process/user"),
    ];
    let findings = validate(Kind::Config, &config, NEWEST);
    assert_eq!(ids(&findings).into_iter().collect::<BTreeSet<_>>(), expected.into());
}

#[test]
fn prose_decides_against_the_schema_of_upstream() {
    let mut config = patched(&json!({"linux": {
        "devices": [{"type": "c", "path": "/a", "major": 1, "minor": 3, "fileMode": 4095}],
    }}));
    config["linux"]["resources"]["pids"] = json!({});
    assert_eq!(validate(Kind::Config, &config, NEWEST), []);
    let state = json!({"ociVersion": "1.3.0", "id": "a", "status": "paused", "bundle": "/b"});
    assert_eq!(validate(Kind::State, &state, NEWEST), []);
    let features =
        json!({"ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0", "hooks": null, "linux": {"seccomp": null}});
    assert_eq!(validate(Kind::Features, &features, NEWEST), []);
}

#[test]
fn features_have_nothing_that_their_version_does_not_define() {
    let features = |min: &str, max: &str, linux: Value| {
        let document = json!({"ociVersionMin": min, "ociVersionMax": max, "linux": linux});
        let findings = validate(Kind::Features, &document, NEWEST);
        findings.into_iter().map(|it| it.pointer).collect::<Vec<_>>()
    };
    let idmap = json!({"mountExtensions": {"idmap": {"enabled": true}}});
    assert_eq!(features("1.0.0", "1.2.0", idmap.clone()), [""; 0]);
    assert_eq!(features("1.0.0", "1.1.0", idmap), ["/linux/mountExtensions"]);
    assert_eq!(features("1.0.0", "1.3.0", json!({"cgroup": {"v3": true}})), ["/linux/cgroup/v3"]);
    assert_eq!(features("1.1.0", "1.0.2", json!({})), ["/ociVersionMax"]);
    assert_eq!(features("1.0.0", "1.0.0", json!({"cgroup": {"v2": true}})), [""; 0]);
    assert_eq!(features("1.0.0", "1.9.0", json!({"cgroup": {"v3": true}})), [""; 0]);
}

#[test]
fn a_text_that_is_not_utf8_is_found() {
    let findings = validate_bytes(Kind::Config, b"{\"hostname\": \"\xff\"}", NEWEST);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "the text is not UTF-8 from byte 14 on");
    assert_eq!(findings[0].requirement, carrier("GLO-001"));
}

#[test]
fn a_byte_order_mark_is_found_beside_the_rest() {
    let text = format!("\u{feff}{}", patched(&json!({"hostname": 7})));
    let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
    assert_eq!(ids(&findings), [("bundle.no-byte-order-mark", ""), ("hostname.string", "/hostname")]);
    let findings = validate_bytes(Kind::Config, &text.as_bytes()[3..], NEWEST);
    assert_eq!(ids(&findings), [("hostname.string", "/hostname")]);
}

#[test]
fn a_name_given_twice_is_found_beside_the_rest() {
    let text = r#"{"ociVersion": "1.0.0", "root": {"path": "rootfs", "path": "rootfs"}}"#;
    let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].pointer, "/root/path");
    assert_eq!(findings[0].requirement, carrier("GLO-002"));
    let right = r#"{"ociVersion": "1.0.0", "root": {"path": "rootfs"}}"#;
    assert_eq!(validate_bytes(Kind::Config, right.as_bytes(), NEWEST), []);
}

#[test]
fn what_is_no_json_gives_one_finding() {
    let deep = "[".repeat(1_000_000);
    let no_json = ["", "{", "{} {}", "{\"a\": 01}", "nul"].map(|text| (text, "the text is no JSON: "));
    for (text, why) in no_json.into_iter().chain([(deep.as_str(), "the text was not read to its end: ")]) {
        let findings = validate_bytes(Kind::Config, text.as_bytes(), NEWEST);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.starts_with(why), "{findings:?}");
    }
}

#[test]
fn a_message_repeats_neither_long_values_nor_what_a_terminal_obeys() {
    let hostile = format!("\u{1b}[2J{}", "x".repeat(100_000));
    let config = patched(&json!({"process": {"cwd": hostile}, "annotations": {"com.example.\u{7}": 1}}));
    let findings = validate(Kind::Config, &config, NEWEST);
    assert_eq!(findings.len(), 2);
    for finding in findings {
        assert!(finding.message.len() < 200 && !finding.message.contains(char::is_control));
    }
}

fn carrier(clause: &str) -> Option<ocf_spec::RequirementId> {
    let mut requirements = Specification::embedded().requirements();
    let found = requirements.find(|it| it.clauses.iter().any(|it| it == clause));
    found.map(|it| it.id.clone())
}

//! Which namespaces the container process is in.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The types of the config with the names of their files.
const TYPES: [(&str, &str); 7] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn without(config: &mut Value, typ: &str) {
    config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != typ);
}

fn set(config: &mut Value, entry: Value) {
    let typ = entry["type"].as_str().unwrap().to_owned();
    without(config, &typ);
    config["linux"]["namespaces"].as_array_mut().unwrap().push(entry);
}

/// The container process's namespace of a type, while it waits for its start.
fn inside(sandbox: &Sandbox, file: &str) -> String {
    let pid = &sandbox.state()["pid"];
    fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().display().to_string()
}

fn own(file: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{file}")).unwrap().display().to_string()
}

#[test]
fn namespaces_are_new_where_listed_and_inherited_elsewhere() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        set(&mut config, json!({ "type": "time" }));
        sandbox.create(&config);
        for (typ, file) in TYPES {
            assert_ne!(inside(sandbox, file), own(file), "{typ}");
        }
        assert_eq!(inside(sandbox, "user"), own("user"));
        sandbox.must(&["delete", "--force", "c1"]);
        for (typ, file) in TYPES {
            let mut config = sandbox.config("true");
            without(&mut config, typ);
            sandbox.bundle(&config);
            let before = sandbox.surroundings();
            sandbox.create(&config);
            for (other, other_file) in TYPES {
                let expected_own = other == typ || other == "time";
                assert_eq!(
                    inside(sandbox, other_file) == own(other_file),
                    expected_own,
                    "{other} without {typ} ({file})"
                );
            }
            sandbox.must(&["start", "c1"]);
            assert!(wait_until(|| sandbox.status() == "stopped"));
            sandbox.must(&["delete", "c1"]);
            assert_eq!(before, sandbox.surroundings(), "without {typ}");
        }
    });
}

/// A process that holds new namespaces.
fn holder(flags: &[&str]) -> Child {
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let mut child = command.stdout(Stdio::piped()).process_group(0).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn namespaces_are_joined_by_path() {
    sandboxed(|sandbox| {
        let mut holder = holder(&["--net", "--ipc", "--uts", "--mount", "--cgroup", "--time", "--pid"]);
        let pid = holder.id();
        // The first process of the pid namespace is the holder's child or, without --fork, the next one it makes.
        for (typ, file) in TYPES.into_iter().filter(|(typ, _)| *typ != "pid") {
            let path = format!("/proc/{pid}/ns/{file}");
            let mut config = sandbox.config("true");
            set(&mut config, json!({ "type": typ, "path": path }));
            sandbox.bundle(&config);
            let before = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
            sandbox.create(&config);
            assert_eq!(inside(sandbox, file), fs::read_link(&path).unwrap().display().to_string(), "{typ}");
            sandbox.must(&["start", "c1"]);
            assert!(wait_until(|| sandbox.status() == "stopped"));
            sandbox.must(&["delete", "c1"]);
            assert_eq!(before, fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap(), "{typ}");
            assert!(std::path::Path::new(&path).exists());
        }
        let mut config = sandbox.config("true");
        set(&mut config, json!({ "type": "network", "path": format!("/proc/{pid}/ns/uts") }));
        assert!(sandbox.create_refused(&config).contains("another type"));
        set(&mut config, json!({ "type": "network", "path": "/etc/passwd" }));
        assert!(sandbox.create_refused(&config).contains("no namespace"));
        holder.kill().unwrap();
        holder.wait().unwrap();
    });
}

#[test]
fn the_pid_namespace_of_another_container_can_be_joined() {
    sandboxed(|sandbox| {
        let stay = sandbox.config("exec sleep 1000");
        sandbox.create(&stay);
        let path = format!("/proc/{}/ns/pid", sandbox.state()["pid"]);
        let mut config = sandbox.config("readlink /proc/self/ns/pid >/out/result; echo $$ >>/out/result");
        set(&mut config, json!({ "type": "pid", "path": path }));
        sandbox.bundle(&config);
        sandbox.must(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c2"]);
        sandbox.must(&["start", "c2"]);
        assert!(wait_until(|| sandbox.must(&["state", "c2"]).stdout.contains("stopped")));
        sandbox.must(&["delete", "c2"]);
        // A pid namespace ends only after all who were in it have been reaped, and that is their parent's, the test's.
        while nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG))
            .is_ok_and(|found| found != nix::sys::wait::WaitStatus::StillAlive)
        {}
        let expected = fs::read_link(&path).unwrap().display().to_string();
        let result = sandbox.out("result");
        assert_eq!(result.lines().next(), Some(expected.as_str()));
        assert_ne!(result.lines().nth(1), Some("1"));
        assert_eq!(sandbox.status(), "created");
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn a_user_namespace_has_the_configured_mappings() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(
            "{ cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u /marker; \
            stat -c '%u %t:%T' /dev/null; echo x >/dev/null; hostname; } >/out/result 2>&1",
        );
        set(&mut config, json!({ "type": "user" }));
        config["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": 0, "size": 10 }, { "containerID": 10, "hostID": 100_000, "size": 500 }]);
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": 0, "size": 1000 }]);
        config["hostname"] = json!("mapped");
        sandbox.live(&config);
        let result = sandbox.out("result");
        let lines: Vec<String> =
            result.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["0 0 10", "10 100000 500", "0 0 1000", "0", "0", "0 1:3", "mapped"]);
    });
}

#[test]
fn a_user_namespace_can_map_root_to_somebody_else() {
    sandboxed(|sandbox| {
        let mut config =
            sandbox.config("{ id -u; stat -c %u /marker; echo x >/dev/null && echo device; } >/out/result 2>&1");
        set(&mut config, json!({ "type": "user" }));
        config["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        sandbox.bundle(&config);
        // The mapped root has to reach the bundle, to own its root file system, and to write the output.
        for path in ["bundle/rootfs", "out"] {
            std::os::unix::fs::chown(sandbox.path(path), Some(100_000), Some(100_000)).unwrap();
        }
        sandbox.live(&config);
        assert_eq!(sandbox.out("result"), "0\n65534\ndevice\n");
    });
}

#[test]
fn a_user_namespace_is_joined_with_others_that_it_owns() {
    sandboxed(|sandbox| {
        let mut holder = holder(&["--user", "--map-root-user", "--net", "--ipc", "--uts"]);
        let pid = holder.id();
        let script = "readlink /proc/self/ns/user /proc/self/ns/uts; id -u; hostname; cat /proc/self/uid_map";
        let mut config = sandbox.config(&format!("{{ {script}; }} >/out/result 2>&1"));
        for (typ, file) in [("user", "user"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
            set(&mut config, json!({ "type": typ, "path": format!("/proc/{pid}/ns/{file}") }));
        }
        config["hostname"] = json!("joined");
        sandbox.live(&config);
        let of = |file: &str| fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap().display().to_string();
        let result = sandbox.out("result");
        let words: Vec<&str> = result.split_whitespace().collect();
        assert_eq!(words, [of("user").as_str(), of("uts").as_str(), "0", "joined", "0", "0", "1"]);
        // Of a namespace that is joined nothing can be mapped anew.
        config["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
        assert!(sandbox.create_refused(&config).contains("linux.uidMappings"));
        holder.kill().unwrap();
        holder.wait().unwrap();
    });
}

#[test]
fn mappings_and_offsets_that_cannot_be_are_refused_by_name() {
    sandboxed(|sandbox| {
        let refused = |uids: Value, user: Value| {
            let mut config = sandbox.config("true");
            set(&mut config, json!({ "type": "user" }));
            config["linux"]["uidMappings"] = uids;
            config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": 0, "size": 10 }]);
            config["process"]["user"] = user;
            sandbox.create_refused(&config)
        };
        let map =
            |inside: u32, outside: u32, size: u32| json!({ "containerID": inside, "hostID": outside, "size": size });
        let root = json!({ "uid": 0, "gid": 0 });
        assert!(refused(json!([map(0, 0, 10), map(9, 50, 1)]), root.clone()).contains("containerID 9"));
        assert!(refused(json!([map(0, 5, 1), map(9, 5, 1)]), root.clone()).contains("hostID 5"));
        assert!(refused(json!([map(0, 0, 0)]), root.clone()).contains("linux.uidMappings"));
        assert!(refused(json!([map(0, u32::MAX, 2)]), root).contains("linux.uidMappings"));
        assert!(refused(json!([map(0, 0, 10)]), json!({ "uid": 10, "gid": 0 })).contains("process.user.uid: 10"));
        assert!(refused(json!([map(0, 0, 10)]), json!({ "uid": 0, "gid": 10 })).contains("process.user.gid: 10"));
        let mut config = sandbox.config("true");
        for offsets in [json!({ "realtime": {} }), json!({ "boottime": { "secs": 1 } })] {
            config["linux"]["timeOffsets"] = offsets;
            assert!(sandbox.create_refused(&config).contains("linux.timeOffsets."));
        }
        // An offset of nothing asks for nothing.
        config["linux"]["timeOffsets"] = json!({ "boottime": { "secs": 0 } });
        sandbox.live(&config);
        set(&mut config, json!({ "type": "time" }));
        config["linux"]["timeOffsets"] = json!({ "monotonic": { "nanosecs": 1_000_000_000 } });
        assert!(sandbox.create_refused(&config).contains("1000000000"));
    });
}

#[test]
fn clocks_are_offset_in_a_time_namespace() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("cat /proc/uptime /proc/self/timens_offsets >/out/result");
        set(&mut config, json!({ "type": "time" }));
        config["linux"]["timeOffsets"] =
            json!({ "boottime": { "secs": 1_000_000 }, "monotonic": { "secs": 7, "nanosecs": 5 } });
        sandbox.live(&config);
        let result = sandbox.out("result");
        let uptime: f64 = result.split(' ').next().unwrap().parse().unwrap();
        let own: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((own + 1_000_000.0 - uptime).abs() < 60.0, "{result}");
        assert!(result.split_whitespace().collect::<Vec<_>>().join(" ").contains("monotonic 7 5"), "{result}");
    });
}

#[test]
fn names_and_parameters_are_the_containers_own() {
    sandboxed(|sandbox| {
        let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        // A new namespace has the host's value at first, whatever that is.
        let forwards = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
        let other = if forwards == "0\n" { "1" } else { "0" };
        let script = "hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
        let result = sandbox.run(script, |config| {
            config["hostname"] = json!("inner");
            config["domainname"] = json!("inner.example");
            config["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": other, "kernel.msgmax": "4242" });
        });
        assert_eq!(result, format!("inner\ninner.example\n{other}\n4242\n"));
        assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), forwards);
        let mut config = sandbox.config("true");
        config["hostname"] = json!("outer");
        without(&mut config, "uts");
        assert!(sandbox.create_refused(&config).contains("uts"));
        let mut config = sandbox.config("true");
        config["linux"]["sysctl"] = json!({ "kernel.pid_max": "4242" });
        assert!(sandbox.create_refused(&config).contains("kernel.pid_max"));
    });
}

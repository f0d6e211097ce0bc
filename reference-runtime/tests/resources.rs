//! The container's cgroups, their limits, and devices.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directory of `controller`'s hierarchy, and whether it is one of v1; none if no hierarchy here has it.
fn hierarchy(controller: &str) -> Option<(PathBuf, bool)> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join(controller).join("cgroup.procs").exists() {
        return Some((root.join(controller), true));
    }
    let unified = if root.join("cgroup.controllers").exists() { root.to_owned() } else { root.join("unified") };
    let controllers = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|name| name == controller).then_some((unified, false))
}

/// Checks what the cgroup of a created container has in a file: of v1 or of v2, each with the value expected there.
fn check(sandbox: &Sandbox, resources: &serde_json::Value, controller: &str, v1: [&str; 2], v2: [&str; 2]) {
    let mut config = sandbox.config("true");
    config["linux"]["cgroupsPath"] = json!("/made/here");
    config["linux"]["resources"] = resources.clone();
    let Some((directory, is_v1)) = hierarchy(controller) else {
        // What can't be limited here has to be refused, and not to be ignored.
        assert!(sandbox.create_refused(&config).contains(controller));
        return;
    };
    let [file, expected] = if is_v1 { v1 } else { v2 };
    sandbox.create(&config);
    let found = fs::read_to_string(directory.join("made/here").join(file)).unwrap();
    assert_eq!(found.trim(), expected, "{file}");
    sandbox.must(&["delete", "--force", "c1"]);
    assert!(!directory.join("made").exists(), "a cgroup was left behind");
}

#[test]
fn limits_are_written_to_the_containers_cgroup() {
    sandboxed(|sandbox| {
        let memory = json!({ "memory": { "limit": 67_108_864, "swap": 134_217_728, "reservation": 33_554_432 } });
        check(sandbox, &memory, "memory", ["memory.limit_in_bytes", "67108864"], ["memory.max", "67108864"]);
        check(
            sandbox,
            &memory,
            "memory",
            ["memory.memsw.limit_in_bytes", "134217728"],
            ["memory.swap.max", "67108864"],
        );
        check(sandbox, &memory, "memory", ["memory.soft_limit_in_bytes", "33554432"], ["memory.low", "33554432"]);
        for (limit, expected) in
            [(json!({ "limit": 5 }), "5"), (json!({ "limit": -1 }), "max"), (json!({ "limit": 0 }), "0")]
        {
            check(sandbox, &json!({ "pids": limit }), "pids", ["pids.max", expected], ["pids.max", expected]);
        }
        let cpu = json!({ "cpu": { "shares": 512, "quota": 50000, "period": 200_000 } });
        check(sandbox, &cpu, "cpu", ["cpu.shares", "512"], ["cpu.weight", "59"]);
        check(sandbox, &cpu, "cpu", ["cpu.cfs_quota_us", "50000"], ["cpu.max", "50000 200000"]);
        check(sandbox, &cpu, "cpu", ["cpu.cfs_period_us", "200000"], ["cpu.max", "50000 200000"]);
        let set = json!({ "cpu": { "cpus": "0", "mems": "0" } });
        check(sandbox, &set, "cpuset", ["cpuset.cpus", "0"], ["cpuset.cpus", "0"]);
    });
}

#[test]
fn the_process_is_in_the_configured_cgroup_everywhere() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/a/b");
        sandbox.create(&config);
        let pid = sandbox.state()["pid"].to_string();
        let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for line in fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next().unwrap(), fields.next().unwrap());
            let typ = if names.is_empty() { " - cgroup2 " } else { " - cgroup " };
            if mounted.lines().any(|mount| mount.contains(typ) && mount.ends_with(names)) {
                assert_eq!(path, "/a/b", "{names}");
            }
        }
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn a_cgroup_of_others_survives() {
    sandboxed(|sandbox| {
        let mut directory = ["pids", "."].iter().map(|name| Path::new("/sys/fs/cgroup").join(name));
        let directory = directory.find(|path| path.join("cgroup.procs").exists()).unwrap();
        fs::create_dir(directory.join("others")).unwrap();
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/others/ours");
        sandbox.live(&config);
        assert!(directory.join("others").exists());
        config["linux"]["cgroupsPath"] = json!("/others");
        sandbox.live(&config);
        assert!(directory.join("others").exists());
        fs::remove_dir(directory.join("others")).unwrap();
    });
}

#[test]
fn a_container_is_killed_beyond_its_memory() {
    sandboxed(|sandbox| {
        if hierarchy("memory").is_none() {
            return;
        }
        let mut config = sandbox.config("");
        config["process"]["args"] = json!(["/usr/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]);
        config["linux"]["resources"] = json!({ "memory": { "limit": 16_777_216 } });
        sandbox.bundle(&config);
        let mut run = sandbox.runtime();
        let status = run.args(["run", "--bundle"]).arg(sandbox.path("bundle")).arg("c1").status().unwrap();
        assert_eq!(status.code(), Some(128 + 9));
    });
}

#[test]
fn the_cgroup_mount_shows_the_containers_own() {
    sandboxed(|sandbox| {
        for namespace in [true, false] {
            let mut config = sandbox.config(
                "cat $(find /sys/fs/cgroup -name cgroup.procs) >/out/result; \
                mkdir /sys/fs/cgroup/x 2>/dev/null && echo writable >>/out/result; exit 0",
            );
            config["mounts"].as_array_mut().unwrap().extend([
                json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
                json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"] }),
            ]);
            if !namespace {
                config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "cgroup");
            }
            sandbox.live(&config);
            let pids: Vec<String> = sandbox.out("result").lines().map(str::to_owned).collect();
            // In each hierarchy there is the shell, pid 1, and the program that looks.
            assert!(
                !pids.is_empty()
                    && pids.len().is_multiple_of(2)
                    && pids.iter().filter(|pid| *pid == "1").count() == pids.len() / 2,
                "{pids:?}"
            );
        }
        assert!(wait_until(|| !Path::new("/sys/fs/cgroup/unified/x").exists()));
    });
}

#[test]
fn the_cgroup_is_handed_over_on_pure_v2_alone() {
    sandboxed(|sandbox| {
        let pure = Path::new("/sys/fs/cgroup/cgroup.procs").exists();
        let hierarchy = if pure { PathBuf::from("/sys/fs/cgroup") } else { hierarchy("pids").unwrap().0 };
        for (options, asked) in [(&["ro"][..], false), (&[], true)] {
            let mut config = sandbox.config("true");
            config["linux"]["cgroupsPath"] = json!("/handed");
            config["process"]["user"]["uid"] = json!(1234);
            config["mounts"].as_array_mut().unwrap().extend([
                json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
                json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options }),
            ]);
            sandbox.create(&config);
            let owner = |file: &str| fs::metadata(hierarchy.join("handed").join(file)).unwrap().uid();
            let expected = if pure && asked { 1234 } else { 0 };
            assert_eq!([owner(""), owner("cgroup.procs")], [expected; 2], "{options:?}");
            assert!(!pure || owner("cgroup.events") == 0, "a file that isn't delegated was handed over");
            sandbox.must(&["delete", "--force", "c1"]);
        }
    });
}

#[test]
fn default_devices_and_links_are_there() {
    sandboxed(|sandbox| {
        let script = "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done; \
            for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo >/dev/null";
        let expected = "/dev/null character special file 1:3 666\n/dev/zero character special file 1:5 666\n\
            /dev/full character special file 1:7 666\n/dev/random character special file 1:8 666\n\
            /dev/urandom character special file 1:9 666\n/dev/tty character special file 5:0 666\n\
            /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n";
        assert_eq!(sandbox.run(script, |_| {}), expected);
        // Also where /dev is a directory of the root file system, which is left as it was.
        sandbox.bundle(&sandbox.config(""));
        fs::create_dir(sandbox.path("bundle/rootfs/dev")).unwrap();
        fs::write(sandbox.path("bundle/rootfs/dev/null"), "a file of the image\n").unwrap();
        let result = sandbox.run(script, |config| {
            config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
        });
        assert_eq!(result, expected);
        let kept = sandbox.path("bundle/rootfs/dev/null");
        assert_eq!(fs::read_to_string(kept).unwrap(), "a file of the image\n");
    });
}

#[test]
fn configured_devices_are_made_as_described() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["linux"]["devices"] = json!([
            { "path": "/dev/own", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8 },
            { "path": "/elsewhere/block", "type": "b", "major": 7, "minor": 200 },
            { "path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5 },
            { "path": "/dev/fifo", "type": "p", "fileMode": 0o600 },
            { "path": "/dev/null", "type": "c", "major": 1, "minor": 3 },
        ]);
        sandbox.create(&config);
        let root = PathBuf::from(format!("/proc/{}/root", sandbox.state()["pid"]));
        let own = fs::metadata(root.join("dev/own")).unwrap();
        assert!(own.file_type().is_char_device());
        assert_eq!((own.rdev(), own.permissions().mode() & 0o7777, own.uid(), own.gid()), (1 << 8 | 3, 0o640, 7, 8));
        let block = fs::metadata(root.join("elsewhere/block")).unwrap();
        assert!(block.file_type().is_block_device());
        assert!(fs::metadata(root.join("dev/unbuffered")).unwrap().file_type().is_char_device());
        assert!(fs::metadata(root.join("dev/fifo")).unwrap().file_type().is_fifo());
        sandbox.must(&["delete", "--force", "c1"]);
        assert!(!sandbox.path("bundle/rootfs/elsewhere").exists());
    });
}

#[test]
fn device_rules_are_enforced() {
    sandboxed(|sandbox| {
        let script = "for d in null zero mem0; do dd if=/dev/$d of=/dev/null count=1 2>/dev/null && echo $d; done; \
            mknod /made c 1 5 2>/dev/null && echo made && rm /made; (echo x >/dev/mem0) 2>/dev/null && echo written; exit 0";
        let with = |rules: serde_json::Value| {
            sandbox.run(script, |config| {
                config["linux"]["devices"] =
                    json!([{ "path": "/dev/mem0", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666 }]);
                config["linux"]["resources"] = json!({ "devices": rules });
                config["process"]["capabilities"] = json!({ "bounding": ["CAP_MKNOD", "CAP_DAC_OVERRIDE"] });
            })
        };
        // 1:11 is /dev/kmsg, which anybody can be denied and root can read; non-blocking reads end with a record.
        assert_eq!(with(json!([{ "allow": false, "access": "rwm" }])), "null\nzero\nmade\n");
        let write = json!([{ "allow": false, "access": "rwm" }, { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" }]);
        assert_eq!(with(write), "null\nzero\nmade\nwritten\n");
        let denied = json!([{ "allow": false, "access": "rwm" }, { "allow": false, "type": "c", "major": 1, "minor": 5, "access": "rwm" }]);
        assert_eq!(with(denied), "null\n");
    });
}

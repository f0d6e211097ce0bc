//! Containers of a caller who is nobody special, and containers whose root is.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::mount::{MsFlags, mount};
use sandbox::trials::{skip, tests};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

tests![
    a_caller_maps_its_own_id_to_root,
    no_relative_path_is_where_containers_are_kept,
    a_caller_without_a_cgroup_of_its_own_gets_no_limits,
    further_ids_are_mapped_as_the_system_grants_them,
];

/// The ids of the unprivileged caller.
const CALLER: u32 = 54_321;

/// A config as engines write it for an unprivileged caller: a user namespace, no cgroups, no sysfs of its own.
fn config(sandbox: &Sandbox, script: &str) -> Value {
    let mut config = sandbox.config(script);
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
    let own = json!([{ "containerID": 0, "hostID": CALLER, "size": 1 }]);
    config["linux"]["uidMappings"] = own.clone();
    config["linux"]["gidMappings"] = own;
    config["hostname"] = json!("rootless");
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.extend([
        json!({ "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"] }),
        json!({ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] }),
        json!({ "destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"] }),
    ]);
    config
}

/// Gives the bundle and all else that the caller needs to the caller.
fn hand_over(sandbox: &Sandbox, config: &Value) {
    sandbox.bundle(config);
    for path in ["", "bundle", "bundle/rootfs", "out"] {
        chown(sandbox.path(path), Some(CALLER), Some(CALLER)).unwrap();
    }
}

/// The runtime as the unprivileged caller calls it.
fn call(sandbox: &Sandbox, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={CALLER}"), &format!("--regid={CALLER}"), "--clear-groups", "--inh-caps=-all"]);
    // The program may lie where only root can look for it.
    let program = sandbox.path("ocf-runtime");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_ocf-runtime"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    command.arg(program).args(arguments).env("XDG_RUNTIME_DIR", sandbox.path("out"));
    let (stdout, stderr) = (sandbox.path("call-stdout"), sandbox.path("call-stderr"));
    command.stdout(fs::File::create(&stdout).unwrap()).stderr(fs::File::create(&stderr).unwrap());
    let ok = command.status().unwrap().success();
    (ok, fs::read_to_string(stdout).unwrap() + &fs::read_to_string(stderr).unwrap())
}

/// The whole life of a container, with what it wrote to `/out/result`.
fn live(sandbox: &Sandbox, config: &Value) -> String {
    hand_over(sandbox, config);
    let must = |arguments: &[&str]| {
        let (ok, output) = call(sandbox, arguments);
        assert!(ok, "{arguments:?}: {output}");
        output
    };
    let said = must(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
    fs::write(sandbox.path("call-create"), said).unwrap();
    // Without a word about the place it is the user's own.
    assert!(sandbox.path("out/ocf-runtime/c1/state.json").exists());
    must(&["start", "c1"]);
    assert!(wait_until(|| must(&["state", "c1"]).contains("stopped")));
    must(&["delete", "c1"]);
    assert_eq!(fs::read_dir(sandbox.path("out/ocf-runtime")).unwrap().count(), 0);
    sandbox.out("result")
}

const SCRIPT: &str = "{ id -u; id -g; stat -c %u /marker /out; hostname; echo x >/dev/null && stat -c %t:%T /dev/null; \
    stat -fc %T /proc /dev/mqueue; cat /proc/self/oom_score_adj; mount -t tmpfs t /mnt && touch /mnt/x && echo mounted; cat /proc/self/uid_map; \
    } >/out/result 2>&1";

fn a_caller_maps_its_own_id_to_root() {
    sandboxed(|sandbox| {
        let mut config = config(sandbox, SCRIPT);
        let all = json!(["CAP_SYS_ADMIN"]);
        config["process"]["capabilities"] = json!({ "bounding": all, "permitted": all, "effective": all });
        config["mounts"].as_array_mut().unwrap().push(json!({ "destination": "/mnt", "type": "tmpfs", "source": "t" }));
        config["process"]["oomScoreAdj"] = json!(999);
        let result = live(sandbox, &config);
        let expected = "0\n0\n65534\n0\nrootless\n1:3\nproc\nmqueue\n999\nmounted\n         0      54321          1\n";
        assert_eq!(result, expected);
        // Other groups and other users' ids can't be had so.
        config["process"]["user"]["additionalGids"] = json!([7]);
        hand_over(sandbox, &config);
        let (ok, output) = call(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
        assert!(!ok && output.contains("process.user.additionalGids: 7 is not mapped"), "{output}");
    });
}

fn no_relative_path_is_where_containers_are_kept() {
    sandboxed(|sandbox| {
        fs::copy(env!("CARGO_BIN_EXE_ocf-runtime"), sandbox.path("ocf-runtime")).unwrap();
        fs::set_permissions(&sandbox.directory, fs::Permissions::from_mode(0o777)).unwrap();
        for own in ["", "own"] {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={CALLER}"), &format!("--regid={CALLER}"), "--clear-groups"]);
            command.arg(sandbox.path("ocf-runtime")).arg("--help").env("XDG_RUNTIME_DIR", own);
            let help = String::from_utf8(command.output().unwrap().stdout).unwrap();
            assert!(help.contains("[default: /run/ocf-runtime]"), "{own:?}: {help}");
        }
    });
}

fn a_caller_without_a_cgroup_of_its_own_gets_no_limits() {
    sandboxed(|sandbox| {
        let mut config = config(sandbox, "{ cat /proc/self/cgroup; ls /sys/fs/cgroup; } >/out/result");
        // Limits that say nothing ask for none, and the cgroups that are shown are the caller's.
        config["linux"]["resources"] = json!({});
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"] }));
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let result = live(sandbox, &config);
        let (memberships, shown) = result.split_at(result.rfind(":/\n").unwrap() + 3);
        assert!(!shown.is_empty(), "no cgroup is shown");
        // In a cgroup namespace of its own the container is at the root.
        assert_eq!(memberships.lines().count(), own.lines().count(), "{result}");
        assert!(memberships.lines().all(|line| line.ends_with(":/")), "{result}");
        let listed = |directory: &str| fs::read_dir(directory).unwrap().count();
        let on_v2_alone = Path::new("/sys/fs/cgroup/cgroup.procs").exists();
        // As `spec --rootless` of some runtimes writes it: what there is lies below what was shown of the host's before.
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|entry| !["cgroup", "network"].contains(&entry["type"].as_str().unwrap()));
        let result = live(sandbox, &config);
        assert!(result.starts_with(&own), "{result}");
        let shown = result[own.len()..].lines().count();
        assert!(on_v2_alone || shown >= listed("/sys/fs/cgroup"), "{result}");
        assert!(shown > 0, "no cgroup is shown");
        // What the caller may not restrict, no one could open by it: that is no more than a warning.
        config["linux"]["resources"] = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
        live(sandbox, &config);
        assert!(fs::read_to_string(sandbox.path("call-create")).unwrap().contains("warning: restrict the devices"));
        config["linux"]["resources"] = json!({ "memory": { "limit": 100_000_000 } });
        hand_over(sandbox, &config);
        let (ok, output) = call(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
        assert!(!ok && output.contains("cgroup"), "{output}");
        assert_eq!(fs::read_dir(sandbox.path("out/ocf-runtime")).unwrap().count(), 0);
    });
}

fn further_ids_are_mapped_as_the_system_grants_them() {
    sandboxed(|sandbox| {
        let mut config = config(sandbox, "{ id -u; id -G; cat /proc/self/uid_map /proc/self/gid_map; } >/out/result");
        let maps = json!([{ "containerID": 0, "hostID": CALLER, "size": 1 }, { "containerID": 1, "hostID": 200_000, "size": 1000 }]);
        config["linux"]["uidMappings"] = maps.clone();
        config["linux"]["gidMappings"] = maps;
        config["process"]["user"] = json!({ "uid": 5, "gid": 6, "additionalGids": [7] });
        config["linux"]["timeOffsets"] = json!({ "boottime": { "secs": 100 } });
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "time" }));
        if !Path::new("/usr/bin/newuidmap").exists() {
            hand_over(sandbox, &config);
            let (ok, output) = call(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
            assert!(!ok && output.contains("newuidmap"), "{output}");
            return skip("newuidmap is not installed, so further ids are only refused");
        }
        for (file, line) in [
            ("/etc/passwd", format!("caller:x:{CALLER}:{CALLER}::/:/bin/sh\n")),
            ("/etc/subuid", "caller:200000:1000\n".into()),
            ("/etc/subgid", "caller:200000:1000\n".into()),
        ] {
            let own = sandbox.path(&file[1..].replace('/', "-"));
            fs::write(&own, line).unwrap();
            mount(Some(&own), file, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        fs::create_dir_all(sandbox.path("out")).unwrap();
        fs::write(sandbox.path("out/result"), "").unwrap();
        fs::set_permissions(sandbox.path("out/result"), fs::Permissions::from_mode(0o666)).unwrap();
        let result = live(sandbox, &config);
        let words: Vec<&str> = result.split_whitespace().collect();
        let map = "0 54321 1 1 200000 1000";
        assert_eq!(words.join(" "), format!("5 6 7 {map} {map}"));
        // What the system doesn't grant is refused, and nothing remains.
        config["linux"]["uidMappings"][1]["hostID"] = json!(300_000);
        hand_over(sandbox, &config);
        let (ok, output) = call(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
        assert!(!ok && output.contains("newuidmap"), "{output}");
        assert_eq!(fs::read_dir(sandbox.path("out/ocf-runtime")).unwrap().count(), 0);
    });
}

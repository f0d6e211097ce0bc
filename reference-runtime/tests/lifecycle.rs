//! The operations, their order, and what an error leaves behind.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::json;
use std::fs;
use std::process::{Command, Stdio};

/// A container that tells when it runs, and then stays.
const STAY: &str = "echo running >/out/result; exec sleep 1000";

#[test]
fn a_container_lives_from_create_to_delete() {
    sandboxed(|sandbox| {
        let before = {
            sandbox.bundle(&sandbox.config(STAY));
            sandbox.surroundings()
        };
        sandbox.create(&sandbox.config(STAY));
        assert_eq!(sandbox.status(), "created");
        assert!(!sandbox.path("out/result").exists(), "create ran the program");
        sandbox.must(&["start", "c1"]);
        assert_eq!(sandbox.status(), "running");
        assert!(wait_until(|| sandbox.path("out/result").exists()));
        sandbox.must(&["kill", "c1", "KILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert_eq!(sandbox.state().get("pid"), None);
        sandbox.must(&["delete", "c1"]);
        assert!(sandbox.refused(&["state", "c1"]).contains("no such container"));
        assert_eq!(before, sandbox.surroundings());
    });
}

#[test]
fn the_state_describes_the_container() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["annotations"] = json!({ "com.example.key": "value", "empty": "" });
        sandbox.bundle(&config);
        // A relative path of the bundle, and a pid file.
        let mut create = sandbox.runtime();
        create.current_dir(&sandbox.directory).args(["create", "--bundle", "bundle", "--pid-file", "pid", "c1"]);
        assert!(create.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        let state = sandbox.state();
        let pid = fs::read_to_string(sandbox.path("pid")).unwrap();
        let bundle = fs::canonicalize(sandbox.path("bundle")).unwrap();
        assert_eq!(
            state,
            json!({
                "ociVersion": "1.3.0", "id": "c1", "status": "created", "pid": pid.parse::<i32>().unwrap(),
                "bundle": bundle, "annotations": { "com.example.key": "value", "empty": "" },
            })
        );
        // The container process is the caller's: in a pid namespace without another it falls to pid 1.
        assert!(fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("\nPPid:\t1\n"));
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn operations_in_the_wrong_state_are_errors_without_an_effect() {
    sandboxed(|sandbox| {
        for operation in ["start", "state", "kill", "delete"] {
            sandbox.refused(&[operation, "c1"]);
        }
        sandbox.create(&sandbox.config(STAY));
        let created = sandbox.state();
        sandbox.refused(&["delete", "c1"]);
        sandbox.refused(&["kill", "c1", "NOSUCH"]);
        sandbox.refused(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
        assert_eq!(sandbox.state(), created);
        sandbox.must(&["start", "c1"]);
        let running = sandbox.state();
        sandbox.refused(&["start", "c1"]);
        sandbox.refused(&["delete", "c1"]);
        assert_eq!(sandbox.state(), running);
        sandbox.must(&["kill", "c1", "9"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.refused(&["start", "c1"]);
        sandbox.refused(&["kill", "c1", "KILL"]);
        assert_eq!(sandbox.status(), "stopped");
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn a_created_container_can_be_killed() {
    sandboxed(|sandbox| {
        sandbox.create(&sandbox.config(STAY));
        sandbox.must(&["kill", "c1", "SIGKILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
        assert!(!sandbox.path("out/result").exists(), "the program ran");
    });
}

#[test]
fn a_signal_reaches_the_container_process() {
    sandboxed(|sandbox| {
        let script = "trap 'echo usr1 >/out/result; exit 0' USR1; echo ready >/out/ready; while :; do sleep 0.01; done";
        sandbox.create(&sandbox.config(script));
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.path("out/ready").exists()));
        sandbox.must(&["kill", "c1", "usr1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert_eq!(sandbox.out("result"), "usr1\n");
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn of_two_creates_one_wins() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        for _ in 0..5 {
            let spawn = || {
                let mut create = sandbox.runtime();
                create.args(["create", "--bundle"]).arg(sandbox.path("bundle")).arg("c1");
                create.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            };
            let children: Vec<_> = (0..4).map(|_| spawn()).collect();
            let won = children
                .into_iter()
                .filter_map(|mut child| child.wait().ok().filter(|status| status.success()))
                .count();
            assert_eq!(won, 1);
            assert_eq!(sandbox.status(), "created");
            sandbox.must(&["delete", "--force", "c1"]);
        }
    });
}

#[test]
fn changes_to_the_config_come_too_late() {
    sandboxed(|sandbox| {
        sandbox.create(&sandbox.config("echo first >/out/result"));
        let mut changed = sandbox.config("echo second >/out/result");
        changed["annotations"] = json!({ "late": "yes" });
        changed["hooks"] =
            json!({ "poststop": [{ "path": "/bin/touch", "args": ["touch", sandbox.path("out/hook")] }] });
        fs::write(sandbox.path("bundle/config.json"), changed.to_string()).unwrap();
        assert_eq!(sandbox.state().get("annotations"), None);
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
        assert_eq!(sandbox.out("result"), "first\n");
        assert!(!sandbox.path("out/hook").exists());
    });
}

#[test]
fn invalid_ids_are_refused() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let before = sandbox.surroundings();
        for id in ["", ".", "..", "a/b", "../x", "a b"] {
            sandbox.refused(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), id]);
        }
        assert_eq!(before, sandbox.surroundings());
    });
}

#[test]
fn a_refused_creation_leaves_no_trace() {
    sandboxed(|sandbox| {
        let refused = |pointer: &str, value: serde_json::Value| {
            let mut config = sandbox.config(STAY);
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[name] = value;
            sandbox.create_refused(&config)
        };
        assert!(refused("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_NONE" })).contains("SCMP_ACT_NONE"));
        assert!(refused("/root/path", json!("missing")).contains("missing"));
        assert!(refused("/process/cwd", json!("/missing")).contains("process.cwd /missing"));
        assert!(refused("/process/args", json!(["missing-program"])).contains("missing-program"));
        assert!(refused("/ociVersion", json!("2.0.0")).contains("2.0.0"));
        assert!(refused("/linux/sysctl", json!({ "net.no.such": "1" })).contains("net/no/such"));
        assert!(refused("/linux/cgroupsPath", json!("/../escape")).contains("linux.cgroupsPath"));
        assert!(refused("/mounts/1/type", json!("nosuchfs")).contains("mount tmpfs on /dev: ENODEV"));
        let bind = json!([{ "destination": "/x/y/z", "type": "tmpfs", "source": "t" },
            { "destination": "/gone", "source": "/no/such/source", "options": ["bind"] }]);
        assert!(refused("/mounts", bind).contains("mount /no/such/source on /gone"));
        // What a device node stands for is seen only once all the rest has been mounted.
        fs::write(sandbox.path("bundle/rootfs/taken"), "x").unwrap();
        let device = json!([{ "path": "/taken", "type": "c", "major": 1, "minor": 3 }]);
        assert!(refused("/linux/devices", device).contains("/taken"));
        assert_eq!(fs::read_to_string(sandbox.path("bundle/rootfs/taken")).unwrap(), "x");
    });
}

#[test]
fn a_container_without_a_process_is_created_and_not_started() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config.as_object_mut().unwrap().remove("process");
        sandbox.create(&config);
        assert!(sandbox.refused(&["start", "c1"]).contains("process is not set"));
        assert_eq!(sandbox.status(), "created");
        sandbox.must(&["kill", "c1", "KILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn a_program_that_cannot_be_executed_leaves_the_container_created() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["process"]["args"] = json!(["/broken"]);
        sandbox.bundle(&config);
        let broken = sandbox.path("bundle/rootfs/broken");
        fs::write(&broken, "no program").unwrap();
        fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        sandbox.create(&config);
        assert!(sandbox.refused(&["start", "c1"]).contains("ENOEXEC"));
        assert_eq!(sandbox.status(), "created");
        // It still waits: once the program is whole, it starts.
        fs::write(&broken, "#!/bin/sh\necho whole >/out/result\n").unwrap();
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert_eq!(sandbox.out("result"), "whole\n");
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn processes_that_outlive_the_container_process_end_with_delete() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("sleep 1000 >/dev/null 2>&1 & echo $! >/out/result");
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "pid");
        sandbox.live(&config);
        let child = sandbox.out("result");
        let status = fs::read_to_string(format!("/proc/{}/status", child.trim())).unwrap_or_default();
        assert!(status.is_empty() || status.contains("State:\tZ"), "{status}");
    });
}

#[test]
fn force_deletes_in_whatever_status() {
    sandboxed(|sandbox| {
        let config = sandbox.config(STAY);
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        sandbox.create(&config);
        sandbox.must(&["delete", "--force", "c1"]);
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
        let mut held = config.clone();
        held["hooks"] = json!({ "createRuntime": [{ "path": "/bin/sh",
            "args": ["sh", "-c", format!("echo >{}; exec /bin/sleep 1000", sandbox.path("out/held").display())] }] });
        sandbox.bundle(&held);
        let mut create = sandbox.runtime();
        create.args(["create", "--bundle"]).arg(sandbox.path("bundle")).arg("c1");
        let mut creating = create.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        assert!(wait_until(|| sandbox.path("out/held").exists()));
        assert_eq!(sandbox.status(), "creating");
        for operation in ["start", "kill", "delete"] {
            sandbox.refused(&[operation, "c1"]);
        }
        sandbox.must(&["delete", "--force", "c1"]);
        assert!(!creating.wait().unwrap().success());
        // The hook is nobody's any more; it goes with the sandbox.
        Command::new("pkill").args(["-P", "1", "sleep"]).status().unwrap();
        assert!(wait_until(|| before == sandbox.surroundings()));
    });
}

#[test]
fn a_creation_that_was_killed_can_be_deleted() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        // Without a pid namespace nothing but the runtime ends what it has begun.
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "pid");
        sandbox.bundle(&config);
        sandbox.must(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
        let before = sandbox.surroundings();
        for microseconds in (0..60).map(|step| step * 1000) {
            let mut create = sandbox.runtime();
            create.args(["create", "--bundle"]).arg(sandbox.path("bundle")).arg("c1");
            let mut create = create.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let moment = std::time::Instant::now() + std::time::Duration::from_micros(microseconds);
            while std::time::Instant::now() < moment {}
            create.kill().unwrap();
            create.wait().unwrap();
            let state = sandbox.call(&["state", "c1"]);
            assert!(!state.stdout.contains("creating") && !state.stdout.contains("running"), "{}", state.stdout);
            // It fails only if there is nothing to delete.
            let deleted = sandbox.call(&["delete", "--force", "c1"]);
            assert!(deleted.ok || !state.ok, "{}", deleted.stderr);
            assert_eq!(before, sandbox.surroundings(), "killed after {microseconds} µs");
        }
    });
}

#[test]
fn run_passes_on_the_exit_status() {
    sandboxed(|sandbox| {
        let config = sandbox.config("exit 7");
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        let mut run = sandbox.runtime();
        let status = run.args(["run", "--bundle"]).arg(sandbox.path("bundle")).arg("c1").status().unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!(before, sandbox.surroundings());
    });
}

#[test]
fn run_keeps_a_signal_until_it_can_be_passed_on() {
    sandboxed(|sandbox| {
        mkfifo(&sandbox.path("go"), Mode::S_IRWXU).unwrap();
        let (held, go) = (sandbox.path("held"), sandbox.path("go"));
        let hook = format!("grep SigBlk /proc/self/status >{}; read go <{}", held.display(), go.display());
        let mut config = sandbox.config("trap 'exit 9' TERM; echo >/out/ready; while :; do sleep 0.1; done");
        config["hooks"] = json!({ "poststart": [{ "path": "/bin/sh", "args": ["sh", "-c", hook] }] });
        sandbox.bundle(&config);
        let mut run = sandbox.runtime();
        let mut run = run.args(["run", "--bundle"]).arg(sandbox.path("bundle")).arg("c1").spawn().unwrap();
        assert!(wait_until(|| fs::read_to_string(&held).is_ok_and(|text| text.ends_with('\n'))));
        assert!(wait_until(|| sandbox.path("out/ready").exists()));
        kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGTERM).unwrap();
        fs::write(&go, "go\n").unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(9));
        assert_eq!(fs::read_to_string(&held).unwrap(), "SigBlk:\t0000000000000000\n");
    });
}

#[test]
fn descriptors_of_the_caller_stay_outside() {
    sandboxed(|sandbox: &Sandbox| {
        sandbox.bundle(&sandbox.config("ls -l /proc/self/fd >/out/result"));
        let shell = format!(
            "exec 5</etc/passwd 9</; exec {} --root {} run --bundle {} c1",
            env!("CARGO_BIN_EXE_ocf-runtime"),
            sandbox.path("root").display(),
            sandbox.path("bundle").display(),
        );
        assert!(Command::new("bash").args(["-c", &shell]).status().unwrap().success());
        let listing = sandbox.out("result");
        assert!(!listing.contains(" 5 ->") && !listing.contains(" 9 ->"), "{listing}");
        assert!(listing.contains(" 0 ->"), "{listing}");
    });
}

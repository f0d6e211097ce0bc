//! What only container engines ask: the words that they call with, and operations that the specification doesn't have.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::AsRawFd;

/// A container that tells when it runs, and then stays.
const STAY: &str = "echo running >/out/result; exec sleep 1000";

/// A running container.
fn running(sandbox: &Sandbox, script: &str) {
    sandbox.create(&sandbox.config(script));
    sandbox.must(&["start", "c1"]);
    assert!(wait_until(|| fs::read_to_string(sandbox.path("out/result")).is_ok_and(|text| text.contains('\n'))));
}

fn pids(sandbox: &Sandbox) -> Vec<i64> {
    let listed: Value = serde_json::from_str(&sandbox.must(&["ps", "--format=json", "c1"]).stdout).unwrap();
    listed.as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap()).collect()
}

#[test]
fn the_version_is_in_the_form_that_engines_read() {
    sandboxed(|sandbox| {
        let version = sandbox.must(&["--version"]).stdout;
        let expected = format!("ocf-runtime version {}\nspec: 1.3.0\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(version, expected);
    });
}

#[test]
fn an_error_is_logged_in_the_form_that_engines_read() {
    sandboxed(|sandbox| {
        let log = sandbox.path("log");
        let option = format!("--log={}", log.display());
        sandbox.refused(&[&option, "--log-format", "json", "--debug", "--rootless=false", "state", "none"]);
        let line: Value = serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
        assert_eq!((&line["level"], &line["msg"]), (&json!("error"), &json!("state none: there is no such container")));
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 20 && time.starts_with("20") && &time[10..11] == "T" && time.ends_with('Z'), "{time}");
    });
}

#[test]
fn a_forced_delete_of_nothing_succeeds_and_another_one_fails() {
    sandboxed(|sandbox| {
        sandbox.must(&["delete", "--force", "none"]);
        sandbox.refused(&["delete", "none"]);
        sandbox.refused(&["delete", "--force", "../none"]);
    });
}

#[test]
fn what_is_not_supported_is_said_and_can_be_asked_for() {
    sandboxed(|sandbox| {
        sandbox.must(&["checkpoint", "--help"]);
        let error = sandbox.refused(&["checkpoint", "--image-path", "/x", "--leave-running", "c1"]);
        assert!(error.contains("not supported"), "{error}");
        sandbox.bundle(&sandbox.config(STAY));
        let bundle = sandbox.path("bundle");
        sandbox.refused(&["--systemd-cgroup", "create", "--bundle", bundle.to_str().unwrap(), "c1"]);
        sandbox.must(&["--systemd-cgroup", "delete", "--force", "c1"]);
    });
}

/// A paused process counts no further, and a resumed one does.
#[test]
fn a_paused_container_stands_still_until_it_is_resumed() {
    sandboxed(|sandbox| {
        running(sandbox, "echo x >/out/result; n=0; while :; do n=$((n+1)); echo $n >/out/count; done");
        let pid = sandbox.state()["pid"].clone();
        let ticks = || fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
        sandbox.refused(&["resume", "c1"]);
        sandbox.must(&["pause", "c1"]);
        assert_eq!(sandbox.status(), "paused");
        assert_eq!(sandbox.state()["pid"], pid);
        let before = ticks();
        sandbox.refused(&["pause", "c1"]);
        sandbox.refused(&["delete", "c1"]);
        sandbox.refused(&["start", "c1"]);
        assert_eq!(before, ticks(), "it ran while paused");
        sandbox.must(&["resume", "c1"]);
        assert_eq!(sandbox.status(), "running");
        assert!(wait_until(|| ticks() != before), "it doesn't run any more");
        // A paused container can be killed, and be deleted by force.
        sandbox.must(&["pause", "c1"]);
        sandbox.must(&["kill", "c1", "9"]);
        assert!(wait_until(|| sandbox.status() == "stopped"), "the paused container doesn't die");
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn a_paused_container_can_be_deleted_by_force() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let before = sandbox.surroundings();
        running(sandbox, STAY);
        sandbox.must(&["pause", "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
        assert_eq!(before, sandbox.surroundings());
    });
}

#[test]
fn only_a_running_container_is_paused() {
    sandboxed(|sandbox| {
        sandbox.create(&sandbox.config(STAY));
        assert!(sandbox.refused(&["pause", "c1"]).contains("created"));
        sandbox.must(&["start", "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn a_detached_run_leaves_a_running_container_or_nothing() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        sandbox.bundle(&config);
        let bundle = sandbox.path("bundle");
        let run = ["run", "--detach", "--bundle", bundle.to_str().unwrap(), "c1"];
        sandbox.must(&run);
        assert_eq!(sandbox.status(), "running");
        sandbox.must(&["delete", "--force", "c1"]);
        config["hooks"] = json!({ "poststart": [{ "path": "/bin/false" }] });
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        sandbox.refused(&run);
        assert_eq!(before, sandbox.surroundings());
    });
}

#[test]
fn all_processes_are_listed_and_signalled() {
    sandboxed(|sandbox| {
        running(sandbox, "sleep 1000 & sleep 1000 & echo x >/out/result; exec sleep 1000");
        let pid = sandbox.state()["pid"].as_i64().unwrap();
        let all = pids(sandbox);
        assert!(all.len() == 3 && all.contains(&pid), "{all:?} of {pid}");
        let table = sandbox.must(&["ps", "c1"]).stdout;
        assert!(table.lines().skip(1).any(|line| line.trim() == format!("{pid}  sleep")), "{table}");
        // The first process of a pid namespace takes no signal of the others' kind that it has no handler for.
        sandbox.must(&["kill", "--all", "c1", "TERM"]);
        assert!(wait_until(|| {
            let alive =
                |pid: &i64| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
            all.iter().filter(|pid| alive(pid)).count() == 1
        }));
        sandbox.must(&["kill", "-a", "c1", "9"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["kill", "--all", "c1", "9"]);
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn all_containers_are_listed() {
    sandboxed(|sandbox| {
        assert_eq!(sandbox.must(&["list", "--format", "json"]).stdout, "[]\n");
        sandbox.create(&sandbox.config(STAY));
        sandbox.must(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "a0"]);
        let listed: Value = serde_json::from_str(&sandbox.must(&["list", "--format=json"]).stdout).unwrap();
        assert_eq!(listed[1], sandbox.state());
        assert_eq!(sandbox.must(&["list", "-q"]).stdout, "a0\nc1\n");
        let table = sandbox.must(&["list"]).stdout;
        assert!(table.starts_with("ID ") && table.contains("\na0 ") && table.contains(" created "), "{table}");
        for id in ["a0", "c1"] {
            sandbox.must(&["delete", "--force", id]);
        }
    });
}

/// Two descriptors, of which the second is the caller's own business, and one for socket activation.
#[test]
fn descriptors_are_passed_on_where_they_are_asked_for() {
    sandboxed(|sandbox| {
        let list = "ls /proc/self/fd | grep -v '^[012]$' | wc -l; cat <&3; env | grep ^LISTEN; echo $$";
        sandbox.bundle(&sandbox.config(&format!("{{ {list}; }} >/out/result 2>/out/error")));
        fs::write(sandbox.path("three"), "from three\n").unwrap();
        let (three, four) =
            (fs::File::open(sandbox.path("three")).unwrap(), fs::File::open(sandbox.path("bundle")).unwrap());
        let call = |arguments: &[&str], listen: &str| {
            let mut command = std::process::Command::new("/bin/sh");
            let redirect = format!("exec \"$@\" 3<&{} 4<&{}", three.as_raw_fd(), four.as_raw_fd());
            command.args(["-c", &redirect, "sh", env!("CARGO_BIN_EXE_ocf-runtime"), "--root"]);
            command.arg(sandbox.path("root")).args(arguments).current_dir(sandbox.path("bundle"));
            command.env("LISTEN_FDS", listen).status().unwrap().success()
        };
        for fd in [three.as_raw_fd(), four.as_raw_fd()] {
            nix::fcntl::fcntl(borrow(fd), nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
        }
        // ls itself has the directory open.
        assert!(call(&["run", "--preserve-fds", "1", "c1"], "0"));
        assert_eq!(sandbox.out("result"), "2\nfrom three\n1\n");
        assert!(call(&["run", "c1"], "1"));
        assert_eq!(sandbox.out("result"), "2\nLISTEN_FDS=1\nLISTEN_PID=1\n1\n", "read to its end before");
        assert!(call(&["run", "c1"], "0"));
        assert_eq!(sandbox.out("result").lines().next(), Some("1"));
        assert!(!call(&["run", "--preserve-fds=100", "c1"], "0"));
    });
}

fn borrow(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the test's own files stay open as long as this is used.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

#[test]
fn limits_of_a_running_container_are_changed() {
    sandboxed(|sandbox| {
        let files = ["/sys/fs/cgroup/pids/made/pids.max", "/sys/fs/cgroup/made/pids.max"];
        let limit = || files.iter().find_map(|path| fs::read_to_string(path).ok()).map(|text| text.trim().to_owned());
        let mut config = sandbox.config(STAY);
        config["linux"]["cgroupsPath"] = json!("/made");
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        fs::write(sandbox.path("limits"), json!({ "pids": { "limit": 17 } }).to_string()).unwrap();
        let update = format!("--resources={}", sandbox.path("limits").display());
        let on_v2 = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        if limit().is_some() || on_v2.split_whitespace().any(|controller| controller == "pids") {
            sandbox.must(&["update", &update, "c1"]);
            assert_eq!(limit().as_deref(), Some("17"));
        } else {
            assert!(sandbox.refused(&["update", &update, "c1"]).contains("pids"), "there is no such controller here");
        }
        let mut update = sandbox.runtime();
        let mut update =
            update.args(["update", "--resources", "-", "c1"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut update.stdin.take().unwrap(), b"{\"devices\": null}").unwrap();
        assert!(update.wait().unwrap().success());
        fs::write(sandbox.path("limits"), json!({ "pids": { "limit": "many" } }).to_string()).unwrap();
        let update = format!("--resources={}", sandbox.path("limits").display());
        sandbox.refused(&["update", &update, "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
        sandbox.refused(&["update", &update, "c1"]);
    });
}

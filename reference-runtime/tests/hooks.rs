//! Hooks of all kinds: their order, namespaces, input and failures.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

const KINDS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook that executes a shell script, with `OUT` leading to the test's output as the hook sees it.
fn hook(sandbox: &Sandbox, kind: &str, script: &str) -> Value {
    let out = if kind == "startContainer" { "/out".into() } else { sandbox.path("out") };
    json!({
        "path": "/bin/sh",
        "args": ["hook", "-c", script, kind],
        "env": [format!("OUT={}", out.display()), "PATH=/usr/bin:/bin"],
    })
}

fn hooks(sandbox: &Sandbox, script: &str) -> Value {
    KINDS.iter().map(|kind| ((*kind).to_owned(), json!([hook(sandbox, kind, script)]))).collect()
}

#[test]
fn hooks_run_in_order_with_the_state() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("echo program >>/out/order; exec sleep 1000");
        config["annotations"] = json!({ "a": "b" });
        // Each also tells whether it sees the container's root file system as its own.
        let script = "echo $0 >>$OUT/order; cat >$OUT/state-$0; readlink /proc/self/ns/pid >$OUT/ns-$0; \
            readlink /proc/self/ns/mnt >$OUT/mnt-$0; if [ -e /marker ]; then echo inside; else echo outside; fi >$OUT/root-$0";
        config["hooks"] = hooks(sandbox, script);
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        sandbox.create(&config);
        assert_eq!(sandbox.out("order"), "prestart\ncreateRuntime\ncreateContainer\n");
        let state = sandbox.state();
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.out("order").contains("program")));
        sandbox.must(&["kill", "c1", "KILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
        assert_eq!(before, sandbox.surroundings());

        let order = sandbox.out("order");
        let order: Vec<&str> = order.lines().collect();
        assert_eq!(order[..4], KINDS[..4]);
        assert_eq!(order.last(), Some(&"poststop"));
        assert!(order[4..6].contains(&"program") && order[4..6].contains(&"poststart"));

        let own = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
        for kind in KINDS {
            let read: Value = serde_json::from_str(&sandbox.out(&format!("state-{kind}"))).unwrap();
            let status = match kind {
                "startContainer" => "created",
                "poststart" => "running",
                "poststop" => "stopped",
                _ => "creating",
            };
            let in_container = ["createContainer", "startContainer"].contains(&kind);
            assert_eq!(read["status"], status, "{kind}");
            assert_eq!(read["annotations"], json!({ "a": "b" }), "{kind}");
            assert_eq!(read["bundle"], state["bundle"], "{kind}");
            match kind {
                _ if in_container => assert_eq!(read["pid"], 1, "{kind}"),
                "poststop" => assert_eq!(read.get("pid"), None),
                _ => assert_eq!(read["pid"], state["pid"], "{kind}"),
            }
            assert_eq!(sandbox.out(&format!("ns-{kind}")).trim() != own("pid"), in_container, "{kind}");
            assert_eq!(sandbox.out(&format!("mnt-{kind}")).trim() != own("mnt"), in_container, "{kind}");
            let inside = kind == "startContainer";
            assert_eq!(sandbox.out(&format!("root-{kind}")), if inside { "inside\n" } else { "outside\n" }, "{kind}");
        }
    });
}

#[test]
fn the_runtimes_hooks_find_the_environment_made() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        let script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cat /proc/$pid/mountinfo >$OUT/mounts; \
            readlink /proc/$pid/root >$OUT/root; nsenter -t $pid -u hostname >$OUT/hostname";
        config["hostname"] = json!("contained");
        config["hooks"] = json!({ "createRuntime": [hook(sandbox, "createRuntime", script)] });
        sandbox.live(&config);
        assert!(sandbox.out("mounts").contains("/bundle/rootfs/dev "), "{}", sandbox.out("mounts"));
        assert_eq!(sandbox.out("root"), "/\n");
        assert_eq!(sandbox.out("hostname"), "contained\n");
    });
}

#[test]
fn a_hook_gets_exactly_its_arguments_and_environment() {
    sandboxed(|sandbox| {
        for kind in KINDS {
            let mut config = sandbox.config("exec sleep 1000");
            let copy = |what: &str| {
                let out = if kind == "startContainer" { "/out".into() } else { sandbox.path("out") };
                json!({ "path": "/bin/dd", "env": ["A=1", "B=", "strange", "A=2"],
                    "args": ["name of its own", format!("if=/proc/self/{what}"), format!("of={}/{what}", out.display())] })
            };
            config["hooks"] = json!({ kind: [copy("cmdline"), copy("environ")] });
            sandbox.create(&config);
            sandbox.must(&["start", "c1"]);
            sandbox.must(&["delete", "--force", "c1"]);
            assert!(sandbox.out("cmdline").starts_with("name of its own\0if=/proc/self/cmdline\0"), "{kind}");
            assert_eq!(sandbox.out("environ"), "A=1\0B=\0strange\0A=2\0", "{kind}");
            fs::remove_file(sandbox.path("out/cmdline")).unwrap();
            fs::remove_file(sandbox.path("out/environ")).unwrap();
        }
    });
}

#[test]
fn the_status_is_creating_while_create_hooks_run() {
    sandboxed(|sandbox| {
        for kind in ["prestart", "createRuntime", "createContainer"] {
            let mut config = sandbox.config("true");
            config["hooks"] =
                json!({ kind: [hook(sandbox, kind, "echo >$OUT/held; until [ -e $OUT/go ]; do sleep 0.01; done")] });
            sandbox.bundle(&config);
            let mut create = sandbox.runtime();
            create.args(["create", "--bundle"]).arg(sandbox.path("bundle")).arg("c1");
            let mut create = create.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            assert!(wait_until(|| sandbox.path("out/held").exists()));
            assert_eq!(sandbox.status(), "creating");
            for operation in [&["start", "c1"][..], &["kill", "c1", "KILL"], &["delete", "c1"]] {
                sandbox.refused(operation);
            }
            assert_eq!(sandbox.status(), "creating");
            fs::write(sandbox.path("out/go"), "").unwrap();
            assert!(create.wait().unwrap().success());
            assert_eq!(sandbox.status(), "created");
            sandbox.must(&["delete", "--force", "c1"]);
            fs::remove_file(sandbox.path("out/go")).unwrap();
            fs::remove_file(sandbox.path("out/held")).unwrap();
        }
    });
}

#[test]
fn a_failed_hook_of_create_undoes_it_and_runs_poststop() {
    sandboxed(|sandbox| {
        for kind in ["prestart", "createRuntime", "createContainer"] {
            for script in ["exit 3", "kill -9 $$"] {
                let mut config = sandbox.config("echo >/out/program");
                config["hooks"] = json!({
                    kind: [hook(sandbox, kind, script), hook(sandbox, kind, "echo >$OUT/second")],
                    "poststop": [hook(sandbox, "poststop", "cat >$OUT/poststop; ls $OUT/../root >$OUT/root")],
                });
                let error = sandbox.create_refused(&config);
                assert!(error.contains(&format!("{kind} hook /bin/sh")), "{error}");
                assert!(sandbox.out("poststop").contains("stopped"), "{kind}");
                assert_eq!(sandbox.out("root"), "", "poststop ran before the end");
                assert!(!sandbox.path("out/second").exists() && !sandbox.path("out/program").exists());
                fs::remove_file(sandbox.path("out/poststop")).unwrap();
            }
        }
        let mut config = sandbox.config("true");
        config["hooks"] = json!({ "createRuntime": [{ "path": "/no/such/hook" }] });
        assert!(sandbox.create_refused(&config).contains("createRuntime hook /no/such/hook: execute it: ENOENT"));
    });
}

#[test]
fn a_failed_hook_of_start_destroys_the_container_and_runs_poststop() {
    sandboxed(|sandbox| {
        for kind in ["startContainer", "poststart"] {
            let mut config = sandbox.config("echo >/out/program; exec sleep 1000");
            config["hooks"] = json!({
                kind: [hook(sandbox, kind, "exit 3")],
                "poststop": [hook(sandbox, "poststop", "cat >$OUT/poststop")],
            });
            sandbox.bundle(&config);
            let before = sandbox.surroundings();
            sandbox.create(&config);
            let error = sandbox.refused(&["start", "c1"]);
            assert!(error.contains(&format!("{kind} hook /bin/sh: it exited with the status 3")), "{error}");
            assert_eq!(before, sandbox.surroundings());
            assert!(sandbox.out("poststop").contains("stopped"));
            assert!(kind == "poststart" || !sandbox.path("out/program").exists());
            sandbox.refused(&["state", "c1"]);
            fs::remove_file(sandbox.path("out/poststop")).unwrap();
        }
    });
}

#[test]
fn failed_poststop_hooks_are_warned_about() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["hooks"] = json!({
            "poststop": [hook(sandbox, "poststop", "exit 1"), hook(sandbox, "poststop", "echo >$OUT/second")],
        });
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        let deleted = sandbox.must(&["delete", "c1"]);
        assert!(deleted.stderr.contains("warning: poststop hook"), "{}", deleted.stderr);
        assert!(sandbox.path("out/second").exists());
    });
}

#[test]
fn a_hook_that_takes_too_long_is_ended() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        let mut slow = hook(sandbox, "createRuntime", "echo $$ >$OUT/pid; sleep 1000; true");
        slow["timeout"] = json!(1);
        config["hooks"] = json!({ "createRuntime": [slow] });
        let error = sandbox.create_refused(&config);
        assert!(error.contains("longer than its timeout of 1 s"), "{error}");
        let pid = sandbox.out("pid");
        assert!(!std::path::Path::new("/proc").join(pid.trim()).exists());
    });
}

#[test]
fn a_large_state_reaches_a_hook_that_does_not_read_it() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["annotations"] = json!({ "large": "x".repeat(1 << 20) });
        config["hooks"] = json!({ "createRuntime": [{ "path": "/bin/true" }] });
        sandbox.live(&config);
    });
}

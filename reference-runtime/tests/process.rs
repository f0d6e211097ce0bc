//! What the container process finds at its first instruction.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::libc;
use sandbox::trials::{skip, tests};
use sandbox::{has_apparmor, has_selinux, received, sandboxed, wait_until};
use serde_json::json;
use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

tests![
    arguments_environment_and_directory_are_the_configs,
    a_bare_name_is_searched_for_inside,
    ids_and_umask_are_applied,
    an_unset_umask_is_the_callers,
    limits_are_applied_and_not_raised_in_silence,
    a_limit_below_the_runtimes_own_needs_is_applied,
    capabilities_are_exactly_the_listed_ones,
    privileges_and_score_are_applied,
    scheduling_is_applied,
    the_execution_domain_is_applied,
    the_memory_policy_is_applied_and_handed_on,
    a_label_that_nothing_knows_is_refused_by_name,
    an_apparmor_profile_is_in_force,
    selinux_labels_are_in_force,
    the_runtimes_program_cannot_be_reached,
    a_terminal_is_made_and_sent_away,
];

fn arguments_environment_and_directory_are_the_configs() {
    sandboxed(|sandbox| {
        let result = sandbox.run("tr '\\0' '|' </proc/self/environ; echo; pwd; echo \"$0,$1,$2\"", |config| {
            config["process"]["env"] = json!(["PATH=/usr/bin:/bin", "ONE=1", "EMPTY="]);
            config["process"]["cwd"] = json!("/usr");
            config["process"]["args"].as_array_mut().unwrap().extend(["zero".into(), "".into(), "a b".into()]);
        });
        let lines: Vec<&str> = result.lines().collect();
        // The shell itself adds PWD and such to what it was given.
        for entry in ["PATH=/usr/bin:/bin", "ONE=1", "EMPTY="] {
            assert!(lines[0].split('|').any(|found| found == entry), "{result}");
        }
        assert!(!lines[0].contains("OCF_RUNTIME_TEST"), "{result}");
        assert_eq!(lines[1..], ["/usr", "zero,,a b"]);
    });
}

fn a_bare_name_is_searched_for_inside() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("");
        config["process"]["args"] = json!(["tool", "x"]);
        config["process"]["env"] = json!(["PATH=/no/such:/first:/second"]);
        sandbox.bundle(&config);
        for (directory, mode) in [("first", 0o644), ("second", 0o755)] {
            let directory = sandbox.path("bundle/rootfs").join(directory);
            fs::create_dir(&directory).unwrap();
            let tool = directory.join("tool");
            fs::write(&tool, "#!/bin/sh\necho $0 $1 >/out/result\n").unwrap();
            fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        sandbox.live(&config);
        assert_eq!(sandbox.out("result"), "/second/tool x\n");
    });
}

fn ids_and_umask_are_applied() {
    sandboxed(|sandbox| {
        let result = sandbox.run("grep -E '^(Uid|Gid|Groups|Umask)' /proc/self/status; umask", |config| {
            config["process"]["user"] = json!({ "uid": 1234, "gid": 4321, "additionalGids": [5, 6], "umask": 0o77 });
            // The output is opened by the program itself.
            config["mounts"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "t" }));
            config["process"]["args"][2] =
                json!("{ grep -E '^(Uid|Gid|Groups|Umask)' /proc/self/status; } >/open/result");
            config["mounts"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "destination": "/open", "source": open_directory(), "options": ["bind"] }));
        });
        let lines: Vec<String> =
            result.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["Umask: 0077", "Uid: 1234 1234 1234 1234", "Gid: 4321 4321 4321 4321", "Groups: 5 6"]);
    });
}

/// The test's output directory, which every user may write to.
fn open_directory() -> std::path::PathBuf {
    let directory = std::path::PathBuf::from(std::env::var_os("OCF_RUNTIME_TEST_DIRECTORY").unwrap()).join("out");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    directory
}

fn an_unset_umask_is_the_callers() {
    sandboxed(|sandbox| {
        let callers = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o27));
        let result = sandbox.run("umask", |_| {});
        nix::sys::stat::umask(callers);
        assert_eq!(result, "0027\n");
    });
}

fn limits_are_applied_and_not_raised_in_silence() {
    sandboxed(|sandbox| {
        let result = sandbox.run("ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc", |config| {
            config["process"]["rlimits"] = json!([
                { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
                { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
            ]);
        });
        assert_eq!(result, "100\n200\n0\n0\n");
        // Nobody can have more open files than the kernel's own bound.
        let mut config = sandbox.config("true");
        config["process"]["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 1, "hard": u64::MAX }]);
        assert!(sandbox.create_refused(&config).contains("RLIMIT_NOFILE"));
    });
}

fn a_limit_below_the_runtimes_own_needs_is_applied() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("");
        config["process"]["args"] = json!(["/bin/true"]);
        config["process"]["rlimits"] = json!([{ "type": "RLIMIT_CPU", "soft": 1, "hard": 1 },
            { "type": "RLIMIT_FSIZE", "soft": 0, "hard": 0 }, { "type": "RLIMIT_NPROC", "soft": 1, "hard": 1 }]);
        sandbox.live(&config);
    });
}

fn capabilities_are_exactly_the_listed_ones() {
    sandboxed(|sandbox| {
        let script = "grep ^Cap /proc/self/status | cut -f2";
        let sets = |capabilities: serde_json::Value, uid: u32| {
            open_directory();
            let result = sandbox.run(script, |config| {
                config["process"]["capabilities"] = capabilities;
                config["process"]["user"]["uid"] = json!(uid);
            });
            let sets: Vec<u64> = result.lines().map(|line| u64::from_str_radix(line, 16).unwrap()).collect();
            fs::remove_file(sandbox.path("out/result")).unwrap();
            <[u64; 5]>::try_from(sets).unwrap()
        };
        let (chown, kill) = (1 << 0, 1 << 5);
        let both = json!(["CAP_CHOWN", "CAP_KILL"]);
        // In the order of the file: inheritable, permitted, effective, bounding, ambient.
        let all = json!({ "bounding": both, "effective": both, "permitted": both, "inheritable": both, "ambient": ["CAP_KILL"] });
        assert_eq!(sets(all.clone(), 0), [chown | kill, chown | kill, chown | kill, chown | kill, kill]);
        assert_eq!(sets(all, 1000), [chown | kill, kill, kill, chown | kill, kill]);
        assert_eq!(sets(json!({ "bounding": ["CAP_CHOWN"] }), 0), [0, chown, chown, chown, 0]);
        assert_eq!(sets(json!({}), 0), [0; 5]);
        // Of what can't be granted the rest remains.
        assert_eq!(
            sets(json!({ "bounding": ["CAP_CHOWN", "CAP_NO_SUCH"], "ambient": ["CAP_KILL"] }), 0),
            [0, chown, chown, chown, 0]
        );
    });
}

fn privileges_and_score_are_applied() {
    sandboxed(|sandbox| {
        let script = "grep NoNewPrivs /proc/self/status | cut -f2; cat /proc/self/oom_score_adj";
        let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        assert_eq!(sandbox.run(script, |_| {}), format!("0\n{own}"));
        let result = sandbox.run(script, |config| {
            config["process"]["noNewPrivileges"] = json!(true);
            config["process"]["oomScoreAdj"] = json!(500);
        });
        assert_eq!(result, "1\n500\n");
    });
}

fn scheduling_is_applied() {
    sandboxed(|sandbox| {
        let result = sandbox.run("chrt -p $$; ionice -p $$; nice", |config| {
            config["process"]["scheduler"] =
                json!({ "policy": "SCHED_BATCH", "nice": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"] });
            config["process"]["ioPriority"] = json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 });
        });
        assert!(result.contains("SCHED_BATCH|SCHED_RESET_ON_FORK\n"), "{result}");
        assert!(result.contains("best-effort: prio 6\n"), "{result}");
        let mut config = sandbox.config("true");
        config["process"]["scheduler"] = json!({ "policy": "SCHED_ISO" });
        assert!(sandbox.create_refused(&config).contains("SCHED_ISO"));
        config["process"]["scheduler"] = json!({ "policy": "SCHED_FIFO" });
        assert!(sandbox.create_refused(&config).contains("SCHED_FIFO"));
    });
}

fn the_execution_domain_is_applied() {
    sandboxed(|sandbox| {
        let script = "cat /proc/self/personality; uname -m";
        let machine = |domain: Option<&str>| {
            let result = sandbox.run(script, |config| {
                if let Some(domain) = domain {
                    config["linux"]["personality"] = json!({ "domain": domain });
                }
            });
            result.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let (unset, wide, narrow) = (machine(None), machine(Some("LINUX")), machine(Some("LINUX32")));
        assert_eq!(unset, wide);
        assert_eq!((wide[0].as_str(), narrow[0].as_str()), ("00000000", "00000008"));
        // Not every kernel pretends to be another machine.
        let machine = Command::new("setarch").args(["linux32", "uname", "-m"]).output().unwrap().stdout;
        assert_eq!(narrow[1], String::from_utf8(machine).unwrap().trim());
    });
}

fn the_memory_policy_is_applied_and_handed_on() {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        return skip("this kernel has no memory policies");
    }
    sandboxed(|sandbox| {
        // Of the mappings of a process each is shown with the policy that rules over it.
        let script = "cat /proc/self/numa_maps";
        let policy = |policy: serde_json::Value| {
            let result = sandbox.run(script, |config| config["linux"]["memoryPolicy"] = policy);
            result.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned()
        };
        assert_eq!(policy(json!({ "mode": "MPOL_DEFAULT" })), "default");
        assert_eq!(policy(json!({ "mode": "MPOL_LOCAL" })), "local");
        assert_eq!(policy(json!({ "mode": "MPOL_BIND", "nodes": "0" })), "bind:0");
        assert_eq!(policy(json!({ "mode": "MPOL_PREFERRED", "nodes": "0" })), "prefer:0");
        let flags = json!(["MPOL_F_STATIC_NODES"]);
        let interleave = json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0-3", "flags": flags });
        assert!(policy(interleave).starts_with("interleave=static:0"));
        let mut config = sandbox.config("true");
        config["linux"]["memoryPolicy"] = json!({ "mode": "MPOL_BIND", "nodes": "1000" });
        assert!(sandbox.create_refused(&config).contains("linux.memoryPolicy"));
    });
}

fn a_label_that_nothing_knows_is_refused_by_name() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["process"]["apparmorProfile"] = json!("no-such-profile");
        assert!(sandbox.create_refused(&config).contains("no-such-profile"));
        config["process"]["apparmorProfile"] = json!("");
        config["process"]["selinuxLabel"] = json!("no:such:label");
        assert!(sandbox.create_refused(&config).contains("no:such:label"));
        config["process"]["selinuxLabel"] = json!("");
        config["linux"]["mountLabel"] = json!("no:such:label");
        let error = sandbox.create_refused(&config);
        assert!(error.contains("no:such:label"), "{error}");
    });
}

/// The profile of a loaded policy is named by the environment.
fn an_apparmor_profile_is_in_force() {
    if !has_apparmor() {
        return skip("this kernel has no AppArmor");
    }
    sandboxed(|sandbox| {
        let profile = std::env::var("OCF_TEST_APPARMOR_PROFILE").unwrap_or("unconfined".into());
        let result = sandbox.run("cat /proc/self/attr/current", |config| {
            config["process"]["apparmorProfile"] = json!(profile);
            config["process"]["noNewPrivileges"] = json!(true);
        });
        assert_eq!(result.split(' ').next().unwrap().trim(), profile);
    });
}

/// The labels of a loaded policy are named by the environment.
fn selinux_labels_are_in_force() {
    if !has_selinux() {
        return skip("this kernel has no SELinux");
    }
    sandboxed(|sandbox| {
        let own = fs::read_to_string("/proc/self/attr/current").unwrap();
        let label = std::env::var("OCF_TEST_SELINUX_LABEL").unwrap_or(own);
        let file = std::env::var("OCF_TEST_SELINUX_FILE_LABEL").ok();
        let result = sandbox.run("cat /proc/self/attr/current; echo; stat -c %C /dev /dev/shm", |config| {
            config["process"]["selinuxLabel"] = json!(label);
            config["linux"]["mountLabel"] = json!(file);
        });
        let found: Vec<&str> = result.split_whitespace().collect();
        assert_eq!(found[0].trim_matches('\0'), label.trim_matches('\0'));
        if let Some(file) = file {
            assert_eq!(found[1..], [file.as_str(), file.as_str()]);
        }
    });
}

fn the_runtimes_program_cannot_be_reached() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("");
        // The container process executes the runtime's own program instead of one of its own.
        config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
        // A copy of its own, which nobody else executes: that would be no protection.
        let runtime = sandbox.path("runtime");
        fs::copy(env!("CARGO_BIN_EXE_ocf-runtime"), &runtime).unwrap();
        sandbox.bundle(&config);
        let mut create = Command::new(&runtime);
        create.arg("--root").arg(sandbox.path("root")).args(["create", "--bundle"]).arg(sandbox.path("bundle"));
        assert!(create.arg("c1").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
        let pid = sandbox.state()["pid"].to_string();
        // What a container can keep open as long as the program runs, and open for writing once nobody executes it.
        let program =
            fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(format!("/proc/{pid}/exe")).unwrap();
        sandbox.must(&["delete", "--force", "c1"]);
        let path = format!("/proc/self/fd/{}", program.as_raw_fd());
        assert!(fs::OpenOptions::new().read(true).open(&path).is_ok());
        let refused = fs::OpenOptions::new().write(true).open(&path).unwrap_err();
        assert!(matches!(refused.raw_os_error(), Some(libc::EROFS | libc::EPERM)), "{refused}");
    });
}

fn a_terminal_is_made_and_sent_away() {
    sandboxed(|sandbox| {
        let script = "stty size; tty; ls -l /dev/console >/out/console; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; \
            echo >/dev/tty controlled";
        let mut config = sandbox.config(script);
        config["process"]["terminal"] = json!(true);
        config["process"]["consoleSize"] = json!({ "height": 33, "width": 77 });
        assert!(sandbox.create_refused(&config).contains("--console-socket"));
        let socket = sandbox.path("console");
        let listener = UnixListener::bind(&socket).unwrap();
        let bundle = sandbox.path("bundle");
        sandbox.must(&[
            "create",
            "--bundle",
            bundle.to_str().unwrap(),
            "--console-socket",
            socket.to_str().unwrap(),
            "c1",
        ]);
        let (connection, _) = listener.accept().unwrap();
        let mut master = fs::File::from(received(connection.as_raw_fd()));
        sandbox.must(&["start", "c1"]);
        let mut heard = Vec::new();
        // A terminal whose last user has gone gives EIO.
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            heard.extend_from_slice(&buffer[..count]);
        }
        let heard = String::from_utf8(heard).unwrap();
        assert_eq!(heard.lines().collect::<Vec<_>>(), ["33 77", "/dev/pts/0", "all", "controlled"]);
        assert!(sandbox.out("console").starts_with('c'));
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
    });
}

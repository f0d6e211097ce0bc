//! Further programs in a container: what they find, how they end, and what a hostile container sees of their coming.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use sandbox::trials::{skip, tests};
use sandbox::{Sandbox, has_apparmor, has_selinux, received, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

tests![
    a_further_program_is_where_the_container_is,
    its_process_is_the_files,
    options_change_what_is_else_the_containers,
    the_exit_status_is_passed_on_and_signals_too,
    detached_it_is_left_to_the_caller,
    it_gets_a_terminal_of_the_containers,
    the_containers_filter_and_personality_are_its_too,
    a_label_that_nothing_knows_is_refused,
    an_apparmor_profile_is_in_force,
    a_selinux_label_is_in_force,
    what_cannot_be_run_leaves_nothing,
    it_runs_on_the_processors_that_it_is_to,
    a_container_with_few_namespaces_or_with_a_user_namespace_is_entered_too,
    no_descriptor_of_the_hosts_is_a_way_out,
    a_hostile_container_sees_nothing_of_the_runtime,
];

/// A container that tells when it runs, and then stays.
const STAY: &str = "echo running >/out/result; exec sleep 1000";

/// A running container.
fn running(sandbox: &Sandbox, config: &Value) {
    sandbox.create(config);
    sandbox.must(&["start", "c1"]);
    assert!(wait_until(|| fs::read_to_string(sandbox.path("out/result")).is_ok_and(|text| text.contains('\n'))));
}

/// What a script says that is run in the container.
fn exec(sandbox: &Sandbox, options: &[&str], script: &str) -> String {
    let arguments = [&["exec"], options, &["c1", "/bin/sh", "-c", script]].concat();
    sandbox.must(&arguments).stdout
}

/// A `process` in a file, as engines give it.
fn process(sandbox: &Sandbox, script: &str, change: Value) -> String {
    let mut process = sandbox.config(script)["process"].clone();
    process.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let path = sandbox.path("process.json");
    fs::write(&path, process.to_string()).unwrap();
    path.display().to_string()
}

fn end(sandbox: &Sandbox) {
    sandbox.must(&["delete", "--force", "c1"]);
}

fn a_further_program_is_where_the_container_is() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let before = sandbox.surroundings();
        running(sandbox, &sandbox.config(STAY));
        let places = |of: &str| format!("cd /proc/{of}/ns && readlink cgroup ipc mnt net pid time uts user");
        assert_eq!(exec(sandbox, &[], &places("self")), exec(sandbox, &[], &places("1")));
        assert_eq!(exec(sandbox, &[], "cat /proc/self/cgroup"), exec(sandbox, &[], "cat /proc/1/cgroup"));
        assert_eq!(exec(sandbox, &[], "cat /marker; pwd; echo $PATH"), "visible\n/\n/usr/sbin:/usr/bin:/sbin:/bin\n");
        let pid = sandbox.state()["pid"].to_string();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        assert_ne!(own, fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap());
        end(sandbox);
        assert_eq!(before, sandbox.surroundings());
    });
}

fn its_process_is_the_files() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        let script = "pwd; echo $ONE; id -u; id -g; id -G; ulimit -n; cat /proc/self/oom_score_adj; umask; \
            grep -E '^(CapEff|NoNewPrivs)' /proc/self/status | cut -f2; chrt -p $$ | tail -1";
        let change = json!({
            "cwd": "/usr", "env": ["PATH=/bin:/usr/bin", "ONE=1"], "user": { "uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o77 },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 99, "hard": 100 }], "oomScoreAdj": 321, "noNewPrivileges": true,
            "capabilities": { "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"] },
            "scheduler": { "policy": "SCHED_BATCH" },
        });
        let said = sandbox.must(&["exec", "--process", &process(sandbox, script, change), "c1"]).stdout;
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..8], ["/usr", "1", "7", "8", "8 9", "99", "321", "0077"], "{said}");
        assert_eq!(lines[8..10], ["0000000000000020", "1"], "{said}");
        assert!(said.contains("priority: 0"), "{said}");
        end(sandbox);
    });
}

fn options_change_what_is_else_the_containers() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["process"]["env"] = json!(["PATH=/bin:/usr/bin", "KEPT=1", "CHANGED=1"]);
        running(sandbox, &config);
        let options =
            ["--env", "CHANGED=2", "-e=NEW=3", "--cwd=/usr", "--user", "5:6", "--cap", "CAP_KILL", "--no-new-privs"];
        let script = "echo $KEPT $CHANGED $NEW; pwd; id -u; id -g; \
            grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status | cut -f2";
        assert_eq!(exec(sandbox, &options, script), "1 2 3\n/usr\n5\n6\n0000000000000020\n1\n");
        end(sandbox);
    });
}

fn the_exit_status_is_passed_on_and_signals_too() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        let status = |script: &str| {
            let mut command = sandbox.runtime();
            command.args(["exec", "c1", "/bin/sh", "-c", script]).status().unwrap().code()
        };
        assert_eq!(status("exit 7"), Some(7));
        assert_eq!(status("kill -KILL $$"), Some(128 + 9));
        let mut waiting = sandbox.runtime();
        let script = "trap 'exit 3' TERM; echo ready >/out/ready; while :; do sleep 0.01; done";
        let mut waiting = waiting.args(["exec", "c1", "/bin/sh", "-c", script]).spawn().unwrap();
        assert!(wait_until(|| sandbox.path("out/ready").exists()));
        kill(Pid::from_raw(waiting.id() as i32), Signal::SIGTERM).unwrap();
        assert_eq!(waiting.wait().unwrap().code(), Some(3));
        end(sandbox);
    });
}

fn detached_it_is_left_to_the_caller() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        let pid_file = sandbox.path("exec.pid");
        let file = process(sandbox, "echo there >/out/there; exec sleep 1000", json!({}));
        sandbox.must(&["exec", "--process", &file, "--detach", "--pid-file", pid_file.to_str().unwrap(), "c1"]);
        let pid = fs::read_to_string(pid_file).unwrap();
        assert!(wait_until(|| sandbox.path("out/there").exists()));
        assert!(fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("\nPPid:\t1\n"));
        let listed = sandbox.must(&["ps", "--format=json", "c1"]).stdout;
        assert!(listed.contains(&pid), "{listed} lacks {pid}");
        // The container's end is its end.
        sandbox.must(&["kill", "c1", "KILL"]);
        // A pid namespace ends when the last of its processes has been waited for.
        let pid = Pid::from_raw(pid.parse().unwrap());
        assert!(matches!(waitpid(pid, None).unwrap(), WaitStatus::Signaled(_, Signal::SIGKILL, _)));
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
    });
}

fn it_gets_a_terminal_of_the_containers() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]
        }));
        running(sandbox, &config);
        let socket = sandbox.path("console");
        let listener = UnixListener::bind(&socket).unwrap();
        let socket = socket.to_str().unwrap();
        let script = "stty size; tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; echo >/dev/tty controlled";
        let change =
            json!({ "terminal": true, "consoleSize": { "height": 33, "width": 77 }, "user": { "uid": 5, "gid": 5 } });
        let file = process(sandbox, script, change);
        sandbox.refused(&["exec", "--process", &file, "c1"]);
        sandbox.refused(&["exec", "--console-socket", socket, "c1", "/bin/true"]);
        let pid_file = sandbox.path("pid");
        let detached = ["--detach", "--pid-file", pid_file.to_str().unwrap()];
        sandbox.must(&[&["exec", "--process", &file, "--console-socket", socket], &detached[..], &["c1"]].concat());
        let (connection, _) = listener.accept().unwrap();
        let mut master = File::from(received(connection.as_raw_fd()));
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            heard.extend_from_slice(&buffer[..count]);
        }
        let heard = String::from_utf8(heard).unwrap();
        assert_eq!(heard.lines().collect::<Vec<_>>(), ["33 77", "/dev/pts/0", "all", "controlled"]);
        let pid = Pid::from_raw(fs::read_to_string(pid_file).unwrap().parse().unwrap());
        assert!(matches!(waitpid(pid, None).unwrap(), WaitStatus::Exited(_, 0)));
        end(sandbox);
    });
}

fn the_containers_filter_and_personality_are_its_too() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["linux"]["personality"] = json!({ "domain": "LINUX32" });
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 44 }],
        });
        running(sandbox, &config);
        let script = "grep ^Seccomp: /proc/self/status; mkdir /tmp 2>&1; cat /proc/self/personality";
        let all = json!(["CAP_SYS_ADMIN"]);
        for change in [
            json!({}),
            json!({ "noNewPrivileges": true, "user": { "uid": 5, "gid": 5 } }),
            json!({ "capabilities": { "bounding": all, "permitted": all, "effective": all } }),
        ] {
            let said = sandbox.must(&["exec", "--process", &process(sandbox, script, change), "c1"]).stdout;
            assert!(said.starts_with("Seccomp:\t2\n") && said.contains("Channel number out of range"), "{said}");
            assert!(said.ends_with("\n00000008\n"), "{said}");
        }
        end(sandbox);
    });
}

fn a_label_that_nothing_knows_is_refused() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        for option in ["--apparmor", "--process-label"] {
            let error = sandbox.refused(&["exec", option, "no:such-label", "c1", "/bin/true"]);
            assert!(error.contains("no:such-label"), "{error}");
        }
        end(sandbox);
    });
}

fn an_apparmor_profile_is_in_force() {
    if !has_apparmor() {
        return skip("this kernel has no AppArmor");
    }
    sandboxed(|sandbox| label_is_in_force(sandbox, "--apparmor", "OCF_TEST_APPARMOR_PROFILE"));
}

fn a_selinux_label_is_in_force() {
    if !has_selinux() {
        return skip("this kernel has no SELinux");
    }
    sandboxed(|sandbox| label_is_in_force(sandbox, "--process-label", "OCF_TEST_SELINUX_LABEL"));
}

/// As with the container process: the label of a loaded policy is named by the environment, else it is the own one.
fn label_is_in_force(sandbox: &Sandbox, option: &str, variable: &str) {
    running(sandbox, &sandbox.config(STAY));
    let own = fs::read_to_string("/proc/self/attr/current").unwrap();
    let label = std::env::var(variable).unwrap_or(own);
    let label = label.split(' ').next().unwrap().trim_matches(['\0', '\n']);
    let found = exec(sandbox, &[option, label], "cat /proc/self/attr/current");
    assert_eq!(found.split(' ').next().unwrap().trim_matches(['\0', '\n']), label);
    end(sandbox);
}

fn what_cannot_be_run_leaves_nothing() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        // An executable file that is none.
        fs::write(sandbox.path("bundle/rootfs/broken"), "\0").unwrap();
        fs::set_permissions(sandbox.path("bundle/rootfs/broken"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let before = sandbox.surroundings();
        let pid_file = sandbox.path("pid");
        let pid_option = ["--pid-file", pid_file.to_str().unwrap()];
        let refused = |arguments: &[&str]| {
            let mut command = sandbox.runtime();
            let output = command.arg("exec").args(pid_option).args(arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(255), "{arguments:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        assert!(refused(&["c1", "/no/such"]).contains("not found"));
        assert!(refused(&["c1", "/marker"]).contains("permission denied"));
        assert!(refused(&["c1"]).contains("process.args"));
        assert!(refused(&["--cwd", "/no/such", "c1", "/bin/true"]).contains("process.cwd"));
        assert!(refused(&["--user", "root", "c1", "/bin/true"]).contains("--user root"));
        assert!(refused(&["--process", "/no/such", "c1"]).contains("/no/such"));
        assert!(refused(&["c1", "/broken"]).contains("ENOEXEC"));
        assert!(!pid_file.exists());
        assert_eq!(before, sandbox.surroundings());
        sandbox.must(&["pause", "c1"]);
        assert!(refused(&["c1", "/bin/true"]).contains("paused"));
        sandbox.must(&["kill", "c1", "KILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert!(refused(&["c1", "/bin/true"]).contains("stopped"));
        sandbox.must(&["delete", "c1"]);
        assert!(refused(&["c1", "/bin/true"]).contains("no such container"));
    });
}

fn it_runs_on_the_processors_that_it_is_to() {
    sandboxed(|sandbox| {
        let allowed =
            |text: &str| text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t").map(str::to_owned));
        let own = allowed(&fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        let first = own.split([',', '-']).next().unwrap();
        let mut config = sandbox.config("cat /proc/self/status >/out/result; exec sleep 1000");
        config["process"]["execCPUAffinity"] = json!({ "initial": first, "final": first });
        running(sandbox, &config);
        assert_eq!(allowed(&sandbox.out("result")), Some(own.clone()), "it is not for the first program");
        let said = |affinity: Value| {
            let file = process(sandbox, "cat /proc/self/status", json!({ "execCPUAffinity": affinity }));
            allowed(&sandbox.must(&["exec", "--process", &file, "c1"]).stdout).unwrap()
        };
        assert_eq!(said(json!({ "initial": first, "final": first })), first);
        assert_eq!(said(json!({ "initial": own, "final": "" })), own);
        let file = process(sandbox, "", json!({ "execCPUAffinity": { "initial": "9999" } }));
        sandbox.refused(&["exec", "--process", &file, "c1"]);
        end(sandbox);
    });
}

fn a_container_with_few_namespaces_or_with_a_user_namespace_is_entered_too() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["linux"]["namespaces"] = json!([{ "type": "pid" }]);
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["destination"] != "/dev");
        running(sandbox, &config);
        assert_eq!(
            exec(sandbox, &[], "cat /marker; readlink /proc/self/ns/mnt"),
            format!("visible\n{}\n", fs::read_link("/proc/self/ns/mnt").unwrap().display())
        );
        end(sandbox);
        fs::remove_file(sandbox.path("out/result")).unwrap();

        let mut config = sandbox.config(STAY);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        for map in ["uidMappings", "gidMappings"] {
            config["linux"][map] = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        }
        sandbox.bundle(&config);
        for path in ["bundle/rootfs", "out"] {
            std::os::unix::fs::chown(sandbox.path(path), Some(100_000), Some(100_000)).unwrap();
        }
        running(sandbox, &config);
        let said = exec(sandbox, &["--user", "7:8"], "id -u; id -g; cat /proc/self/uid_map; stat -c %u /proc/1");
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["7", "8", "0", "100000", "1000", "0"]);
        end(sandbox);
    });
}

/// A link of procfs leads to a directory of the host's, if such a descriptor is open in the process that follows it.
fn no_descriptor_of_the_hosts_is_a_way_out() {
    sandboxed(|sandbox| {
        running(sandbox, &sandbox.config(STAY));
        let host = File::open(sandbox.path("bundle")).unwrap();
        nix::fcntl::fcntl(&host, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
        let mut left = Vec::new();
        for number in 3..40 {
            let cwd = format!("/proc/self/fd/{number}");
            let mut command = sandbox.runtime();
            command.args(["exec", "--cwd", &cwd, "c1", "/bin/sh", "-c", "cat config.json 2>&1"]);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if said.contains("ociVersion") {
                left.push(number);
            }
        }
        assert_eq!(left, [] as [i32; 0], "the host's directory was entered by these descriptors");
        // One that the caller itself passes on is no way out either.
        let script = format!("exec \"$@\" 3<&{}", host.as_raw_fd());
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_ocf-runtime"), "--root"]).arg(sandbox.path("root"));
        command.args(["exec", "--preserve-fds=1", "--cwd=/proc/self/fd/3", "c1", "/bin/cat", "config.json"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("ociVersion"));
        end(sandbox);
    });
}

/// The process on its way to becoming the program is held where it executes that, by a lease on the file, while the
/// container looks at everything in its procfs.
fn a_hostile_container_sees_nothing_of_the_runtime() {
    sandboxed(|sandbox| {
        // Of the command line everybody may read, and it tells no secret.
        let look = "for p in /proc/[0-9]*; do for what in exe cwd root fd/0 fd/1 fd/2 fd/3 fd/4 fd/5 fd/6 fd/7 fd/8 \
            ns/mnt; do readlink $p/$what; done; cat $p/maps $p/environ; echo; echo process $p; done 2>/dev/null";
        let mut config = sandbox.config(&format!(
            "mkfifo /out/go; echo running >/out/result; read x </out/go; {{ {look}; }} >/out/seen; echo >/out/done; exec sleep 1000"
        ));
        // As a container of an engine has it: root, without the capability to look into any process.
        let usual = json!(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"]);
        config["process"]["capabilities"] = json!({ "bounding": usual, "effective": usual, "permitted": usual });
        running(sandbox, &config);
        let program = sandbox.path("bundle/rootfs/program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let lease = fs::OpenOptions::new().read(true).open(&program).unwrap();
        // SAFETY: the call takes numbers; the break of the lease is announced by a signal that is ignored.
        unsafe {
            nix::libc::signal(nix::libc::SIGIO, nix::libc::SIG_IGN);
            assert_eq!(nix::libc::fcntl(lease.as_raw_fd(), nix::libc::F_SETLEASE, nix::libc::F_WRLCK), 0);
        }
        let mut held = sandbox.runtime();
        held.env("SECRET", "of-the-host").args(["exec", "c1", "/program"]);
        let mut held = held.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let being_broken = || {
            // SAFETY: the call takes numbers.
            unsafe { nix::libc::fcntl(lease.as_raw_fd(), nix::libc::F_GETLEASE) != nix::libc::F_WRLCK }
        };
        assert!(wait_until(being_broken), "nobody came to execute the program");
        fs::write(sandbox.path("out/go"), "\n").unwrap();
        assert!(wait_until(|| sandbox.path("out/done").exists()));
        drop(lease);
        assert!(held.wait().unwrap().success());
        let seen = sandbox.out("seen");
        let processes = seen.lines().filter(|line| line.starts_with("process ")).count();
        assert!(processes == 2, "the process was not there to be seen: {seen}");
        assert!(seen.contains("/bin/dash\n") || seen.contains("/bin/bash\n"), "nothing is seen of any: {seen}");
        for trace in ["memfd:", "ocf-runtime", "/deleted", "of-the-host", "pipe:", "socket:"] {
            assert!(!seen.contains(trace), "{trace} in {seen}");
        }
        end(sandbox);
    });
}

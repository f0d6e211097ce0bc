//! Known attacks on container runtimes, each against a marker of the test's own, which a runtime that trusts what it
//! finds would show, move or overwrite.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A container process that stays.
const STAY: &str = "exec sleep 1000";

/// What stands in files that nobody may change, and nobody inside may see.
const UNTOUCHED: &str = "untouched\n";

/// A file outside of every container.
fn marker(sandbox: &Sandbox) -> PathBuf {
    let directory = sandbox.path("outside");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("secret"), UNTOUCHED).unwrap();
    directory.join("secret")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn mount_entry(config: &mut Value, entry: Value) {
    config["mounts"].as_array_mut().unwrap().push(entry);
}

fn make_fifo(path: impl AsRef<Path>) {
    mkfifo(path.as_ref(), Mode::from_bits_truncate(0o666)).unwrap();
}

fn write_program(path: impl AsRef<Path>, text: &str) {
    fs::write(path.as_ref(), text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The process of a container, as the test sees it.
fn process(sandbox: &Sandbox, id: &str) -> String {
    let state: Value = serde_json::from_str(&sandbox.must(&["state", id]).stdout).unwrap();
    state["pid"].to_string()
}

/// Deletes a container by force and takes note of its end, which the one whose pid namespace it was in waits for.
fn delete_and_reap(sandbox: &Sandbox, id: &str) {
    let pid = process(sandbox, id).parse().unwrap();
    sandbox.must(&["delete", "--force", id]);
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
}

/// Calls the runtime, which may fail but has to come to an end.
fn promptly(sandbox: &Sandbox, arguments: &[&str]) -> bool {
    let mut call = Command::new("timeout");
    call.args(["20", env!("CARGO_BIN_EXE_ocf-runtime"), "--root"]).arg(sandbox.path("root")).args(arguments);
    let status = call.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.code().is_some_and(|code| code < 124), "{arguments:?} had to be ended");
    status.success()
}

/// Tries to create `c1`, which has to come to an end; if that was success, it is deleted again. Nothing may be left.
fn tried(sandbox: &Sandbox, config: &Value) -> bool {
    sandbox.bundle(config);
    let before = sandbox.surroundings();
    let created = promptly(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
    if created {
        sandbox.must(&["delete", "--force", "c1"]);
    }
    assert_eq!(before, sandbox.surroundings());
    created
}

// CVE-2019-5736, in the form in which another container in the same pid namespace lies in wait.
#[test]
fn the_runtimes_program_cannot_be_overwritten() {
    sandboxed(|sandbox| {
        let runtime = sandbox.path("runtime");
        fs::copy(env!("CARGO_BIN_EXE_ocf-runtime"), &runtime).unwrap();
        let call = |arguments: &[&str]| {
            let mut command = Command::new(&runtime);
            command.arg("--root").arg(sandbox.path("root")).args(arguments);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        };
        let attacker = start_attacker(sandbox);
        let mut order = OpenOptions::new().read(true).write(true).open(sandbox.path("out/order")).unwrap();
        let (by_name, by_script) =
            (["/proc/self/exe", "--root", "/r", "state", "x"], ["/script", "--root", "/r", "state", "x"]);
        // Waiting for start it is the runtime's program anyway; otherwise the container has it executed once more.
        for (arguments, starts) in [(&["/bin/true"][..], false), (&by_name, true), (&by_script, true)] {
            let mut config = sandbox.config("");
            config["process"]["args"] = json!(arguments);
            config["linux"]["namespaces"][0]["path"] = json!(format!("/proc/{attacker}/ns/pid"));
            let bundle = sandbox.bundle_at("victim", &config);
            bait(Path::new(&bundle));
            assert!(call(&["create", "--bundle", &bundle, "victim"]));
            assert!(!starts || call(&["start", "victim"]));
            let status = read(format!("/proc/{}/status", process(sandbox, "victim")));
            let inside = status.lines().find(|line| line.starts_with("NSpid")).unwrap().rsplit('\t').next().unwrap();
            writeln!(order, "{inside}").unwrap();
            assert!(wait_until(|| sandbox.path("out/held").exists()), "the attacker didn't get hold of {arguments:?}");
            delete_and_reap(sandbox, "victim");
            writeln!(order, "go").unwrap();
            assert!(wait_until(|| sandbox.path("out/end").exists()));
            let same = fs::read(&runtime).unwrap() == fs::read(env!("CARGO_BIN_EXE_ocf-runtime")).unwrap();
            assert!(same, "{arguments:?}: {}", sandbox.out("error"));
            for file in ["held", "end"] {
                fs::remove_file(sandbox.path("out").join(file)).unwrap();
            }
        }
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

/// Starts `c1`, which holds a process's program open until nobody executes it, and then writes to it.
fn start_attacker(sandbox: &Sandbox) -> String {
    let script = "while read pid </out/order; do \
        ( readlink /proc/self/fd/9 >/out/held; read go </out/order; echo overwritten >/proc/self/fd/9 ) \
        2>/out/error 9</proc/$pid/exe; echo >/out/end; done";
    let mut config = sandbox.config(script);
    let all = json!(caps::all().iter().map(ToString::to_string).collect::<Vec<_>>());
    config["process"]["capabilities"] = json!({ "bounding": all, "effective": all, "permitted": all });
    sandbox.bundle(&config);
    make_fifo(sandbox.path("out/order"));
    sandbox.create(&config);
    sandbox.must(&["start", "c1"]);
    process(sandbox, "c1")
}

/// Root file system in which the runtime's program, if executed there, waits for ever: it reads a FIFO.
fn bait(bundle: &Path) {
    let rootfs = bundle.join("rootfs");
    if fs::create_dir_all(rootfs.join("r/x")).is_ok() && !rootfs.join("script").exists() {
        make_fifo(rootfs.join("r/x/state.json"));
        write_program(rootfs.join("script"), "#!/proc/self/exe --log\n");
    }
}

// Between create and start, and before that, the container process holds what no other container may have.
#[test]
fn a_neighbour_does_not_see_into_the_container_process() {
    sandboxed(|sandbox| {
        let script = "read pid </out/order; cd /proc/$pid; for at in fd/0 fd/3 fd/4 fd/5 fd/6 exe cwd root; do \
            readlink $at && echo $at; done >/out/seen; (cat environ maps || ls root/ cwd/) >>/out/seen; echo >/out/end; exec sleep 1000";
        let config = sandbox.config(script);
        sandbox.bundle(&config);
        make_fifo(sandbox.path("out/order"));
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        let mut victim = sandbox.config(STAY);
        victim["linux"]["namespaces"][0]["path"] = json!(format!("/proc/{}/ns/pid", process(sandbox, "c1")));
        let bundle = sandbox.bundle_at("victim", &victim);
        sandbox.must(&["create", "--bundle", &bundle, "victim"]);
        let status = read(format!("/proc/{}/status", process(sandbox, "victim")));
        let inside = status.lines().find(|line| line.starts_with("NSpid")).unwrap().rsplit('\t').next().unwrap();
        let mut order = OpenOptions::new().read(true).write(true).open(sandbox.path("out/order")).unwrap();
        writeln!(order, "{inside}").unwrap();
        assert!(wait_until(|| sandbox.path("out/end").exists()));
        assert_eq!(sandbox.out("seen"), "");
        delete_and_reap(sandbox, "victim");
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

/// A new session keyring of the calling process, with a key in it that only who has the keyring sees.
fn hold_a_key(name: &std::ffi::CStr) {
    let keyctl = |operation: u32, key: i64, argument: u64| {
        // SAFETY: these operations take numbers, or a null pointer for a name.
        unsafe { libc::syscall(libc::SYS_keyctl, operation, key, argument) }
    };
    assert!(keyctl(libc::KEYCTL_JOIN_SESSION_KEYRING, 0, 0) > 0);
    let (typ, ring) = (c"user".as_ptr(), libc::KEY_SPEC_SESSION_KEYRING);
    // SAFETY: the strings end with a null byte, and the payload is a byte long.
    let key = unsafe { libc::syscall(libc::SYS_add_key, typ, name.as_ptr(), c"x".as_ptr(), 1_usize, ring) };
    assert!(key > 0);
    let possessor = 0x3f00_0000;
    assert_eq!(keyctl(libc::KEYCTL_SETPERM, key, possessor), 0);
}

#[test]
fn the_callers_keys_stay_the_callers() {
    sandboxed(|sandbox| {
        hold_a_key(c"ocf-runtime-secret");
        let script = "grep -c ocf-runtime-secret /proc/keys >>/out/result; exec sleep 1000";
        sandbox.bundle(&sandbox.config(script));
        let bundle = sandbox.path("bundle");
        for (option, found) in [(None, "0\n0\n"), (Some("--no-new-keyring"), "1\n0\n")] {
            let mut create = vec!["create", "--bundle", bundle.to_str().unwrap()];
            create.extend(option);
            sandbox.must(&[&create[..], &["c1"]].concat());
            sandbox.must(&["start", "c1"]);
            assert!(wait_until(|| fs::read_to_string(sandbox.path("out/result")).is_ok_and(|text| !text.is_empty())));
            sandbox.must(&[
                "exec",
                "c1",
                "/bin/sh",
                "-c",
                "grep -c ocf-runtime-secret /proc/keys >>/out/result || true",
            ]);
            assert_eq!(sandbox.out("result"), found, "{option:?}");
            delete_and_reap(sandbox, "c1");
            fs::remove_file(sandbox.path("out/result")).unwrap();
        }
        assert!(read("/proc/keys").contains("ocf-runtime-secret"));
    });
}

// CVE-2024-21626
#[test]
fn no_descriptor_leads_out() {
    sandboxed(|sandbox| {
        let outside = marker(sandbox).parent().unwrap().to_owned();
        write_program(outside.join("program"), "#!/bin/sh\necho escaped >/out/result\n");
        let open: String = (3..10).map(|fd| format!("exec {fd}<{}; ", outside.display())).collect();
        let run = |id: &str| {
            let runtime = env!("CARGO_BIN_EXE_ocf-runtime");
            let (root, bundle) = (sandbox.path("root"), sandbox.path("bundle"));
            let call =
                format!("{open} exec {runtime} --root {} run --bundle {} {id}", root.display(), bundle.display());
            let mut shell = Command::new("bash");
            shell.args(["-c", &call]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            shell.status().unwrap().success()
        };
        for fd in 3..20 {
            let mut config = sandbox.config("[ ! -e secret ] && pwd -P >/out/result && ls /proc/self/fd >/out/fds");
            config["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}"));
            sandbox.bundle(&config);
            if run("cwd") {
                assert!(sandbox.out("result").starts_with('/'), "{fd}: {}", sandbox.out("result"));
                // The last one is the listing's own.
                assert_eq!(sandbox.out("fds"), "0\n1\n2\n3\n");
            }
            let mut config = sandbox.config("");
            config["process"]["args"] = json!([format!("/proc/self/fd/{fd}/program")]);
            sandbox.bundle(&config);
            assert!(!run("args"), "the program at descriptor {fd} was executed");
            assert!(!sandbox.path("out/result").exists() || sandbox.out("result") != "escaped\n");
        }
    });
}

// CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642
#[test]
fn a_mask_goes_where_its_path_leads_inside() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let mut config =
            sandbox.config("cat /secret /link /kernel/version /there/version /out/secret 2>/dev/null; true");
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        fs::write(rootfs.join("secret"), "shown").unwrap();
        symlink("../../../secret", rootfs.join("link")).unwrap();
        // The link would lead out of the root file system; inside it leads to nothing.
        symlink(&secret, rootfs.join("outward")).unwrap();
        // /proc itself is a link, and so is the way to it.
        fs::create_dir(rootfs.join("there")).unwrap();
        symlink("/there", rootfs.join("proc")).unwrap();
        symlink("proc", rootfs.join("kernel")).unwrap();
        config["process"]["args"][2] = json!("cat /secret /link /kernel/version /there/version >/out/result; true");
        config["linux"]["maskedPaths"] = json!(["/link", "/outward", "/proc/version", "/kernel/no/such"]);
        sandbox.live(&config);
        assert_eq!(sandbox.out("result"), "");
        assert_eq!(read(secret), UNTOUCHED);
    });
}

#[test]
fn a_read_only_path_goes_where_its_path_leads_inside() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let mut config =
            sandbox.config("(echo x >/data/new) 2>/dev/null; (echo x >/link/new) 2>/dev/null; ls /data >/out/result");
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        fs::create_dir(rootfs.join("data")).unwrap();
        symlink("/../../data", rootfs.join("link")).unwrap();
        symlink(secret.parent().unwrap(), rootfs.join("outward")).unwrap();
        config["linux"]["readonlyPaths"] = json!(["/link", "/outward", "/outward/secret"]);
        sandbox.live(&config);
        assert_eq!(sandbox.out("result"), "");
        fs::write(&secret, UNTOUCHED).unwrap();
    });
}

// CVE-2025-31133: what a mask shows must not be the container's choice.
#[test]
fn a_swapped_null_device_masks_nothing() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        for kind in ["link", "file", "fifo", "directory"] {
            let mut config =
                sandbox.config("{ cat /secret; echo x >/secret; stat -Lc %t:%T /dev/null; } >/out/result 2>&1");
            config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
            config["linux"]["maskedPaths"] = json!(["/secret"]);
            sandbox.bundle(&config);
            let rootfs = sandbox.path("bundle/rootfs");
            fs::write(rootfs.join("secret"), "hidden\n").unwrap();
            let null = rootfs.join("dev/null");
            let _ = fs::remove_dir_all(rootfs.join("dev"));
            fs::create_dir(rootfs.join("dev")).unwrap();
            match kind {
                "link" => symlink(&secret, &null).unwrap(),
                "file" => fs::write(&null, "shown\n").unwrap(),
                "fifo" => make_fifo(&null),
                _ => fs::create_dir(&null).unwrap(),
            }
            // It may be refused; but if it runs, the mask holds and the device is one.
            if tried(sandbox, &config) {
                sandbox.live(&config);
                assert_eq!(sandbox.out("result"), "1:3\n", "{kind}");
            }
            assert_eq!(read(rootfs.join("secret")), "hidden\n");
            assert_eq!(read(&secret), UNTOUCHED);
        }
    });
}

#[test]
fn nothing_is_mounted_or_made_outside() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let outside = secret.parent().unwrap();
        let out = outside.to_str().unwrap();
        for (link, target) in [
            ("x", out),
            ("x", "../../../../../../../../../../../../../../../../"),
            ("x", "/.."),
            ("x", "y"),
            ("x/deep", out),
            ("x/deep", "/proc/self/root"),
            ("x/deep/er", "/proc/1/cwd"),
            ("x/deep", "/dev/fd/3"),
        ] {
            for destination in ["/x", "/x/deep", "/x/deep/er", "/x/../x/deep", &format!("/x{out}/new"), "x/deep/secret"]
            {
                for file in [false, true] {
                    let mut config = sandbox.config(STAY);
                    let source = if file { secret.clone() } else { outside.to_owned() };
                    mount_entry(
                        &mut config,
                        json!({ "destination": destination, "source": source, "options": ["bind", "ro"] }),
                    );
                    sandbox.bundle(&config);
                    let rootfs = sandbox.path("bundle/rootfs");
                    let _ = fs::remove_dir_all(rootfs.join("x"));
                    let _ = fs::remove_file(rootfs.join("x"));
                    let link = rootfs.join(link);
                    fs::create_dir_all(link.parent().unwrap()).unwrap();
                    symlink(target, &link).unwrap();
                    symlink("x", rootfs.join("y")).or_else(|_| fs::metadata(rootfs.join("marker")).map(drop)).unwrap();
                    promptly(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
                    // Before delete would take it away again.
                    assert_eq!(fs::read_dir(outside).unwrap().count(), 1, "{link:?} {target} {destination}");
                    sandbox.must(&["delete", "--force", "c1"]);
                    assert_eq!(read(&secret), UNTOUCHED);
                }
            }
        }
    });
}

#[test]
fn a_mount_on_a_link_to_the_root_is_refused() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        mount_entry(&mut config, json!({ "destination": "/x", "type": "tmpfs", "source": "t" }));
        sandbox.bundle(&config);
        symlink("/", sandbox.path("bundle/rootfs/x")).unwrap();
        assert!(sandbox.create_refused(&config).contains("the root itself"));
    });
}

// CVE-2019-19921 and CVE-2025-52881: what the runtime writes lands in the kernel and not in files that look like it.
#[test]
fn a_faked_procfs_takes_no_writes() {
    sandboxed(|sandbox| {
        let fake = sandbox.path("fake");
        let files =
            ["self/attr/exec", "self/oom_score_adj", "self/timens_offsets", "self/uid_map", "sys/kernel/msgmax"];
        for file in files {
            fs::create_dir_all(fake.join(file).parent().unwrap()).unwrap();
            fs::write(fake.join(file), UNTOUCHED).unwrap();
        }
        symlink("self", fake.join("thread-self")).unwrap();
        let mut config = sandbox.config(STAY);
        mount_entry(&mut config, json!({ "destination": "/proc", "source": fake, "options": ["bind"] }));
        config["process"]["oomScoreAdj"] = json!(321);
        config["linux"]["sysctl"] = json!({ "kernel.msgmax": "4321" });
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "time" }));
        config["linux"]["timeOffsets"] = json!({ "monotonic": { "secs": 5 } });
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        let pid = process(sandbox, "c1");
        assert_eq!(read(format!("/proc/{pid}/oom_score_adj")), "321\n");
        let enter = ["--target", &pid, "--ipc", "cat", "/proc/sys/kernel/msgmax"];
        assert_eq!(Command::new("nsenter").args(enter).output().unwrap().stdout, b"4321\n");
        assert!(read(format!("/proc/{pid}/timens_offsets")).contains(" 5 "));
        for file in files {
            assert_eq!(read(fake.join(file)), UNTOUCHED, "{file}");
        }
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn a_joined_mount_namespace_with_a_faked_procfs_is_refused() {
    sandboxed(|sandbox| {
        let fake = sandbox.path("fake");
        fs::create_dir_all(fake.join("sys/kernel")).unwrap();
        fs::write(fake.join("sys/kernel/msgmax"), UNTOUCHED).unwrap();
        let here = json!({ "destination": sandbox.directory, "source": sandbox.directory, "options": ["rbind"] });
        let all = json!({ "destination": "/proc", "source": fake, "options": ["bind"] });
        let one = json!({ "destination": "/proc/sys/kernel/msgmax", "source": fake.join("sys/kernel/msgmax"), "options": ["bind"] });
        for lie in [all, one] {
            let mut config = sandbox.config(STAY);
            mount_entry(&mut config, here.clone());
            mount_entry(&mut config, lie);
            sandbox.create(&config);
            let mut victim = sandbox.config(STAY);
            let join = format!("/proc/{}/ns/mnt", process(sandbox, "c1"));
            victim["linux"]["namespaces"][1]["path"] = json!(join);
            victim["linux"]["sysctl"] = json!({ "kernel.msgmax": "4321" });
            let bundle = sandbox.bundle_at("victim", &victim);
            sandbox.refused(&["create", "--bundle", &bundle, "victim"]);
            assert_eq!(read(fake.join("sys/kernel/msgmax")), UNTOUCHED);
            sandbox.must(&["delete", "--force", "c1"]);
        }
    });
}

#[test]
fn devices_are_made_inside() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let outside = secret.parent().unwrap();
        for (link, target, device) in [
            ("way", outside.to_str().unwrap(), "/way/node"),
            ("node", secret.to_str().unwrap(), "/node"),
            ("dev", outside.to_str().unwrap(), "/dev/null"),
        ] {
            let mut config = sandbox.config(STAY);
            config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
            let mode =
                json!({ "path": device, "type": "c", "major": 1, "minor": 3, "fileMode": 0o777, "uid": 1, "gid": 1 });
            config["linux"]["devices"] = json!([mode]);
            sandbox.bundle(&config);
            let link = sandbox.path("bundle/rootfs").join(link);
            symlink(target, &link).unwrap();
            promptly(sandbox, &["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
            assert_eq!(fs::read_dir(outside).unwrap().count(), 1, "{device}");
            let facts = fs::metadata(&secret).unwrap();
            assert_eq!((facts.uid(), facts.mode() & 0o777, read(&secret)), (0, 0o644, UNTOUCHED.into()), "{device}");
            sandbox.must(&["delete", "--force", "c1"]);
            fs::remove_file(&link).unwrap();
        }
    });
}

// CVE-2022-29162
#[test]
fn inherited_capabilities_stay_outside() {
    sandboxed(|sandbox| {
        let all = caps::read(None, caps::CapSet::Permitted).unwrap();
        caps::set(None, caps::CapSet::Inheritable, &all).unwrap();
        for ambient in &all {
            caps::raise(None, caps::CapSet::Ambient, *ambient).unwrap();
        }
        let given = json!(["CAP_CHOWN"]);
        let result = sandbox.run("grep ^Cap /proc/self/status", |config| {
            config["process"]["capabilities"] = json!({ "bounding": given, "effective": given, "permitted": given });
        });
        let sets: Vec<_> = result.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
        let (none, chown) = ("0000000000000000", "0000000000000001");
        assert_eq!(sets, [none, chown, chown, chown, none]);
    });
}

// CVE-2025-52565
#[test]
fn the_terminal_appears_only_inside() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let socket = sandbox.path("console");
        let _listener = UnixListener::bind(&socket).unwrap();
        let create = |config: &Value| {
            sandbox.bundle(config);
            let (bundle, socket) = (sandbox.path("bundle"), socket.to_str().unwrap());
            promptly(sandbox, &["create", "--console-socket", socket, "--bundle", bundle.to_str().unwrap(), "c1"])
        };
        let mut config = sandbox.config(STAY);
        config["process"]["terminal"] = json!(true);
        config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
        sandbox.bundle(&config);
        let dev = sandbox.path("bundle/rootfs/dev");
        fs::create_dir(&dev).unwrap();
        let before = sandbox.surroundings();
        for name in ["console", "ptmx", "tty"] {
            symlink(&secret, dev.join(name)).unwrap();
            if create(&config) {
                sandbox.must(&["delete", "--force", "c1"]);
            }
            fs::remove_file(dev.join(name)).unwrap();
            assert_eq!(before, sandbox.surroundings(), "{name}");
            assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);
            assert_eq!(read(&secret), UNTOUCHED, "{name}");
        }
        // A multiplexer that is none.
        let pts = sandbox.path("pts");
        fs::create_dir(&pts).unwrap();
        mount_entry(&mut config, json!({ "destination": "/dev/pts", "source": pts, "options": ["bind"] }));
        fs::write(pts.join("ptmx"), UNTOUCHED).unwrap();
        assert!(!create(&config));
        fs::remove_file(pts.join("ptmx")).unwrap();
        make_fifo(pts.join("ptmx"));
        assert!(!create(&config));
        fs::remove_file(pts.join("ptmx")).unwrap();
        symlink(&secret, pts.join("ptmx")).unwrap();
        assert!(!create(&config));
    });
}

#[test]
fn the_pid_file_is_written_to_no_other_file() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let pids = sandbox.path("pids");
        fs::create_dir(&pids).unwrap();
        let bundle = sandbox.bundle_at("bundle", &sandbox.config(STAY));
        for name in ["pid", ".pid", ".pid.new", "pid.tmp", ".pid.tmp", ".pid-c1"] {
            symlink(&secret, pids.join(name)).unwrap();
        }
        sandbox.must(&["create", "--bundle", &bundle, "--pid-file", pids.join("pid").to_str().unwrap(), "c1"]);
        assert_eq!(read(&secret), UNTOUCHED);
        assert!(fs::symlink_metadata(pids.join("pid")).unwrap().is_file());
        assert_eq!(read(pids.join("pid")), process(sandbox, "c1"));
        assert_eq!(fs::read_dir(&pids).unwrap().count(), 6, "something was left beside it");
        sandbox.must(&["delete", "--force", "c1"]);
        // Nobody reads the FIFO, and nobody waits for that.
        fs::remove_file(pids.join("pid")).unwrap();
        make_fifo(pids.join("pid"));
        let pid_file = pids.join("pid");
        assert!(promptly(sandbox, &["create", "--bundle", &bundle, "--pid-file", pid_file.to_str().unwrap(), "c1"]));
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn a_hook_of_the_container_is_found_inside() {
    sandboxed(|sandbox| {
        let outside = marker(sandbox).parent().unwrap().to_owned();
        write_program(outside.join("hook"), "#!/bin/sh\necho escaped >/out/escaped\n");
        for path in ["/hook", "/proc/self/cwd/hook", outside.join("hook").to_str().unwrap()] {
            let mut config = sandbox.config(STAY);
            config["hooks"] = json!({ "startContainer": [{ "path": path }] });
            sandbox.bundle(&config);
            let link = sandbox.path("bundle/rootfs/hook");
            let _ = fs::remove_file(&link);
            symlink(outside.join("hook"), &link).unwrap();
            let before = sandbox.surroundings();
            sandbox.create(&config);
            sandbox.refused(&["start", "c1"]);
            sandbox.must(&["delete", "--force", "c1"]);
            assert_eq!(before, sandbox.surroundings());
            assert!(!sandbox.path("out/escaped").exists(), "{path}");
        }
    });
}

#[test]
fn a_name_of_a_parameter_is_no_path_to_elsewhere() {
    sandboxed(|sandbox| {
        let secret = marker(sandbox);
        let path = secret.to_str().unwrap();
        let up = |start: &str| format!("{start}/../../..{path}");
        let dotted = |start: &str| format!("{start}.//.//.//{}", path.replace('/', "."));
        let names = [up("net"), up("net/ipv4/.."), up("fs/mqueue/.."), dotted("net"), dotted("fs.mqueue.//"), up("")];
        for name in
            names.iter().map(String::as_str).chain(["", "/", "..", "net", "net.", "net..x", "kernel.core_pattern"])
        {
            let mut config = sandbox.config(STAY);
            config["linux"]["sysctl"] = json!({ name: "overwritten" });
            sandbox.create_refused(&config);
            assert_eq!(read(&secret), UNTOUCHED, "{name}");
        }
        // A namespace that is joined, and that is the runtime's own.
        let mut config = sandbox.config(STAY);
        config["linux"]["namespaces"][4]["path"] = json!("/proc/self/ns/net");
        config["linux"]["sysctl"] = json!({ "net.core.somaxconn": "77" });
        sandbox.create_refused(&config);
        assert_ne!(read("/proc/sys/net/core/somaxconn"), "77\n");
    });
}

#[test]
fn a_cgroups_path_leads_to_no_other_container() {
    sandboxed(|sandbox| {
        let long = format!("/{}", "x".repeat(5000));
        for path in ["/..", "/a/../..", "..", "../x", "/", ".", "/.", "/cgroup.procs", "/tasks/x", &long] {
            let mut config = sandbox.config(STAY);
            config["linux"]["cgroupsPath"] = json!(path);
            assert!(!tried(sandbox, &config), "{path}");
        }
        let mut config = sandbox.config(STAY);
        config["linux"]["cgroupsPath"] = json!("/shared");
        sandbox.create(&config);
        let bundle = sandbox.bundle_at("other", &config);
        sandbox.refused(&["create", "--bundle", &bundle, "c2"]);
        assert_eq!(sandbox.status(), "created");
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn very_long_values_are_refused_or_applied() {
    sandboxed(|sandbox| {
        let long = |length: usize| "x".repeat(length);
        let changes: [(&str, Value); 9] = [
            ("/hostname", json!(long(65))),
            ("/domainname", json!(long(65))),
            ("/process/cwd", json!(format!("/{}", long(5000)))),
            ("/process/args", json!([format!("/{}", long(5000))])),
            ("/root/path", json!(long(5000))),
            ("/mounts/1/destination", json!(format!("/{}", long(300)))),
            ("/mounts/1/destination", json!("/x".repeat(3000))),
            ("/mounts/1/options", json!([long(5000)])),
            ("/linux/devices", json!([{ "path": format!("/{}", long(300)), "type": "p" }])),
        ];
        for (pointer, value) in changes {
            let mut config = sandbox.config(STAY);
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[name] = value;
            sandbox.create_refused(&config);
        }
        let mut config = sandbox.config(STAY);
        config["annotations"] = json!({ "long": long(2_000_000) });
        config["process"]["env"] = json!([format!("LONG={}", long(100_000)), "PATH=/bin:/usr/bin"]);
        assert!(tried(sandbox, &config));
        config["process"]["args"] = json!(["/bin/true", long(200_000)]);
        assert!(tried(sandbox, &config));
    });
}

#[test]
fn nobody_waits_for_fifos_and_sockets() {
    sandboxed(|sandbox| {
        let config = sandbox.config(STAY);
        let bundle = sandbox.bundle_at("bundle", &config);
        let text = sandbox.path("bundle/config.json");
        fs::remove_file(&text).unwrap();
        make_fifo(&text);
        assert!(!promptly(sandbox, &["create", "--bundle", &bundle, "c1"]));
        fs::remove_file(&text).unwrap();
        let socket = UnixListener::bind(&text).unwrap();
        assert!(!promptly(sandbox, &["create", "--bundle", &bundle, "c1"]));
        drop(socket);
        fs::remove_file(&text).unwrap();
        sandbox.bundle(&config);

        let rootfs = sandbox.path("bundle/rootfs");
        make_fifo(rootfs.join("fifo"));
        drop(UnixListener::bind(rootfs.join("socket")).unwrap());
        fs::create_dir(rootfs.join("full")).unwrap();
        make_fifo(rootfs.join("full/fifo"));
        drop(UnixListener::bind(rootfs.join("full/socket")).unwrap());
        let mut config = sandbox.config(STAY);
        mount_entry(
            &mut config,
            json!({ "destination": "/full", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"] }),
        );
        for name in ["fifo", "socket"] {
            let source = rootfs.join(name);
            mount_entry(
                &mut config,
                json!({ "destination": format!("/from-{name}"), "source": source, "options": ["bind"] }),
            );
        }
        config["linux"]["maskedPaths"] = json!(["/fifo", "/socket"]);
        config["linux"]["readonlyPaths"] = json!(["/fifo", "/socket", "/from-fifo"]);
        assert!(tried(sandbox, &config));

        for name in ["/fifo", "/socket"] {
            let mut config = sandbox.config(STAY);
            config["process"]["args"] = json!([name]);
            assert!(!tried(sandbox, &config), "{name} was executed");
            let mut config = sandbox.config(STAY);
            config["hooks"] = json!({ "createRuntime": [{ "path": rootfs.join(&name[1..]) }] });
            assert!(!tried(sandbox, &config), "the hook {name} was executed");
        }
        make_fifo(sandbox.path("log"));
        assert!(!promptly(sandbox, &["--log", sandbox.path("log").to_str().unwrap(), "state", "c1"]));
    });
}

#[test]
fn the_runtimes_files_are_its_own() {
    sandboxed(|sandbox| {
        nix::sys::stat::umask(Mode::empty());
        sandbox.create(&sandbox.config(STAY));
        for path in ["root", "root/c1"] {
            assert_eq!(fs::metadata(sandbox.path(path)).unwrap().mode() & 0o777, 0o700, "{path}");
        }
        sandbox.must(&["delete", "--force", "c1"]);

        // Somebody plants a container, with a hook for the runtime to execute.
        sandbox.create(&sandbox.config(STAY));
        let record = sandbox.path("root/c1/state.json");
        let hook = json!([{ "path": "/bin/touch", "args": ["touch", sandbox.path("out/hook")] }]);
        let mut planted: Value = serde_json::from_str(&read(&record)).unwrap();
        planted["poststop"] = hook;
        planted["process"] = Value::Null;
        sandbox.must(&["kill", "c1", "KILL"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
        let elsewhere = sandbox.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("state.json"), planted.to_string()).unwrap();
        fs::write(elsewhere.join("lock"), "").unwrap();
        std::os::unix::fs::chown(&elsewhere, Some(1000), Some(1000)).unwrap();
        fs::rename(&elsewhere, sandbox.path("root/c1")).unwrap();
        for arguments in [&["state", "c1"][..], &["delete", "c1"], &["delete", "--force", "c1"], &["start", "c1"]] {
            sandbox.refused(arguments);
        }
        fs::rename(sandbox.path("root/c1"), &elsewhere).unwrap();
        symlink(&elsewhere, sandbox.path("root/c1")).unwrap();
        sandbox.refused(&["delete", "c1"]);
        let bundle = sandbox.bundle_at("bundle", &sandbox.config(STAY));
        sandbox.refused(&["create", "--bundle", &bundle, "c1"]);
        assert!(!sandbox.path("out/hook").exists(), "a planted hook was executed");
    });
}

#[test]
fn a_process_cannot_pass_for_another() {
    sandboxed(|sandbox| {
        // The name that /proc/PID/stat shows in parentheses, before the state of the process.
        let script = "printf 'a) Z 1 (b' >/proc/$$/comm; echo >/out/ready; while :; do sleep 1; done";
        sandbox.create(&sandbox.config(script));
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.path("out/ready").exists()));
        assert_eq!(sandbox.status(), "running");
        sandbox.refused(&["delete", "c1"]);
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn cgroups_that_the_container_made_go_with_it() {
    sandboxed(|sandbox| {
        let script = "for below in $(find /sys/fs/cgroup -name cgroup.procs); do \
            new=${below%/*}/a/b; mkdir -p $new && cat ${below%/*}/cpuset.mems >$new/../cpuset.mems && \
            cat ${below%/*}/cpuset.cpus >$new/../cpuset.cpus; sh -c \"echo \\$\\$ >$new/cgroup.procs; exec sleep 1000\" & done \
            2>/dev/null; echo >/out/ready; wait";
        let mut config = sandbox.config(script);
        mount_entry(&mut config, json!({ "destination": "/sys", "type": "tmpfs", "source": "t" }));
        mount_entry(&mut config, json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup" }));
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.path("out/ready").exists()));
        sandbox.must(&["delete", "--force", "c1"]);
        assert_eq!(before, sandbox.surroundings());
        drop(File::open(sandbox.path("bundle")).unwrap());
    });
}

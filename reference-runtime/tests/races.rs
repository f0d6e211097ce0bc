//! Root file systems that change between the moment at which the runtime looks at something and the one at which it
//! uses it: another container, which shares a part of them, exchanges files all the while.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use sandbox::{Sandbox, sandboxed};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// How often each race is run: a runtime that uses paths twice loses within a few.
const RUNS: usize = 15;

/// Exchanges two files again and again while `work` is done `RUNS` times.
fn raced(one: &Path, other: &Path, mut work: impl FnMut()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
                std::thread::yield_now();
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (0..RUNS).for_each(|_| work())));
        over.store(true, Ordering::Relaxed);
        done.unwrap();
    });
}

/// A directory outside of the container, with one file.
fn outside(sandbox: &Sandbox) -> PathBuf {
    let directory = sandbox.path("outside");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("secret"), "untouched\n").unwrap();
    directory
}

/// Creates the container and deletes it again; whether it could be created is left to chance.
fn create_and_delete(sandbox: &Sandbox) {
    sandbox.call(&["create", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
    sandbox.must(&["delete", "--force", "c1"]);
}

/// Runs the container from create to delete, as far as chance lets it come.
fn run(sandbox: &Sandbox) {
    sandbox.call(&["run", "--bundle", sandbox.path("bundle").to_str().unwrap(), "c1"]);
    sandbox.must(&["delete", "--force", "c1"]);
}

fn mount_entry(config: &mut Value, entry: Value) {
    config["mounts"].as_array_mut().unwrap().push(entry);
}

// CVE-2021-30465, CVE-2024-45310
#[test]
fn what_is_made_on_the_way_is_made_inside() {
    sandboxed(|sandbox| {
        let outside = outside(sandbox);
        let mut config = sandbox.config("exec sleep 1000");
        for below in ["x/a/b/c", "x/d/e", "x/f"] {
            mount_entry(&mut config, json!({ "destination": below, "type": "tmpfs", "source": "t" }));
        }
        config["linux"]["devices"] = json!([{ "path": "/x/g/fifo", "type": "p" }]);
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        fs::create_dir(rootfs.join("x")).unwrap();
        symlink(&outside, rootfs.join("y")).unwrap();
        let before = sandbox.surroundings();
        raced(&rootfs.join("x"), &rootfs.join("y"), || create_and_delete(sandbox));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something was made outside");
        let named = |line: &String| !line.contains("/bundle/rootfs/");
        let now: Vec<_> = sandbox.surroundings().into_iter().filter(named).collect();
        assert_eq!(before.into_iter().filter(named).collect::<Vec<_>>(), now);
    });
}

#[test]
fn a_read_only_mount_is_read_only_wherever_it_came_to_lie() {
    sandboxed(|sandbox| {
        let outside = outside(sandbox);
        let open = sandbox.path("open");
        fs::create_dir(&open).unwrap();
        let mut config = sandbox.config("for at in /x /y; do echo >$at/written; done 2>/dev/null; true");
        mount_entry(&mut config, json!({ "destination": "/y", "source": open, "options": ["bind"] }));
        mount_entry(&mut config, json!({ "destination": "/x", "source": outside, "options": ["bind", "rro"] }));
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        for place in ["x", "y"] {
            fs::create_dir(rootfs.join(place)).unwrap();
        }
        raced(&rootfs.join("x"), &rootfs.join("y"), || run(sandbox));
        assert!(open.join("written").exists(), "the container never came to write");
        assert!(!outside.join("written").exists(), "the read-only mount was written to");
    });
}

// CVE-2023-27561, CVE-2025-31133
#[test]
fn masks_lie_on_the_procfs_that_was_mounted() {
    sandboxed(|sandbox| {
        let script = "for at in /proc /x; do [ -e $at/self/stat ] || continue; cat $at/version; \
            (echo x >$at/sys/kernel/hostname) 2>/dev/null && echo written; echo seen >>/out/seen; done >>/out/result 2>&1";
        let mut config = sandbox.config(script);
        config["linux"]["maskedPaths"] = json!(["/proc/version"]);
        config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        fs::create_dir_all(rootfs.join("proc")).unwrap();
        fs::create_dir_all(rootfs.join("x/sys")).unwrap();
        fs::write(rootfs.join("x/version"), "fake\n").unwrap();
        raced(&rootfs.join("proc"), &rootfs.join("x"), || run(sandbox));
        assert!(sandbox.out("seen").contains("seen"), "the container never saw a procfs");
        let result = sandbox.out("result");
        assert!(!result.contains("Linux version") && !result.contains("written"), "{result}");
    });
}

#[test]
fn only_what_was_inside_is_copied_up() {
    sandboxed(|sandbox| {
        let outside = outside(sandbox);
        let mut config =
            sandbox.config("cat /x/a/file >>/out/result 2>/dev/null; cat /x/b/secret >>/out/result 2>/dev/null; true");
        mount_entry(
            &mut config,
            json!({ "destination": "/x", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"] }),
        );
        sandbox.bundle(&config);
        let inside = sandbox.path("bundle/rootfs/x");
        for (name, link) in [("file", outside.join("secret")), ("other", outside.clone())] {
            fs::create_dir_all(inside.join("a")).unwrap();
            fs::create_dir_all(inside.join("b")).unwrap();
            symlink(link, inside.join(name)).unwrap();
        }
        fs::write(inside.join("a/file"), "inside\n").unwrap();
        raced(&inside.join("a/file"), &inside.join("file"), || run(sandbox));
        raced(&inside.join("b"), &inside.join("other"), || run(sandbox));
        assert!(sandbox.out("result").contains("inside\n"), "the container never came to read");
        assert!(!sandbox.out("result").contains("untouched"), "a file of the outside was copied");
    });
}

#[test]
fn devices_and_the_terminal_are_made_inside() {
    sandboxed(|sandbox| {
        let outside = outside(sandbox);
        let mut config = sandbox.config("exec sleep 1000");
        config["process"]["terminal"] = json!(true);
        config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
        sandbox.bundle(&config);
        let socket = sandbox.path("console");
        let _listener = UnixListener::bind(&socket).unwrap();
        let rootfs = sandbox.path("bundle/rootfs");
        fs::create_dir(rootfs.join("dev")).unwrap();
        symlink(&outside, rootfs.join("x")).unwrap();
        raced(&rootfs.join("dev"), &rootfs.join("x"), || {
            let bundle = sandbox.path("bundle");
            let (bundle, socket) = (bundle.to_str().unwrap(), socket.to_str().unwrap());
            sandbox.call(&["create", "--console-socket", socket, "--bundle", bundle, "c1"]);
            sandbox.must(&["delete", "--force", "c1"]);
        });
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something was made outside");
    });
}

#[test]
fn what_is_undone_was_made() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("exec sleep 1000");
        mount_entry(&mut config, json!({ "destination": "/x/made", "type": "tmpfs", "source": "t" }));
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        let victim = sandbox.path("victim");
        fs::create_dir_all(victim.join("made")).unwrap();
        for is_link in [true, false] {
            sandbox.create(&config);
            // An empty directory of the same name, behind a link and in another directory of the same name.
            fs::rename(rootfs.join("x"), rootfs.join(format!("was {is_link}"))).unwrap();
            if is_link {
                symlink(&victim, rootfs.join("x")).unwrap();
            } else {
                fs::rename(&victim, rootfs.join("x")).unwrap();
            }
            sandbox.must(&["delete", "--force", "c1"]);
            assert!(rootfs.join("x/made").exists(), "a directory of somebody else was removed");
            let _ = fs::remove_file(rootfs.join("x"));
        }
    });
}

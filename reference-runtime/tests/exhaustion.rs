//! Machines that have run out of something: each call is an error that says so, or succeeds, and nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::mount::{MsFlags, mount, umount};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use sandbox::trials::{skip, tests};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

tests![
    a_full_disk_below_the_root,
    a_full_disk_for_the_root_file_system,
    no_more_descriptors,
    no_more_processes,
    no_memory_for_the_container,
    no_memory_for_the_runtime,
    a_read_only_root,
];

/// A container process that stays.
const STAY: &str = "exec sleep 1000";

/// Calls the runtime after `limit` was set for it, for at most 20 seconds; true if it succeeded.
fn call(
    sandbox: &Sandbox,
    root: &Path,
    arguments: &[&str],
    limit: impl Fn() -> std::io::Result<()> + Send + Sync + 'static,
) -> bool {
    let mut call = Command::new(env!("CARGO_BIN_EXE_ocf-runtime"));
    let stderr = sandbox.path("stderr");
    call.arg("--root").arg(root).args(arguments);
    call.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&stderr).unwrap());
    let limit = move || {
        nix::unistd::alarm::set(20);
        limit()
    };
    // SAFETY: the closure, and what is passed to it, makes system calls alone.
    unsafe { call.pre_exec(limit) };
    // Without memory it may not even be executed.
    let Ok(status) = call.status() else { return false };
    assert_ne!(status.signal(), Some(Signal::SIGALRM as i32), "{arguments:?} had to be ended");
    let said = fs::read_to_string(stderr).unwrap();
    assert!(status.success() || status.code().is_none() || !said.is_empty());
    status.success()
}

/// Creates `c1` under a limit; if that succeeds it is deleted without one. Then everything has to be as before.
fn created(
    sandbox: &Sandbox,
    root: &Path,
    what: &str,
    limit: impl Fn() -> std::io::Result<()> + Send + Sync + 'static,
) -> bool {
    let bundle = sandbox.path("bundle");
    let _ = fs::create_dir(root);
    let before = surroundings(sandbox, root);
    let created = call(sandbox, root, &["create", "--bundle", bundle.to_str().unwrap(), "c1"], limit);
    if created {
        assert!(call(sandbox, root, &["delete", "--force", "c1"], || Ok(())), "{what}: it can't be deleted");
    }
    let same = wait_until(|| surroundings(sandbox, root) == before);
    assert!(same, "{what}: {before:#?} {:#?}", surroundings(sandbox, root));
    created
}

fn surroundings(sandbox: &Sandbox, root: &Path) -> Vec<String> {
    let mut found = sandbox.surroundings();
    let kept = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    // Compiled filters are kept for the next container.
    found.extend(kept.filter(|path| !path.ends_with(".filters")).map(|path| path.display().to_string()));
    found
}

/// Whether both a refusal and, with more of it, success came out.
fn both(results: &[bool]) {
    assert!(results.contains(&false), "nothing was refused");
    assert!(results.contains(&true), "nothing succeeded");
}

fn mount_small(at: &Path, options: &str) {
    fs::create_dir_all(at).unwrap();
    mount(Some("small"), at, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

fn a_full_disk_below_the_root() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["annotations"] = json!({ "long": "x".repeat(20_000) });
        sandbox.bundle(&config);
        let small = sandbox.path("small");
        let blocks = (1..=40).step_by(3).map(|blocks| format!("nr_blocks={blocks}"));
        let inodes = (2..=14).map(|inodes| format!("nr_inodes={inodes}"));
        let results: Vec<bool> = blocks
            .chain(inodes)
            .map(|options| {
                mount_small(&small, &options);
                let created = created(sandbox, &small, &options, || Ok(()));
                umount(&small).unwrap();
                created
            })
            .collect();
        both(&results[..14]);
        both(&results[14..]);
    });
}

fn a_full_disk_for_the_root_file_system() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let rootfs = sandbox.path("bundle/rootfs");
        let results: Vec<bool> = (2..=14)
            .map(|inodes| {
                mount_small(&rootfs, &format!("nr_inodes={inodes}"));
                let created = created(sandbox, &sandbox.path("root"), &format!("{inodes} inodes"), || Ok(()));
                assert_eq!(fs::read_dir(&rootfs).unwrap().count(), 0, "{inodes} inodes");
                umount(&rootfs).unwrap();
                created
            })
            .collect();
        both(&results);
    });
}

fn no_more_descriptors() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let root = sandbox.path("root");
        let results: Vec<bool> = (3..=40)
            .step_by(1)
            .map(|most| {
                let limit = move || setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(Into::into);
                created(sandbox, &root, &format!("{most} descriptors"), limit)
            })
            .collect();
        both(&results);
    });
}

fn no_more_processes() {
    sandboxed(|sandbox| {
        let Some(hierarchy) = hierarchy_with("pids") else {
            return skip("no cgroup hierarchy has the controller pids");
        };
        let few = hierarchy.join("few");
        sandbox.bundle(&sandbox.config(STAY));
        fs::create_dir(&few).unwrap();
        let results: Vec<bool> = (1..=8)
            .map(|most| {
                fs::write(few.join("pids.max"), most.to_string()).unwrap();
                let procs = few.join("cgroup.procs");
                created(sandbox, &sandbox.path("root"), &format!("{most} processes"), move || fs::write(&procs, "0"))
            })
            .collect();
        both(&results);
        assert!(wait_until(|| fs::remove_dir(&few).is_ok()));
    });
}

fn no_memory_for_the_container() {
    sandboxed(|sandbox| {
        if hierarchy_with("memory").is_none() {
            return skip("no cgroup hierarchy has the controller memory");
        }
        let results: Vec<bool> = [4 << 10, 64 << 10, 256 << 10, 64 << 20]
            .map(|limit| {
                let mut config = sandbox.config(STAY);
                config["linux"]["resources"] = json!({ "memory": { "limit": limit } });
                sandbox.bundle(&config);
                created(sandbox, &sandbox.path("root"), &format!("{limit} bytes"), || Ok(()))
            })
            .into();
        both(&results);
    });
}

// A runtime that gets no memory dies at once, and is then as one that was killed.
fn no_memory_for_the_runtime() {
    sandboxed(|sandbox| {
        let bundle = sandbox.bundle_at("bundle", &sandbox.config(STAY));
        let before = sandbox.surroundings();
        let root = sandbox.path("root");
        let results: Vec<bool> = (1..=24)
            .map(|quarters| {
                let most = quarters << 18;
                let limit = move || setrlimit(Resource::RLIMIT_AS, most, most).map_err(Into::into);
                let created = call(sandbox, &root, &["create", "--bundle", &bundle, "c1"], limit);
                assert!(call(sandbox, &root, &["delete", "--force", "c1"], || Ok(())));
                assert!(wait_until(|| sandbox.surroundings() == before), "{most} bytes: {:#?}", sandbox.surroundings());
                created
            })
            .collect();
        assert!(results.contains(&false), "nothing was refused");
    });
}

fn a_read_only_root() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(STAY));
        let small = sandbox.path("small");
        mount_small(&small, "ro");
        for root in [small.clone(), small.join("below")] {
            assert!(!created(sandbox, &root, "read-only", || Ok(())));
            assert!(!call(sandbox, &root, &["state", "c1"], || Ok(())));
            assert!(call(sandbox, &root, &["delete", "--force", "c1"], || Ok(())));
        }
    });
}

/// The mount point of the hierarchy whose cgroups have this controller.
fn hierarchy_with(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mountpoint = PathBuf::from(mount.split(' ').nth(4)?);
        let v1 = file_system.starts_with("cgroup ")
            && file_system.rsplit(' ').next()?.split(',').any(|name| name == controller);
        let v2 = file_system.starts_with("cgroup2 ")
            && fs::read_to_string(mountpoint.join("cgroup.controllers")).is_ok_and(|all| {
                let has = all.split_whitespace().any(|name| name == controller);
                has && fs::write(mountpoint.join("cgroup.subtree_control"), format!("+{controller}")).is_ok()
            });
        (v1 || v2).then_some(mountpoint)
    })
}

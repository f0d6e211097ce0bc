//! Many containers: at once, one after another, and in one process. Nothing of them stays, and memory stays as it was.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use ocf_runtime::create::Request;
use ocf_runtime::lifecycle;
use sandbox::{Sandbox, sandboxed, wait_until};
use std::fs;
use std::process::{Child, Stdio};

/// How many containers follow one another, in short and in a soak test.
const SHORT: usize = 150;
const SOAK: usize = 10_000;

/// How much more memory may be resident after them, in pages: what an allocator may hold back.
const PAGES: u64 = 16;

/// Takes note of the containers' processes that were left to the test, as pid 1 does.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory, in pages, as of proc_pid_statm(5).
fn resident() -> u64 {
    fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_hundred_containers_at_once() {
    sandboxed(|sandbox| {
        let bundle = sandbox.bundle_at("bundle", &sandbox.config("exec sleep 1000"));
        let all = |arguments: &dyn Fn(&str) -> Vec<String>| {
            let spawn = |number| {
                let mut call = sandbox.runtime();
                call.args(arguments(&format!("c{number}"))).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            };
            let calls: Vec<Child> = (0..100).map(spawn).collect();
            let succeeded = |mut call: Child| call.wait().unwrap().success();
            assert!(calls.into_iter().map(succeeded).fold(true, |all, one| all & one), "one failed");
        };
        // What they share in the root file system is made by one of them, and removed with it.
        sandbox.must(&["create", "--bundle", &bundle, "first"]);
        let before = sandbox.surroundings();
        all(&|id| ["create", "--bundle", &bundle, id].map(str::to_owned).into());
        all(&|id| ["start", id].map(str::to_owned).into());
        for number in 0..100 {
            let state = sandbox.must(&["state", &format!("c{number}")]).stdout;
            assert!(state.contains("\"running\""), "{state}");
        }
        all(&|id| ["delete", "--force", id].map(str::to_owned).into());
        reap();
        assert!(wait_until(|| sandbox.surroundings() == before), "{before:#?} {:#?}", sandbox.surroundings());
        sandbox.must(&["delete", "--force", "first"]);
    });
}

fn in_a_row(sandbox: &Sandbox, count: usize) {
    let bundle = sandbox.bundle_at("bundle", &sandbox.config("true"));
    let before = sandbox.surroundings();
    for number in 0..count {
        let status = sandbox.runtime().args(["run", "--bundle", &bundle, &format!("c{number}")]).status().unwrap();
        assert!(status.success());
    }
    reap();
    assert_eq!(before, sandbox.surroundings());
}

/// Runs `count` containers in this process by way of the library; it must be one with a single thread.
fn in_this_process(sandbox: &Sandbox, bundle: &str, count: usize) {
    for _ in 0..count {
        let request = Request::new(sandbox.path("root"), "c1".parse().unwrap(), bundle);
        let running = lifecycle::create(&request).unwrap().start().map_err(|failed| failed.error).unwrap();
        running.wait().unwrap().delete().unwrap();
    }
}

fn in_one_process(sandbox: &Sandbox, count: usize) {
    let bundle = sandbox.bundle_at("bundle", &sandbox.config("true"));
    // SAFETY: the child, unlike the test, has one thread; no other one of the test's was at work.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let flat = std::panic::catch_unwind(|| {
                // The first ones fill caches.
                in_this_process(sandbox, &bundle, 20);
                let (before, files) = (sandbox.surroundings(), open_files());
                let memory = resident();
                in_this_process(sandbox, &bundle, count);
                let grown = resident().saturating_sub(memory);
                assert!(grown <= PAGES, "{grown} more pages are resident after {count} containers");
                assert_eq!(files, open_files(), "descriptors stay open");
                assert_eq!(before, sandbox.surroundings());
            });
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(i32::from(flat.is_err())) }
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0)),
    }
}

#[test]
fn containers_in_a_row_leave_nothing() {
    sandboxed(|sandbox| in_a_row(sandbox, SHORT));
}

#[test]
fn a_process_that_makes_containers_stays_as_it_is() {
    sandboxed(|sandbox| in_one_process(sandbox, SHORT));
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_ten_thousand_in_a_row() {
    sandboxed(|sandbox| in_a_row(sandbox, SOAK));
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_ten_thousand_in_one_process() {
    sandboxed(|sandbox| in_one_process(sandbox, SOAK));
}

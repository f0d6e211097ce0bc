//! Runtimes that are killed at their work, before and after each of their steps, and commands that meet on one container.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A container process that stays.
const STAY: &str = "exec sleep 1000";

/// How many of a command's moments are tried at most, if not all are.
const SAMPLE: usize = 40;

/// Who is killed.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    /// The process of the command.
    Command,
    /// A process that the command made.
    Child,
}

/// System calls that make or remove what outlasts the process.
const STEPS: [libc::c_long; 11] = [
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_umount2,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_pidfd_send_signal,
];

/// Their older forms, where there are any.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_symlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_fork,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// A command that is traced, with the moments counted at which it can be killed: after each of its steps, or before and
/// after each system call.
struct Traced {
    command: Pid,
    victim: Victim,
    each: bool,
    moments: usize,
    /// Whether the command did its work though a child was killed, which may have done its own by then.
    succeeded: bool,
    /// Whether the call that a process is in is a step.
    in_step: HashMap<Pid, bool>,
}

impl Traced {
    fn new(sandbox: &Sandbox, arguments: &[&str], victim: Victim, each: bool) -> Self {
        let mut command = sandbox.runtime();
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: the closure makes one system call.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let command = Pid::from_raw(command.spawn().unwrap().id().cast_signed());
        waitpid(command, None).unwrap();
        let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEVFORK;
        let follow = if victim == Victim::Child { follow } else { Options::empty() };
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | follow;
        ptrace::setoptions(command, options).unwrap();
        ptrace::syscall(command, None).unwrap();
        Traced { command, victim, each, moments: 0, succeeded: false, in_step: HashMap::new() }
    }

    /// Kills the victim at its moment of this number; false if the command ended before.
    fn kill_at(&mut self, moment: usize) -> bool {
        loop {
            let pid = match waitpid(None, Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::PtraceSyscall(pid) if self.counts(pid) => {
                    if self.moments == moment {
                        kill(pid, Signal::SIGKILL).unwrap();
                        self.let_go(pid);
                        return true;
                    }
                    self.moments += 1;
                    pid
                }
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) if pid == self.command => return false,
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
                // Stops of the tracing itself are not passed on.
                WaitStatus::Stopped(pid, signal) if ![Signal::SIGTRAP, Signal::SIGSTOP].contains(&signal) => {
                    let _ = ptrace::syscall(pid, signal);
                    continue;
                }
                status => status.pid().unwrap(),
            };
            // Somebody else may have killed it.
            let _ = ptrace::syscall(pid, None);
        }
    }

    fn counts(&mut self, pid: Pid) -> bool {
        if (pid == self.command) != (self.victim == Victim::Command) {
            return false;
        }
        // Not to be had any more from a process that has just been killed.
        let Ok(info) = ptrace::syscall_info(pid) else { return false };
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return self.each || self.in_step.get(&pid) == Some(&true);
        }
        // SAFETY: at the entry of a system call the kernel fills this part in.
        let (number, arguments) = unsafe { (info.u.entry.nr.cast_signed(), info.u.entry.args) };
        let makes_file = number == libc::SYS_openat && arguments[2] & u64::from(libc::O_CREAT.cast_unsigned()) != 0;
        self.in_step.insert(pid, makes_file || STEPS.contains(&number) || OLDER.contains(&number));
        self.each
    }

    /// Lets the others go on untraced, and waits for the command's end.
    fn let_go(&mut self, victim: Pid) {
        if victim == self.command {
            while waitpid(victim, None).unwrap().pid() != Some(victim) {}
            return;
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, status)) if pid == self.command => {
                    self.succeeded = status == 0;
                    return;
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.command => {
                    panic!("the command died of {signal}")
                }
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {}
                Ok(WaitStatus::Stopped(pid, signal)) if ![Signal::SIGTRAP, Signal::SIGSTOP].contains(&signal) => {
                    let _ = ptrace::syscall(pid, signal);
                }
                Ok(status) => drop(ptrace::syscall(status.pid().unwrap(), None)),
                Err(errno) => panic!("wait for the command: {errno}"),
            }
        }
    }
}

/// Takes note of processes that were left to the test and have ended, as pid 1 does.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive || status.pid().is_none() {
            return;
        }
    }
    assert_eq!(Errno::last(), Errno::ECHILD);
}

/// Kills `arguments` at its moments, `all` or a sample of them; `prepare` is done before, and `check` after each.
fn kill_all_over(
    sandbox: &Sandbox,
    arguments: &[&str],
    (victim, each, all): (Victim, bool, bool),
    prepare: impl Fn(),
    check: impl Fn(&str),
) {
    prepare();
    let mut whole = Traced::new(sandbox, arguments, victim, each);
    assert!(!whole.kill_at(usize::MAX));
    sandbox.must(&["delete", "--force", "c1"]);
    let moments = whole.moments;
    assert!(moments > 5, "only {moments} moments were found");
    let step = if all { 1 } else { moments.div_ceil(SAMPLE) };
    for moment in (0..moments).step_by(step) {
        prepare();
        let mut traced = Traced::new(sandbox, arguments, victim, each);
        let killed = traced.kill_at(moment);
        if traced.succeeded {
            sandbox.must(&["delete", "--force", "c1"]);
        }
        check(&format!("{} at moment {moment} of {moments}", arguments[0]));
        reap();
        if !killed {
            sandbox.must(&["delete", "--force", "c1"]);
        }
    }
}

/// A container beside, which nothing of this concerns.
struct Bystander(Value);

impl Bystander {
    fn new(sandbox: &Sandbox) -> Self {
        let bundle = sandbox.bundle_at("bystander", &sandbox.config(STAY));
        sandbox.must(&["create", "--bundle", &bundle, "c1.1"]);
        sandbox.must(&["start", "c1.1"]);
        Bystander(Self::state(sandbox))
    }

    fn state(sandbox: &Sandbox) -> Value {
        serde_json::from_str(&sandbox.must(&["state", "c1.1"]).stdout).unwrap()
    }

    fn is_untouched(&self, sandbox: &Sandbox) {
        assert_eq!(self.0, Self::state(sandbox));
        assert_eq!(self.0["status"], "running");
    }
}

/// Says whether `c1` is there, which is either told as a whole or denied.
fn state(sandbox: &Sandbox) -> Option<Value> {
    let called = sandbox.call(&["state", "c1"]);
    match called.ok {
        true => Some(serde_json::from_str(&called.stdout).unwrap()),
        false => {
            assert_eq!((called.stderr.lines().count(), called.stdout.as_str()), (1, ""), "{}", called.stderr);
            None
        }
    }
}

fn is_as(sandbox: &Sandbox, before: &[String], when: &str) {
    assert!(wait_until(|| sandbox.surroundings() == before), "{when}: {before:#?} {:#?}", sandbox.surroundings());
}

/// The kinds of config whose making leaves most to undo.
fn configs(sandbox: &Sandbox) -> [Value; 2] {
    let own = sandbox.config(STAY);
    let mut shared = sandbox.config(STAY);
    // Neither a pid namespace ends the processes, nor a mount namespace the mounts.
    shared["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|entry| entry["type"] != "pid" && entry["type"] != "mount");
    [own, shared]
}

fn killed_creations(victim: Victim, all: bool) -> impl Fn(&Sandbox) {
    move |sandbox| {
        let bystander = Bystander::new(sandbox);
        for config in configs(sandbox) {
            let bundle = sandbox.bundle_at("bundle", &config);
            let before = sandbox.surroundings();
            let check = |when: &str| {
                if victim == Victim::Command {
                    if let Some(state) = state(sandbox) {
                        let status = &state["status"];
                        assert!(status == "stopped" || status == "created", "{when}: {state}");
                    }
                    sandbox.must(&["delete", "--force", "c1"]);
                }
                is_as(sandbox, &before, when);
            };
            let arguments = ["create", "--bundle", &bundle, "c1"];
            kill_all_over(sandbox, &arguments, (victim, all, all), || {}, check);
        }
        bystander.is_untouched(sandbox);
        sandbox.must(&["delete", "--force", "c1.1"]);
    }
}

fn killed_later(all: bool) -> impl Fn(&Sandbox) {
    move |sandbox| {
        let bystander = Bystander::new(sandbox);
        let [_, config] = configs(sandbox);
        let bundle = sandbox.bundle_at("bundle", &config);
        let before = sandbox.surroundings();
        let create = || drop(sandbox.must(&["create", "--bundle", &bundle, "c1"]));
        let check = |when: &str| {
            if let Some(state) = state(sandbox) {
                let status = state["status"].as_str().unwrap();
                assert!(["created", "running", "stopped"].contains(&status), "{when}: {state}");
            }
            sandbox.must(&["delete", "--force", "c1"]);
            is_as(sandbox, &before, when);
        };
        let check_start = |when: &str| {
            // What was begun can be begun again, if it isn't done.
            if state(sandbox).unwrap()["status"] == "created" {
                sandbox.must(&["start", "c1"]);
            }
            assert_eq!(sandbox.status(), "running", "{when}");
            check(when);
        };
        kill_all_over(sandbox, &["start", "c1"], (Victim::Command, true, all), create, check_start);
        kill_all_over(sandbox, &["delete", "--force", "c1"], (Victim::Command, all, all), create, check);
        bystander.is_untouched(sandbox);
        sandbox.must(&["delete", "--force", "c1.1"]);
    }
}

#[test]
fn a_creation_killed_anywhere_is_deleted_whole() {
    sandboxed(|sandbox| killed_creations(Victim::Command, false)(sandbox));
}

#[test]
fn a_container_process_killed_anywhere_fails_the_creation() {
    sandboxed(|sandbox| killed_creations(Victim::Child, false)(sandbox));
}

#[test]
fn a_start_or_deletion_killed_anywhere_can_be_done_again() {
    sandboxed(|sandbox| killed_later(false)(sandbox));
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_killed_at_each_moment() {
    sandboxed(|sandbox| {
        killed_creations(Victim::Command, true)(sandbox);
        killed_creations(Victim::Child, true)(sandbox);
        killed_later(true)(sandbox);
    });
}

fn spawn(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    sandbox.runtime().args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn succeeds(mut child: Child) -> bool {
    child.wait().unwrap().success()
}

/// A hook that says that it runs, and goes on until it is told to.
fn holding_hook(sandbox: &Sandbox) -> Value {
    mkfifo(&sandbox.path("go"), Mode::from_bits_truncate(0o600)).unwrap();
    let script = format!("echo >{}; read go <{}", sandbox.path("held").display(), sandbox.path("go").display());
    json!([{ "path": "/bin/sh", "args": ["sh", "-c", script] }])
}

#[test]
fn a_command_on_one_container_holds_up_no_other_container() {
    sandboxed(|sandbox| {
        let plain = sandbox.bundle_at("plain", &sandbox.config(STAY));
        let mut held = sandbox.config(STAY);
        held["hooks"] = json!({ "createRuntime": holding_hook(sandbox) });
        let held = sandbox.bundle_at("held-bundle", &held);
        let creating = spawn(sandbox, &["create", "--bundle", &held, "c1"]);
        assert!(wait_until(|| sandbox.path("held").exists()));
        sandbox.must(&["create", "--bundle", &plain, "c2"]);
        sandbox.must(&["start", "c2"]);
        sandbox.must(&["delete", "--force", "c2"]);
        assert_eq!(sandbox.status(), "creating");
        fs::write(sandbox.path("go"), "go\n").unwrap();
        assert!(succeeds(creating));
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn commands_on_one_container_wait_for_one_another() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["hooks"] = json!({ "poststart": holding_hook(sandbox) });
        sandbox.bundle(&config);
        let before = sandbox.surroundings();
        sandbox.create(&config);
        let starting = spawn(sandbox, &["start", "c1"]);
        assert!(wait_until(|| sandbox.path("held").exists()));
        let deleting = spawn(sandbox, &["delete", "--force", "c1"]);
        // The process has been ended, but what the start operation works on is still there.
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert!(sandbox.path("root/c1").exists());
        fs::write(sandbox.path("go"), "go\n").unwrap();
        succeeds(starting);
        assert!(succeeds(deleting));
        is_as(sandbox, &before, "after both");
    });
}

#[test]
fn of_many_commands_on_one_container_each_is_done_or_refused() {
    sandboxed(|sandbox| {
        let config = sandbox.config(STAY);
        let bundle = sandbox.bundle_at("bundle", &config);
        let before = sandbox.surroundings();
        for _ in 0..4 {
            sandbox.create(&config);
            let mut starts: Vec<Child> = (0..3).map(|_| spawn(sandbox, &["start", "c1"])).collect();
            let deletes: Vec<Child> = (0..3).map(|_| spawn(sandbox, &["delete", "--force", "c1"])).collect();
            let creates: Vec<Child> = (0..2).map(|_| spawn(sandbox, &["create", "--bundle", &bundle, "c1"])).collect();
            assert!(starts.drain(..).filter_map(|start| succeeds(start).then_some(())).count() <= 2);
            deletes.into_iter().chain(creates).for_each(|child| _ = succeeds(child));
            sandbox.must(&["delete", "--force", "c1"]);
            is_as(sandbox, &before, "after all");
        }
        drop(Command::new("true").status());
    });
}

// Killed before it told which cgroups it had made itself.
#[test]
fn a_cgroup_that_another_was_quicker_to_make_is_left_to_it() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config(STAY);
        config["linux"]["cgroupsPath"] = json!("/meant");
        sandbox.create(&config);
        let mut record: Value = serde_json::from_slice(&fs::read(sandbox.path("root/c1/state.json")).unwrap()).unwrap();
        sandbox.must(&["delete", "--force", "c1"]);
        record["created"] = json!(false);
        record["process"] = Value::Null;
        let cgroups = &mut record["cgroups"];
        (cgroups["planned"], cgroups["made"]) = (cgroups["made"].take(), json!([]));
        let planned: Vec<String> = serde_json::from_value(cgroups["planned"].clone()).unwrap();
        assert!(!planned.is_empty());
        for used in [true, false] {
            planned.iter().for_each(|cgroup| fs::create_dir(cgroup).unwrap());
            let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
            if used {
                fs::write(Path::new(&planned[0]).join("cgroup.procs"), other.id().to_string()).unwrap();
            }
            DirBuilder::new().recursive(true).mode(0o700).create(sandbox.path("root/c1")).unwrap();
            fs::write(sandbox.path("root/c1/state.json"), record.to_string()).unwrap();
            fs::write(sandbox.path("root/c1/lock"), "").unwrap();
            sandbox.must(&["delete", "--force", "c1"]);
            assert!(other.try_wait().unwrap().is_none(), "the process of another was ended");
            other.kill().unwrap();
            other.wait().unwrap();
            for (index, cgroup) in planned.iter().enumerate() {
                let left = Path::new(cgroup).exists();
                assert_eq!(left, used && index == 0, "{cgroup}");
                assert!(!left || wait_until(|| fs::remove_dir(cgroup).is_ok()));
            }
        }
    });
}

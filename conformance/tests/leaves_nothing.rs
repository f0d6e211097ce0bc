//! However a run ends, nothing of it stays: no process, no mount, no cgroup, no file below /run/ocf-conformance.
//!
//! Each test has a process of its own, to which whatever a run orphans is given: when that process has no child left,
//! no process is left.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it has to be")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use ocf_conformance::run::cgroups::{Hierarchy, LEAF, below};
use ocf_conformance::run::registry::BASE;
use ocf_conformance::suite;
use serde_json::{Value, json};

/// Whether this process is a test's own.
const ALONE: &str = "OCF_TEST_ALONE";
/// Longer than anything here takes; what is waited for comes, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// A few cases, for runs that go on to their end.
const FEW: [&str; 3] = ["hostname/dotted", "masked-paths/file", "state/running"];

#[test]
fn ended_as_soon_as_it_is_registered() {
    alone("ended_as_soon_as_it_is_registered", || ended_when(Run::is_registered));
}

#[test]
fn ended_when_the_first_case_has_its_cgroup() {
    alone("ended_when_the_first_case_has_its_cgroup", || ended_when(|run| !run.cases().is_empty()));
}

#[test]
fn ended_when_a_supervisor_is_in_its_namespaces() {
    alone("ended_when_a_supervisor_is_in_its_namespaces", || ended_when(Run::has_a_supervisor));
}

#[test]
fn ended_while_a_container_lives() {
    alone("ended_while_a_container_lives", || ended_when(Run::has_a_container));
}

#[test]
fn ended_while_several_cases_run() {
    let several = |run: &Run| run.cases().len() > 3 && run.has_a_container();
    alone("ended_while_several_cases_run", move || ended_when(several));
}

#[test]
fn two_suites_at_once_find_the_same() {
    alone("two_suites_at_once_find_the_same", || {
        let scene = Scene::set();
        let [one, other] = ["one", "other"].map(|out| scene.test(&real_runtime(), out, &FEW));
        let found = [one, other].map(|run| {
            let out = run.out.clone();
            run.end();
            verdicts(&out)
        });
        assert_eq!(differences(&found[0], &found[1]), Vec::<String>::new());
        assert!(found[0].values().any(|verdict| verdict == "pass"), "nothing passed: {found:?}");
        scene.is_as_before();
    });
}

#[test]
fn a_killed_suite_is_swept_and_one_that_lives_is_not() {
    alone("a_killed_suite_is_swept_and_one_that_lives_is_not", || {
        let scene = Scene::set();
        let undisturbed = scene.test(&real_runtime(), "undisturbed", &FEW);
        let out = undisturbed.out.clone();
        undisturbed.end();
        let expected = verdicts(&out);
        let killed = scene.test(&real_runtime(), "killed", &[]);
        until("the first has a container", || killed.has_a_container());
        let mut lives = scene.test(&real_runtime(), "lives", &FEW);
        until("the second is registered, or ready by now", || lives.is_registered() || lives.has_ended());
        killed.signal(Signal::SIGKILL);
        clean();
        let out = lives.out.clone();
        lives.end();
        assert_eq!(differences(&verdicts(&out), &expected), Vec::<String>::new());
        clean();
        scene.is_as_before();
    });
}

#[test]
fn a_runtime_that_leaves_a_daemon() {
    let left = |case: &Value| case["facts"]["left"]["processes"].as_object().is_some_and(|all| all.len() > 1);
    alone("a_runtime_that_leaves_a_daemon", || swept_after("leaves-a-daemon", left));
}

#[test]
fn a_runtime_that_fills_the_disk() {
    let full =
        |case: &Value| case["facts"]["steps"]["create"]["stderr"].as_str().is_some_and(|it| it.contains("StorageFull"));
    alone("a_runtime_that_fills_the_disk", || swept_after("fills-the-disk", full));
}

#[test]
fn a_runtime_that_freezes_itself() {
    let late = |case: &Value| case["facts"]["steps"]["create"]["timeout"] == true;
    alone("a_runtime_that_freezes_itself", || swept_after("freezes-itself", late));
}

#[test]
fn killed_while_a_runtime_has_frozen_itself() {
    alone("killed_while_a_runtime_has_frozen_itself", || {
        let scene = Scene::set();
        let run = scene.test(&scene.stand_in("freezes-itself"), "out", &FEW);
        until("a runtime is frozen", || run.has_a_frozen_runtime());
        run.signal(Signal::SIGKILL);
        clean();
        scene.is_as_before();
    });
}

/// Ends runs at this point, by each signal.
fn ended_when(point: impl Fn(&Run) -> bool) {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let scene = Scene::set();
        let run = scene.test(&real_runtime(), "out", &[]);
        until("the run comes to the point", || point(&run));
        let status = run.signal(signal);
        if signal != Signal::SIGKILL {
            assert_eq!(status.code(), Some(2), "{signal}: a run that was stopped can't be trusted");
            scene.is_as_before();
        }
        clean();
        scene.is_as_before();
    }
}

/// A run against a stand-in, which does its harm in every case, comes to its end and leaves nothing to be swept.
fn swept_after(stand_in: &str, harm: impl Fn(&Value) -> bool) {
    let scene = Scene::set();
    let run = scene.test(&scene.stand_in(stand_in), "out", &FEW);
    let out = run.out.clone();
    let status = run.end();
    assert!(status.code().is_some(), "{stand_in}: {status}");
    for case in cases(&out) {
        assert!(harm(&case), "{stand_in} did no harm: {case:#}");
    }
    scene.is_as_before();
}

/// What a test starts from, and has to come back to.
struct Scene {
    directory: PathBuf,
    mounts: String,
    /// What the names of its runs begin with.
    runs: RefCell<Vec<String>>,
}

impl Scene {
    fn set() -> Self {
        let directory = env::temp_dir().join(format!("ocf-leaves-nothing-{}", std::process::id()));
        fs::create_dir(&directory).unwrap_or_else(|e| panic!("make {}: {e}", directory.display()));
        Self { directory, mounts: mounts(), runs: RefCell::default() }
    }

    /// Starts the suite: all of it, or a few cases.
    fn test(&self, runtime: &Path, out: &str, cases: &[&str]) -> Run {
        let out = self.directory.join(out);
        let mut command = ocf();
        command.arg("test").arg("--runtime").arg(runtime).arg("--out").arg(&out).args(cases);
        if runtime.starts_with(&self.directory) {
            command.arg("--adapter").arg(self.adapter()).args(["--no-gate", "--deadline", deadline_of(runtime)]);
        }
        let child = command.spawn().unwrap_or_else(|e| panic!("start {command:?}: {e}"));
        let name = format!("ocf-{}-", child.id());
        self.runs.borrow_mut().push(name.clone());
        Run { child, name, out }
    }

    /// A stand-in's file, with an adapter beside it that tells it of the real runtime.
    fn stand_in(&self, name: &str) -> PathBuf {
        let program = Path::new(env!("CARGO_BIN_EXE_ocf")).with_file_name("examples").join("stand-in");
        assert!(program.exists(), "{}: `cargo build -p ocf-conformance --examples` builds it", program.display());
        let mut adapter: Value = serde_json::from_str(include_str!("../adapters/generic.json")).unwrap();
        adapter["environment"] = json!({ "STAND_IN_RUNTIME": real_runtime() });
        fs::write(self.adapter(), adapter.to_string()).unwrap();
        let file = self.directory.join(name);
        fs::copy(program, &file).unwrap();
        file
    }

    fn adapter(&self) -> PathBuf {
        self.directory.join("adapter.json")
    }

    fn is_as_before(&self) {
        until("every process has ended", no_child_is_left);
        assert_eq!(mounts(), self.mounts);
        for name in self.runs.borrow().iter() {
            assert_eq!(cgroups(name), Vec::<PathBuf>::new());
            assert_eq!(registered(name), Vec::<PathBuf>::new());
        }
        // The directory goes with its last run; by now it may be another suite's.
        until("the directory of the runs is gone, or another's", || match fs::read_dir(BASE) {
            Err(e) => e.kind() == io::ErrorKind::NotFound,
            Ok(entries) => entries.flatten().any(|entry| entry.path().is_dir()),
        });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// In seconds: short only where it is going to be used up.
fn deadline_of(stand_in: &Path) -> &'static str {
    if stand_in.ends_with("freezes-itself") { "2" } else { "60" }
}

/// A suite that runs.
struct Run {
    child: Child,
    name: String,
    out: PathBuf,
}

impl Run {
    fn is_registered(&self) -> bool {
        !registered(&self.name).is_empty()
    }

    /// The cgroups of the cases that run now, in all hierarchies.
    fn cases(&self) -> Vec<PathBuf> {
        cgroups(&self.name)
    }

    fn has_a_supervisor(&self) -> bool {
        self.cases().iter().any(|case| is_populated(&case.join(LEAF)))
    }

    fn has_a_container(&self) -> bool {
        let made =
            |case: &PathBuf| below(case).into_iter().skip(1).any(|it| it != case.join(LEAF) && is_populated(&it));
        self.cases().iter().any(made)
    }

    fn has_a_frozen_runtime(&self) -> bool {
        let states = [("freezer.state", "FROZEN"), ("cgroup.events", "frozen 1")];
        let frozen = |directory: PathBuf| {
            states
                .iter()
                .any(|(file, word)| fs::read_to_string(directory.join(file)).is_ok_and(|text| text.contains(word)))
        };
        self.cases().iter().flat_map(|case| below(case)).any(frozen)
    }

    /// Sends a signal, and waits for the end.
    fn signal(self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        self.end()
    }

    fn end(mut self) -> ExitStatus {
        until("the run has ended", || self.has_ended());
        self.child.wait().unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

/// Runs a test in a process and a mount namespace of its own, which gets what is orphaned below it.
fn alone(name: &str, body: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        prctl::set_child_subreaper(true).unwrap();
        // What leaks out of a run is to be seen, and not to stay on this machine.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        return body();
    }
    let own = env::current_exe().unwrap();
    let done = Command::new(own).args(["--exact", name, "--nocapture"]).env(ALONE, "").output().unwrap();
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{}: {}", done.status, said.concat());
    assert!(said[0].contains("1 passed"), "no test is named {name}: {}", said[0]);
}

/// Sweeps what killed runs have left.
fn clean() {
    let status = ocf().arg("clean").status().unwrap();
    assert!(status.success(), "ocf clean: {status}");
}

fn ocf() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocf"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The evidence of every case.
fn cases(out: &Path) -> Vec<Value> {
    let file = out.join("evidence.jsonl");
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let cases: Vec<_> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 1, "{}: no case", file.display());
    cases
}

/// What each requirement was found to be.
fn verdicts(out: &Path) -> BTreeMap<String, String> {
    let file = out.join("report.json");
    let text = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let report: Value = serde_json::from_slice(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = report["requirements"].as_array().unwrap().iter();
    all.map(|requirement| (text(&requirement["id"]), text(&requirement["verdict"]))).collect()
}

fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    assert!(one.keys().eq(other.keys()));
    let both = one.iter().zip(other.values()).filter(|((_, one), other)| one != other);
    both.map(|((id, one), other)| format!("{id}: {one} and {other}")).collect()
}

/// Looks until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it did not come that {what}; children: {}", children());
        std::thread::yield_now();
    }
}

/// Takes in whatever has ended; every process that a run has started is a child, or a child's.
fn no_child_is_left() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Err(nix::Error::ECHILD) => return true,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(e) => panic!("wait for children: {e}"),
        }
    }
}

fn children() -> String {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default()).collect()
}

/// The mounts of this thread's namespace.
fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

/// Directories of runs whose names begin so.
fn registered(name: &str) -> Vec<PathBuf> {
    named(Path::new(BASE), name)
}

/// Cgroups of runs whose names begin so.
fn cgroups(name: &str) -> Vec<PathBuf> {
    Hierarchy::mounted().unwrap().iter().flat_map(|hierarchy| named(&hierarchy.own, name)).collect()
}

fn named(directory: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name)).map(|entry| entry.path()).collect()
}

fn is_populated(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.procs")).is_ok_and(|text| !text.trim().is_empty())
}

fn real_runtime() -> PathBuf {
    let word = env::var("OCF_RUNTIME").expect(
        "OCF_RUNTIME is not set: build with `cargo build -p ocf-runtime` and name target/debug/ocf-runtime, or use `make test`",
    );
    suite::find_runtime(&word).unwrap_or_else(|why| panic!("OCF_RUNTIME: {why}"))
}

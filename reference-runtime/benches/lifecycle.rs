//! What a container's life costs, against the least that any runtime has to do, and beside other runtimes.
//!
//!     make bench [RUNTIMES="ocf-runtime crun runc"] [BENCH_ARGS='--rounds 50 --cgroups v1']
//!
//! Everything is measured in one run, in turn, so that the ratios count. `run` is one call; `steps` are create, start and
//! delete; `cold` is a `run` that finds nothing of earlier ones (no compiled filter) and whose program is not in the
//! page cache. The container is one as docker makes them, and its program, which is this one, exits at once. The
//! runtimes' roots are on a tmpfs, as /run is.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where something is not as it should be")]

mod floor;

use libseccomp::ScmpSyscall;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds that are not counted.
const WARM_UP: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("floor") => floor::run(Path::new(&arguments[2])),
        // The program of the containers.
        _ if arguments[0] == "/true" => {}
        _ => Bench::new(&arguments[1..]).measure(),
    }
}

struct Bench {
    rounds: usize,
    directory: PathBuf,
    runtimes: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Floor,
    Run,
    Steps,
    Cold,
}

struct Job<'a> {
    kind: Kind,
    runtime: &'a Path,
    /// Milliseconds, a round each.
    times: Vec<f64>,
    /// The most memory that one of its processes had resident, in KiB.
    peak: i64,
}

impl Bench {
    fn new(arguments: &[String]) -> Self {
        let (mut rounds, mut cgroups, mut runtimes) = (30, None, Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
                "--cgroups" => cgroups = arguments.next(),
                path => runtimes.push(fs::canonicalize(path).unwrap()),
            }
        }
        let directory = std::env::temp_dir().join(format!("ocf-runtime-bench-{}", std::process::id()));
        let bench = Bench { rounds, directory, runtimes };
        bench.prepare(cgroups.map(String::as_str));
        bench
    }

    /// Makes the bundle in a mount namespace of this process's own, with which it vanishes.
    fn prepare(&self, cgroups: Option<&str>) {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        fs::create_dir(&self.directory).unwrap();
        mount(Some("tmpfs"), &self.directory, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        if let Some(version) = cgroups {
            show_cgroups(version);
        }
        for directory in ["proc", "dev", "sys", "etc", "tmp"] {
            fs::create_dir_all(self.directory.join("rootfs").join(directory)).unwrap();
        }
        let program = self.directory.join("rootfs/true");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let config = config();
        fs::write(self.directory.join("config.json"), config.to_string()).unwrap();
        let seccomp = serde_json::from_value(config["linux"]["seccomp"].clone()).unwrap();
        fs::write(self.directory.join("filter"), ocf_runtime::seccomp_program::compile(&seccomp).unwrap()).unwrap();
    }

    fn measure(&self) {
        let mut jobs = vec![Job::new(Kind::Floor, Path::new("/proc/self/exe"))];
        for runtime in &self.runtimes {
            jobs.extend([Kind::Run, Kind::Steps, Kind::Cold].map(|kind| Job::new(kind, runtime)));
        }
        for round in 0..self.rounds + WARM_UP {
            // In another order each time: what one leaves the kernel to tidy up slows the next.
            let mut order: Vec<usize> = (0..jobs.len()).collect();
            order.sort_by_cached_key(|at| scattered(round, *at));
            order.into_iter().for_each(|at| self.take(&mut jobs[at], round));
        }
        report(&jobs, self.runtimes.len());
        umount2(&self.directory, MntFlags::MNT_DETACH).unwrap();
        fs::remove_dir(&self.directory).unwrap();
    }

    fn take(&self, job: &mut Job, round: usize) {
        let id = format!("bench-{}-{round}", std::process::id());
        let name = job.runtime.file_name().unwrap();
        let kept = self.directory.join("roots").join(name);
        let root = if job.kind == Kind::Cold { kept.with_extension(format!("cold-{round}")) } else { kept };
        let root = root.to_str().unwrap();
        let bundle = self.directory.to_str().unwrap();
        let calls: Vec<Vec<&str>> = match job.kind {
            Kind::Floor => vec![vec!["floor", bundle]],
            Kind::Run | Kind::Cold => vec![vec!["--root", root, "run", "--bundle", bundle, &id]],
            Kind::Steps => vec![
                vec!["--root", root, "create", "--bundle", bundle, &id],
                vec!["--root", root, "start", &id],
                // Its program exits at once, but perhaps not before this call.
                vec!["--root", root, "delete", "--force", &id],
            ],
        };
        if job.kind == Kind::Cold {
            let program = File::open(job.runtime).unwrap();
            posix_fadvise(&program, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        }
        let began = Instant::now();
        for call in calls {
            job.peak = job.peak.max(finish(Command::new(job.runtime).args(&call)));
        }
        if round >= WARM_UP {
            job.times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// A number that nobody foresees, and that is the same in each run.
fn scattered(round: usize, job: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (round, job).hash(&mut hasher);
    hasher.finish()
}

impl<'a> Job<'a> {
    fn new(kind: Kind, runtime: &'a Path) -> Self {
        Job { kind, runtime, times: Vec::new(), peak: 0 }
    }
}

/// Runs a command to its end, which has to be good; the answer is its peak of resident memory in KiB.
#[expect(clippy::zombie_processes, reason = "wait4(2) is called here, which also tells of the memory")]
fn finish(command: &mut Command) -> i64 {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let mut status = 0;
    // SAFETY: the structure is plain numbers, of which each may be 0.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers lead to values that outlive the call.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert!(waited == pid && status == 0, "{command:?} ended with the status {status:#x}");
    usage.ru_maxrss
}

fn report(jobs: &[Job], runtimes: usize) {
    let [floor, jobs @ ..] = jobs else { return };
    println!("{:<24} {:>8}", "", "floor");
    println!("{:<24} {:>8.2} ms\n", "", median(&floor.times));
    println!("{:<24} {:>16} {:>16} {:>16} {:>10}", "median ms, and ratio", "run", "steps", "cold run", "peak KiB");
    for of_runtime in jobs.chunks(jobs.len() / runtimes.max(1)) {
        print!("{:<24}", of_runtime[0].runtime.file_name().unwrap().display());
        for job in of_runtime {
            print!(" {:>8.2} {:>6.2}x", median(&job.times), median(&ratios(job, floor)));
        }
        println!(" {:>10}", of_runtime.iter().map(|job| job.peak).max().unwrap_or(0));
    }
}

/// Round by round, so that what slows the machine for a while slows both.
fn ratios(job: &Job, floor: &Job) -> Vec<f64> {
    job.times.iter().zip(&floor.times).map(|(time, floor)| time / floor).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A config of the shape that docker writes, without what the floor doesn't do either.
fn config() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/engines/docker.json");
    let mut config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for (parent, names) in [
        ("", &["hooks", "annotations"][..]),
        ("/process", &["apparmorProfile", "oomScoreAdj"]),
        ("/linux", &["cgroupsPath"]),
        ("/linux/resources", &["memory", "cpu", "pids", "blockIO"]),
    ] {
        let parent = config.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
        parent.retain(|name, _| !names.contains(&name.as_str()));
    }
    config["process"]["args"] = json!(["/true"]);
    config["process"]["cwd"] = json!("/");
    config["root"] = json!({ "path": "rootfs" });
    config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "bind");
    // The fixture's list is a short one; docker's has some 350 names.
    config["linux"]["seccomp"]["syscalls"][0]["names"] = allowed_calls().into();
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "cgroup" }));
    config
}

/// All system calls of this machine but some that docker doesn't allow either.
fn allowed_calls() -> Vec<String> {
    const DENIED: [&str; 12] = [
        "acct",
        "bpf",
        "clone",
        "delete_module",
        "init_module",
        "kexec_load",
        "mount",
        "personality",
        "reboot",
        "swapon",
        "umount2",
        "unshare",
    ];
    let names = (0..450).filter_map(|number| ScmpSyscall::from_raw_syscall(number).get_name().ok());
    names.filter(|name| !DENIED.contains(&name.as_str())).collect()
}

/// Shows one version of cgroups alone, where both are mounted.
fn show_cgroups(version: &str) {
    const ROOT: &str = "/sys/fs/cgroup";
    let controllers: Vec<String> = floor::controllers();
    umount2(ROOT, MntFlags::MNT_DETACH).unwrap();
    if version == "v2" {
        mount(Some("cgroup2"), ROOT, Some("cgroup2"), MsFlags::empty(), None::<&str>).unwrap();
        return;
    }
    mount(Some("tmpfs"), ROOT, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    for controller in controllers {
        let directory = Path::new(ROOT).join(controller.trim_start_matches("name="));
        fs::create_dir(&directory).unwrap();
        mount(Some("cgroup"), &directory, Some("cgroup"), MsFlags::empty(), Some(controller.as_str())).unwrap();
    }
}

//! A private machine for each test: namespaces and cgroups of its own, in which the test executes itself again.
//!
//! Inside, the test is pid 1, so that a container's process becomes its child, and a runtime that forgets a namespace
//! changes the test's and not the host's. The programs in the containers are the host's shell and its commands.

#![allow(dead_code, reason = "every test file uses another part of it")]

pub mod trials;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Tells the test that it is inside, and where its directory is.
const DIRECTORY: &str = "OCF_RUNTIME_TEST_DIRECTORY";

/// The test's own cgroup on v2.
const LEAF: &str = "test";

/// How long anything may take that a test waits for.
const DEADLINE: Duration = Duration::from_secs(20);

/// Executes the calling test anew in a sandbox, and its `body` there.
pub fn sandboxed(body: fn(&Sandbox)) {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        mount_cgroups_anew();
        return body(&Sandbox { directory: directory.into() });
    }
    assert!(nix::unistd::geteuid().is_root(), "these tests run containers, and need root");
    let outside = Outside::new();
    let test = trials::name();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc", "--net"]);
    command.arg(std::env::current_exe().unwrap()).args([
        "--exact",
        &test,
        "--include-ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(DIRECTORY, &outside.directory).stdin(Stdio::null());
    let procs = |cgroups: &[PathBuf]| cgroups.iter().map(|path| path.join("cgroup.procs")).collect::<Vec<_>>();
    let (roots, leaves) = (procs(&outside.cgroups), procs(&outside.leaves));
    let join = |files: &[PathBuf]| files.iter().try_for_each(|file| fs::write(file, "0"));
    let enter = move || {
        join(&roots)?;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)?;
        // On v2 below the root of the new namespace, so that the runtime can make cgroups beside that have controllers.
        join(&leaves)
    };
    // SAFETY: the closure makes system calls alone; it takes no lock that another thread could hold.
    unsafe { command.pre_exec(enter) };
    let Output { status, stdout, stderr } = command.output().unwrap();
    let leftovers = outside.leftovers();
    drop(outside);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    // Indented, so that nobody counts its results among those outside.
    let said = || format!("{stdout}{stderr}").replace('\n', "\n    ");
    assert!(status.success(), "in the sandbox: {status}\n    {}", said());
    let ran = ["1 passed", "1 ignored"].iter().any(|result| stdout.contains(result));
    assert!(ran, "in the sandbox no test ran:\n    {}", said());
    assert_eq!(leftovers, [] as [PathBuf; 0], "cgroups were left behind");
    trials::skip_as_inside(&stderr);
}

/// What a sandbox needs of the host, removed at its end.
struct Outside {
    directory: PathBuf,
    /// One cgroup in each hierarchy.
    cgroups: Vec<PathBuf>,
    /// The test's own, below those of v2.
    leaves: Vec<PathBuf>,
}

impl Outside {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ocf-runtime-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).unwrap();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let (mut cgroups, mut leaves) = (Vec::new(), Vec::new());
        for (mountpoint, typ, options) in cgroup_mounts() {
            let path = own.lines().find_map(|line| {
                let (names, path) = line.split_once(':')?.1.split_once(':')?;
                let same = |name: &str| options.split(',').any(|option| option == name);
                (names.is_empty() == (typ == "cgroup2") && names.split(',').all(|name| name.is_empty() || same(name)))
                    .then_some(path)
            });
            let cgroup = mountpoint.join(path.unwrap().trim_start_matches('/')).join(&name);
            fs::create_dir(&cgroup).unwrap();
            for set in ["cpuset.cpus", "cpuset.mems"] {
                if typ == "cgroup" && cgroup.join(set).exists() {
                    fs::write(cgroup.join(set), fs::read(cgroup.parent().unwrap().join(set)).unwrap()).unwrap();
                }
            }
            if typ == "cgroup2" {
                leaves.push(cgroup.join(LEAF));
                fs::create_dir(cgroup.join(LEAF)).unwrap();
            }
            cgroups.push(cgroup);
        }
        Outside { directory, cgroups, leaves }
    }

    /// Cgroups that the runtime made and did not remove.
    fn leftovers(&self) -> Vec<PathBuf> {
        let below = self.cgroups.iter().flat_map(|cgroup| directories(cgroup));
        below.filter(|path| !path.ends_with(LEAF)).collect()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for cgroup in &self.cgroups {
            let mut all = vec![cgroup.clone()];
            let mut at = 0;
            while at < all.len() {
                all.extend(directories(&all[at]));
                at += 1;
            }
            let removed = wait_until(|| {
                all.retain(|directory| fs::remove_dir(directory).is_err() && directory.exists());
                all.is_empty()
            });
            if !removed {
                eprintln!("left behind: {all:?}");
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Mount point, type and options of each cgroup hierarchy.
fn cgroup_mounts() -> Vec<(PathBuf, String, String)> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let (typ, options) = (file_system.next()?, file_system.nth(1)?);
        let mountpoint = mount.split(' ').nth(4)?;
        typ.starts_with("cgroup").then(|| (mountpoint.into(), typ.to_owned(), options.to_owned()))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Shows the cgroup hierarchies from the sandbox's own cgroups on.
fn mount_cgroups_anew() {
    let mounts = cgroup_mounts();
    let root = Path::new("/sys/fs/cgroup");
    umount2(root, MntFlags::MNT_DETACH).unwrap();
    if mounts.iter().all(|(mountpoint, ..)| mountpoint != root) {
        mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    }
    for (mountpoint, typ, options) in mounts {
        fs::create_dir_all(&mountpoint).unwrap();
        let names: Vec<&str> =
            options.split(',').filter(|name| !["rw", "ro", "xattr", "nsdelegate"].contains(name)).collect();
        let data = if typ == "cgroup" { names.join(",") } else { String::new() };
        mount(Some("cgroup"), &mountpoint, Some(typ.as_str()), MsFlags::empty(), Some(data.as_str())).unwrap();
    }
}

/// Waits, by looking again and again, until something is so.
pub fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// The inside of a sandbox: one bundle, and the runtime's root.
pub struct Sandbox {
    /// A directory of the test's own.
    pub directory: PathBuf,
}

/// What a call of the runtime gave.
#[derive(Debug)]
pub struct Called {
    /// Whether it exited with 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Sandbox {
    /// The config of a container that runs a shell script, with the host's programs mounted read-only.
    pub fn config(&self, script: &str) -> Value {
        let mut mounts = vec![
            json!({ "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] }),
            json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] }),
        ];
        for directory in ["/bin", "/sbin", "/lib", "/lib64", "/usr"] {
            if Path::new(directory).exists() {
                mounts.push(json!({ "destination": directory, "source": directory, "options": ["rbind", "ro"] }));
            }
        }
        mounts.push(json!({ "destination": "/out", "source": self.path("out"), "options": ["bind"] }));
        json!({
            "ociVersion": "1.3.0",
            "root": { "path": "rootfs" },
            "process": {
                "args": ["/bin/sh", "-c", script],
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "cwd": "/",
                "user": { "uid": 0, "gid": 0 },
            },
            "mounts": mounts,
            "linux": {
                "namespaces": [
                    { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                    { "type": "network" }, { "type": "cgroup" },
                ],
            },
        })
    }

    /// Writes the bundle, with a root file system that holds only `marker`.
    pub fn bundle(&self, config: &Value) {
        self.bundle_at("bundle", config);
    }

    /// Writes another bundle.
    pub fn bundle_at(&self, name: &str, config: &Value) -> String {
        let bundle = self.path(name);
        fs::create_dir_all(bundle.join("rootfs")).unwrap();
        fs::create_dir_all(self.path("out")).unwrap();
        fs::write(bundle.join("rootfs/marker"), "visible\n").unwrap();
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        bundle.to_str().unwrap().to_owned()
    }

    /// A path in the test's own directory.
    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.join(below)
    }

    /// What a container, or a hook, wrote to `/out/NAME`.
    pub fn out(&self, name: &str) -> String {
        let path = self.path("out").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The runtime's command, without an operation.
    pub fn runtime(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocf-runtime"));
        command.arg("--root").arg(self.path("root")).stdin(Stdio::null());
        command
    }

    /// Calls the runtime and waits for its end, but not for the end of its container.
    pub fn call(&self, arguments: &[&str]) -> Called {
        // A container keeps the runtime's standard streams, so they are files and not pipes.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = |kind: &str| self.path(&format!("call-{}-{kind}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let (stdout, stderr) = (name("stdout"), name("stderr"));
        let mut command = self.runtime();
        command.args(arguments).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let status = command.status().unwrap();
        let read = |path| fs::read_to_string(path).unwrap();
        Called { ok: status.success(), stdout: read(stdout), stderr: read(stderr) }
    }

    /// Calls the runtime, which has to succeed.
    pub fn must(&self, arguments: &[&str]) -> Called {
        let called = self.call(arguments);
        assert!(called.ok, "{arguments:?} failed: {}", called.stderr);
        called
    }

    /// Calls the runtime, which has to fail; its one line is the answer.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let called = self.call(arguments);
        assert!(!called.ok, "{arguments:?} succeeded");
        let lines: Vec<&str> = called.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert_eq!(lines.len(), 1, "{}", called.stderr);
        lines[0].to_owned()
    }

    /// Creates the container `c1` from `config`.
    pub fn create(&self, config: &Value) {
        self.bundle(config);
        self.must(&["create", "--bundle", self.path("bundle").to_str().unwrap(), "c1"]);
    }

    /// Tries to create `c1` from `config`, which has to fail and to leave everything as it was.
    pub fn create_refused(&self, config: &Value) -> String {
        self.bundle(config);
        let before = self.surroundings();
        let error = self.refused(&["create", "--bundle", self.path("bundle").to_str().unwrap(), "c1"]);
        assert_eq!(before, self.surroundings(), "the refusal left something behind");
        error
    }

    /// Runs `config` from create to delete, which has to leave everything as it was.
    pub fn live(&self, config: &Value) {
        self.bundle(config);
        let before = self.surroundings();
        self.create(config);
        self.must(&["start", "c1"]);
        assert!(wait_until(|| self.status() == "stopped"), "it doesn't end");
        self.must(&["delete", "c1"]);
        assert_eq!(before, self.surroundings(), "delete left something behind");
    }

    /// Runs a script that is the whole of a container's life; the answer is what it wrote to `/out/result`.
    pub fn run(&self, script: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut config = self.config(&format!("{{ {script}\n}} >/out/result 2>&1"));
        change(&mut config);
        self.live(&config);
        self.out("result")
    }

    /// The state of `c1`.
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.must(&["state", "c1"]).stdout).unwrap()
    }

    /// The status of `c1`.
    pub fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    /// Everything that a runtime could leave behind: mounts, processes, cgroups, and files but for calls' outputs.
    pub fn surroundings(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        found.extend(fs::read_to_string("/proc/self/mountinfo").unwrap().lines().map(str::to_owned));
        for (mountpoint, ..) in cgroup_mounts() {
            found.extend(directories(&mountpoint).iter().map(|path| path.display().to_string()));
        }
        for directory in ["bundle", "bundle/rootfs", "bundle/rootfs/dev", "root"] {
            let entries = fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
            found.extend(
                entries.map(|entry| entry.path().display().to_string()).filter(|path| !path.ends_with("/root")),
            );
        }
        found.extend(processes());
        found.sort();
        found
    }
}

/// All processes of the sandbox that have not exited.
fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
        (state != 'Z').then(|| format!("process {pid}"))
    })
    .collect()
}

/// Whether this kernel restricts processes by AppArmor's profiles.
pub fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text == "Y\n")
}

/// Whether this kernel restricts processes by SELinux's labels.
pub fn has_selinux() -> bool {
    fs::read_to_string("/proc/filesystems").unwrap().contains("selinuxfs")
}

/// The descriptor that comes over a socket.
pub fn received(socket: i32) -> OwnedFd {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut text = [0; 64];
    let mut buffers = [IoSliceMut::new(&mut text)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let message = recvmsg::<()>(socket, &mut buffers, Some(&mut space), MsgFlags::empty()).unwrap();
    let Some(ControlMessageOwned::ScmRights(fds)) = message.cmsgs().unwrap().next() else {
        panic!("no descriptor came")
    };
    // SAFETY: the descriptor has just been received, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fds[0]) }
}

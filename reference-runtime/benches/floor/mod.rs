//! The least that a runtime has to do for a container: the bare system calls, with the seccomp program ready, without a
//! config, without a state, without a check.

use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, chdir, execve, pivot_root, sethostname};
use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const PRIVATE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC).union(MsFlags::MS_NODEV);

const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const MASKED_FILES: [&str; 5] =
    ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug"];
const MASKED_DIRECTORIES: [&str; 4] = ["/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware"];

/// Runs the container of the bundle in `directory` and waits for its end.
pub fn run(directory: &Path) {
    let filter = fs::read(directory.join("filter")).unwrap();
    let cgroups: Vec<PathBuf> = cgroup_mounts().iter().map(|path| path.join("floor")).collect();
    for cgroup in &cgroups {
        fs::create_dir(cgroup).unwrap();
        for set in ["cpuset.cpus", "cpuset.mems"] {
            // On v1 nobody can be in a cgroup with empty sets.
            if cgroup.ends_with("cpuset/floor") {
                fs::write(cgroup.join(set), fs::read(cgroup.with_file_name(set)).unwrap()).unwrap();
            }
        }
    }
    let (mut told, mut tell) = std::io::pipe().unwrap();
    let unified = match cgroups.as_slice() {
        [only] => Some(open(only, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).unwrap()),
        _ => None,
    };
    match clone3(unified.as_ref().map(AsRawFd::as_raw_fd)) {
        0 => {
            drop(tell);
            told.read_exact(&mut [0]).unwrap();
            become_container(&directory.join("rootfs"), &filter)
        }
        pid => {
            if unified.is_none() {
                cgroups.iter().for_each(|cgroup| fs::write(cgroup.join("cgroup.procs"), pid.to_string()).unwrap());
            }
            tell.write_all(b"x").unwrap();
            assert_eq!(waitpid(Pid::from_raw(pid), None).unwrap(), WaitStatus::Exited(Pid::from_raw(pid), 0));
        }
    }
    cgroups.iter().for_each(|cgroup| fs::remove_dir(cgroup).unwrap());
}

fn clone3(cgroup: Option<i32>) -> i32 {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let new = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET;
    // SAFETY: the structure is plain numbers, of which each may be 0.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(new.cast_unsigned() | libc::CLONE_NEWCGROUP.cast_unsigned());
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.cast_unsigned());
    }
    // SAFETY: without CLONE_VM this is fork(2), and this process has one thread; the structure outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    i32::try_from(nix::errno::Errno::result(pid).unwrap()).unwrap()
}

fn become_container(root: &Path, filter: &[u8]) -> ! {
    make_mounts(root);
    make_devices();
    pivot_root(".", ".").unwrap();
    umount2(".", MntFlags::MNT_DETACH).unwrap();
    chdir("/").unwrap();
    cover();
    sethostname("floor").unwrap();
    install(filter);
    let program = CString::from(c"/true");
    let Err(errno) = execve(&program, &[&program], &[c"PATH=/bin"]);
    panic!("execute the container's program: {errno}");
}

fn make_mounts(root: &Path) {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>).unwrap();
    mount(Some(root), root, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>).unwrap();
    chdir(root).unwrap();
    let new =
        |target: &str, typ: &str, flags, data: &str| mount(Some(typ), target, Some(typ), flags, Some(data)).unwrap();
    new("proc", "proc", PRIVATE, "");
    new("dev", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME, "mode=755,size=65536k");
    ["dev/pts", "dev/shm", "dev/mqueue"].iter().for_each(|path| fs::create_dir(path).unwrap());
    let devpts = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    new("dev/pts", "devpts", devpts, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    new("dev/shm", "tmpfs", PRIVATE, "mode=1777,size=65536k");
    new("dev/mqueue", "mqueue", PRIVATE, "");
    new("sys", "sysfs", PRIVATE | MsFlags::MS_RDONLY, "");
}

fn make_devices() {
    umask(Mode::empty());
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&Path::new("dev").join(name), SFlag::S_IFCHR, mode, makedev(major, minor)).unwrap();
    }
    let links = [("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout")];
    for (target, link) in links.into_iter().chain([("/proc/self/fd/2", "stderr"), ("pts/ptmx", "ptmx")]) {
        symlink(target, Path::new("dev").join(link)).unwrap();
    }
}

/// Masked and read-only paths, of which a kernel may lack some.
fn cover() {
    for path in READONLY {
        let again = PRIVATE | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let _ = mount(Some(path), path, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
            .and_then(|()| mount(None::<&str>, path, None::<&str>, again, None::<&str>));
    }
    for path in MASKED_FILES {
        let _ = mount(Some("/dev/null"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    }
    for path in MASKED_DIRECTORIES {
        let _ = mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_RDONLY, None::<&str>);
    }
}

fn install(filter: &[u8]) {
    let length = u16::try_from(filter.len() / size_of::<libc::sock_filter>()).unwrap();
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: the program outlives the call, which copies it.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    nix::errno::Errno::result(done).unwrap();
}

/// Where cgroup hierarchies are mounted: one place on v2, one a hierarchy on v1.
fn cgroup_mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.filter(|fields| fields[2].starts_with("cgroup")).map(|fields| PathBuf::from(fields[1])).collect()
}

/// The mount options of the hierarchies of v1 that this machine has.
pub fn controllers() -> Vec<String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    own.lines().filter_map(|line| line.split(':').nth(1).filter(|names| !names.is_empty()).map(str::to_owned)).collect()
}

//! Host facts: what this machine has, and what cases and requirements may need of it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use serde::{Deserialize, Serialize};

/// What this machine has, as far as a case may need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// The kernel's release, as uname(2) tells it.
    pub kernel: String,
    /// The machine, as uname(2) tells it.
    pub machine: String,
    /// The operating system's name from os-release(5); empty if unknown.
    pub system: String,
    /// Processors that the harness may run on.
    pub processors: usize,
    /// The cgroup hierarchies, as the cases see them.
    pub cgroups: Cgroups,
    /// Active Linux security modules.
    pub lsms: BTreeSet<String>,
    /// Capabilities of the harness, with CAP_.
    pub capabilities: BTreeSet<String>,
    /// Namespaces beyond those that every kernel has: `user`, `time`, `cgroup`.
    pub namespaces: BTreeSet<String>,
    /// Whether resctrl can be mounted.
    pub resctrl: bool,
    /// Whether there are huge pages that nobody has reserved.
    #[serde(default)]
    pub huge_pages: bool,
    /// Whether the kernel also runs programs of the machine's sibling with 32 bits.
    #[serde(default)]
    pub compat: bool,
    /// The NUMA nodes that have memory; none where the kernel knows no nodes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes: BTreeSet<u32>,
}

/// The cgroup hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cgroups {
    /// Controllers on version 1.
    pub v1: BTreeSet<String>,
    /// Controllers on version 2 that the cases can enable.
    pub v2: BTreeSet<String>,
    /// Whether a version 2 hierarchy is mounted.
    pub unified: bool,
    /// The view that the cases get.
    pub view: View,
}

/// Which hierarchies a case sees below /sys/fs/cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Those of the host, in its layout.
    #[default]
    Host,
    /// Version 1 only.
    V1,
    /// Version 2 only.
    V2,
}

impl FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host),
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            other => Err(format!("{other:?} is no view of the cgroups; there are v1, v2 and host")),
        }
    }
}

/// One host fact that a case, a profile or a requirement needs. The list is closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Need {
    /// `cgroup=v1`: some controller on version 1.
    CgroupV1,
    /// `cgroup=v2`: version 2 alone.
    CgroupV2,
    /// `controller:NAME`, on either version.
    Controller(String),
    /// `kernel>=MAJOR.MINOR`.
    Kernel(u32, u32),
    /// `kernel<MAJOR.MINOR`, for what newer kernels have given up.
    OldKernel(u32, u32),
    /// `lsm:NAME`.
    Lsm(String),
    /// `cap:NAME`, with CAP_.
    Capability(String),
    /// `resctrl`.
    Resctrl,
    /// `hugepages`: some that nobody has reserved.
    HugePages,
    /// `numa`: more than one node of memory.
    Numa,
    /// `compat`: programs of the machine's sibling with 32 bits run, too.
    Compat,
    /// `userns`.
    UserNamespace,
    /// `timens`.
    TimeNamespace,
    /// `cgroupns`.
    CgroupNamespace,
}

impl Need {
    /// The closed list, as it is written.
    pub const FORMS: [&str; 14] = [
        "cgroup=v1",
        "cgroup=v2",
        "controller:NAME",
        "kernel>=X.Y",
        "kernel<X.Y",
        "lsm:NAME",
        "cap:NAME",
        "resctrl",
        "hugepages",
        "numa",
        "compat",
        "userns",
        "timens",
        "cgroupns",
    ];

    /// Whether it tells one sort of host from another, and not an ordinary one from an old or a bare one: what needs it
    /// is decided by the profiles that need it, too.
    pub fn tells_hosts_apart(&self) -> bool {
        matches!(self, Self::CgroupV1 | Self::CgroupV2 | Self::Lsm(_) | Self::Resctrl)
    }

    /// Whether this host has it.
    pub fn met(&self, host: &HostFacts) -> bool {
        match self {
            Self::CgroupV1 => !host.cgroups.v1.is_empty(),
            Self::CgroupV2 => host.cgroups.unified && host.cgroups.v1.is_empty(),
            Self::Controller(name) => host.cgroups.v1.contains(name) || host.cgroups.v2.contains(name),
            Self::Kernel(major, minor) => host.kernel_version() >= (*major, *minor),
            Self::OldKernel(major, minor) => host.kernel_version() < (*major, *minor),
            Self::Lsm(name) => host.lsms.contains(name),
            Self::Capability(name) => host.capabilities.contains(name),
            Self::Resctrl => host.resctrl,
            Self::HugePages => host.huge_pages,
            Self::Numa => host.nodes.len() > 1,
            Self::Compat => host.compat,
            Self::UserNamespace => host.namespaces.contains("user"),
            Self::TimeNamespace => host.namespaces.contains("time"),
            Self::CgroupNamespace => host.namespaces.contains("cgroup"),
        }
    }
}

impl TryFrom<String> for Need {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Need {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is no host fact; there are {}", Self::FORMS.join(", "));
        let version = |version: &str| -> Result<(u32, u32), String> {
            let (major, minor) = version.split_once('.').ok_or_else(unknown)?;
            let number = |digits: &str| digits.parse().map_err(|_| unknown());
            Ok((number(major)?, number(minor)?))
        };
        if let Some(least) = text.strip_prefix("kernel>=") {
            return version(least).map(|(major, minor)| Self::Kernel(major, minor));
        }
        if let Some(above) = text.strip_prefix("kernel<") {
            return version(above).map(|(major, minor)| Self::OldKernel(major, minor));
        }
        if let Some((kind, name)) = text.split_once(':') {
            return match kind {
                "controller" => Ok(Self::Controller(name.to_owned())),
                "lsm" => Ok(Self::Lsm(name.to_owned())),
                "cap" => Ok(Self::Capability(name.to_owned())),
                _ => Err(unknown()),
            };
        }
        match text {
            "cgroup=v1" => Ok(Self::CgroupV1),
            "cgroup=v2" => Ok(Self::CgroupV2),
            "resctrl" => Ok(Self::Resctrl),
            "hugepages" => Ok(Self::HugePages),
            "numa" => Ok(Self::Numa),
            "compat" => Ok(Self::Compat),
            "userns" => Ok(Self::UserNamespace),
            "timens" => Ok(Self::TimeNamespace),
            "cgroupns" => Ok(Self::CgroupNamespace),
            _ => Err(unknown()),
        }
    }
}

impl From<Need> for String {
    fn from(need: Need) -> Self {
        need.to_string()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CgroupV1 => f.write_str("cgroup=v1"),
            Self::CgroupV2 => f.write_str("cgroup=v2"),
            Self::Controller(name) => write!(f, "controller:{name}"),
            Self::Kernel(major, minor) => write!(f, "kernel>={major}.{minor}"),
            Self::OldKernel(major, minor) => write!(f, "kernel<{major}.{minor}"),
            Self::Lsm(name) => write!(f, "lsm:{name}"),
            Self::Capability(name) => write!(f, "cap:{name}"),
            Self::Resctrl => f.write_str("resctrl"),
            Self::HugePages => f.write_str("hugepages"),
            Self::Numa => f.write_str("numa"),
            Self::Compat => f.write_str("compat"),
            Self::UserNamespace => f.write_str("userns"),
            Self::TimeNamespace => f.write_str("timens"),
            Self::CgroupNamespace => f.write_str("cgroupns"),
        }
    }
}

impl HostFacts {
    /// Looks at this machine; `view` is what the cases will see of its cgroups.
    pub fn gather(view: View) -> Self {
        let uts = nix::sys::utsname::uname();
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let uts = uts.as_ref().ok();
        Self {
            kernel: uts.map(|u| text(u.release())).unwrap_or_default(),
            machine: uts.map(|u| text(u.machine())).unwrap_or_default(),
            system: system_name(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            cgroups: Cgroups::gather(view),
            lsms: lsms(),
            capabilities: capabilities(),
            namespaces: namespaces(),
            resctrl: words("/proc/filesystems", '\n').iter().any(|line| line.trim().ends_with("resctrl")),
            huge_pages: has_huge_pages(),
            compat: has_compat(),
            nodes: nodes(),
        }
    }

    /// The kernel's version, major and minor.
    pub fn kernel_version(&self) -> (u32, u32) {
        kernel_version(&self.kernel)
    }
}

fn has_huge_pages() -> bool {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let count = |name: &str| -> u64 {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        rest.trim().parse().unwrap_or(0)
    };
    count("HugePages_Free:") > count("HugePages_Rsvd:")
}

impl Cgroups {
    fn gather(view: View) -> Self {
        let hierarchies = crate::run::cgroups::Hierarchy::mounted().unwrap_or_default();
        let mut found = Self { view, ..Self::default() };
        for hierarchy in hierarchies {
            if hierarchy.is_unified() && view != View::V1 {
                found.unified = true;
                found.v2 = hierarchy.delegated_controllers();
            } else if !hierarchy.is_unified() && view != View::V2 {
                found.v1.extend(hierarchy.controllers.iter().filter(|c| !c.starts_with("name=")).cloned());
            }
        }
        found
    }
}

fn nodes() -> BTreeSet<u32> {
    let list = fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default();
    crate::view::memory_policy::nodes(list.trim()).unwrap_or_default()
}

fn kernel_version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn system_name() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.map(|name| name.trim_matches('"').to_owned()).unwrap_or_default()
}

fn words(path: &str, separator: char) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The active modules; SELinux is none as long as it has no policy, and so no contexts.
fn lsms() -> BTreeSet<String> {
    let mut active = words("/sys/kernel/security/lsm", ',');
    if !fs::read_to_string("/proc/self/attr/current").is_ok_and(|context| context.contains(':')) {
        active.remove("selinux");
    }
    active
}

/// An AppArmor profile that this host has for containers, by its name; `unconfined` if none looks like one.
pub fn profile_of_containers() -> String {
    let loaded = words("/sys/kernel/security/apparmor/profiles", '\n');
    // Each line is a name and, in parentheses, a mode.
    let mut names = loaded.iter().filter_map(|line| line.rsplit_once(" (")).map(|(name, _)| name);
    // docker-default, containers-default-VERSION, lxc-container-default, cri-containerd.apparmor.d.
    let is_one = |name: &&str| !name.contains('/') && ["container", "docker"].iter().any(|word| name.contains(word));
    names.find(is_one).unwrap_or("unconfined").to_owned()
}

/// The effective set of this process, by name.
fn capabilities() -> BTreeSet<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| mask >> bit & 1 == 1)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

/// A user namespace may be forbidden though the kernel has it (in a chroot, by a limit), so one is tried.
fn namespaces() -> BTreeSet<String> {
    let usable = |name: &str| match name {
        "user" => can_unshare(CloneFlags::CLONE_NEWUSER),
        _ => Path::new("/proc/self/ns").join(name).exists(),
    };
    ["user", "time", "cgroup"].into_iter().filter(|name| usable(name)).map(str::to_owned).collect()
}

/// Whether a child of this process gets such a namespace.
fn can_unshare(flags: CloneFlags) -> bool {
    in_a_child(|| unshare(flags).is_ok())
}

/// The execution domain of 32-bit programs (personality(2)).
const PER_LINUX32: nix::libc::c_ulong = 8;

/// Whether the kernel has the machine's other convention of calls: without it the execution domain changes nothing.
fn has_compat() -> bool {
    let machine = || nix::sys::utsname::uname().map(|uts| uts.machine().to_owned());
    in_a_child(|| {
        let plain = machine();
        // SAFETY: takes a plain number.
        let taken = unsafe { nix::libc::personality(PER_LINUX32) };
        taken != -1 && machine() != plain
    })
}

/// What a child of this process finds, which alone is changed by it; only system calls are allowed.
fn in_a_child(finds: impl FnOnce() -> bool) -> bool {
    // SAFETY: what follows in the child is allowed after a fork of any program.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let code = i32::from(!finds());
            // SAFETY: _exit(2) has no preconditions.
            unsafe { nix::libc::_exit(code) }
        }
        Ok(ForkResult::Parent { child }) => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
        Err(_) => false,
    }
}

/// The resource limits of Linux (getrlimit(2)).
pub const LIMITS: [&str; 16] = [
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
];

/// The capabilities that Linux has, by number (capabilities(7)).
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_reads_back_as_it_is_written() {
        for text in [
            "cgroup=v1",
            "controller:memory",
            "kernel>=5.12",
            "kernel<5.16",
            "lsm:selinux",
            "cap:CAP_SYS_RESOURCE",
            "userns",
            "hugepages",
            "compat",
        ] {
            assert_eq!(text.parse::<Need>().unwrap().to_string(), text);
        }
        assert!("kernel>=five".parse::<Need>().is_err());
        assert!("phase-of-moon".parse::<Need>().is_err());
    }

    #[test]
    fn kernels_compare_by_number() {
        let host = HostFacts { kernel: "6.18.5-rc1".into(), ..HostFacts::default() };
        assert!(Need::Kernel(5, 12).met(&host));
        assert!(Need::Kernel(6, 18).met(&host));
        assert!(!Need::Kernel(6, 19).met(&host));
        assert!(Need::OldKernel(6, 19).met(&host));
        assert!(!Need::OldKernel(6, 18).met(&host));
    }
}

//! The facts before the run: what the runtime's caller is, which a container may inherit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::getrlimit;
use serde_json::{Value, json};

use super::caller::session_keyring;
use super::cgroups::LEAF;
use super::job::Job;
use super::observe::{self, listing, unreadable};
use super::process::resource;
use crate::case::{Caller, Capabilities};
use crate::host::{CAPABILITIES, LIMITS};
use crate::mountinfo;

/// The environment of every call: `PATH`, unless the case gives one of its own, and the adapter's.
pub fn environment(job: &Job) -> BTreeMap<String, String> {
    let fixed = || {
        BTreeMap::from([("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())])
    };
    let mut environment = job.case.caller.environment.clone().unwrap_or_else(fixed);
    environment.extend(job.adapter.environment.clone());
    environment
}

/// All facts under `/before`, as a call will inherit them.
pub fn facts(job: &Job, roots: &[(String, PathBuf)]) -> Value {
    let caller = &job.case.caller;
    let uts = nix::sys::utsname::uname();
    let umask = u32::from_str_radix(caller.umask.as_deref().unwrap_or("022"), 8).unwrap_or(0o022);
    json!({
        "namespaces": observe::namespaces("/proc/self/ns"),
        "mounts": mounts(),
        "limits": limits(job),
        "umask": umask,
        "affinity": affinity(job),
        "environment": environment(job),
        "blocked": caller.blocked,
        "ignored": caller.ignored,
        "cgroups": observe::cgroup_paths("/proc/self/cgroup"),
        "cgroup-roots": roots.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "cgroup-files": observe::cgroup_files(&leaves(roots).collect::<Vec<_>>()),
        "unified-files": unified_files(roots),
        "cgroup-delegate": delegate(),
        "real-time": real_time(roots),
        "block-devices": block_devices(),
        "huge-pages": huge_pages(),
        "rdma-devices": observe::names(Path::new("/sys/class/infiniband")),
        "interfaces": interfaces(),
        "resctrl": observe::resctrl(i32::try_from(std::process::id()).ok()),
        "hostname": uts.as_ref().map(|u| u.nodename().to_string_lossy().into_owned()).unwrap_or_default(),
        "domainname": uts.as_ref().map(|u| u.domainname().to_string_lossy().into_owned()).unwrap_or_default(),
        "oom-score-adj": oom_score_adj(job),
        "uid": caller.uid.unwrap_or_else(|| nix::unistd::getuid().as_raw()),
        "gid": caller.gid.unwrap_or_else(|| nix::unistd::getgid().as_raw()),
        "groups": groups(caller),
        "capabilities": capabilities(caller),
        "no-new-privileges": caller.no_new_privileges || nix::sys::prctl::get_no_new_privs().unwrap_or(false),
        "session-keyring": session_keyring().map_or_else(|| unreadable("there are no keyrings"), |serial| json!(serial)),
        "speculation": speculation(),
    })
}

fn mounts() -> Value {
    std::fs::read_to_string("/proc/self/mountinfo").map_or_else(unreadable, |text| mountinfo::facts(&text))
}

/// Our own cgroups: ordinary ones, which have the files that a root may lack.
fn leaves(roots: &[(String, PathBuf)]) -> impl Iterator<Item = PathBuf> {
    roots.iter().map(|(_, root)| root.join(LEAF))
}

/// All files of an ordinary cgroup of version 2; none where there is no such hierarchy.
fn unified_files(roots: &[(String, PathBuf)]) -> Option<Value> {
    let (_, root) = roots.iter().find(|(name, _)| name == "unified")?;
    Some(observe::names(&root.join(LEAF)))
}

/// The files that the owner of a cgroup is given with it (cgroups(7)); none where the kernel does not say.
fn delegate() -> Option<Vec<String>> {
    let text = fs::read_to_string("/sys/kernel/cgroup/delegate").ok()?;
    Some(text.split_whitespace().map(str::to_owned).collect())
}

/// Microseconds of each period that the real-time tasks below our root may have; none where no group has its own.
fn real_time(roots: &[(String, PathBuf)]) -> Option<i64> {
    let mut texts = roots.iter().filter_map(|(_, root)| fs::read_to_string(root.join("cpu.rt_runtime_us")).ok());
    texts.next()?.trim().parse().ok()
}

/// The block devices by `MAJOR:MINOR`, each with the scheduler that serves it.
fn block_devices() -> Value {
    let mut found = listing();
    for device in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let Ok(numbers) = fs::read_to_string(device.path().join("dev")) else { continue };
        let schedulers = fs::read_to_string(device.path().join("queue/scheduler")).unwrap_or_default();
        let chosen = schedulers.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        found.insert(numbers.trim().to_owned(), json!(chosen.map_or("", |(name, _)| name)));
    }
    Value::Object(found)
}

/// The sizes of huge pages, as the kernel's control files name them, each with how many pages nobody has reserved.
fn huge_pages() -> Value {
    let mut found = listing();
    for size in fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten() {
        let name = size.file_name().to_string_lossy().into_owned();
        let kilobytes = name.strip_prefix("hugepages-").and_then(|rest| rest.strip_suffix("kB"));
        let Some(kilobytes) = kilobytes.and_then(|digits| digits.parse::<u64>().ok()) else { continue };
        let count =
            |file: &str| -> Option<u64> { fs::read_to_string(size.path().join(file)).ok()?.trim().parse().ok() };
        let free = count("free_hugepages").unwrap_or(0).saturating_sub(count("resv_hugepages").unwrap_or(0));
        found.insert(kernel_size(kilobytes), json!(free));
    }
    Value::Object(found)
}

fn kernel_size(kilobytes: u64) -> String {
    match kilobytes {
        0..1024 => format!("{kilobytes}KB"),
        1024..1_048_576 => format!("{}MB", kilobytes >> 10),
        _ => format!("{}GB", kilobytes >> 20),
    }
}

/// The network interfaces of the caller's namespace.
fn interfaces() -> Value {
    let mut found = listing();
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    // Two lines of headings come first.
    let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    found.extend(names.map(|(name, _)| (name.trim().to_owned(), json!(true))));
    Value::Object(found)
}

fn limits(job: &Job) -> Value {
    let mut found = listing();
    for name in LIMITS {
        let Some(resource) = resource(name) else { continue };
        let given = job.case.caller.limits.get(name).map(|limit| (limit.soft, limit.hard));
        if let Some((soft, hard)) = given.or_else(|| getrlimit(resource).ok()) {
            found.insert(name.to_owned(), json!({ "soft": soft, "hard": hard }));
        }
    }
    Value::Object(found)
}

fn affinity(job: &Job) -> Value {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    let own =
        set.map(|set| (0..nix::sched::CpuSet::count()).filter(|n| set.is_set(*n).unwrap_or(false)).collect::<Vec<_>>());
    json!(job.case.caller.affinity.clone().or(own.ok()))
}

/// The supplementary groups: of a caller with a group of its own, that one.
fn groups(caller: &Caller) -> Vec<u32> {
    let own = || nix::unistd::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
    caller.gid.map_or_else(own, |gid| vec![gid])
}

fn oom_score_adj(job: &Job) -> Value {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok());
    json!(job.case.caller.oom_score_adj.or(own))
}

/// What prctl(2) says of speculative stores, which a filter may forbid.
fn speculation() -> Value {
    const STORE_BYPASS: nix::libc::c_ulong = 0;
    // SAFETY: takes plain numbers, and only asks.
    let found = unsafe { nix::libc::prctl(nix::libc::PR_GET_SPECULATION_CTRL, STORE_BYPASS, 0, 0, 0) };
    nix::errno::Errno::result(found).map_or_else(unreadable, |found| json!(found))
}

/// The caller's capability sets, by name: this process's (proc(5), capabilities(7)), and what the case changes in them.
fn capabilities(caller: &Caller) -> Value {
    let wanted = &caller.capabilities;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut found = listing();
    let sets = [
        ("CapInh", "inheritable"),
        ("CapPrm", "permitted"),
        ("CapEff", "effective"),
        ("CapBnd", "bounding"),
        ("CapAmb", "ambient"),
    ];
    for (field, name) in sets {
        let mask = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let Some(mask) = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()) else { continue };
        let own = CAPABILITIES.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, n)| *n);
        let mut names: BTreeSet<&str> = own.filter(|name| !wanted.dropped.contains(*name)).collect();
        match name {
            // A change of users takes these away (capabilities(7)).
            "permitted" | "effective" | "ambient" if caller.is_ordinary() => names.clear(),
            "inheritable" if *wanted != Capabilities::default() => names = wanted.all_inheritable(),
            "ambient" => names.extend(wanted.ambient.iter().map(String::as_str)),
            _ => {}
        }
        found.insert(name.to_owned(), json!(names));
    }
    Value::Object(found)
}

//! What the kernel's files in a container's cgroups say, each in the shape that it has.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{cgroup_paths, listing, unreadable};
use crate::evidence::UNREADABLE;
use crate::number_list;

/// What a file holds.
#[derive(Clone, Copy)]
enum Shape {
    /// One value: a number where it is one, else its text.
    Value,
    /// Words: `["max", "100000"]`.
    Words,
    /// A list of numbers and ranges, such as `0-2,7`: the numbers.
    Numbers,
    /// Lines of a name and a value: `{NAME: VALUE}`, complete.
    Lines,
    /// Lines of a name and `key=value`: `{NAME: {KEY: VALUE}}`, complete.
    Fields,
}

use Shape::{Fields, Lines, Numbers, Value as One, Words};

/// The files that are facts.
const FILES: [(&str, Shape); 67] = [
    ("blkio.bfq.weight", One),
    ("blkio.bfq.weight_device", Lines),
    ("blkio.leaf_weight", One),
    ("blkio.leaf_weight_device", Lines),
    ("blkio.throttle.read_bps_device", Lines),
    ("blkio.throttle.read_iops_device", Lines),
    ("blkio.throttle.write_bps_device", Lines),
    ("blkio.throttle.write_iops_device", Lines),
    ("blkio.weight", One),
    ("blkio.weight_device", Lines),
    ("cgroup.controllers", Words),
    ("cgroup.max.depth", One),
    ("cgroup.max.descendants", One),
    ("cpu.cfs_burst_us", One),
    ("cpu.cfs_period_us", One),
    ("cpu.cfs_quota_us", One),
    ("cpu.idle", One),
    ("cpu.max", Words),
    ("cpu.max.burst", One),
    ("cpu.rt_period_us", One),
    ("cpu.rt_runtime_us", One),
    ("cpu.shares", One),
    ("cpu.stat", Lines),
    ("cpu.weight", One),
    ("cpuset.cpus", Numbers),
    ("cpuset.mems", Numbers),
    ("hugetlb.1GB.limit_in_bytes", One),
    ("hugetlb.1GB.max", One),
    ("hugetlb.1GB.rsvd.limit_in_bytes", One),
    ("hugetlb.1GB.rsvd.max", One),
    ("hugetlb.2MB.limit_in_bytes", One),
    ("hugetlb.2MB.max", One),
    ("hugetlb.2MB.rsvd.limit_in_bytes", One),
    ("hugetlb.2MB.rsvd.max", One),
    ("hugetlb.32MB.limit_in_bytes", One),
    ("hugetlb.32MB.max", One),
    ("hugetlb.32MB.rsvd.limit_in_bytes", One),
    ("hugetlb.32MB.rsvd.max", One),
    ("hugetlb.64KB.limit_in_bytes", One),
    ("hugetlb.64KB.max", One),
    ("hugetlb.64KB.rsvd.limit_in_bytes", One),
    ("hugetlb.64KB.rsvd.max", One),
    ("io.bfq.weight", Lines),
    ("io.max", Fields),
    ("io.weight", Lines),
    ("memory.high", One),
    ("memory.kmem.limit_in_bytes", One),
    ("memory.kmem.tcp.limit_in_bytes", One),
    ("memory.limit_in_bytes", One),
    ("memory.low", One),
    ("memory.max", One),
    ("memory.memsw.limit_in_bytes", One),
    ("memory.min", One),
    ("memory.oom.group", One),
    ("memory.oom_control", Lines),
    ("memory.soft_limit_in_bytes", One),
    ("memory.swap.high", One),
    ("memory.swap.max", One),
    ("memory.swappiness", One),
    ("memory.use_hierarchy", One),
    ("misc.max", Lines),
    ("net_cls.classid", One),
    ("net_prio.ifpriomap", Lines),
    ("pids.max", One),
    ("rdma.max", Fields),
    ("cgroup.freeze", One),
    ("freezer.state", One),
];

/// What the container's cgroups say: each of the files that they have, by its name, and under `owners` whose they are.
pub fn cgroup(pid: Option<i32>, roots: &[(String, PathBuf)]) -> Value {
    let Some(pid) = pid else { return unreadable("the runtime told no pid") };
    let paths = cgroup_paths(&format!("/proc/{pid}/cgroup"));
    if paths.get(UNREADABLE).is_some() {
        return paths;
    }
    let (mut found, mut owners) = (listing(), listing());
    for (name, root) in roots {
        let Some(path) = name.split(',').find_map(|n| paths.get(n)).and_then(Value::as_str) else { continue };
        let directory = root.join(path.trim_start_matches('/'));
        for (file, shape) in files_in(&directory) {
            if let Ok(text) = fs::read_to_string(directory.join(file)) {
                found.insert(file.to_owned(), shape.read(text.trim()));
            }
        }
        owners.insert(name.clone(), owner(&directory, name == "unified"));
    }
    found.insert("owners".to_owned(), Value::Object(owners));
    Value::Object(found)
}

/// Those of the files that a cgroup has. There are few hierarchies with many of them, so each is listed once.
fn files_in(directory: &Path) -> impl Iterator<Item = (&'static str, Shape)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let name = entry.file_name();
        FILES.iter().find(|(file, _)| name.to_str() == Some(file)).copied()
    })
}

/// The names of the files that are facts and that cgroups like these have, one of each hierarchy.
pub fn files(cgroups: &[PathBuf]) -> Value {
    let mut found = listing();
    found.extend(
        cgroups.iter().flat_map(|directory| files_in(directory)).map(|(file, _)| (file.to_owned(), json!(true))),
    );
    Value::Object(found)
}

/// The user to whom a cgroup belongs, and on version 2 what in it belongs to another than root: `{uid, given: [NAME]}`.
fn owner(directory: &Path, unified: bool) -> Value {
    let uid = match fs::metadata(directory) {
        Ok(facts) => facts.uid(),
        Err(e) => return unreadable(e),
    };
    if !unified {
        return json!({ "uid": uid });
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_given = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|facts| facts.is_file() && facts.uid() != 0);
    let mut given: Vec<String> =
        entries.filter(is_given).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    given.sort_unstable();
    json!({ "uid": uid, "given": given })
}

impl Shape {
    fn read(self, text: &str) -> Value {
        match self {
            Self::Value => value(text),
            Self::Words => text.split_whitespace().map(value).collect(),
            Self::Numbers => number_list::parse(text).map_or_else(|| json!(text), |numbers| json!(numbers)),
            Self::Lines => lines(text, value),
            Self::Fields => lines(text, |rest| {
                let mut fields = listing();
                let pairs = rest.split_whitespace().filter_map(|pair| pair.split_once('='));
                fields.extend(pairs.map(|(name, number)| (name.to_owned(), value(number))));
                Value::Object(fields)
            }),
        }
    }
}

fn value(text: &str) -> Value {
    let number = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
    number.unwrap_or_else(|_| json!(text))
}

fn lines(text: &str, read: impl Fn(&str) -> Value) -> Value {
    let mut found: Map<String, Value> = listing();
    for line in text.lines() {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        found.insert(name.to_owned(), read(rest.trim()));
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_their_shape() {
        assert_eq!(One.read("67108864"), json!(67_108_864));
        assert_eq!(One.read("-1"), json!(-1));
        assert_eq!(One.read("max"), json!("max"));
        assert_eq!(Words.read("max 100000"), json!(["max", 100_000]));
        assert_eq!(Numbers.read("0-2,7"), json!([0, 1, 2, 7]));
        assert_eq!(Numbers.read(""), json!([]));
        let lines = Lines.read("default 100\n8:0 300");
        assert_eq!((&lines["default"], &lines["8:0"]), (&json!(100), &json!(300)));
        assert_eq!(Fields.read("8:0 rbps=5 wbps=max")["8:0"]["rbps"], json!(5));
    }

    #[test]
    fn no_file_is_listed_twice() {
        let names: std::collections::BTreeSet<_> = FILES.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), FILES.len());
    }
}

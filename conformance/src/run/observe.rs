//! What the host sees of a container and of itself. Only looks; every answer is a fact.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::cgroups::{self, LEAF};
use super::network;
use crate::evidence::{COMPLETE, UNREADABLE};
use crate::mountinfo;

mod cgroup;
mod resctrl;

pub use self::cgroup::{cgroup, files as cgroup_files};
pub use self::resctrl::resctrl;

/// A complete listing, to be filled.
pub fn listing() -> Map<String, Value> {
    Map::from_iter([(COMPLETE.to_owned(), Value::Bool(true))])
}

/// A fact that could not be had.
pub fn unreadable(why: impl std::fmt::Display) -> Value {
    json!({ UNREADABLE: why.to_string() })
}

/// A document that a stranger wrote, as facts: what its objects lack is known to be absent, and our own marks, if it
/// forges them, are left out.
pub fn whole(document: Value) -> Value {
    match document {
        Value::Object(fields) => {
            let honest = fields.into_iter().filter(|(name, _)| name != COMPLETE && name != UNREADABLE);
            let mut found = listing();
            found.extend(honest.map(|(name, value)| (name, whole(value))));
            Value::Object(found)
        }
        Value::Array(items) => items.into_iter().map(whole).collect(),
        other => other,
    }
}

/// All processes but those named, by pid.
pub fn processes(ours: &BTreeSet<i32>) -> Value {
    let mut found = listing();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if !ours.contains(&pid)
            && let Some(stat) = Stat::of(pid)
        {
            found.insert(pid.to_string(), json!({ "comm": stat.comm, "ppid": stat.parent, "state": stat.state }));
        }
    }
    Value::Object(found)
}

/// Some fields of /proc/PID/stat (proc(5)).
struct Stat {
    comm: String,
    state: String,
    parent: i32,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold spaces and parentheses, so its end is the last parenthesis.
        let (start, end) = (text.find('(')?, text.rfind(')')?);
        let mut rest = text[end + 1..].split_whitespace();
        let state = rest.next()?.to_owned();
        Some(Self { comm: text[start + 1..end].to_owned(), state, parent: rest.next()?.parse().ok()? })
    }
}

/// A container's process, seen from outside; `root` pairs give the cgroup hierarchies.
pub fn process(pid: Option<i32>) -> Value {
    let Some(pid) = pid else { return unreadable("the runtime told no pid") };
    let Some(stat) = Stat::of(pid) else { return json!({ "pid": pid, "alive": false }) };
    if stat.state == "Z" || stat.state == "X" {
        return json!({ "pid": pid, "alive": false, "state": stat.state });
    }
    let read = |file: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}"));
        text.map_or_else(unreadable, |text| Value::String(text.trim().to_owned()))
    };
    json!({
        "pid": pid,
        "alive": true,
        "state": stat.state,
        "namespaces": namespaces(&format!("/proc/{pid}/ns")),
        "cgroups": cgroup_paths(&format!("/proc/{pid}/cgroup")),
        "oom-score-adj": fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok().and_then(|t| t.trim().parse::<i64>().ok()),
        "uid-map": read("uid_map"),
        "gid-map": read("gid_map"),
        "timens-offsets": read("timens_offsets"),
    })
}

/// The inodes of the namespaces in a directory such as /proc/self/ns, without those for children.
pub fn namespaces(directory: &str) -> Value {
    let mut found = listing();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (false, Ok(file)) = (name.ends_with("_for_children"), fs::metadata(entry.path())) {
            found.insert(name, json!(file.ino()));
        }
    }
    Value::Object(found)
}

/// The lines of a file such as /proc/self/cgroup: controllers (or `unified`) and path.
pub fn cgroup_paths(file: &str) -> Value {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) => return unreadable(e),
    };
    let mut found = listing();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let name = controllers.strip_prefix("name=").unwrap_or(controllers);
        let names = if name.is_empty() { vec!["unified"] } else { name.split(',').collect() };
        for name in names {
            found.insert(name.to_owned(), json!(path));
        }
    }
    Value::Object(found)
}

/// All cgroups below the case's roots, as `HIERARCHY:/path`, but for the supervisor's own leaf.
pub fn cgroups(roots: &[(String, PathBuf)]) -> Value {
    let mut found = listing();
    for (name, root) in roots {
        for directory in cgroups::below(root).into_iter().skip(1) {
            let Ok(path) = directory.strip_prefix(root) else { continue };
            if !path.starts_with(LEAF) {
                let procs = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                found.insert(format!("{name}:/{}", path.display()), json!({ "processes": procs.lines().count() }));
            }
        }
    }
    Value::Object(found)
}

/// The mounts of this mount namespace, but for those that `before` has: by mount point, complete.
pub fn mounts(before: &Value) -> Value {
    match fs::read_to_string("/proc/self/mountinfo") {
        Err(e) => unreadable(e),
        Ok(text) => {
            let mut all = mountinfo::facts(&text);
            if let (Some(all), Some(before)) = (all.as_object_mut(), before.as_object()) {
                all.retain(|point, mount| {
                    point == COMPLETE || before.get(point).map(identity) != Some(identity(mount))
                });
            }
            all
        }
    }
}

/// What tells one mount from another that came to lie at the same point.
fn identity(mount: &Value) -> Option<&Value> {
    mount.get("id")
}

/// The names in a directory, complete.
pub fn names(directory: &Path) -> Value {
    let mut found = listing();
    match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return unreadable(e),
        Ok(entries) => {
            for entry in entries.flatten() {
                found.insert(entry.file_name().to_string_lossy().into_owned(), json!(true));
            }
        }
    }
    Value::Object(found)
}

/// The kind, owner and text of each of these paths that is there, and the devices of a network namespace; links are not
/// followed.
pub fn paths<'a>(paths: impl Iterator<Item = &'a (String, PathBuf)>) -> Value {
    let mut found = listing();
    for (written, path) in paths {
        match fs::symlink_metadata(path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(e) => drop(found.insert(written.clone(), unreadable(e))),
            Ok(file) => drop(found.insert(written.clone(), path_facts(path, &file))),
        }
    }
    Value::Object(found)
}

/// Everything below a directory, complete, by its path from there; links are not followed. A change of a file's text is
/// seen as well as one of its owner; only the last access is none of the facts.
pub fn tree(root: &Path) -> Value {
    let mut found = listing();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        match fs::symlink_metadata(&path) {
            Err(e) => drop(found.insert(name, unreadable(e))),
            Ok(file) => {
                if file.is_dir() {
                    waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
                }
                found.insert(name, path_facts(&path, &file));
            }
        }
    }
    Value::Object(found)
}

fn path_facts(path: &Path, file: &fs::Metadata) -> Value {
    let kind = file.file_type();
    let mut facts = json!({
        "type": type_name(&kind),
        "mode": file.mode() & 0o7777,
        "uid": file.uid(),
        "gid": file.gid(),
        "dev": device(file.dev()),
        "rdev": device(file.rdev()),
        "ino": file.ino(),
    });
    if let Some(devices) = Some(path).filter(|_| kind.is_file()).and_then(network::devices_of) {
        facts["interfaces"] = devices;
    } else if kind.is_file() && file.len() <= 65_536 {
        facts["text"] = fs::read_to_string(path).map_or_else(unreadable, Value::String);
    } else if kind.is_dir() {
        facts["entries"] = names(path);
    } else if kind.is_symlink() {
        facts["target"] = fs::read_link(path).map_or_else(unreadable, |t| json!(t));
    }
    facts
}

/// The word for a kind of file, as the witness says it.
pub fn type_name(kind: &fs::FileType) -> &'static str {
    match kind {
        k if k.is_file() => "file",
        k if k.is_dir() => "directory",
        k if k.is_symlink() => "symlink",
        k if k.is_char_device() => "character",
        k if k.is_block_device() => "block",
        k if k.is_fifo() => "fifo",
        k if k.is_socket() => "socket",
        _ => "unknown",
    }
}

/// A device number as `[major, minor]`.
pub fn device(number: u64) -> Value {
    json!([nix::sys::stat::major(number), nix::sys::stat::minor(number)])
}

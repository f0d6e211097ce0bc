//! Questions: one thing each to try, and what came of it.

use std::fs;
use std::io::{self, Write};

use crate::value::Value;
use crate::{child, files, kernel, scheduling, syscalls};

/// File systems by the magic of statfs(2), as /proc/filesystems calls them.
const FILE_SYSTEMS: [(i64, &str); 22] = [
    (0x0102_1994, "tmpfs"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x6367_7270, "cgroup2"),
    (0x27_e0eb, "cgroup"),
    (0x1cd1, "devpts"),
    (0x1980_0202, "mqueue"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0xef53, "ext"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0x9584_58f6, "hugetlbfs"),
    (0xcafe_4a11, "bpf"),
    (0x6e73_6673, "nsfs"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x6969, "nfs"),
    (0x765_5821, "resctrl"),
];
/// Mount flags by bit, as mount(8) calls them.
const MOUNT_FLAGS: [(i64, &str); 10] = [
    (1, "ro"),
    (2, "nosuid"),
    (4, "nodev"),
    (8, "noexec"),
    (16, "sync"),
    (64, "mand"),
    (1024, "noatime"),
    (2048, "nodiratime"),
    (4096, "relatime"),
    (8192, "nosymfollow"),
];
const S_IFIFO: u32 = 0o010_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;

/// The answer to a question; none if there is no such question.
pub fn answer(kind: &str, args: &[&str]) -> Option<Value> {
    Some(match (kind, args) {
        ("read", [path]) => tried(files::read(path, files::QUESTION_LIMIT).map(|bytes| content(&bytes))),
        ("write", [path, text]) => harmful(|| write(path, text)),
        ("make", [path]) => tried(make(path)),
        ("stat", [path]) => tried(files::stat(path, false)),
        ("follow", [path]) => tried(files::stat(path, true)),
        ("list", [path]) => tried(files::list(path).map(|entries| Value::object([("entries", entries)]))),
        ("open", [path, mode @ ("r" | "w" | "rw")]) => {
            let opened = files::open(path, mode.contains('r'), mode.contains('w'));
            tried(opened.map(|_| yes("opened")))
        }
        ("mknod", [path, kind, major, minor]) => {
            let kind = match *kind {
                "c" => S_IFCHR,
                "b" => S_IFBLK,
                "p" => S_IFIFO,
                _ => return None,
            };
            tried(make_node(path, kind, major.parse().ok()?, minor.parse().ok()?))
        }
        ("exec", [_, ..]) => child::ask(|| Value::error(&kernel::execute(args))),
        ("syscall" | "trapped" | "traced" | "threads" | "interrupted" | "foreign", [call, args @ ..])
            if args.len() <= 6 =>
        {
            syscalls::answer(kind, call, args)?
        }
        ("memory-policy", []) => child::ask(|| Value::from(scheduling::memory_policy())),
        ("touch", [mebibytes]) => touch(mebibytes.parse().ok()?),
        ("fork", [count]) => child::many(count.parse().ok()?),
        ("statfs", [path]) => tried(file_system(path)),
        ("xattr", [path, name]) => tried(kernel::attribute(path, name).map(|value| content(&value))),
        ("kill", [pid, signal]) => tried(kernel::send(pid.parse().ok()?, signal.parse().ok()?).map(|()| yes("sent"))),
        ("bind", [source, target]) => tried(kernel::bind(source, target).map(|()| yes("bound"))),
        ("take-down", [device]) => tried(kernel::take_down(device.as_bytes()).map(|()| yes("down"))),
        _ => return None,
    })
}

fn tried(result: io::Result<Value>) -> Value {
    result.unwrap_or_else(|error| Value::error(&error))
}

/// Tries in a child what may end in a signal or not at all.
fn harmful(body: impl FnOnce() -> io::Result<Value>) -> Value {
    child::ask(|| {
        kernel::no_core_dump();
        tried(body())
    })
}

fn yes(name: &str) -> Value {
    Value::object([(name, Value::Bool(true))])
}

/// `{bytes}` of a text, `{hex}` of what is none.
fn content(bytes: &[u8]) -> Value {
    match Value::bytes(bytes) {
        text @ Value::Text(_) => Value::object([("bytes", text)]),
        hex => hex,
    }
}

/// One write(2) at the file's start.
fn write(path: &str, text: &str) -> io::Result<Value> {
    let written = files::open(path, false, true)?.write(text.as_bytes())?;
    Ok(Value::object([("written", Value::Number(written as i128))]))
}

fn make(path: &str) -> io::Result<Value> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    // What it made was empty and new; that it stays is no answer to this question.
    _ = fs::remove_file(path);
    Ok(yes("made"))
}

fn make_node(path: &str, kind: u32, major: u32, minor: u32) -> io::Result<Value> {
    kernel::make_node(path, kind | 0o600, major, minor)?;
    _ = fs::remove_file(path);
    Ok(yes("made"))
}

fn touch(mebibytes: u32) -> Value {
    harmful(|| {
        // When memory runs out this child shall go, and not the witness. A refusal changes nothing else.
        _ = write("/proc/self/oom_score_adj", "1000");
        kernel::touch(mebibytes)?;
        Ok(Value::object([("touched", Value::from(mebibytes))]))
    })
}

fn file_system(path: &str) -> io::Result<Value> {
    let facts = kernel::file_system(path)?;
    let name = FILE_SYSTEMS.iter().find(|(magic, _)| *magic == facts.magic & 0xffff_ffff);
    let flags = MOUNT_FLAGS.iter().filter(|(bit, _)| facts.flags & bit != 0);
    Ok(Value::object([
        ("type", name.map_or_else(|| Value::Text(format!("{:#x}", facts.magic)), |(_, name)| Value::text(name))),
        ("flags", Value::names(flags.map(|(_, name)| *name))),
    ]))
}

//! Files: their text, what stat(2) tells, what a directory holds.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::child::milliseconds;
use crate::kernel;
use crate::value::{Value, field};

/// Bytes that a question reads at most.
pub const QUESTION_LIMIT: usize = 64 * 1024;
/// Bytes of a text of the kernel's at most.
const KERNEL_LIMIT: usize = 1024 * 1024;
/// Entries of /dev at most.
const DEVICES: usize = 4096;
/// How long standard input may take to come to its end.
const STDIN_DEADLINE: Duration = Duration::from_secs(5);

/// Opens a file so that neither a FIFO nor a terminal can hold the witness.
pub fn open(path: &str, read: bool, write: bool) -> io::Result<File> {
    let flags = kernel::O_NONBLOCK | kernel::O_NOCTTY;
    OpenOptions::new().read(read).write(write).custom_flags(flags).open(path)
}

/// The first `limit` bytes of a file.
pub fn read(path: &str, limit: usize) -> io::Result<Vec<u8>> {
    let mut file = open(path, true, false)?;
    let mut bytes = Vec::new();
    let mut some = vec![0; 64 * 1024];
    while bytes.len() < limit {
        let most = some.len().min(limit - bytes.len());
        match file.read(&mut some[..most]) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&some[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The whole text of a file of the kernel's.
pub fn kernel_text(path: &str) -> io::Result<Value> {
    let bytes = read(path, KERNEL_LIMIT)?;
    if bytes.len() == KERNEL_LIMIT {
        Err(io::Error::from_raw_os_error(kernel::EFBIG))
    } else {
        Ok(Value::bytes(&bytes))
    }
}

/// What comes on descriptor 0 until its end; a part of it is no fact.
pub fn standard_input() -> Value {
    Value::from(read_standard_input())
}

fn read_standard_input() -> io::Result<Value> {
    kernel::status_flags(0)?;
    let until = Instant::now() + STDIN_DEADLINE;
    let mut text = Vec::new();
    let mut some = [0; 4096];
    loop {
        if !kernel::wait_readable(0, milliseconds(until)) && Instant::now() >= until {
            return Ok(Value::object([("$unreadable", Value::text("deadline"))]));
        }
        match kernel::read_some(0, &mut some) {
            Ok(0) => return Ok(Value::bytes(&text)),
            Ok(length) => text.extend_from_slice(&some[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
        if text.len() > QUESTION_LIMIT {
            return Err(io::Error::from_raw_os_error(kernel::EFBIG));
        }
    }
}

/// What lstat(2) tells, or stat(2) if links are followed.
pub fn stat(path: &str, follow: bool) -> io::Result<Value> {
    let facts = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }?;
    let mut fields = vec![
        ("type".to_owned(), Value::text(kind(facts.mode()))),
        ("mode".to_owned(), Value::from(facts.mode() & 0o7777)),
        ("uid".to_owned(), Value::from(facts.uid())),
        ("gid".to_owned(), Value::from(facts.gid())),
        ("dev".to_owned(), device(facts.dev())),
        ("rdev".to_owned(), device(facts.rdev())),
        ("ino".to_owned(), Value::from(facts.ino())),
        ("size".to_owned(), Value::from(facts.size())),
    ];
    fields.extend(target(Path::new(path), &facts));
    Ok(Value::Object(fields))
}

/// The names in a directory, each with its type, in order.
pub fn list(path: &str) -> io::Result<Value> {
    let mut fields = Vec::new();
    for name in names(Path::new(path))? {
        let kind = match fs::symlink_metadata(Path::new(path).join(std::ffi::OsStr::from_bytes(&name))) {
            Ok(facts) => Value::object([("type", Value::text(kind(facts.mode())))]),
            Err(error) => Value::unreadable(&error),
        };
        fields.push((field(&name), kind));
    }
    Ok(Value::complete(fields))
}

/// /dev two levels deep; complete if every directory could be read.
pub fn devices() -> io::Result<Value> {
    let mut fields = Vec::new();
    let mut complete = true;
    let mut directories = vec![Path::new("/dev").to_owned()];
    while let Some(directory) = directories.pop() {
        let top = directory.as_os_str() == "/dev";
        let names = match names(&directory) {
            Ok(names) => names,
            Err(error) if top => return Err(error),
            Err(_) => {
                complete = false;
                continue;
            }
        };
        for name in names {
            let path = directory.join(std::ffi::OsStr::from_bytes(&name));
            let facts = fs::symlink_metadata(&path);
            if top && facts.as_ref().is_ok_and(Metadata::is_dir) {
                directories.push(path.clone());
            }
            complete &= fields.len() < DEVICES;
            if fields.len() < DEVICES {
                let facts = facts.map(|facts| device_facts(&path, &facts));
                fields.push((field(path.as_os_str().as_bytes()), Value::from(facts)));
            }
        }
    }
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(if complete { Value::complete(fields) } else { Value::Object(fields) })
}

fn device_facts(path: &Path, facts: &Metadata) -> Value {
    let mut fields = vec![
        ("type".to_owned(), Value::text(kind(facts.mode()))),
        ("mode".to_owned(), Value::from(facts.mode() & 0o7777)),
        ("uid".to_owned(), Value::from(facts.uid())),
        ("gid".to_owned(), Value::from(facts.gid())),
        ("rdev".to_owned(), device(facts.rdev())),
    ];
    fields.extend(target(path, facts));
    Value::Object(fields)
}

/// Where a symbolic link leads.
fn target(path: &Path, facts: &Metadata) -> Option<(String, Value)> {
    let link = || fs::read_link(path).map(|target| Value::bytes(target.as_os_str().as_bytes()));
    facts.is_symlink().then(|| ("target".to_owned(), Value::from(link())))
}

fn names(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let names = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name().into_vec()));
    let mut names: Vec<_> = names.collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// What a file is, by the type in its mode.
pub fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o010_000 => "fifo",
        0o020_000 => "character",
        0o040_000 => "directory",
        0o060_000 => "block",
        0o100_000 => "file",
        0o120_000 => "symlink",
        0o140_000 => "socket",
        // What the kernel's anonymous inodes have: eventfd, epoll, inotify …
        _ => "anonymous",
    }
}

/// A device number as `[major, minor]`.
pub fn device(number: u64) -> Value {
    Value::List(kernel::device_numbers(number).map(Value::from).to_vec())
}

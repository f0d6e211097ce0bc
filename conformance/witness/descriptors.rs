//! The descriptors that this process was given.

use std::fs::{self, File};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;

use crate::files;
use crate::kernel;
use crate::value::Value;

/// Without /proc every number is tried, at most up to here: the kernel's own default ceiling (fs.nr_open).
const CEILING: i32 = 1 << 20;
const RLIMIT_NOFILE: u32 = 7;

/// Flags by name; four of them differ between the architectures.
#[cfg(target_arch = "x86_64")]
const FLAGS: [(i32, &str); 9] = [
    (0x400, "O_APPEND"),
    (0x800, "O_NONBLOCK"),
    (0x1000, "O_DSYNC"),
    (0x2000, "O_ASYNC"),
    (0x4_0000, "O_NOATIME"),
    (0x20_0000, "O_PATH"),
    (0x4000, "O_DIRECT"),
    (0x1_0000, "O_DIRECTORY"),
    (0x2_0000, "O_NOFOLLOW"),
];
#[cfg(not(target_arch = "x86_64"))]
const FLAGS: [(i32, &str); 9] = [
    (0x400, "O_APPEND"),
    (0x800, "O_NONBLOCK"),
    (0x1000, "O_DSYNC"),
    (0x2000, "O_ASYNC"),
    (0x4_0000, "O_NOATIME"),
    (0x20_0000, "O_PATH"),
    (0x1_0000, "O_DIRECT"),
    (0x4000, "O_DIRECTORY"),
    (0x8000, "O_NOFOLLOW"),
];

/// All that are open, but for the witness' `own`.
pub fn all(own: &[i32]) -> io::Result<Value> {
    let (mut numbers, complete) = open_numbers()?;
    numbers.retain(|number| !own.contains(number));
    numbers.sort_unstable();
    let fields = numbers.iter().map(|number| (number.to_string(), Value::from(describe(*number)))).collect();
    Ok(if complete { Value::complete(fields) } else { Value::Object(fields) })
}

/// The numbers of the open descriptors, and whether they are all.
fn open_numbers() -> io::Result<(Vec<i32>, bool)> {
    // The listing's own descriptor is closed again before the numbers are tried.
    let (candidates, complete) = match listed() {
        Ok(numbers) => (numbers, true),
        Err(_) => match kernel::descriptors_end(CEILING) {
            Some(end) => ((0..end).collect(), true),
            None => ((0..CEILING).collect(), kernel::limit(RLIMIT_NOFILE)?.hard <= CEILING as u64),
        },
    };
    let mut numbers = Vec::new();
    for number in candidates {
        match kernel::closes_on_exec(number) {
            Ok(_) => numbers.push(number),
            Err(error) if error.raw_os_error() == Some(kernel::EBADF) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((numbers, complete))
}

fn listed() -> io::Result<Vec<i32>> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<io::Result<_>>()?;
    let number = |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse().ok());
    names.into_iter().map(number).collect::<Option<_>>().ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))
}

fn describe(number: i32) -> io::Result<Value> {
    // SAFETY: the descriptor is open, and the file is never dropped, so it stays open.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(number) });
    let facts = file.metadata()?;
    Ok(Value::object([
        ("type", Value::text(files::kind(facts.mode()))),
        ("dev", files::device(facts.dev())),
        ("rdev", files::device(facts.rdev())),
        ("ino", Value::from(facts.ino())),
        ("flags", flags(number)?),
        ("tty", Value::from(kernel::is_terminal(number).map(Value::Bool))),
    ]))
}

/// The access mode first, then what else is set.
fn flags(number: i32) -> io::Result<Value> {
    let flags = kernel::status_flags(number)?;
    let access = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(flags & 3) as usize];
    let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    let closes = kernel::closes_on_exec(number)?.then_some("O_CLOEXEC");
    Ok(Value::names([access].into_iter().chain(set).chain(closes)))
}

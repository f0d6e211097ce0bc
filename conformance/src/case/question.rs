//! Questions: one thing each for the witness to try inside.

use serde::{Deserialize, Serialize};

/// One question and its moment. Its answer lies at `/inside/MOMENT/NAME`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Question {
    /// Its name in the evidence.
    pub name: String,
    /// What to try.
    #[serde(flatten)]
    pub what: Try,
    /// The step after which it is asked; `start` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Question {
    /// The step after which it is asked.
    pub fn moment(&self) -> &str {
        self.at.as_deref().unwrap_or("start")
    }
}

/// What the witness tries. Each answers `{"error": "ENAME"}` when the kernel refuses.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Try {
    /// Reads a file from its start, 64 KiB at most: `{bytes}`, or `{hex}` if they are no UTF-8.
    Read(String),
    /// Writes to an existing file: `{written}` in bytes.
    Write {
        /// The file.
        path: String,
        /// What.
        text: String,
    },
    /// Makes a new, empty file, and removes it again: `{made: true}`.
    Make(String),
    /// lstat(2): `{type, mode, uid, gid, dev, rdev, ino, size, target}`; numbers of devices as `[major, minor]`.
    Stat(String),
    /// stat(2), links followed: the same.
    Follow(String),
    /// The names in a directory: `{entries: {NAME: {type}}}`, complete.
    List(String),
    /// access(2) by an open: `{opened: true}`. Flags are `r`, `w`, `rw`.
    Open {
        /// The file.
        path: String,
        /// `r`, `w` or `rw`.
        mode: String,
    },
    /// mknod(2), the node removed again: `{made: true}`.
    Mknod {
        /// Where.
        path: String,
        /// `c`, `b` or `p`.
        r#type: String,
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// Executes a program in a child: `{exit}` or `{signal}`.
    Exec(Vec<String>),
    /// A system call by number or name with up to six arguments, in a child: `{returned}`, `{error}`, `{signal}`.
    Syscall(Syscall),
    /// The same in a child that handles SIGSYS: `{trapped, code, call}` of the signal, the call as its number.
    Trapped(Syscall),
    /// The same in a child that is traced: `{message}` of the first event of a filter, `{}` and complete without one.
    Traced(Syscall),
    /// The same by the second of a child's two threads: `{ended}` if that thread ends and the first goes on.
    Threads(Syscall),
    /// The same in a child that handles SIGUSR1: `signalled` besides, whether that signal came meanwhile.
    Interrupted(Syscall),
    /// The same by the convention of the machine's 32-bit architecture, for a few calls by name; five arguments of 32 bits.
    Foreign(Syscall),
    /// get_mempolicy(2) of a child: `{mode, flags, nodes}`.
    MemoryPolicy {},
    /// Touches so many MiB of memory, page by page, in a child: `{touched}` or `{signal}`.
    Touch(u32),
    /// Forks so many sleeping children at once and ends them: `{forked}`, and `{error}` if one failed.
    Fork(u32),
    /// statfs(2): `{type, flags}`, flags as a complete list of names (`ro nosuid nodev noexec noatime …`).
    Statfs(String),
    /// An extended attribute's value: `{bytes}`.
    Xattr {
        /// The file.
        path: String,
        /// The attribute's whole name.
        name: String,
    },
    /// Sends a signal to a process of the container, 0 to ask whether it is there: `{sent: true}`.
    Kill {
        /// The process.
        pid: i32,
        /// The signal's number.
        signal: i32,
    },
    /// mount(2) with `MS_BIND`, which stays: `{bound: true}`.
    Bind {
        /// What is mounted.
        source: String,
        /// On what.
        target: String,
    },
    /// Takes a network device down (`IFF_UP` cleared), which stays so: `{down: true}`.
    TakeDown(String),
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Syscall {
    /// The number on this architecture, or one of the names that the witness knows.
    pub call: String,
    /// Arguments, each 64 bits wide; the others are 0.
    #[serde(default)]
    pub args: Vec<u64>,
}

impl Syscall {
    /// A call by name.
    pub fn new(call: impl Into<String>, args: impl Into<Vec<u64>>) -> Self {
        Self { call: call.into(), args: args.into() }
    }
}

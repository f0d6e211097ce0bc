//! The state of the process that calls the runtime.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What the runtime inherits from its caller; what is left out is fixed by the harness.
///
/// The fixed state: umask 022, all processors, nothing blocked or ignored, the harness's limits, stdin
/// from /dev/null, stdout and stderr to files, descriptors from 3 up closed, `PATH` alone in the
/// environment, the case's directory as cwd, a process group and no session of its own, private mounts.
/// Paths may hold placeholders.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Caller {
    /// The user that it is; root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group that it is in, and no further ones; root's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The file mode creation mask, as octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<String>,
    /// The processors it may run on, counted from 0 among those that the harness has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Vec<usize>>,
    /// Names of signals that are blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// Names of signals that are ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// Resource limits, by name (`RLIMIT_NOFILE`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Stdio>,
    /// Standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Stdio>,
    /// Standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Stdio>,
    /// Further descriptors that are open, by number from 3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptors: BTreeMap<u32, Stdio>,
    /// The whole environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// The working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The badness for the out-of-memory killer, -1000 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// The nice value, -20 to 19.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// The scheduling policy; none that is real-time, for a caller at the head of every queue stops the suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Policy>,
    /// The priority of its input and output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// What its capability sets differ in from the harness's.
    #[serde(default, skip_serializing_if = "Capabilities::is_plain")]
    pub capabilities: Capabilities,
    /// The flags that say how it gains and loses capabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub securebits: Vec<SecureBit>,
    /// Whether its no_new_privs attribute is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_new_privileges: bool,
    /// What its personality has besides that of a plain Linux process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personality: Vec<Persona>,
    /// By how many nanoseconds the kernel may let it oversleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer_slack: Option<u32>,
    /// The name of the signal that it gets when its parent dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_death_signal: Option<String>,
    /// Whether its session has a controlling terminal, which a stream may be as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// The name of a new session keyring that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    /// How all mounts of its mount namespace propagate; they are private when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Propagation>,
    /// The mode of its memory policy, whose only node is 0: `MPOL_INTERLEAVE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryMode>,
}

/// A mode of a memory policy (set_mempolicy(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum MemoryMode {
    /// From all nodes in turn.
    #[serde(rename = "MPOL_INTERLEAVE")]
    Interleave,
}

/// A soft and a hard limit, in the unit of its resource (getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The limit in force.
    pub soft: u64,
    /// Its ceiling.
    pub hard: u64,
}

/// What a descriptor of the caller is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdio {
    /// /dev/null.
    Null,
    /// Not open at all.
    Closed,
    /// A new file of the case; for stdout and stderr the usual one.
    File,
    /// A pipe whose other end the harness holds open.
    Pipe,
    /// A device or other file, by path, opened for reading and writing.
    Path(String),
    /// A directory, by path, opened for reading.
    Directory(String),
    /// The caller's controlling terminal, which `terminal` gives it.
    Terminal,
}

/// A scheduling policy that any process may have (sched(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Policy {
    /// The ordinary one.
    #[serde(rename = "SCHED_OTHER")]
    Other,
    /// For what uses the processor all the time.
    #[serde(rename = "SCHED_BATCH")]
    Batch,
    /// Behind all others.
    #[serde(rename = "SCHED_IDLE")]
    Idle,
}

/// The priority of input and output (ioprio_set(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IoPriority {
    /// The class.
    pub class: IoClass,
    /// The priority in the class: 0 is the highest, 7 the lowest.
    #[serde(default)]
    pub priority: u8,
}

/// A class of input and output that any process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum IoClass {
    /// The ordinary one.
    #[serde(rename = "IOPRIO_CLASS_BE")]
    BestEffort,
    /// When nobody else wants the disk.
    #[serde(rename = "IOPRIO_CLASS_IDLE")]
    Idle,
}

/// What the caller's capability sets differ in from the harness's; names with CAP_ (capabilities(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Those in the inheritable set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inheritable: BTreeSet<String>,
    /// Those in the ambient set; they are inheritable, too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ambient: BTreeSet<String>,
    /// Those that it has in no set, the bounding set included.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dropped: BTreeSet<String>,
}

impl Capabilities {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// All that are to be inheritable.
    pub fn all_inheritable(&self) -> BTreeSet<&str> {
        self.inheritable.union(&self.ambient).map(String::as_str).collect()
    }
}

/// A flag of prctl(2)'s PR_SET_SECUREBITS. What makes root an ordinary user is not among them: then nothing would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureBit {
    /// A change of users leaves the capability sets as they are.
    NoSetuidFixup,
    /// Nothing can be added to the ambient set.
    NoCapAmbientRaise,
}

impl SecureBit {
    /// Its bit (linux/securebits.h).
    pub fn bit(self) -> u32 {
        match self {
            Self::NoSetuidFixup => 1 << 2,
            Self::NoCapAmbientRaise => 1 << 6,
        }
    }
}

/// A flag of personality(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Persona {
    /// Addresses are not drawn at random.
    #[serde(rename = "ADDR_NO_RANDOMIZE")]
    AddressesNotRandom,
    /// uname(2) tells a version 2.6.
    #[serde(rename = "UNAME26")]
    OldVersion,
}

impl Persona {
    /// Its bit (linux/personality.h).
    pub fn bit(self) -> u32 {
        match self {
            Self::AddressesNotRandom => 0x004_0000,
            Self::OldVersion => 0x002_0000,
        }
    }
}

/// How mounts propagate (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// Into the mount namespace only.
    Slave,
}

impl Caller {
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is another user than root.
    pub fn is_ordinary(&self) -> bool {
        self.uid.is_some_and(|uid| uid != 0)
    }
}

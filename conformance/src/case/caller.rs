//! The state of the process that calls the runtime.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the runtime inherits from its caller; what is left out is fixed by the harness.
///
/// The fixed state: umask 022, all processors, nothing blocked or ignored, the harness's limits, stdin
/// from /dev/null, stdout and stderr to files, descriptors from 3 up closed, `PATH` alone in the
/// environment, the case's directory as cwd.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Caller {
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
}

impl Caller {
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

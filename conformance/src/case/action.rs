//! What the host does: in a case's `setup`, and in its `host` steps.

use serde::{Deserialize, Serialize};

/// One deed of the host, inside the case's own namespaces; paths may hold placeholders.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Writes a file, its parents made first.
    Write {
        /// Where.
        path: String,
        /// What; the file is cut to it, unless `append`.
        text: String,
        /// Whether the text goes to the file's end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        append: bool,
    },
    /// Exchanges one piece of a file's text, which must occur in it.
    Replace {
        /// The file.
        path: String,
        /// The text to look for; of a config.json in its compact form.
        find: String,
        /// What stands there instead.
        with: String,
    },
    /// Makes a directory and its parents.
    Directory {
        /// Where.
        path: String,
    },
    /// Removes a file, or a directory with all that is in it, without following links.
    Remove {
        /// What.
        path: String,
    },
    /// Renames a file or directory.
    Rename {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
    /// Makes a symbolic link.
    Symlink {
        /// Where.
        path: String,
        /// What it says.
        target: String,
    },
    /// Makes a device node or FIFO.
    Node {
        /// Where.
        path: String,
        /// `c`, `b` or `p`, as in config.json.
        r#type: String,
        /// The major number.
        #[serde(default)]
        major: u64,
        /// The minor number.
        #[serde(default)]
        minor: u64,
    },
    /// Mounts: with option `bind` a bind mount; `shared`, `slave`, `private`, `unbindable` set the propagation afterwards.
    Mount {
        /// The file system type; `none` for a bind mount.
        r#type: String,
        /// The source.
        source: String,
        /// The mount point, made if it is missing.
        target: String,
        /// `bind`, `rbind`, `ro`, `nosuid`, `nodev`, `noexec`, `strictatime`, a propagation, or data for the file system.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
    /// Unmounts what is topmost at a mount point.
    Unmount {
        /// The mount point.
        target: String,
    },
    /// Makes a cgroup in every hierarchy that the case sees (or in one), below the case's root of it.
    Cgroup {
        /// The path, from the case's cgroup root.
        path: String,
        /// The controller whose hierarchy is meant; all when left out. `unified` is cgroup v2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        controller: Option<String>,
        /// Whether a sleeping process of the harness is put into it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        occupied: bool,
        /// The container whose process is put into it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The user to whom it is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// MiB of a file on a tmpfs that it holds, without a process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filled: Option<u32>,
    },
    /// Changes the config of a container, for cases of several that differ: a merge patch (RFC 7396).
    Patch {
        /// The container.
        container: String,
        /// The patch.
        config: serde_json::Value,
    },
    /// Starts a process that holds a new namespace, and binds its file at `path`. In a user namespace every id is mapped
    /// to itself.
    Namespace {
        /// The type, as in config.json: `network`, `uts`, `ipc`, `pid`, `mount`, `user`, `cgroup`, `time`.
        r#type: String,
        /// Where the namespace's file is bound.
        path: String,
        /// For `uts`: the host name set in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hostname: Option<String>,
    },
    /// Makes a network device, in the case's own network namespace unless another is named.
    NetDevice {
        /// Its name.
        name: String,
        /// The network namespace, by its file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<String>,
        /// Its hardware address, six bytes as `02:00:00:00:00:01`.
        hardware: String,
        /// The greatest packet that it sends, in bytes; the kernel's default when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mtu: Option<u32>,
        /// Whether it is up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        up: bool,
        /// Permanent addresses of global scope, as `ADDRESS/PREFIX`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<String>,
        /// Further addresses, which end after an hour.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passing: Vec<String>,
    },
    /// Listens on a Unix stream socket; what connects is accepted and kept.
    Listen {
        /// The socket's path.
        path: String,
    },
    /// Listens for notifications of system calls: takes container process states with their descriptors, which are the
    /// facts under `/agent`, and answers every call of which a descriptor tells.
    Agent {
        /// The socket's path.
        path: String,
        /// What the calls return.
        #[serde(default)]
        answer: Answer,
    },
    /// Sends a signal to a container's process, by the pid that the runtime told.
    Signal {
        /// The container.
        #[serde(default = "super::step::main", skip_serializing_if = "super::step::is_main")]
        container: String,
        /// The signal's name, with SIG.
        signal: String,
    },
    /// Kills, by SIGKILL, the runtime of a call which has not returned yet.
    KillRuntime {
        /// The step whose call it is.
        step: String,
    },
}

impl Action {
    /// The container of whose process it takes hold.
    pub fn container(&self) -> Option<&String> {
        match self {
            Self::Signal { container, .. } => Some(container),
            Self::Cgroup { container, .. } => container.as_ref(),
            _ => None,
        }
    }
}

/// What an agent answers to a system call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// What the call returns; with `error` nothing.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub returns: u32,
    /// The number of the error with which it fails; none when 0.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub error: u16,
    /// Whether the caller is sent SIGUSR1 first, and the answer waits until that has interrupted the call, or is seen
    /// to be held back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupts: bool,
}

fn is_nothing<T: PartialEq + Default>(value: &T) -> bool {
    *value == T::default()
}

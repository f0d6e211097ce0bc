//! What a root file system holds.

use serde::{Deserialize, Serialize};

/// One file of a root file system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Entry {
    /// What it is.
    #[serde(flatten)]
    pub node: Node,
    /// Its permission bits as octal digits; 0644 for files, 0755 for directories when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its owner.
    #[serde(default, skip_serializing_if = "is_root")]
    pub uid: u32,
    /// Its group.
    #[serde(default, skip_serializing_if = "is_root")]
    pub gid: u32,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A regular file with this text.
    File(String),
    /// A copy of the witness, which can be executed.
    Witness(Empty),
    /// A directory.
    Directory(Empty),
    /// A symbolic link with this target.
    Symlink(String),
    /// A FIFO.
    Fifo(Empty),
    /// A device node.
    Device {
        /// `c` or `b`.
        r#type: String,
        /// The major number.
        major: u64,
        /// The minor number.
        minor: u64,
    },
}

/// `{}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_root(id: &u32) -> bool {
    *id == 0
}

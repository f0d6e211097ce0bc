//! The record that describes a container.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

/// What the container is doing. // [state.status-present]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The create operation has not ended. // [state.status-creating]
    Creating,
    /// The user's program has not been executed. // [state.status-created]
    Created,
    /// The user's program has been executed. // [state.status-running]
    Running,
    /// It is running as far as the specification knows, and a freezer holds it. // [state.additional-status]
    Paused,
    /// The container process has exited. // [state.status-stopped]
    Stopped,
}

/// The state, with the property names of the specification. // [state.schema]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification with which this state complies. // [state.version-complied-with]
    pub oci_version: String,
    /// The container's id. // [state.id]
    pub id: String,
    /// What it is doing.
    pub status: Status,
    /// The id of its process, as whoever reads this state sees it. // [state.pid-present] [state.pid-otherwise]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The absolute path of its bundle. // [state.bundle]
    pub bundle: PathBuf,
    /// The annotations of its config. // [state.annotations-of-config]
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
}

/// The status as the specification spells it.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
    }
}

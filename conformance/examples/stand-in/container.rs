//! What is kept of a container between calls: a directory below `--root`, made by create and removed by delete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Failure;
use crate::call::Call;

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Created,
    Running,
    Stopped,
}

/// One container.
#[derive(Debug, Deserialize, Serialize)]
pub struct Container {
    pub id: String,
    pub bundle: PathBuf,
    pub annotations: Value,
    pub pid: i32,
    pub status: Status,
    /// Mount points to be unmounted by delete, in the order of their mounting.
    pub mounts: Vec<PathBuf>,
}

impl Container {
    /// Takes the id for a new container; one that is in use, empty or a path is an error.
    pub fn reserve(call: &Call) -> Result<Self, Failure> {
        let id = id(call)?;
        let bundle = fs::canonicalize(&call.bundle).map_err(|e| format!("bundle {}: {e}", call.bundle.display()))?;
        let directory = directory(call, id)?;
        fs::create_dir(&directory).map_err(|e| format!("make {}: {e}", directory.display()))?;
        let (id, annotations, mounts) = (id.to_owned(), json!({}), Vec::new());
        Ok(Self { id, bundle, annotations, pid: 0, status: Status::Created, mounts })
    }

    /// The container that a call names.
    pub fn load(call: &Call) -> Result<Self, Failure> {
        let file = directory(call, id(call)?)?.join("container.json");
        let text = fs::read(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// Writes it down, whole or not at all.
    pub fn store(&self, call: &Call) -> Result<(), Failure> {
        let directory = directory(call, &self.id)?;
        let (new, file) = (directory.join(".new"), directory.join("container.json"));
        let written = fs::write(&new, json!(self).to_string()).and_then(|()| fs::rename(&new, &file));
        written.map_err(|e| format!("write {}: {e}", file.display()))
    }

    /// Gives the id back.
    pub fn forget(&self, call: &Call) -> Result<(), Failure> {
        let directory = directory(call, &self.id)?;
        fs::remove_dir_all(&directory).map_err(|e| format!("remove {}: {e}", directory.display()))
    }

    /// The state, as the format has it.
    pub fn state(&self) -> Value {
        let mut state = json!({
            "ociVersion": "1.0.2",
            "id": self.id,
            "status": self.status,
            "bundle": self.bundle,
            "annotations": self.annotations,
        });
        if self.status != Status::Stopped {
            state["pid"] = json!(self.pid);
        }
        state
    }
}

/// The place of a container's own files.
pub fn directory(call: &Call, id: &str) -> Result<PathBuf, Failure> {
    let root = call.root.as_deref().ok_or("--root is missing")?;
    make(root).map_err(|e| format!("make {}: {e}", root.display()))?;
    Ok(root.join(id))
}

fn make(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)
}

fn id(call: &Call) -> Result<&str, Failure> {
    let id = call.arguments.first().ok_or("the id is missing")?;
    if id.is_empty() || id.starts_with('.') || id.contains('/') {
        return Err(format!("{id:?} is no id"));
    }
    Ok(id)
}

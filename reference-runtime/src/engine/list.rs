//! All containers below one root.

use crate::container::{Container, ContainerId};
use crate::error::{Doing, Result};
use crate::state::State;
use std::path::Path;

/// The states of all containers, in the order of their ids.
///
/// # Errors
/// The root can't be read.
pub fn list(root: &Path) -> Result<Vec<State>> {
    let entries = match root.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("read {}", root.display()))?,
    };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<ContainerId>().ok());
    // One that is gone meanwhile is no error.
    let mut states: Vec<State> = ids.filter_map(|id| Container::find(root, &id).ok()?.state().ok()).collect();
    states.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(states)
}

//! The paths that nobody inside can write to.

use serde_json::Value;

use super::{Offence, masked_paths};

/// `linux.readonlyPaths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The paths, without superfluous slashes.
    pub paths: Vec<String>,
}

/// What `linux.readonlyPaths` says; none when it is empty.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let paths = masked_paths::paths(config, "/linux/readonlyPaths")?;
    Ok((!paths.is_empty()).then_some(View { paths }))
}

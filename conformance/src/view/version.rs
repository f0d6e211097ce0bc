//! Which version of the specification a config declares.

use ocf_spec::{VERSIONS, Version};
use serde_json::Value;

use super::{Offence, typed};

/// The version as it is written, and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// As it is written.
    pub text: String,
    /// As Semantic Versioning reads it; a pre-release counts as the release that it leads to.
    pub version: Version,
}

/// Reads `ociVersion`.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(text) = typed(config, "/ociVersion", "a string", Value::as_str)? else {
        return Err(Offence::authors("there is no ociVersion"));
    };
    let malformed = |_| Offence::refused("version.malformed-error", format!("{text:?} is no semantic version"));
    let version: Version = text.parse().map_err(malformed)?;
    let newest = VERSIONS[VERSIONS.len() - 1].major;
    if version.major > newest {
        return Err(Offence::refused(
            "version.unsupported-major-error",
            format!("no text has the major version of {text}"),
        ));
    }
    if version.major < VERSIONS[0].major {
        return Err(Offence::authors(format!("{text} is older than the first release")));
    }
    Ok(Some(View { text: text.to_owned(), version }))
}

//! The paths that nobody inside can read.

use serde_json::Value;

use super::tree::plain;
use super::{Offence, strings, typed};

/// `linux.maskedPaths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The paths, without superfluous slashes.
    pub paths: Vec<String>,
}

/// What `linux.maskedPaths` says; none when it is empty.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let paths = paths(config, "/linux/maskedPaths")?;
    Ok((!paths.is_empty()).then_some(View { paths }))
}

/// A list of absolute paths, as `maskedPaths` and `readonlyPaths` are.
pub(super) fn paths(config: &Value, pointer: &str) -> Result<Vec<String>, Offence> {
    let texts = typed(config, pointer, "an array of strings", strings)?.unwrap_or_default();
    match texts.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(Offence::refused("errors.invalid-value", format!("{pointer}: {path} is not absolute"))),
        None => Ok(texts.into_iter().map(plain).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_relative_path_is_an_invalid_value() {
        let config = json!({ "linux": { "maskedPaths": ["/a//b/", "c"] } });
        assert_eq!(view(&config).unwrap_err().refusal, Some("errors.invalid-value"));
        let config = json!({ "linux": { "maskedPaths": ["/a//b/"] } });
        assert_eq!(view(&config).unwrap().unwrap().paths, ["/a/b"]);
    }
}

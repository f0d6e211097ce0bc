//! The annotations of a config.

use serde_json::Value;

use super::{Offence, typed};

/// Every key with its value, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The pairs; none is a right number of them.
    pub pairs: Vec<(String, String)>,
}

/// Reads `annotations`; none if the config has none.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(map) = typed(config, "/annotations", "an object", Value::as_object)? else { return Ok(None) };
    let mut pairs = Vec::with_capacity(map.len());
    for (key, value) in map {
        let Some(value) = value.as_str() else {
            return Err(Offence::refused("errors.invalid-value", format!("the annotation {key:?} is no string")));
        };
        if key.is_empty() {
            return Err(Offence::authors("an annotation's key is empty"));
        }
        pairs.push((key.clone(), value.to_owned()));
    }
    Ok(Some(View { pairs }))
}

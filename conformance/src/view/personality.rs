//! The execution domain.

use serde_json::Value;

use super::{Offence, strings, typed};

/// `linux.personality.domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `LINUX`.
    Linux,
    /// `LINUX32`.
    Linux32,
}

/// The view.
pub fn view(config: &Value) -> Result<Option<Domain>, Offence> {
    if typed(config, "/linux/personality", "an object", Value::as_object)?.is_none() {
        return Ok(None);
    }
    let flags = typed(config, "/linux/personality/flags", "an array of strings", strings)?.unwrap_or_default();
    if let Some(flag) = flags.first() {
        return Err(Offence::refused("personality.flags-refused", format!("{flag} is no flag of a personality")));
    }
    match typed(config, "/linux/personality/domain", "a string", Value::as_str)? {
        Some("LINUX") => Ok(Some(Domain::Linux)),
        Some("LINUX32") => Ok(Some(Domain::Linux32)),
        Some(other) => Err(Offence::refused("errors.invalid-value", format!("{other} is no domain"))),
        None => Err(Offence::authors("linux.personality lacks domain")),
    }
}

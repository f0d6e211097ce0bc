//! The five capability sets, as the config lists them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, strings, typed};
use crate::host::CAPABILITIES;

/// `process.capabilities`; a set that the object lacks lists nothing.
#[derive(Default)]
pub struct Capabilities<'a> {
    /// What limits every other set for good.
    pub bounding: BTreeSet<&'a str>,
    /// What is in force.
    pub effective: BTreeSet<&'a str>,
    /// What may be handed on.
    pub inheritable: BTreeSet<&'a str>,
    /// What may be put in force.
    pub permitted: BTreeSet<&'a str>,
    /// What an ordinary program keeps.
    pub ambient: BTreeSet<&'a str>,
}

impl<'a> Capabilities<'a> {
    /// Names, in any of the sets, for which there is no capability. Whether such a name is an error depends on the
    /// version of the specification, so it is no offence here.
    pub fn unknown(&self) -> impl Iterator<Item = &'a str> {
        let sets = [&self.bounding, &self.effective, &self.inheritable, &self.permitted, &self.ambient];
        let all: BTreeSet<_> = sets.into_iter().flatten().copied().collect();
        all.into_iter().filter(|name| !CAPABILITIES.contains(name))
    }
}

/// The sets, if the config has the object.
pub fn view(config: &Value) -> Result<Option<Capabilities<'_>>, Offence> {
    let object = |value| Value::is_object(value).then_some(value);
    let Some(sets) = typed(config, "/process/capabilities", "an object", object)? else { return Ok(None) };
    let set = |name: &str| {
        let names = typed(sets, &format!("/{name}"), "an array of strings", strings)?;
        Ok(names.unwrap_or_default().into_iter().collect())
    };
    Ok(Some(Capabilities {
        bounding: set("bounding")?,
        effective: set("effective")?,
        inheritable: set("inheritable")?,
        permitted: set("permitted")?,
        ambient: set("ambient")?,
    }))
}

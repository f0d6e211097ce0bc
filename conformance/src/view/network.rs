//! How the packets that the container's processes send are marked.

use serde_json::Value;

use super::{Offence, natural, object, objects, typed};

/// `linux.resources.network`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View<'a> {
    /// The class of the packets.
    pub class_id: Option<u64>,
    /// The priority of the packets by the interface's name.
    pub priorities: Vec<(&'a str, u64)>,
}

/// What is said of packets; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View<'_>>, Offence> {
    let Some(network) = object(config, "/linux/resources/network")? else { return Ok(None) };
    let lacks = |name: &str| Offence::authors(format!("an entry of network.priorities has no {name}"));
    let mut priorities = Vec::new();
    for entry in objects(network, "/priorities")?.unwrap_or_default() {
        let name = typed(entry, "/name", "a string", Value::as_str)?.ok_or_else(|| lacks("name"))?;
        priorities.push((name, natural(entry, "/priority")?.ok_or_else(|| lacks("priority"))?));
    }
    Ok(Some(View { class_id: natural(network, "/classID")?, priorities }))
}

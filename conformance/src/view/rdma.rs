//! How much of RDMA devices the container can use.

use serde_json::Value;

use super::{Offence, natural, object};

/// An entry of `linux.resources.rdma`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The most handles.
    pub handles: Option<u64>,
    /// The most objects.
    pub objects: Option<u64>,
}

/// The entries; none if there is none.
pub fn view(config: &Value) -> Result<Option<Vec<Entry<'_>>>, Offence> {
    let Some(Value::Object(devices)) = object(config, "/linux/resources/rdma")? else { return Ok(None) };
    let mut found = Vec::new();
    for (device, limits) in devices {
        let (handles, objects) = (natural(limits, "/hcaHandles")?, natural(limits, "/hcaObjects")?);
        found.push(Entry { device, handles, objects });
    }
    Ok((!found.is_empty()).then_some(found))
}

//! How fast the container can use block devices, and what its share of them is.

use serde_json::Value;

use super::{Offence, integer, natural, object, objects};

/// `linux.resources.blockIO`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Relative to other cgroups.
    pub weight: Option<u64>,
    /// Of its own tasks, relative to the cgroups below.
    pub leaf_weight: Option<u64>,
    /// Weights for some devices.
    pub devices: Vec<Weight>,
    /// Limits for some devices.
    pub rates: Vec<Rate>,
}

/// An entry of `weightDevice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// `MAJOR:MINOR`.
    pub device: String,
    /// Relative to other cgroups.
    pub weight: Option<u64>,
    /// Of its own tasks.
    pub leaf_weight: Option<u64>,
}

/// An entry of one of the lists of rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Which list it stands in.
    pub list: List,
    /// `MAJOR:MINOR`.
    pub device: String,
    /// Bytes or operations in a second.
    pub rate: u64,
}

/// A list of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `throttleReadBpsDevice`.
    ReadBytes,
    /// `throttleWriteBpsDevice`.
    WriteBytes,
    /// `throttleReadIOPSDevice`.
    ReadOperations,
    /// `throttleWriteIOPSDevice`.
    WriteOperations,
}

/// The lists, each by its property.
const LISTS: [(&str, List); 4] = [
    ("throttleReadBpsDevice", List::ReadBytes),
    ("throttleWriteBpsDevice", List::WriteBytes),
    ("throttleReadIOPSDevice", List::ReadOperations),
    ("throttleWriteIOPSDevice", List::WriteOperations),
];

/// What is said of block devices; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(io) = object(config, "/linux/resources/blockIO")? else { return Ok(None) };
    let mut found =
        View { weight: natural(io, "/weight")?, leaf_weight: natural(io, "/leafWeight")?, ..View::default() };
    for entry in objects(io, "/weightDevice")?.unwrap_or_default() {
        let (weight, leaf_weight) = (natural(entry, "/weight")?, natural(entry, "/leafWeight")?);
        found.devices.push(Weight { device: device(entry)?, weight, leaf_weight });
    }
    for (name, list) in LISTS {
        for entry in objects(io, &format!("/{name}"))?.unwrap_or_default() {
            let rate = natural(entry, "/rate")?.ok_or_else(|| Offence::authors(format!("{name}: no rate")))?;
            found.rates.push(Rate { list, device: device(entry)?, rate });
        }
    }
    Ok(Some(found))
}

impl View {
    /// Every device that is named.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|it| it.device.as_str()).chain(self.rates.iter().map(|it| it.device.as_str()))
    }
}

fn device(entry: &Value) -> Result<String, Offence> {
    let numbers = integer(entry, "/major")?.zip(integer(entry, "/minor")?);
    let (major, minor) = numbers.ok_or_else(|| Offence::authors("an entry of blockIO has no major or no minor"))?;
    Ok(format!("{major}:{minor}"))
}

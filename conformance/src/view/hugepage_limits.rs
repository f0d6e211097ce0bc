//! How much memory in huge pages the container can reserve or use.

use serde_json::Value;

use super::{Offence, natural, objects, typed};

/// An entry of `linux.resources.hugepageLimits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The size of the pages, as it is written.
    pub size: &'a str,
    /// Bytes of a page; none if the size is of no form that the format knows.
    pub bytes: Option<u64>,
    /// The most bytes.
    pub limit: u64,
}

/// The entries; none if there is none.
pub fn view(config: &Value) -> Result<Option<Vec<Entry<'_>>>, Offence> {
    let entries = objects(config, "/linux/resources/hugepageLimits")?.unwrap_or_default();
    let lacks = |name: &str| Offence::authors(format!("an entry of hugepageLimits has no {name}"));
    let entry = |entry| {
        let size = typed(entry, "/pageSize", "a string", Value::as_str)?.ok_or_else(|| lacks("pageSize"))?;
        let limit = natural(entry, "/limit")?.ok_or_else(|| lacks("limit"))?;
        Ok(Entry { size, bytes: bytes(size), limit })
    };
    let found: Vec<_> = entries.iter().map(entry).collect::<Result<_, Offence>>()?;
    Ok((!found.is_empty()).then_some(found))
}

/// Bytes of a page whose size is written as the kernel's control files do: `64KB`, `2MB`, `1GB`.
fn bytes(size: &str) -> Option<u64> {
    let units = [("KB", 10), ("MB", 20), ("GB", 30)];
    let (digits, shift) = units.iter().find_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)))?;
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

//! The network devices that are to be moved into the container.

use serde_json::Value;

use super::{Offence, typed};

/// What a name ends in that leaves a number to the kernel.
const NUMBER: &str = "%d";

/// One entry of `linux.netDevices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// The device's name in the runtime's network namespace.
    pub outside: &'a str,
    /// The entry's `name`, if it has one.
    pub renamed: Option<&'a str>,
}

impl<'a> Device<'a> {
    /// Its name inside, or the template for it.
    pub fn inside(&self) -> &'a str {
        self.renamed.unwrap_or(self.outside)
    }

    /// What stands in front of the number that the kernel chooses; none if the name is fixed.
    pub fn stem(&self) -> Option<&'a str> {
        self.inside().strip_suffix(NUMBER)
    }
}

/// The entries of `linux.netDevices`; none when there is no entry.
pub fn view(config: &Value) -> Result<Option<Vec<Device<'_>>>, Offence> {
    let entries = typed(config, "/linux/netDevices", "an object", Value::as_object)?;
    let devices: Vec<_> = entries.into_iter().flatten().map(entry).collect::<Result<_, _>>()?;
    for (index, device) in devices.iter().enumerate() {
        let fixed = device.stem().is_none();
        if fixed && devices[..index].iter().any(|earlier| earlier.inside() == device.inside()) {
            let what = format!("two network devices are to be named {:?}", device.inside());
            return Err(Offence::refused("net-devices.duplicate-refused", what));
        }
    }
    Ok((!devices.is_empty()).then_some(devices))
}

fn entry<'a>((outside, entry): (&'a String, &'a Value)) -> Result<Device<'a>, Offence> {
    let wrong = || Offence::refused("errors.invalid-value", format!("linux.netDevices.{outside} is no object"));
    let entry = Some(entry).filter(|it| it.is_object()).ok_or_else(wrong)?;
    let renamed = typed(entry, "/name", "a string", Value::as_str)?;
    // Empty is what some writers leave for unset.
    Ok(Device { outside, renamed: renamed.filter(|name| !name.is_empty()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fixed_names_can_meet() {
        let of = |a: &str, b: &str| json!({ "linux": { "netDevices": { "a": { "name": a }, "b": { "name": b } } } });
        assert_eq!(view(&of("x%d", "x%d")).unwrap().unwrap()[0].stem(), Some("x"));
        assert_eq!(view(&of("x", "x")).unwrap_err().refusal, Some("net-devices.duplicate-refused"));
        let kept = json!({ "linux": { "netDevices": { "a": {}, "b": { "name": "a" } } } });
        assert_eq!(view(&kept).unwrap_err().refusal, Some("net-devices.duplicate-refused"));
    }
}

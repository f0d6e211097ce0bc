//! The devices of a container, and the accesses that its cgroup allows.

use serde_json::Value;

use super::tree::plain;
use super::{Offence, objects};

/// `linux.devices` and `linux.resources.devices`; both empty when the config uses neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The entries of `linux.devices`.
    pub devices: Vec<Device>,
    /// The entries of `linux.resources.devices`, in their order.
    pub rules: Vec<Rule>,
}

/// An entry of `linux.devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it is, inside.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Major and minor number; none for a FIFO.
    pub numbers: Option<(i64, i64)>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// What kind of node a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `c` and `u`.
    Character,
    /// `b`.
    Block,
    /// `p`.
    Fifo,
}

/// An entry of `linux.resources.devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows what it covers.
    pub allow: bool,
    /// The kind that it covers; both if there is none.
    pub kind: Option<Kind>,
    /// The major number that it covers; each if there is none.
    pub major: Option<i64>,
    /// The minor number that it covers; each if there is none.
    pub minor: Option<i64>,
    /// The letters of the accesses that it covers; what it covers without is unsaid.
    pub access: Option<String>,
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The order of the entries.
    Order,
    /// `type`.
    Kind,
    /// `major`.
    Major,
    /// `minor`.
    Minor,
    /// `access`.
    Access,
}

/// One access to one device.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The device's kind.
    pub kind: Kind,
    /// Its major number.
    pub major: i64,
    /// Its minor number.
    pub minor: i64,
    /// `r`, `w` or `m`.
    pub letter: char,
}

/// What is said of devices. A container has default devices in any case, so there is always a view.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let devices = objects(config, "/linux/devices")?.unwrap_or_default();
    let rules = objects(config, "/linux/resources/devices")?.unwrap_or_default();
    Ok(Some(View {
        devices: devices.iter().map(Device::parse).collect::<Result<_, _>>()?,
        rules: rules.iter().map(Rule::parse).collect::<Result<_, _>>()?,
    }))
}

impl View {
    /// Whether an access is allowed; none if no entry covers it, or if that is unsaid.
    pub fn allows(&self, access: Access) -> Option<bool> {
        decide(&self.rules, access, None)
    }

    /// What the decision about an access rests on: without looking at the field it would be another one.
    pub fn rests_on(&self, access: Access) -> Vec<Field> {
        let Some(decision) = self.allows(access) else { return Vec::new() };
        let fields = [Field::Order, Field::Kind, Field::Major, Field::Minor, Field::Access];
        let other = |field: &Field| match field {
            Field::Order => decide_first(&self.rules, access) == Some(!decision),
            field => decide(&self.rules, access, Some(*field)) == Some(!decision),
        };
        fields.into_iter().filter(other).collect()
    }
}

impl Device {
    fn parse(device: &Value) -> Result<Self, Offence> {
        let path = device["path"].as_str().filter(|path| path.starts_with('/'));
        let path = plain(path.ok_or_else(|| invalid("a device has no absolute path"))?);
        let kind = device["type"].as_str().and_then(Kind::parse);
        let kind = kind.ok_or_else(|| invalid(format!("{path}: the type is none of c, b, u and p")))?;
        let numbers = device["major"].as_i64().zip(device["minor"].as_i64()).filter(|_| kind != Kind::Fifo);
        if kind != Kind::Fifo && numbers.is_none() {
            return Err(invalid(format!("{path}: the numbers are missing")));
        }
        let number = |name: &str| match device.get(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(invalid(format!("{path}: {name} is no unsigned integer of 32 bits"))),
            },
        };
        let mode = number("fileMode")?.map(|mode| mode & 0o7777);
        Ok(Self { kind, numbers, mode, uid: number("uid")?, gid: number("gid")?, path })
    }
}

impl Kind {
    fn parse(letter: &str) -> Option<Self> {
        match letter {
            "c" | "u" => Some(Self::Character),
            "b" => Some(Self::Block),
            "p" => Some(Self::Fifo),
            _ => None,
        }
    }

    /// The word that the facts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Block => "block",
            Self::Fifo => "fifo",
        }
    }
}

impl Rule {
    fn parse(rule: &Value) -> Result<Self, Offence> {
        let allow = rule["allow"].as_bool().ok_or_else(|| invalid("a rule for devices has no allow"))?;
        let kind = match rule.get("type").map(Value::as_str) {
            None | Some(Some("a")) => None,
            Some(Some("c")) => Some(Kind::Character),
            Some(Some("b")) => Some(Kind::Block),
            Some(_) => return Err(invalid("the type of a rule for devices is none of a, c and b")),
        };
        let access = rule.get("access").and_then(Value::as_str).map(str::to_owned);
        if access.as_deref().is_some_and(|letters| letters.contains(|letter| !"rwm".contains(letter))) {
            return Err(invalid("the access of a rule for devices has other letters than r, w and m"));
        }
        Ok(Self { allow, kind, major: rule["major"].as_i64(), minor: rule["minor"].as_i64(), access })
    }

    /// Whether it covers the access, but for a field that is not looked at; none if that is unsaid.
    fn covers(&self, access: Access, but: Option<Field>) -> Option<bool> {
        let looks = |field| but != Some(field);
        let other = |wanted: Option<i64>, number| wanted.is_some_and(|wanted| wanted != number);
        let misses = looks(Field::Kind) && self.kind.is_some_and(|kind| kind != access.kind)
            || looks(Field::Major) && other(self.major, access.major)
            || looks(Field::Minor) && other(self.minor, access.minor);
        if misses || !looks(Field::Access) {
            return Some(!misses);
        }
        self.access.as_deref().map(|letters| letters.contains(access.letter))
    }
}

/// The last entry that covers the access decides.
fn decide(rules: &[Rule], access: Access, but: Option<Field>) -> Option<bool> {
    for rule in rules.iter().rev() {
        if rule.covers(access, but)? {
            return Some(rule.allow);
        }
    }
    None
}

/// What the first entry that covers the access says.
fn decide_first(rules: &[Rule], access: Access) -> Option<bool> {
    rules.iter().find(|rule| rule.covers(access, None) == Some(true)).map(|rule| rule.allow)
}

fn invalid(what: impl Into<String>) -> Offence {
    Offence::refused("errors.invalid-value", what)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(rules: Value) -> View {
        view(&json!({ "linux": { "resources": { "devices": rules } } })).unwrap().unwrap()
    }

    const READ: Access = Access { kind: Kind::Character, major: 60, minor: 1, letter: 'r' };

    #[test]
    fn the_last_entry_that_covers_an_access_decides() {
        let view = of(json!([
            { "allow": false, "access": "rwm" },
            { "allow": true, "type": "c", "major": 60, "minor": 1, "access": "r" },
        ]));
        assert_eq!(view.allows(READ), Some(true));
        assert_eq!(view.rests_on(READ), [Field::Order]);
        let write = Access { letter: 'w', ..READ };
        assert_eq!(view.allows(write), Some(false));
        assert_eq!(view.rests_on(write), [Field::Access]);
        let other = Access { minor: 2, ..READ };
        assert_eq!((view.allows(other), view.rests_on(other)), (Some(false), vec![Field::Minor]));
    }

    #[test]
    fn an_entry_without_access_decides_nothing() {
        let view = of(json!([{ "allow": false, "access": "rwm" }, { "allow": true }]));
        assert_eq!(view.allows(READ), None);
    }

    #[test]
    fn a_device_needs_type_path_and_numbers() {
        let of = |device: Value| view(&json!({ "linux": { "devices": [device] } }));
        assert!(of(json!({ "path": "/dev/x", "type": "c", "major": 1 })).is_err());
        assert!(of(json!({ "path": "dev/x", "type": "p" })).is_err());
        let fifo = of(json!({ "path": "/dev/x", "type": "p", "fileMode": 8630 })).unwrap().unwrap();
        assert_eq!((fifo.devices[0].kind, fifo.devices[0].mode), (Kind::Fifo, Some(0o666)));
    }
}

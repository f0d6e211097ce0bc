//! Names of network devices: those that Linux can give, each to one device.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Offence, Rule, at};
use crate::message::text_quoted;
use crate::text::joined;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("net-devices.name-length"), offences: names_too_long },
    Rule { requirement: Some("net-devices.name-template"), offences: names_with_stray_per_cent },
    Rule { requirement: Some("net-devices.unmovable-refused"), offences: loopback_moved },
    Rule { requirement: Some("net-devices.name-taken-refused"), offences: loopback_displaced },
    Rule { requirement: Some("net-devices.duplicate-refused"), offences: duplicates },
];

/// The kernel's IFNAMSIZ without the byte that ends the name.
const LONGEST: usize = 15;

/// The device that every network namespace has and none gives away.
const LOOPBACK: &str = "lo";

/// One entry of `linux.netDevices`.
struct Device<'a> {
    pointer: String,
    outside: &'a str,
    /// `None` if it is left out, or no string.
    name: Option<&'a str>,
    /// `None` if it can't be read.
    inside: Option<&'a str>,
}

impl<'a> Device<'a> {
    fn of((outside, entry): (&'a String, &'a Value)) -> Self {
        let name = entry.get("name").and_then(Value::as_str);
        let inside = if entry.get("name").is_some() { name } else { Some(outside.as_str()) };
        Self { pointer: joined("/linux/netDevices", outside), outside, name, inside }
    }

    fn offence(&self, message: String) -> Offence {
        Offence { pointer: self.pointer.clone(), message }
    }
}

fn devices(config: &Value) -> impl Iterator<Item = Device<'_>> {
    let devices = at(config, "/linux/netDevices").and_then(Value::as_object);
    devices.into_iter().flat_map(Map::iter).map(Device::of)
}

fn names_too_long(config: &Value) -> Vec<Offence> {
    let message = || format!("Linux takes at most {LONGEST} bytes for the name of a device");
    names_that(config, |name| name.len() > LONGEST, |name| name.len() > LONGEST, message)
}

fn names_with_stray_per_cent(config: &Value) -> Vec<Offence> {
    let is_stray = |name: &str| name.strip_suffix("%d").unwrap_or(name).contains('%');
    let message = || "a per cent sign stands only in %d at the end of a new name".to_owned();
    names_that(config, |outside| outside.contains('%'), is_stray, message)
}

/// An offence for each name of an entry, and for each `name`, of which the test is true.
fn names_that(
    config: &Value,
    outside: impl Fn(&str) -> bool,
    name: impl Fn(&str) -> bool,
    message: impl Fn() -> String,
) -> Vec<Offence> {
    let mut offences = Vec::new();
    for device in devices(config) {
        if outside(device.outside) {
            offences.push(device.offence(message()));
        }
        if device.name.is_some_and(&name) {
            offences.push(Offence { pointer: joined(&device.pointer, "name"), message: message() });
        }
    }
    offences
}

fn loopback_moved(config: &Value) -> Vec<Offence> {
    let moved = devices(config).filter(|device| device.outside == LOOPBACK);
    moved.map(|device| device.offence("lo can't leave its network namespace".to_owned())).collect()
}

/// Of an entry for `lo` itself, the rule above tells.
fn loopback_displaced(config: &Value) -> Vec<Offence> {
    let displacing = devices(config).filter(|device| device.name == Some(LOOPBACK) && device.outside != LOOPBACK);
    displacing.map(|device| device.offence("each network namespace has a device lo already".to_owned())).collect()
}

fn duplicates(config: &Value) -> Vec<Offence> {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    let mut offences = Vec::new();
    for device in devices(config) {
        let Some(inside) = device.inside.filter(|name| !name.contains('%')) else { continue };
        match taken.get(inside) {
            Some(first) => offences.push(device.offence(format!("{} is called so inside as well", text_quoted(first)))),
            None => drop(taken.insert(inside, device.outside)),
        }
    }
    offences
}

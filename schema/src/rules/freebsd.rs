//! Paths below `/dev`, addresses in numeric form, and settings of a jail that don't go together.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde_json::Value;

use super::{Offence, Rule, at, entries};
use crate::message::text_quoted;

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("freebsd.device-path-relative"), offences: absolute_devices },
    Rule { requirement: Some("freebsd.ip4-addresses-numeric"), offences: |it| names::<Ipv4Addr>(it, "ip4Addr", 32) },
    Rule { requirement: Some("freebsd.ip6-addresses-numeric"), offences: |it| names::<Ipv6Addr>(it, "ip6Addr", 128) },
    Rule { requirement: Some("freebsd.own-vnet"), offences: addresses_beside_vnet },
    Rule { requirement: Some("freebsd.shared-vnet"), offences: shared_by_name },
    Rule { requirement: Some("freebsd.interface-without-vnet"), offences: interface_outside_vnet },
];

const JAIL: &str = "/freebsd/jail";

fn absolute_devices(config: &Value) -> Vec<Offence> {
    entries(config, "/freebsd/devices")
        .filter_map(|(pointer, device)| Some((pointer, device.get("path")?.as_str()?)))
        .filter(|(_, path)| path.starts_with('/'))
        .map(|(pointer, path)| Offence {
            pointer: format!("{pointer}/path"),
            message: format!("{} is not relative to /dev", text_quoted(path)),
        })
        .collect()
}

/// The strings of a list that are no address; the length of a prefix may follow one.
fn names<A: FromStr>(config: &Value, list: &str, bits: u8) -> Vec<Offence> {
    let is_numeric = |text: &str| match text.split_once('/') {
        Some((address, length)) => address.parse::<A>().is_ok() && length.parse().is_ok_and(|it: u8| it <= bits),
        None => text.parse::<A>().is_ok(),
    };
    entries(config, &format!("{JAIL}/{list}"))
        .filter_map(|(pointer, address)| Some((pointer, address.as_str()?)))
        .filter(|(_, address)| !is_numeric(address))
        .map(|(pointer, address)| Offence {
            pointer,
            message: format!("{} is no address in numeric form", text_quoted(address)),
        })
        .collect()
}

fn addresses_beside_vnet(config: &Value) -> Vec<Offence> {
    if setting(config, "vnet") != Some("new") {
        return Vec::new();
    }
    let modes = ["ip4", "ip6"].into_iter().filter(|mode| setting(config, mode).is_some());
    modes
        .flat_map(|mode| offence(mode, "it is left out where the container has a vnet of its own".to_owned()))
        .collect()
}

fn shared_by_name(config: &Value) -> Vec<Offence> {
    match setting(config, "vnet") {
        Some("inherit") => offence("vnet", "it is left out where the container shares its parent's vnet".to_owned()),
        _ => Vec::new(),
    }
}

fn interface_outside_vnet(config: &Value) -> Vec<Offence> {
    if setting(config, "vnet") != Some("new") || setting(config, "interface").is_none() {
        return Vec::new();
    }
    offence("interface", "it lies outside the container's own vnet".to_owned())
}

fn offence(name: &str, message: String) -> Vec<Offence> {
    vec![Offence { pointer: format!("{JAIL}/{name}"), message }]
}

/// A string of the jail.
fn setting<'c>(config: &'c Value, name: &str) -> Option<&'c str> {
    at(config, JAIL)?.get(name)?.as_str()
}

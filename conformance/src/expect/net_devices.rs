//! Network devices that were moved into the container: where they are, what they are called, and what they have kept.
//!
//! What a device was is known by what made it, the case's set-up; inside it is known by its hardware address.

use serde_json::{Value, json};

use super::{Subject, expect as expected, inside, of_step, refused};
use crate::case::Action;
use crate::expectation::{Expectation, Matcher, token};
use crate::view::namespaces::{self, Way};
use crate::view::net_devices::{Device, view};
use crate::view::tree;

/// So many numbers in the place of `%d` are looked for; the kernel takes the first that is free.
const NUMBERS: u32 = 10;
/// The device that every network namespace has, and that can't leave it.
const LOOPBACK: &str = "lo";

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let devices = match view(subject.config) {
        Ok(Some(devices)) => devices,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let (Ok(Some(namespaces)), Some(created)) = (namespaces::view(subject.config), subject.created()) else {
        return Vec::new();
    };
    let way = namespaces.way("network");
    if way == Way::Inherited {
        return vec![refused("net-devices.without-namespace", &created)];
    }
    let made: Option<Vec<_>> = devices.iter().map(|device| made(subject, device)).collect();
    let Some(made) = made else { return vec![refused("net-devices.unmovable-refused", &created)] };
    let present = present(subject, way);
    if devices.iter().any(|device| present.contains(&device.inside())) {
        return vec![refused("net-devices.name-taken-refused", &created)];
    }
    let Some(start) = subject.started() else { return Vec::new() };
    let laws = Laws { start };
    let each = devices.iter().zip(made).flat_map(|(device, made)| laws.device(device, &made));
    each.chain(beside_others(&devices, &present, &created)).collect()
}

/// A device as the case made it.
struct Made<'a> {
    hardware: &'a str,
    mtu: Option<u32>,
    addresses: &'a [String],
    passing: &'a [String],
}

/// The device of this name that the case has made in the runtime's own network namespace.
fn made<'a>(subject: &Subject<'a>, device: &Device<'_>) -> Option<Made<'a>> {
    subject.case.setup.iter().find_map(|action| match action {
        Action::NetDevice { name, network: None, hardware, mtu, addresses, passing, .. } if name == device.outside => {
            Some(Made { hardware, mtu: *mtu, addresses, passing })
        }
        _ => None,
    })
}

/// The names that devices in the container's network namespace have already.
fn present<'a>(subject: &Subject<'a>, way: Way<'_>) -> Vec<&'a str> {
    let there = subject.case.setup.iter().filter_map(|action| match (action, way) {
        (Action::NetDevice { name, network: Some(network), .. }, Way::Path(path)) => {
            (tree::below(network, path) == Some("")).then_some(name.as_str())
        }
        _ => None,
    });
    std::iter::once(LOOPBACK).chain(there).collect()
}

/// A template is no reason to refuse where a device fits it already, or comes to.
fn beside_others(devices: &[Device<'_>], present: &[&str], created: &str) -> Option<Expectation> {
    let stems: Vec<&str> = devices.iter().filter_map(Device::stem).collect();
    let fits = |stem: &&str, name: &&str| name.strip_prefix(*stem).is_some_and(|rest| rest.parse::<u32>().is_ok());
    let meets =
        |(index, stem): (usize, &&str)| stems[..index].contains(stem) || present.iter().any(|it| fits(stem, it));
    let not_failed = || {
        let fact = of_step(created, "failed");
        expected("net-devices.template-beside-others", created, fact, Matcher::Equals(json!(false)))
    };
    stems.iter().enumerate().any(meets).then(not_failed)
}

struct Laws {
    start: String,
}

impl Laws {
    fn law(&self, requirement: &str, fact: &str, matcher: Matcher) -> Expectation {
        expected(requirement, &self.start, inside(&self.start, &format!("interfaces/{fact}")), matcher)
    }

    fn device(&self, device: &Device<'_>, made: &Made<'_>) -> Vec<Expectation> {
        let called = format!("$by-hardware/{}", made.hardware);
        let outside = format!("/host/{}/interfaces/{}", token(&self.start), token(device.outside));
        let mut all = vec![
            self.law("net-devices.moved", &called, Matcher::PRESENT),
            expected("net-devices.gone-outside", &self.start, outside, Matcher::ABSENT),
        ];
        match (device.stem(), device.renamed) {
            (Some(stem), _) => {
                let names = (0..NUMBERS).map(|number| json!(format!("{stem}{number}"))).collect();
                all.push(self.law("net-devices.template", &called, Matcher::OneOf(names)));
            }
            (None, renamed) => {
                let requirement = if renamed.is_some() { "net-devices.renamed" } else { "net-devices.name-kept" };
                all.push(self.law(requirement, &called, Matcher::Equals(json!(device.inside()))));
                all.extend(self.kept(&token(device.inside()), made));
            }
        }
        all
    }

    /// What a device has still.
    fn kept(&self, name: &str, made: &Made<'_>) -> Vec<Expectation> {
        let equals = |requirement, member, value: Value| {
            self.law(requirement, &format!("{name}/{member}"), Matcher::Equals(value))
        };
        let addresses = format!("{name}/addresses");
        let mut all = vec![
            equals("net-devices.attributes-kept", "hardware", json!(made.hardware)),
            equals("net-devices.up", "up", json!(true)),
        ];
        all.extend(made.mtu.map(|mtu| equals("net-devices.attributes-kept", "mtu", json!(mtu))));
        let kept = |address| self.law("net-devices.addresses-kept", &addresses, Matcher::Contains(json!(address)));
        all.extend(made.addresses.iter().map(kept));
        let is_passing = !made.passing.is_empty();
        all.extend(is_passing.then(|| self.law("net-devices.other-addresses", &addresses, Matcher::PRESENT)));
        all
    }
}

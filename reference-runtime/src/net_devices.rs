//! Network devices of the host that are moved into the container.
//!
//! Nothing moves them back when the container ends: what becomes of them then is the kernel's and their owner's business.
// [net-devices.unmanaged] [net-devices.not-moved-back]

use crate::error::{Doing, Error, Result};
use crate::namespaces;
use crate::netlink::Connection;
use nix::fcntl::{OFlag, open};
use nix::net::if_::if_nametoindex;
use nix::sys::stat::Mode;
use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};
use std::os::fd::OwnedFd;

/// One byte less than IFNAMSIZ, which counts the null byte.
const LONGEST: usize = 15;

/// What a device's name may end in, for the kernel's rule to put a number there.
const NUMBER: &str = "%d";

/// Refuses devices that aren't there, names that no device can have, and names that two devices would have.
///
/// # Errors
/// Names the device.
// [net-devices.without-namespace] [net-devices.duplicate-refused] [net-devices.unmovable-refused]
pub fn check(spec: &Spec) -> Result<()> {
    let devices = devices(spec);
    for (index, (outside, inside)) in devices.iter().enumerate() {
        let what = || format!("linux.netDevices.{outside}");
        if !namespaces::is_own(spec, Type::Network) {
            return Err(Error::new("it needs a network namespace of the container's own in linux.namespaces"))
                .doing(what);
        }
        if !is_name(outside) || if_nametoindex(*outside).is_err() {
            return Err(Error::new("the runtime's network namespace has no such device")).doing(what);
        }
        if !is_name(inside.strip_suffix(NUMBER).unwrap_or(inside)) {
            return Err(Error::new(format!("name: no device can be called {inside:?}"))).doing(what);
        }
        if !inside.ends_with(NUMBER) && devices[..index].iter().any(|(_, earlier)| earlier == inside) {
            return Err(Error::new(format!("name: another device is to be called {inside:?} as well"))).doing(what);
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let harmless = |char: char| !char.is_whitespace() && !char.is_control() && !"/:%".contains(char);
    (1..=LONGEST).contains(&name.len()) && ![".", ".."].contains(&name) && name.chars().all(harmless)
}

/// The names of the devices outside and inside, in an order that is always the same.
fn devices(spec: &Spec) -> Vec<(&str, &str)> {
    let all = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut devices: Vec<(&str, &str)> = all
        .into_iter()
        .flatten()
        // [net-devices.renamed] [net-devices.name-kept]
        .map(|(name, device)| (name.as_str(), device.name().as_deref().filter(|name| !name.is_empty()).unwrap_or(name)))
        .collect();
    devices.sort_unstable();
    devices
}

/// Whether there are any to be moved.
pub fn are_wanted(spec: &Spec) -> bool {
    !devices(spec).is_empty()
}

/// What was moved into the container, so that a creation that fails can give it back.
#[derive(Debug)]
pub struct Moved {
    own: Connection,
    container: Connection,
    /// The names outside and inside, and whether the device was up.
    devices: Vec<(String, String, bool)>,
}

impl Moved {
    /// Moves nothing yet: knows only the way to the network namespace of the process `pid`.
    ///
    /// # Errors
    /// One of the namespaces can't be reached.
    pub fn nothing(pid: i32) -> Result<Self> {
        let own = Connection::here(namespace("self")?)?;
        let container = own.to(namespace(&pid.to_string())?)?;
        Ok(Moved { own, container, devices: Vec::new() })
    }

    /// Moves all devices of the config. // [net-devices.moved] [net-devices.gone-outside]
    ///
    /// # Errors
    /// Names the device; those before it have been moved.
    pub fn move_in(&mut self, spec: &Spec) -> Result<()> {
        for (outside, inside) in devices(spec) {
            let what = || format!("move linux.netDevices.{outside}");
            let inside = self.free_name(inside).doing(what)?;
            let was_up = self.own.device(outside).doing(what)?.is_some_and(|device| device.up);
            // Known before it is done: what comes to nothing is then not found where it would be taken back from.
            self.devices.push((outside.to_owned(), inside.clone(), was_up));
            // [net-devices.up]
            transfer(&self.own, outside, &self.container, &inside, true).doing(what)?;
        }
        Ok(())
    }

    /// The name that a device gets inside. // [net-devices.name-taken-refused] [net-devices.template]
    fn free_name(&self, name: &str) -> Result<String> {
        let is_free = |name: &String| -> Result<bool> {
            Ok(self.container.device(name).doing(|| format!("look for {name} in the container"))?.is_none())
        };
        let Some(stem) = name.strip_suffix(NUMBER) else {
            return match is_free(&name.to_owned())? {
                true => Ok(name.to_owned()),
                false => Err(Error::new(format!("the container has a device called {name} already"))),
            };
        };
        // The kernel takes the first number that is free, too; but it wouldn't say which. // [net-devices.template-beside-others]
        for name in (0_u32..).map(|number| format!("{stem}{number}")) {
            if is_free(&name)? {
                return Ok(name);
            }
        }
        Err(Error::new(format!("all names {name} are taken")))
    }

    /// Gives all back, as far as that is possible. // [errors.environment-unchanged]
    pub fn give_back(&self) {
        // One that could not be moved is not there.
        let is_there = |name: &str| !matches!(self.container.device(name), Ok(None));
        for (outside, inside, was_up) in self.devices.iter().filter(|(_, inside, _)| is_there(inside)) {
            if let Err(error) = transfer(&self.container, inside, &self.own, outside, *was_up) {
                crate::error::warn(format!("give the network device {outside} back: {error}"));
            }
        }
    }
}

fn namespace(process: &str) -> Result<OwnedFd> {
    let path = format!("/proc/{process}/ns/net");
    open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("open {path}"))
}

// [net-devices.addresses-kept] [net-devices.attributes-kept]
fn transfer(from: &Connection, old: &str, to: &Connection, new: &str, up: bool) -> Result<()> {
    let find = |place: &Connection, name: &str| {
        let found = place.device(name).doing(|| format!("look for {name}"))?;
        found.ok_or_else(|| Error::new(format!("there is no device {name}")))
    };
    let device = find(from, old)?;
    // A device loses its addresses on the way.
    let addresses = from.addresses(device).doing(|| "read its addresses".into())?;
    from.hand_over(device, to, new).doing(|| format!("move it to be called {new}"))?;
    let device = find(to, new)?;
    // Before the addresses come, for going up can bring addresses of another kind, and going down cost some.
    if up {
        to.set_up(device).doing(|| format!("set {new} up"))?;
    }
    addresses.into_iter().try_for_each(|address| to.add(device, address).doing(|| format!("keep an address of {new}")))
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_what_the_kernel_takes() {
        for name in ["eth0", "a", "fifteen-letters", "lo.1", "é"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a:1", "a b", "a%", "sixteen-letters-"] {
            assert!(!is_name(name), "{name}");
        }
    }
}

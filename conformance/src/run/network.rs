//! Network devices that a case puts into its network namespaces, and what can be seen of those.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use serde_json::{Value, json};

use super::observe::{listing, unreadable};

/// A network device to be made.
pub struct Device<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address, as `02:00:00:00:00:01`.
    pub hardware: &'a str,
    /// The greatest packet, in bytes.
    pub mtu: Option<u32>,
    /// Whether it is up.
    pub up: bool,
    /// Permanent addresses of global scope, as `ADDRESS/PREFIX`.
    pub addresses: &'a [String],
    /// Addresses that end after [`LIFETIME`].
    pub passing: &'a [String],
}

/// Seconds that a passing address has.
const LIFETIME: u32 = 3600;
/// The kinds that are tried in turn: kernels have been built without the one or the other.
const KINDS: [&str; 2] = ["dummy", "veth"];

/// Makes a device in this process's network namespace; what was being done stands in the error.
pub fn make(device: &Device<'_>) -> Result<(), String> {
    let mut made = Err("there is no kind".to_owned());
    for kind in KINDS {
        made = request(libc::RTM_NEWLINK, &new_link(device, kind)?).map_err(|e| format!("of the kind {kind}: {e}"));
        if made.is_ok() {
            break;
        }
    }
    made?;
    let index = if_nametoindex(device.name).map_err(|e| format!("its index: {e}"))?;
    let permanent = device.addresses.iter().map(|text| (text, None));
    let passing = device.passing.iter().map(|text| (text, Some(LIFETIME)));
    permanent.chain(passing).try_for_each(|(text, seconds)| {
        request(libc::RTM_NEWADDR, &new_address(index, text, seconds)?).map_err(|e| format!("address {text}: {e}"))
    })
}

/// Does something in the network namespace to which a path leads, and comes back.
pub fn within<T>(place: &Path, does: impl FnOnce() -> T) -> Result<T, String> {
    let open = |path: &Path| File::open(path).map_err(|e| format!("open {}: {e}", path.display()));
    let enter = |file: &File, path: &Path| {
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| format!("enter {}: {e}", path.display()))
    };
    let (home, there) = (Path::new("/proc/self/ns/net"), open(place)?);
    let own = open(home)?;
    enter(&there, place)?;
    let done = does();
    enter(&own, home)?;
    Ok(done)
}

/// The names of the devices in this process's network namespace, complete.
pub fn devices() -> Value {
    match getifaddrs() {
        Err(e) => unreadable(e),
        Ok(all) => {
            let mut found = listing();
            found
                .extend(all.map(|it| it.interface_name).collect::<BTreeSet<_>>().into_iter().map(|it| (it, json!({}))));
            Value::Object(found)
        }
    }
}

/// The same for the namespace to which a path leads; none if that is no network namespace.
pub fn devices_of(place: &Path) -> Option<Value> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    let file = File::open(place).ok()?;
    // SAFETY: takes no argument; for any other file it is an error.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    (kind == libc::CLONE_NEWNET).then(|| within(place, devices).unwrap_or_else(unreadable))
}

/// The body of RTM_NEWLINK (rtnetlink(7)).
fn new_link(device: &Device<'_>, kind: &str) -> Result<Vec<u8>, String> {
    let hardware: Option<Vec<u8>> = device.hardware.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let hardware = hardware.filter(|bytes| bytes.len() == 6);
    let hardware = hardware.ok_or_else(|| format!("{:?} is no hardware address", device.hardware))?;
    let up = if device.up { libc::IFF_UP as u32 } else { 0 };
    // Family, padding, type and index are the kernel's to choose.
    let mut body = vec![0; 8];
    body.extend(up.to_ne_bytes());
    body.extend((libc::IFF_UP as u32).to_ne_bytes());
    attribute(&mut body, libc::IFLA_IFNAME, device.name.as_bytes());
    attribute(&mut body, libc::IFLA_ADDRESS, &hardware);
    if let Some(mtu) = device.mtu {
        attribute(&mut body, libc::IFLA_MTU, &mtu.to_ne_bytes());
    }
    let mut information = Vec::new();
    attribute(&mut information, libc::IFLA_INFO_KIND, kind.as_bytes());
    attribute(&mut body, libc::IFLA_LINKINFO, &information);
    Ok(body)
}

/// The body of RTM_NEWADDR (rtnetlink(7)).
fn new_address(index: u32, text: &str, seconds: Option<u32>) -> Result<Vec<u8>, String> {
    let wrong = || format!("{text:?} is no ADDRESS/PREFIX");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (family, bytes) = match address {
        IpAddr::V4(it) => (libc::AF_INET, it.octets().to_vec()),
        IpAddr::V6(it) => (libc::AF_INET6, it.octets().to_vec()),
    };
    // No waiting for others who might have the address.
    let mut body = vec![family as u8, prefix, libc::IFA_F_NODAD as u8, libc::RT_SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, libc::IFA_LOCAL, &bytes);
    attribute(&mut body, libc::IFA_ADDRESS, &bytes);
    if let Some(seconds) = seconds {
        let preferred_and_valid = [seconds.to_ne_bytes(), seconds.to_ne_bytes(), [0; 4], [0; 4]].concat();
        attribute(&mut body, libc::IFA_CACHEINFO, &preferred_and_valid);
    }
    Ok(body)
}

/// Adds an attribute: length, type, value, and padding to four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// One request that makes something, and the kernel's answer to it (netlink(7)).
fn request(kind: u16, body: &[u8]) -> Result<(), String> {
    let failed = |e: nix::Error| e.to_string();
    let socket: OwnedFd =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .map_err(failed)?;
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    // Sequence number and sender are of no use to who asks once.
    message.extend([0; 8]);
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty()).map_err(failed)?;
    let mut answer = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).map_err(failed)?;
    // The header, and behind it the error as a negative number, 0 for none.
    let error = answer[..length].get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error).to_string()),
        None => Err("the kernel's answer is too short".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_and_its_length_is_not() {
        let mut body = Vec::new();
        attribute(&mut body, libc::IFLA_IFNAME, b"ocf01");
        let mut wanted = [9_u16.to_ne_bytes(), libc::IFLA_IFNAME.to_ne_bytes()].concat();
        wanted.extend(b"ocf01\0\0\0");
        assert_eq!(body, wanted);
    }

    #[test]
    fn an_address_has_the_width_of_its_family() {
        let of = |text: &str| new_address(1, text, None).unwrap();
        assert_eq!((of("192.0.2.1/24").len(), of("2001:db8::1/64").len()), (8 + 2 * 8, 8 + 2 * 20));
        assert_eq!(of("192.0.2.1/24")[..2], [libc::AF_INET as u8, 24]);
        for wrong in ["192.0.2.1", "192.0.2/24", "2001:db8::1/x"] {
            assert!(new_address(1, wrong, None).unwrap_err().contains(wrong));
        }
    }

    #[test]
    fn a_hardware_address_has_six_bytes() {
        let device = Device { name: "a", hardware: "02:00:00:01", mtu: None, up: false, addresses: &[], passing: &[] };
        assert!(new_link(&device, "dummy").unwrap_err().contains("02:00:00:01"));
    }
}

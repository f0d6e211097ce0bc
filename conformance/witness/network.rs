//! The network devices of this process's namespace.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::kernel::{self, AF_INET, AF_INET6, Address, Device, IFF_UP};
use crate::value::{Value, field};

/// All devices by name, complete: `{up, mtu, hardware, addresses}`, the addresses as `ADDRESS/PREFIX`. Beside them
/// `$by-hardware`, the names by hardware address: what a device is called may be the kernel's choice.
pub fn interfaces() -> io::Result<Value> {
    let (devices, addresses) = (kernel::devices()?, kernel::addresses()?);
    let mut listed: Vec<_> = devices.iter().map(|it| (field(&it.name), device(it, &addresses))).collect();
    listed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let with_one = devices.iter().filter(|it| it.hardware.iter().any(|byte| *byte != 0));
    let named = with_one.map(|it| (hardware(&it.hardware), Value::bytes(&it.name))).collect();
    listed.push(("$by-hardware".to_owned(), Value::complete(named)));
    Ok(Value::complete(listed))
}

fn device(device: &Device, all: &[Address]) -> Value {
    let own = all.iter().filter(|it| it.device == device.index).filter_map(written);
    Value::object([
        ("up", Value::Bool(device.flags & IFF_UP != 0)),
        ("mtu", Value::from(kernel::greatest_packet(&device.name).map(Value::from))),
        ("hardware", Value::Text(hardware(&device.hardware))),
        ("addresses", Value::List(own.map(Value::Text).collect())),
    ])
}

fn written(address: &Address) -> Option<String> {
    let text = match address.family {
        AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(&address.bytes[..]).ok()?).to_string(),
        AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(&address.bytes[..]).ok()?).to_string(),
        _ => return None,
    };
    Some(format!("{text}/{}", address.prefix))
}

fn hardware(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

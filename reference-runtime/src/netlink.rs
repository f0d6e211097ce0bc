//! What moving a network device takes of rtnetlink(7).

use crate::error::{Doing, Result};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::{read, write};
use std::os::fd::{AsRawFd, OwnedFd};

/// More than the kernel puts into one part of an answer, in bytes.
const PART: usize = 64 * 1024;

/// A connection to the devices of one network namespace.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    namespace: OwnedFd,
}

/// A network device, as it was when it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Device {
    index: u32,
    /// Whether it is up.
    pub up: bool,
}

impl Connection {
    /// A connection to the caller's own network namespace, on which `namespace` is open.
    ///
    /// # Errors
    /// The kernel has no networking.
    pub fn here(namespace: OwnedFd) -> Result<Self> {
        let made = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
        made.map(|socket| Connection { socket, namespace }).doing(|| "speak to the kernel of network devices".into())
    }

    /// A connection to another network namespace, in which the caller is for this moment only.
    ///
    /// # Errors
    /// It can't be joined.
    pub fn to(&self, namespace: OwnedFd) -> Result<Self> {
        let join = |fd: &OwnedFd| setns(fd, CloneFlags::CLONE_NEWNET);
        join(&namespace).doing(|| "join the container's network namespace".into())?;
        let made = Connection::here(namespace);
        join(&self.namespace).doing(|| "return to the runtime's network namespace".into())?;
        made
    }

    /// The device of this name, if there is one.
    ///
    /// # Errors
    /// The kernel doesn't say.
    pub fn device(&self, name: &str) -> nix::Result<Option<Device>> {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.into()));
        let answer = match self.ask(Message::GetLink(link), 0) {
            Err(Errno::ENODEV) => return Ok(None),
            answer => answer?,
        };
        Ok(answer.into_iter().find_map(|message| match message {
            Message::NewLink(LinkMessage { header, .. }) => {
                Some(Device { index: header.index, up: header.flags.contains(LinkFlags::Up) })
            }
            _ => None,
        }))
    }

    /// Moves a device to another namespace, where it is called `name`. There it is down, and has no addresses.
    ///
    /// # Errors
    /// The kernel refuses, for instance as the device is bound to its namespace.
    pub fn hand_over(&self, device: Device, to: &Connection, name: &str) -> nix::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = device.index;
        link.attributes.push(LinkAttribute::NetNsFd(to.namespace.as_raw_fd()));
        link.attributes.push(LinkAttribute::IfName(name.into()));
        self.ask(Message::SetLink(link), 0).map(drop)
    }

    /// Sets a device up.
    ///
    /// # Errors
    /// Its driver refuses.
    pub fn set_up(&self, device: Device) -> nix::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = device.index;
        (link.header.flags, link.header.change_mask) = (LinkFlags::Up, LinkFlags::Up);
        self.ask(Message::SetLink(link), 0).map(drop)
    }

    /// The permanent addresses of global scope that a device has.
    ///
    /// # Errors
    /// The kernel doesn't say.
    pub fn addresses(&self, device: Device) -> nix::Result<Vec<AddressMessage>> {
        let answer = self.ask(Message::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
        let wanted = |message| match message {
            Message::NewAddress(address)
                if address.header.index == device.index
                    && address.header.scope == AddressScope::Universe
                    && address.header.flags.contains(AddressHeaderFlags::Permanent) =>
            {
                Some(address)
            }
            _ => None,
        };
        Ok(answer.into_iter().filter_map(wanted).collect())
    }

    /// Gives a device an address that it had elsewhere.
    ///
    /// # Errors
    /// The kernel refuses, for instance as the address's family is switched off here.
    pub fn add(&self, device: Device, mut address: AddressMessage) -> nix::Result<()> {
        address.header.index = device.index;
        // The label repeats the device's old name, and the times say no more than that the address is permanent.
        let implied = |attribute: &_| matches!(attribute, AddressAttribute::Label(_) | AddressAttribute::CacheInfo(_));
        address.attributes.retain(|attribute| !implied(attribute));
        self.ask(Message::NewAddress(address), NLM_F_CREATE | NLM_F_REPLACE).map(drop)
    }

    /// Sends a request and collects what the kernel answers, until it says that this is all.
    fn ask(&self, request: Message, flags: u16) -> nix::Result<Vec<Message>> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        write(&self.socket, &bytes)?;
        let mut answer = Vec::new();
        let mut part = vec![0; PART];
        loop {
            let length = read(&self.socket, &mut part)?;
            let mut rest = &part[..length];
            while !rest.is_empty() {
                let message = NetlinkMessage::deserialize(rest).map_err(|_| Errno::EBADMSG)?;
                let size = usize::try_from(message.header.length).map_err(|_| Errno::EBADMSG)?;
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(answer),
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok(answer),
                        Some(code) => return Err(Errno::from_raw(-code.get())),
                    },
                    NetlinkPayload::InnerMessage(message) => answer.push(message),
                    _ => {}
                }
            }
        }
    }
}

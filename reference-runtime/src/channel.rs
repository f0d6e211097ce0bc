//! What the creating process and the container process tell each other, one JSON message a packet.

use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// No packet is longer, in bytes: a path, or a text of [`TEXT`] characters, each of which may be written as six.
const PACKET: usize = 16 << 10;

/// The most characters of a text that are passed on.
const TEXT: usize = 2 << 10;

/// One end of the connection between the creating process and the container process.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// Everything that is ever said, in the order of a creation.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
pub enum Message {
    /// To the container: its cgroups are joined.
    Placed,
    /// To the creator: a user namespace waits for its id mappings.
    NeedsMappings,
    /// To the container: the id mappings are written.
    Mapped,
    /// To the creator: the container process exists under this id, in the creator's pid namespace.
    Forked(i32),
    /// To the creator: the network namespace waits for its devices.
    NeedsDevices,
    /// To the container: the devices are there.
    DevicesMoved,
    /// To the creator: everything is mounted, so the runtime's hooks may run.
    Ready,
    /// To the container, if there are any: the runtime's hooks have run.
    HooksRun,
    /// To the container: the creating process has done its part.
    Accompanied,
    /// To the creator: only `start` is missing.
    Created,
    /// To whoever runs a further program: it is executed next.
    Executing,
    /// To the creator: the container can't be made.
    Failed(String),
    /// To the creator: a createContainer hook failed.
    HookFailed(String),
}

impl Message {
    /// That the container can't be made, and why.
    pub fn failed(error: &Error) -> Self {
        Message::Failed(error.to_string().chars().take(TEXT).collect())
    }

    /// That a createContainer hook failed, and how.
    pub fn hook_failed(error: &Error) -> Self {
        Message::HookFailed(error.to_string().chars().take(TEXT).collect())
    }
}

impl Channel {
    /// Both ends of a new connection.
    ///
    /// # Errors
    /// socketpair(2) fails.
    pub fn pair() -> Result<(Self, Self)> {
        // Packets, so that what follows a message stays for whoever else reads from this end.
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        pair.map(|(one, other)| (Channel(one), Channel(other))).doing(|| "make a socket pair".into())
    }

    /// Says `message`.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn send(&self, message: &Message) -> Result<()> {
        let packet = serde_json::to_vec(message).doing(|| "encode a message".into())?;
        send(self.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).map(drop).doing(|| "tell the other process".into())
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn receive(&self) -> Result<Message> {
        let mut packet = [0; PACKET];
        match self.read(&mut packet, MsgFlags::empty()).doing(|| "listen to the other process".into())? {
            0 => Err(Error::new("the other process ended without a word")),
            length => serde_json::from_slice(&packet[..length]).doing(|| "decode a message".into()),
        }
    }

    /// The failure that the other end has told of before this moment, or else `error`.
    pub fn told_failure(&self, error: Error) -> Error {
        let mut packet = [0; PACKET];
        match self.read(&mut packet, MsgFlags::MSG_DONTWAIT).map(|length| &packet[..length]) {
            Ok([]) | Err(_) => error,
            Ok(message) => match serde_json::from_slice(message) {
                Ok(Message::Failed(text)) => Error::new(text),
                _ => self.told_failure(error),
            },
        }
    }

    fn read(&self, packet: &mut [u8], flags: MsgFlags) -> nix::Result<usize> {
        match recv(self.0.as_raw_fd(), packet, flags) {
            // The other end was closed with something unread, which is told once, and before what it had said itself.
            Err(Errno::ECONNRESET) => recv(self.0.as_raw_fd(), packet, flags),
            read => read,
        }
    }

    /// Whether there is anything to receive that need not be waited for.
    ///
    /// # Errors
    /// poll(2) fails.
    pub fn is_spoken_to(&self) -> Result<bool> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).map(|ready| ready > 0).doing(|| "listen to the other process".into())
    }

    /// Waits for exactly `message`.
    ///
    /// # Errors
    /// The other end is gone, or said something else.
    pub fn expect(&self, message: &Message) -> Result<()> {
        match self.receive()? {
            heard if heard == *message => Ok(()),
            heard => Err(Error::new(format!("expected {message:?}, heard {heard:?}"))),
        }
    }
}

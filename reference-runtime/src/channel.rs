//! What the creating process and the container process tell each other, one JSON message a line.

use crate::error::{Doing, Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// One end of the connection between the creating process and the container process.
#[derive(Debug)]
pub struct Channel(UnixStream);

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
    /// To the container: the runtime's hooks have run.
    HooksRun,
    /// To the creator: only `start` is missing.
    Created,
    /// To whoever runs a further program: it is executed next.
    Executing,
    /// To the creator: the container can't be made.
    Failed(String),
    /// To the creator: a createContainer hook failed.
    HookFailed(String),
}

impl Channel {
    /// Both ends of a new connection.
    ///
    /// # Errors
    /// socketpair(2) fails.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = UnixStream::pair().doing(|| "make a socket pair".into())?;
        Ok((Channel(one), Channel(other)))
    }

    /// Says `message`.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn send(&self, message: &Message) -> Result<()> {
        let mut line = serde_json::to_vec(message).doing(|| "encode a message".into())?;
        line.push(b'\n');
        (&self.0).write_all(&line).doing(|| "tell the other process".into())
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn receive(&self) -> Result<Message> {
        // Byte by byte, for what follows this message may be meant for another process with this end.
        let mut line = Vec::new();
        let mut byte = [0];
        while (&self.0).read(&mut byte).doing(|| "listen to the other process".into())? == 1 {
            if byte[0] == b'\n' {
                return serde_json::from_slice(&line).doing(|| "decode a message".into());
            }
            line.push(byte[0]);
        }
        Err(Error::new("the other process ended without a word"))
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

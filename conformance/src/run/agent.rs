//! An agent: takes container process states with the descriptors that come with them, and answers the system calls of
//! which these tell (`seccomp_unotify(2)`). It is a process of its own, as a call waits while the harness waits for it.
//!
//! Only takes and answers; what came, in which order, is written into the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{ForkResult, Pid, fork};
use serde_json::{Value, json};

use super::observe;
use crate::case::Answer;
use crate::journal;
use crate::witness::Nonce;

/// Who it is, in the journal; also the moment of its facts.
pub const NAME: &str = "agent";

/// Bytes of a connection that are kept: one record of the journal has to hold them.
const MOST: usize = 16 << 10;
/// Descriptors of one message that are taken.
const DESCRIPTORS: usize = 16;
/// How long an interrupted call may take to be seen as that, or as held back.
const PATIENCE: Duration = Duration::from_secs(3);

// Requests of ioctl(2), as linux/seccomp.h has them.
const RECEIVE: nix::libc::c_ulong = 0xc050_2100;
const SEND: nix::libc::c_ulong = 0xc018_2101;
const IS_VALID: nix::libc::c_ulong = 0x4008_2102;

/// An agent at work.
pub struct Agent {
    /// Its process.
    pub pid: Pid,
    stop: PipeWriter,
}

/// What the kernel tells of a call: struct `seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// What it is told to do: struct `seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

impl Agent {
    /// Listens at `path`, in a process of its own. Its records are those of `nonce`.
    pub fn listen(path: &Path, answer: &Answer, journal: &Path, nonce: &Nonce) -> Result<Self, String> {
        let failed = |e: io::Error| format!("agent at {}: {e}", path.display());
        let listener = UnixListener::bind(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let journal = OpenOptions::new().append(true).open(journal).map_err(failed)?;
        let (stopped, stop) = io::pipe().map_err(failed)?;
        // SAFETY: the supervisor has one thread, so its child may go on as an ordinary program.
        match unsafe { fork() }.map_err(|e| failed(e.into()))? {
            ForkResult::Parent { child } => Ok(Self { pid: child, stop }),
            ForkResult::Child => {
                let mut desk = Desk { listener, stopped, journal, nonce, answer, connections: Vec::new() };
                let code = i32::from(desk.work().is_err());
                // SAFETY: _exit(2) has no preconditions.
                unsafe { nix::libc::_exit(code) }
            }
        }
    }

    /// Tells it that nobody will connect any more: it takes what has come, says it, and ends.
    pub fn stop(mut self) -> io::Result<()> {
        self.stop.write_all(b".")
    }
}

/// What the agent's process works with.
struct Desk<'a> {
    listener: UnixListener,
    stopped: PipeReader,
    journal: File,
    nonce: &'a Nonce,
    answer: &'a Answer,
    connections: Vec<Connection>,
}

/// What came over one connection.
struct Connection {
    stream: UnixStream,
    bytes: Vec<u8>,
    /// Descriptors that came with the first byte.
    first: usize,
    descriptors: Vec<Descriptor>,
    closed: bool,
}

struct Descriptor {
    file: OwnedFd,
    /// Whether notifications are received from it.
    receives: bool,
    notifications: u32,
    over: bool,
}

impl Desk<'_> {
    fn work(&mut self) -> io::Result<()> {
        loop {
            let stopped = self.wait()?;
            self.accept()?;
            for number in 0..self.connections.len() {
                self.hear(number)?;
                for descriptor in &mut self.connections[number].descriptors {
                    descriptor.answer(self.answer);
                }
            }
            if stopped {
                return self.tell();
            }
        }
    }

    /// Waits until something came; whether that is the word to stop.
    fn wait(&self) -> io::Result<bool> {
        let open = self.connections.iter().filter(|it| !it.closed).map(|it| it.stream.as_fd());
        let descriptors = self.connections.iter().flat_map(|it| &it.descriptors);
        let telling = descriptors.filter(|it| it.receives && !it.over).map(|it| it.file.as_fd());
        let sources = [self.stopped.as_fd(), self.listener.as_fd()].into_iter().chain(open).chain(telling);
        let mut sources: Vec<_> = sources.map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) => Ok(sources[0].any() == Some(true)),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let nothing = (Vec::new(), Vec::new());
                    let (bytes, descriptors) = nothing;
                    self.connections.push(Connection { stream, bytes, first: 0, descriptors, closed: false });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads what there is; the end of it is an event.
    fn hear(&mut self, number: usize) -> io::Result<()> {
        let connection = &mut self.connections[number];
        if !connection.closed && connection.read() {
            connection.closed = true;
            return journal::append(&self.journal, &journal::heard_record(self.nonce, NAME, number));
        }
        Ok(())
    }

    fn tell(&self) -> io::Result<()> {
        for (number, connection) in self.connections.iter().enumerate() {
            let path = format!("/{number}");
            journal::append(&self.journal, &journal::fact_record(self.nonce, NAME, NAME, &path, &connection.facts()))?;
        }
        let facts = self.connections.len();
        journal::append(&self.journal, &journal::reported_record(self.nonce, NAME, NAME, facts))
    }
}

impl Connection {
    /// Reads what there is; whether it came to the end. The first byte is taken alone, to see what comes with it.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        while self.bytes.len() < MOST {
            let length = if self.bytes.is_empty() { 1 } else { buffer.len() };
            let taken = take(&self.stream, &mut buffer[..length]);
            let (count, files) = match taken {
                Ok((0, _)) => return true,
                Ok(taken) => taken,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return false,
                // A connection that was torn down is over as well.
                Err(_) => return true,
            };
            if self.bytes.is_empty() {
                self.first = files.len();
            }
            self.bytes.extend_from_slice(&buffer[..count]);
            self.descriptors.extend(files.into_iter().map(Descriptor::new));
        }
        true
    }

    /// What came, document by document, and each descriptor under the name that the first document gives it.
    fn facts(&self) -> Value {
        let mut stream = serde_json::Deserializer::from_slice(&self.bytes).into_iter::<Value>();
        let first = stream.next().and_then(Result::ok);
        let after = &self.bytes[stream.byte_offset().min(self.bytes.len())..];
        let rest = String::from_utf8_lossy(after).trim().to_owned();
        let names = first.as_ref().and_then(|document| document["fds"].as_array().cloned());
        let descriptors: Vec<_> = (0..)
            .zip(&self.descriptors)
            .map(|(place, it): (usize, _)| {
                let name = names.as_ref().and_then(|names| names.get(place)).unwrap_or(&Value::Null);
                json!({ "name": name, "receives": it.receives })
            })
            .collect();
        let mut facts = observe::listing();
        facts.insert("closed".into(), json!(self.closed));
        facts.insert("object".into(), json!(first.as_ref().is_some_and(Value::is_object)));
        facts.insert("rest".into(), json!(rest));
        facts.insert("descriptors".into(), json!(descriptors));
        facts.insert("descriptors-first".into(), json!(self.first));
        facts.insert("descriptors-later".into(), json!(self.descriptors.len() - self.first));
        facts.insert("descriptors-all".into(), json!(self.descriptors.len()));
        facts.insert("receivers".into(), json!(self.descriptors.iter().filter(|it| it.receives).count()));
        facts.insert("notifications".into(), json!(self.descriptors.iter().map(|it| it.notifications).sum::<u32>()));
        if let Some(names) = names {
            facts.insert("names".into(), json!(names.len()));
            facts.insert("names-are-strings".into(), json!(names.iter().all(Value::is_string)));
        }
        match first {
            Some(document) => facts.insert("json".into(), observe::whole(document)),
            None => facts.insert("text".into(), json!(String::from_utf8_lossy(&self.bytes))),
        };
        Value::Object(facts)
    }
}

impl Descriptor {
    /// Asks the kernel of a notification that there is none: only a descriptor from which notifications are received
    /// knows the question.
    fn new(file: OwnedFd) -> Self {
        let receives = request(&file, IS_VALID, &mut 0_u64) == Err(Errno::ENOENT);
        Self { file, receives, notifications: 0, over: false }
    }

    /// Answers the calls of which it tells by now.
    fn answer(&mut self, answer: &Answer) {
        while self.receives && !self.over && self.tells() {
            let mut told = Notification::default();
            match request(&self.file, RECEIVE, &mut told) {
                Ok(()) => {
                    self.notifications += 1;
                    self.respond(&told, answer);
                }
                // The caller is gone, or was interrupted.
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(_) => self.over = true,
            }
        }
    }

    /// Whether a call waits; also sees that no process has the filter any more.
    fn tells(&mut self) -> bool {
        let mut source = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut source, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        let events = source[0].revents().unwrap_or(PollFlags::empty());
        self.over |= events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
        ready && events.contains(PollFlags::POLLIN)
    }

    fn respond(&self, told: &Notification, answer: &Answer) {
        if answer.interrupts {
            self.interrupt(told);
        }
        let error = -i32::from(answer.error);
        let value = if error == 0 { answer.returns.into() } else { 0 };
        // A caller that has gone on meanwhile takes no answer.
        _ = request(&self.file, SEND, &mut Response { id: told.id, value, error, flags: 0 });
    }

    /// Sends the caller a signal, and waits until that has interrupted the call, or is seen to be held back: the caller
    /// still waits, so deeply that nothing but a kill can wake it.
    fn interrupt(&self, told: &Notification) {
        let Ok(pid) = i32::try_from(told.pid) else { return };
        if kill(Pid::from_raw(pid), Signal::SIGUSR1).is_err() {
            return;
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let waits = request(&self.file, IS_VALID, &mut { told.id }).is_ok();
            if !waits || state(pid) == Some('D') {
                return;
            }
            _ = poll(&mut [], PollTimeout::from(1_u8));
        }
    }
}

/// The state of a process as one letter (proc(5)).
fn state(pid: i32) -> Option<char> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/stat")).ok()?.read_to_string(&mut text).ok()?;
    text[text.rfind(')')? + 1..].trim_start().chars().next()
}

/// Receives once: how many bytes, and the descriptors that came with them.
fn take(stream: &UnixStream, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut room = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    let mut files = Vec::new();
    for ancillary in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = ancillary {
            // SAFETY: the kernel has just opened them for this process, and nobody else owns them.
            files.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    Ok((message.bytes, files))
}

fn request<T>(file: &OwnedFd, request: nix::libc::c_ulong, argument: &mut T) -> nix::Result<()> {
    // SAFETY: the argument is live and has the layout and the size that the request names.
    Errno::result(unsafe { nix::libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(argument)) }).map(drop)
}

//! Waits for facts, never for time: a record in the journal, the end of a process, or a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::journal;
use crate::witness::Nonce;

/// The most that a journal may hold, in bytes; a container that floods it is trouble.
const LIMIT: usize = 8 << 20;
/// A condition is looked at again after so long, for what tells nobody of its coming.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The journal, and every child of the supervisor that has ended.
pub struct Watch {
    journal: File,
    bytes: Vec<u8>,
    /// So many bytes of the journal have been looked through for labels.
    known: usize,
    labels: BTreeSet<String>,
    changed: Inotify,
    children: SignalFd,
    ended: BTreeMap<i32, WaitStatus>,
}

impl Watch {
    /// Makes the journal, which anybody may write, and starts to listen for the ends of children.
    pub fn new(journal: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o666).open(journal)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o666))?;
        let changed = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        changed.add_watch(journal, AddWatchFlags::IN_MODIFY)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self {
            journal: file,
            bytes: Vec::new(),
            known: 0,
            labels: BTreeSet::new(),
            changed,
            children,
            ended: BTreeMap::new(),
        })
    }

    /// Appends one record of the harness.
    pub fn append(&mut self, record: &str) -> io::Result<()> {
        let mut line = record.to_owned();
        line.push('\n');
        self.journal.write_all(line.as_bytes())
    }

    /// The journal as a file that a call can have as its stdout.
    pub fn journal_for_stdout(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).open(path)
    }

    /// All that stands in the journal by now.
    pub fn bytes(&mut self) -> io::Result<&[u8]> {
        self.journal.seek(SeekFrom::Start(self.bytes.len() as u64))?;
        let room = (LIMIT + 1).saturating_sub(self.bytes.len()) as u64;
        (&mut self.journal).take(room).read_to_end(&mut self.bytes)?;
        if self.bytes.len() > LIMIT {
            return Err(io::Error::other(format!("the journal grew over {LIMIT} bytes")));
        }
        Ok(&self.bytes)
    }

    /// Whether a record with this label stands in the journal by now; only what is new is read.
    pub fn has(&mut self, label: &str, writers: &BTreeMap<Nonce, String>) -> io::Result<bool> {
        self.bytes()?;
        let new = &self.bytes[self.known..];
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let read = journal::parse(&new[..whole], writers).map_err(|e| io::Error::other(e.to_string()))?;
        self.labels.extend(read.entries.iter().filter_map(journal::Entry::label));
        self.known += whole;
        Ok(self.labels.contains(label))
    }

    /// How a child has ended, if it has.
    pub fn ended(&mut self, pid: i32) -> Option<WaitStatus> {
        self.reap();
        self.ended.get(&pid).copied()
    }

    /// Waits until `fact` gives something, or the deadline is over. The fact is looked at once at least.
    pub fn until<T>(
        &mut self,
        deadline: Instant,
        mut fact: impl FnMut(&mut Self) -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        loop {
            self.reap();
            if let Some(found) = fact(self)? {
                return Ok(Some(found));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = PollTimeout::try_from(left.min(LOOK_AGAIN)).unwrap_or(PollTimeout::MAX);
            let mut sources = [
                PollFd::new(self.changed.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut sources, timeout) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
            while self.changed.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
    }

    /// Takes in every child that has ended; orphans of the container are children of pid 1 as well.
    fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(status @ (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..))) => {
                    self.ended.insert(pid.as_raw(), status);
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

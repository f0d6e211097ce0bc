//! Orders: what the harness writes into the journal for this witness, each followed once, in order.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::journal::{self, Journal};
use crate::kernel;
use crate::program::{self, Place, Program};

/// Milliseconds after which the journal is looked at again though nothing said that it changed.
const LOOK_AGAIN: i32 = 10;

/// The watch's descriptor, which no listing of descriptors may name; -1 when there is none.
static WATCH: AtomicI32 = AtomicI32::new(-1);

/// The orders in the journal.
pub struct Orders {
    /// How an order to this witness starts; the harness writes it in exactly this form.
    start: Vec<u8>,
    /// How a record of this copy starts, written by this process or an earlier one.
    own: Vec<u8>,
    /// The journal's length before this process wrote to it.
    before: u64,
    path: String,
    watch: Option<OwnedFd>,
    /// How much of the journal was read.
    offset: u64,
    /// The journal's last line as far as it was read, without its end.
    line: Vec<u8>,
    waiting: VecDeque<Vec<String>>,
}

impl Orders {
    /// The orders to the program's nonce, in a journal that had `before` bytes when it was opened.
    pub fn new(program: &Program, before: u64) -> Self {
        let path = match &program.journal {
            Place::File(path) => path.clone(),
            Place::Descriptor(number) => format!("/proc/self/fd/{number}"),
        };
        let start = format!("{{\"to\":\"{}\",\"order\":\"", program.nonce).into_bytes();
        let own = format!("{{\"nonce\":\"{}\"", program.nonce).into_bytes();
        Self { start, own, before, path, watch: None, offset: 0, line: Vec::new(), waiting: VecDeque::new() }
    }

    /// The next order, waited for as long as it takes.
    pub fn next(&mut self, journal: &Journal) -> io::Result<Vec<String>> {
        // Before the first look, so that no order falls between look and watch.
        self.watch_journal();
        loop {
            self.read(journal)?;
            if let Some(order) = self.waiting.pop_front() {
                return Ok(order);
            }
            kernel::wait_readable(WATCH.load(Ordering::Relaxed), LOOK_AGAIN);
            self.drain();
            kernel::reap_any();
        }
    }

    /// Asks inotify to say when the journal changes; without it, looking again has to do.
    fn watch_journal(&mut self) {
        if self.watch.is_none()
            && let Ok(watch) = kernel::watch(&self.path)
        {
            let watch = journal::high(watch);
            WATCH.store(watch.as_raw_fd(), Ordering::Relaxed);
            self.watch = Some(watch);
        }
    }

    fn drain(&self) {
        if let Some(watch) = &self.watch {
            _ = kernel::read_some(watch.as_raw_fd(), &mut [0; 4096]);
        }
    }

    fn read(&mut self, journal: &Journal) -> io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let length = journal.read_at(&mut bytes, self.offset)?;
            if length == 0 {
                return Ok(());
            }
            for part in bytes[..length].split_inclusive(|byte| *byte == b'\n') {
                self.offset += part.len() as u64;
                self.line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    self.take_line();
                }
            }
        }
    }

    /// Takes the order that the line just read may hold.
    ///
    /// What stands before the last word of an earlier process of this same copy was for that one.
    fn take_line(&mut self) {
        if let Some(order) = self.order() {
            self.waiting.push_back(order);
        } else if self.offset <= self.before && find(&self.line, &self.own).is_some() {
            self.waiting.clear();
        }
        self.line.clear();
    }

    /// The order in the line just read, also when it stands behind a stranger's half line.
    fn order(&self) -> Option<Vec<String>> {
        let start = find(&self.line, &self.start)?;
        let text = std::str::from_utf8(&self.line[start + self.start.len()..]).ok()?;
        program::instruction(text.split_once('"')?.0)
    }
}

/// The watch's number, if there is one.
pub fn watch_number() -> i32 {
    WATCH.load(Ordering::Relaxed)
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    line.windows(what.len()).position(|window| window == what)
}

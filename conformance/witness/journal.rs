//! The journal: one record a line, one write(2) a record; its offset is the order of all that happens in a case.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::kernel;
use crate::program::{Place, Program};
use crate::value::{Value, escape, pointer, quote};

/// Bytes of a record at most, its newline included.
const LIMIT: usize = 4096;
/// From where its descriptor is put, out of the way of what is tested: the first that the limit on descriptors
/// allows, and standard input, output and error never.
const HIGH: [i32; 3] = [200, 20, 3];

/// The open journal.
pub struct Journal {
    file: File,
    /// What every record starts with, up to the event.
    head: String,
    /// Facts sent so far, by moment.
    sent: BTreeMap<String, u64>,
}

impl Journal {
    /// Opens the journal that the program names.
    pub fn open(program: &Program) -> Option<Self> {
        let descriptor = match &program.journal {
            Place::File(path) => high(open(path).ok()?.into()),
            Place::Descriptor(number) => match duplicate_high(*number) {
                Ok(copy) => copy,
                // No room up there: the given descriptor itself, if it is open at all.
                Err(_) => {
                    kernel::status_flags(*number).ok()?;
                    // SAFETY: it is open, and nothing else here closes or owns it.
                    unsafe { OwnedFd::from_raw_fd(*number) }
                }
            },
        };
        let mut head = String::from("{\"nonce\":");
        quote(&mut head, &program.nonce);
        head.push_str(",\"writer\":");
        quote(&mut head, &program.writer);
        head.push_str(&format!(",\"run\":\"{:08x}\"", kernel::random()));
        Some(Self { file: File::from(descriptor), head, sent: BTreeMap::new() })
    }

    /// Its descriptor's number, which no listing of descriptors may name.
    pub fn number(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |facts| facts.len())
    }

    /// Reads from `offset` on, at most as much as `bytes` holds.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        kernel::read_at(self.number(), bytes, offset)
    }

    /// The bytes of an event's record.
    pub fn event_record(&self, event: &str, fields: &[(&str, Value)]) -> String {
        let mut record = format!("{},\"event\":\"{event}\"", self.head);
        for (name, value) in fields {
            record.push_str(&format!(",\"{name}\":{}", value.json()));
        }
        record.push_str("}\n");
        record
    }

    /// Records an event.
    pub fn event(&self, event: &str, fields: &[(&str, Value)]) {
        self.append(&self.event_record(event, fields));
    }

    /// Ends the listing of a moment: how many facts belong to it so far.
    pub fn reported(&self, moment: &str) {
        let sent = self.sent.get(moment).copied().unwrap_or(0);
        self.event("reported", &[("moment", Value::text(moment)), ("facts", Value::from(sent))]);
    }

    /// Records a fact of a moment at `path`, in as many records as it needs.
    ///
    /// What does not fit is taken apart: an object is sent empty and then name by name, a list item by item,
    /// a text in pieces.
    pub fn fact(&mut self, moment: &str, path: &str, value: &Value) {
        let record = self.fact_record(moment, path, false, &value.json());
        if record.len() <= LIMIT {
            return self.count_and_append(moment, &record);
        }
        match value {
            Value::Object(fields) => {
                self.fact(moment, path, &Value::Object(Vec::new()));
                for (name, value) in fields {
                    self.fact(moment, &format!("{path}{}", pointer(name)), value);
                }
            }
            Value::List(items) => {
                self.fact(moment, path, &Value::List(Vec::new()));
                for (index, item) in items.iter().enumerate() {
                    self.fact(moment, &format!("{path}/{index}"), item);
                }
            }
            Value::Text(text) => self.text_fact(moment, path, text),
            Value::Bool(_) | Value::Number(_) | Value::Json(_) => kernel::exit(73),
        }
    }

    /// Sends a text in pieces, all but the last marked `"more":true`.
    fn text_fact(&mut self, moment: &str, path: &str, text: &str) {
        let frame = self.fact_record(moment, path, true, "\"\"").len();
        let Some(room) = LIMIT.checked_sub(frame).filter(|room| *room >= 64) else { kernel::exit(73) };
        let mut piece = String::from("\"");
        for character in text.chars() {
            let before = piece.len();
            escape(&mut piece, character);
            // `piece` has one quotation mark so far, and `room` counts none.
            if piece.len() - 1 > room {
                let next = piece.split_off(before);
                piece.push('"');
                let record = self.fact_record(moment, path, true, &piece);
                self.count_and_append(moment, &record);
                piece = format!("\"{next}");
            }
        }
        piece.push('"');
        let record = self.fact_record(moment, path, false, &piece);
        self.count_and_append(moment, &record);
    }

    fn fact_record(&self, moment: &str, path: &str, more: bool, json: &str) -> String {
        let mut record = format!("{},\"event\":\"fact\",\"moment\":", self.head);
        quote(&mut record, moment);
        record.push_str(",\"path\":");
        quote(&mut record, path);
        record.push_str(if more { ",\"more\":true" } else { "" });
        record.push_str(&format!(",\"value\":{json}}}\n"));
        record
    }

    fn count_and_append(&mut self, moment: &str, record: &str) {
        *self.sent.entry(moment.to_owned()).or_default() += 1;
        self.append(record);
    }

    /// One write; half a record is worse than an end.
    fn append(&self, record: &str) {
        if record.len() > LIMIT || !kernel::write_whole(self.number(), record.as_bytes()) {
            kernel::exit(73);
        }
    }
}

/// The same open file at a high number if there is room, else where it is.
pub fn high(descriptor: OwnedFd) -> OwnedFd {
    duplicate_high(descriptor.as_raw_fd()).unwrap_or(descriptor)
}

fn duplicate_high(number: i32) -> io::Result<OwnedFd> {
    let [high, middle, low] = HIGH.map(|least| move || kernel::duplicate(number, least));
    high().or_else(|_| middle()).or_else(|_| low())
}

/// O_RDWR, because orders are read from it, and O_APPEND; std adds O_CLOEXEC.
fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).custom_flags(kernel::O_NOCTTY).open(path)
}

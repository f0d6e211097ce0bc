//! The journal: the one totally ordered record of a case, whose order is that of the bytes in its file.
//!
//! Reads what the harness and the witnesses wrote. What carries no nonce that the harness gave out is foreign:
//! the output of a runtime, or of the program, when their stdout is the journal itself.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::evidence::{COMPLETE, UNREADABLE};
use crate::mountinfo;
use crate::witness::Nonce;

#[cfg(test)]
mod tests;

/// Bytes of a record at most, its newline included.
pub const RECORD: usize = 4096;
/// Bytes of an order at most.
pub const ORDER: usize = 64 << 10;
/// Bytes of a journal at most.
pub const LIMIT: usize = 8 << 20;
/// The member of a moment's facts that says whether their listing came to its end, with nothing missing.
pub const REPORTED: &str = "$reported";

/// How the record of a writer starts, up to the nonce.
const RECORD_START: &[u8] = b"{\"nonce\":\"";
/// How an order starts, up to the nonce of whom it is for.
const ORDER_START: &[u8] = b"{\"to\":\"";
/// Digits of a nonce.
const NONCE: usize = 16;
/// How deep a fact may lie.
const DEPTH: usize = 32;

/// What was read from a journal.
#[derive(Debug, Default)]
pub struct Journal {
    /// The records, in order.
    pub entries: Vec<Entry>,
    /// All other bytes, in order.
    pub foreign: Vec<u8>,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place among the records, counted from 0.
    pub index: usize,
    /// Who wrote it: to whom the harness gave the nonce. Of an order, whom it is for.
    pub writer: String,
    /// Which process of that writer, if it is one: a copy that is executed twice speaks as two.
    pub run: String,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The harness is about to spawn the runtime.
    Call {
        /// For this step.
        step: String,
    },
    /// The harness has reaped the runtime.
    Return {
        /// Of this step.
        step: String,
    },
    /// The harness gave an order.
    Order {
        /// The instruction, encoded.
        order: String,
    },
    /// A witness came to `main`.
    Ran {
        /// Its pid in its own pid namespace; unreadable if a filter forbids to ask.
        pid: Value,
    },
    /// A fact, or a piece of one.
    Fact {
        /// When.
        moment: String,
        /// A JSON Pointer below the moment.
        path: String,
        /// The value.
        value: Value,
        /// Whether the next record goes on with this text.
        #[serde(default)]
        more: bool,
    },
    /// The end of a moment's facts.
    Reported {
        /// When.
        moment: String,
        /// How many records they took.
        facts: u64,
    },
    /// A handled signal came.
    Signal {
        /// Its name.
        signal: String,
    },
    /// A handler is installed.
    Handling {
        /// For this signal.
        signal: String,
    },
    /// A sleeping child was started.
    Spawned {
        /// Its pid.
        pid: i32,
    },
    /// A connection to the agent came to its end.
    Heard {
        /// Which, counted from 0.
        connection: usize,
    },
    /// A witness waits to be released.
    Holding,
    /// It was released.
    Released,
    /// A witness is about to end.
    Exiting {
        /// With this status.
        code: u8,
    },
    /// A witness could not follow an instruction, and ends.
    Trouble {
        /// The instruction and the reason.
        what: String,
    },
}

/// Why a journal can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// Reads the journal's bytes; `writers` is to whom the harness gave which nonce.
///
/// A last line without its end is foreign: it may become a record when the journal is read again.
pub fn parse(bytes: &[u8], writers: &BTreeMap<Nonce, String>) -> Result<Journal, TooLong> {
    if bytes.len() > LIMIT {
        return Err(TooLong(bytes.len()));
    }
    let mut journal = Journal::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match record(line, writers) {
            // A stranger's half line may stand before a record, which always ends its line.
            Some((start, entry)) => {
                journal.foreign.extend_from_slice(&line[..start]);
                journal.entries.push(Entry { index: journal.entries.len(), ..entry });
            }
            None => journal.foreign.extend_from_slice(line),
        }
    }
    Ok(journal)
}

/// Where each event is: an object of labels, complete, each with the indices of its records.
pub fn labels(entries: &[Entry]) -> Value {
    let mut labels: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for entry in entries {
        if let Some(label) = entry.label() {
            labels.entry(label).or_default().push(entry.index);
        }
    }
    let fields = labels.into_iter().map(|(label, indices)| (label, json!(indices)));
    Value::Object(fields.chain([(COMPLETE.to_owned(), json!(true))]).collect())
}

/// The facts that a writer told of a moment, put together; [`REPORTED`] says whether they are all.
///
/// Of a copy that was executed more than once, the first process that spoke of the moment counts. Its
/// `mountinfo` is taken apart into `mounts` and `mount-points`.
pub fn facts(entries: &[Entry], writer: &str, moment: &str) -> Value {
    let of_moment = |entry: &&Entry| entry.writer == writer && entry.event.moment() == Some(moment);
    let run = entries.iter().find(of_moment).map(|entry| &entry.run);
    let mut facts = Assembly::default();
    for entry in entries.iter().filter(of_moment).filter(|entry| Some(&entry.run) == run) {
        facts.take(&entry.event);
    }
    let reported = facts.reported;
    let mut fields = facts.fields;
    if let Some(mountinfo) = fields.remove("mountinfo") {
        let (mounts, points) = mounts(&mountinfo);
        fields.insert("mounts".to_owned(), mounts);
        fields.insert("mount-points".to_owned(), points);
    }
    fields.insert(REPORTED.to_owned(), json!(reported));
    Value::Object(fields)
}

/// The harness' record `call` or `return` of a step; without its newline.
pub fn step_record(nonce: &Nonce, event: &str, step: &str) -> String {
    // By hand, because a record has to start with its nonce.
    format!("{{\"nonce\":\"{nonce}\",\"writer\":\"harness\",\"event\":{},\"step\":{}}}", json!(event), json!(step))
}

/// The record of a helper's fact, at a pointer below `moment`; without its newline.
pub fn fact_record(nonce: &Nonce, writer: &str, moment: &str, path: &str, value: &Value) -> String {
    let (writer, moment, path) = (json!(writer), json!(moment), json!(path));
    format!(
        "{{\"nonce\":\"{nonce}\",\"writer\":{writer},\"event\":\"fact\",\"moment\":{moment},\"path\":{path},\"value\":{value}}}"
    )
}

/// The record that closes a helper's facts of `moment`, so many; without its newline.
pub fn reported_record(nonce: &Nonce, writer: &str, moment: &str, facts: usize) -> String {
    let (writer, moment) = (json!(writer), json!(moment));
    format!(
        "{{\"nonce\":\"{nonce}\",\"writer\":{writer},\"event\":\"reported\",\"moment\":{moment},\"facts\":{facts}}}"
    )
}

/// The record of a connection's end; without its newline.
pub fn heard_record(nonce: &Nonce, writer: &str, connection: usize) -> String {
    let writer = json!(writer);
    format!("{{\"nonce\":\"{nonce}\",\"writer\":{writer},\"event\":\"heard\",\"connection\":{connection}}}")
}

/// Appends one record, by one write(2), to a journal that was opened with O_APPEND.
///
/// # Errors
/// When the write fails, or puts only a part of the record there.
pub fn append(mut journal: &File, record: &str) -> io::Result<()> {
    let line = format!("{record}\n");
    loop {
        match journal.write(line.as_bytes()) {
            Ok(length) if length == line.len() => return Ok(()),
            Ok(_) => return Err(io::Error::other("append to the journal: only a part was written")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Entry {
    /// The entry's name in `/journal`: `call STEP` and `return STEP` of the harness, else the writer first, as in
    /// `process reported start`. Facts and orders have none.
    pub fn label(&self) -> Option<String> {
        let writer = &self.writer;
        Some(match &self.event {
            Event::Call { step } => format!("call {step}"),
            Event::Return { step } => format!("return {step}"),
            Event::Ran { .. } => format!("{writer} ran"),
            Event::Reported { moment, .. } => format!("{writer} reported {moment}"),
            Event::Signal { signal } => format!("{writer} signal {signal}"),
            Event::Handling { signal } => format!("{writer} handling {signal}"),
            Event::Spawned { .. } => format!("{writer} spawned"),
            Event::Heard { connection } => format!("{writer} heard {connection}"),
            Event::Holding => format!("{writer} holding"),
            Event::Released => format!("{writer} released"),
            Event::Exiting { .. } => format!("{writer} exiting"),
            Event::Trouble { .. } => format!("{writer} trouble"),
            Event::Fact { .. } | Event::Order { .. } => return None,
        })
    }
}

impl Event {
    fn moment(&self) -> Option<&str> {
        match self {
            Self::Fact { moment, .. } | Self::Reported { moment, .. } => Some(moment),
            _ => None,
        }
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal has {} bytes, more than {LIMIT}", self.0)
    }
}

impl std::error::Error for TooLong {}

impl From<TooLong> for String {
    fn from(error: TooLong) -> Self {
        error.to_string()
    }
}

/// The record that ends this line, and where it starts.
fn record(line: &[u8], writers: &BTreeMap<Nonce, String>) -> Option<(usize, Entry)> {
    let text = line.strip_suffix(b"\n")?;
    // No further back than an order is long, or a hostile line could cost the square of its length.
    let first = text.len().saturating_sub(ORDER);
    let mut starts = (first..text.len()).filter(|start| text[*start] == b'{');
    starts.find_map(|start| Some((start, entry(&text[start..], writers)?)))
}

fn entry(text: &[u8], writers: &BTreeMap<Nonce, String>) -> Option<Entry> {
    #[derive(Deserialize)]
    struct Run {
        #[serde(default)]
        run: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(rename = "to")]
        _to: String,
        order: String,
    }
    if let Some(writer) = writer(text, ORDER_START, writers) {
        let Order { order, .. } = serde_json::from_slice(text).ok()?;
        return Some(Entry { index: 0, writer, run: String::new(), event: Event::Order { order } });
    }
    let writer = writer(text, RECORD_START, writers)?;
    let event = serde_json::from_slice(text).ok()?;
    let Run { run } = serde_json::from_slice(text).ok()?;
    Some(Entry { index: 0, writer, run, event })
}

/// To whom the nonce was given that stands behind `start`.
fn writer(text: &[u8], start: &[u8], writers: &BTreeMap<Nonce, String>) -> Option<String> {
    let (nonce, rest) = text.strip_prefix(start)?.split_at_checked(NONCE)?;
    let nonce = std::str::from_utf8(nonce).ok().filter(|_| rest.starts_with(b"\""))?;
    writers.get(nonce).cloned()
}

/// Facts on their way from records to one object.
#[derive(Default)]
struct Assembly {
    fields: Map<String, Value>,
    /// How many records came.
    count: u64,
    /// The path of a text that goes on in the next record.
    unfinished: Option<String>,
    /// Whether a record did not fit what came before it.
    broken: bool,
    /// Whether the last record closed the listing, and nothing of it is missing.
    reported: bool,
}

impl Assembly {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Fact { path, value, more, .. } => {
                self.count += 1;
                self.broken |= self.put(path, value).is_none();
                self.unfinished = more.then(|| path.clone());
                self.reported = false;
            }
            Event::Reported { facts, .. } => {
                self.reported = !self.broken && self.unfinished.is_none() && *facts == self.count;
            }
            _ => {}
        }
    }

    /// Puts a value where it belongs: its parent must be there, and in a list the items before it.
    fn put(&mut self, path: &str, value: &Value) -> Option<()> {
        let goes_on = self.unfinished.take();
        if goes_on.as_deref().is_some_and(|unfinished| unfinished != path) {
            return None;
        }
        let (parent, name) = path.rsplit_once('/').filter(|_| path.matches('/').count() <= DEPTH)?;
        let name = name.replace("~1", "/").replace("~0", "~");
        if parent.is_empty() {
            return place(self.fields.entry(name), value, goes_on.is_some());
        }
        let parent = parent.strip_prefix('/')?;
        let (top, below) = parent.split_at(parent.find('/').unwrap_or(parent.len()));
        let top = top.replace("~1", "/").replace("~0", "~");
        match self.fields.get_mut(&top)?.pointer_mut(below)? {
            Value::Object(fields) => place(fields.entry(name), value, goes_on.is_some()),
            Value::Array(items) if goes_on.is_some() => join(items.last_mut()?, value),
            Value::Array(items) if name == items.len().to_string() => {
                items.push(value.clone());
                Some(())
            }
            _ => None,
        }
    }
}

/// A new name takes the value; one whose text goes on takes the rest; a later answer replaces an earlier one.
fn place(entry: serde_json::map::Entry<'_>, value: &Value, goes_on: bool) -> Option<()> {
    use serde_json::map::Entry::{Occupied, Vacant};
    match entry {
        Vacant(entry) => drop(entry.insert(value.clone())),
        Occupied(mut entry) if goes_on => return join(entry.get_mut(), value),
        Occupied(mut entry) => drop(entry.insert(value.clone())),
    }
    Some(())
}

fn join(text: &mut Value, rest: &Value) -> Option<()> {
    let (Value::String(text), Value::String(rest)) = (text, rest) else { return None };
    text.push_str(rest);
    Some(())
}

/// `mounts` and `mount-points` of the raw text, or of the digits that stand for one which is no UTF-8.
fn mounts(mountinfo: &Value) -> (Value, Value) {
    let text = match mountinfo {
        Value::String(text) => Some(text.clone()),
        other => other.get("hex").and_then(Value::as_str).and_then(from_hex),
    };
    match text {
        Some(text) => (mountinfo::facts(&text), mountinfo::points(&text)),
        None if mountinfo.get(UNREADABLE).is_some() => (mountinfo.clone(), mountinfo.clone()),
        None => (json!({ UNREADABLE: "mountinfo is no text" }), json!({ UNREADABLE: "mountinfo is no text" })),
    }
}

fn from_hex(digits: &str) -> Option<String> {
    let digits = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}

//! The witness from the harness' side: its bytes, and the program text that makes a copy of it what a case needs.
//!
//! The program itself is in `conformance/witness/`; what it writes is read by [`crate::journal`].

use std::borrow::Borrow;
use std::fmt::{self, Write};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::case::{Order, Question, Syscall, Try};

#[cfg(test)]
mod tests;

/// The static program, its slot still empty: run like this it ends with status 71.
pub static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/witness"));

/// Where the slot begins in [`PROGRAM`]: the build looks for it, so that no case has to.
const SLOT_START: usize = include!(concat!(env!("OUT_DIR"), "/slot.rs"));
/// Bytes of the slot, its magic and the text's length included.
const SLOT: usize = 64 * 1024;
/// Bytes of the magic.
const MAGIC: usize = 16;
/// Bytes of the magic and of the length behind it.
const HEAD: usize = MAGIC + 4;

/// What one copy of the witness does.
#[derive(Clone, Debug)]
pub struct Program {
    /// The nonce by which its records are known.
    pub nonce: Nonce,
    /// Who it is, in the journal: `process`, `hook:createRuntime/0`.
    pub writer: String,
    /// Where it finds the journal.
    pub journal: Journal,
    /// What it does, in order; behind the last it ends with status 0.
    pub instructions: Vec<Instruction>,
}

/// Where a witness finds the journal.
#[derive(Clone, Debug)]
pub enum Journal {
    /// At a path, as the witness sees it.
    Path(PathBuf),
    /// At a descriptor that it is given, open for reading and appending.
    Fd(i32),
}

/// One instruction, as its line in the program text: words that are percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction(String);

/// 16 hexadecimal digits that nobody but the harness and one copy of the witness knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Nonce(String);

/// Why there is no copy for a program: its text has so many bytes, which is more than the slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// A copy of the witness that does what `program` says: the bytes of an executable file.
pub fn copy(program: &Program) -> Result<Vec<u8>, TooLong> {
    let text = program.text();
    let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= SLOT - HEAD);
    let length = length.ok_or(TooLong(text.len()))?;
    let mut bytes = PROGRAM.to_vec();
    let slot = &mut bytes[SLOT_START..SLOT_START + SLOT];
    slot[MAGIC..HEAD].copy_from_slice(&length.to_le_bytes());
    slot[HEAD..HEAD + text.len()].copy_from_slice(text.as_bytes());
    Ok(bytes)
}

/// The record by which the harness orders a running witness to follow an instruction; without its newline. It
/// should have [`crate::journal::ORDER`] bytes at most.
pub fn order_record(to: &Nonce, order: &Instruction) -> String {
    // The witness looks for exactly these bytes. Encoded words hold nothing that JSON would escape.
    format!("{{\"to\":\"{to}\",\"order\":\"{}\"}}", order.0)
}

impl Program {
    /// The program text that stands in the copy's slot.
    pub fn text(&self) -> String {
        let journal = match &self.journal {
            Journal::Path(path) => format!("file {}", encode(path.as_os_str().as_encoded_bytes())),
            Journal::Fd(number) => format!("fd {number}"),
        };
        let writer = encode(self.writer.as_bytes());
        let mut text = format!("nonce {}\nwriter {writer}\njournal {journal}\n", self.nonce);
        for instruction in &self.instructions {
            text.push_str(&instruction.0);
            text.push('\n');
        }
        text
    }
}

impl Instruction {
    /// Tells all facts of the process, as facts of `moment`.
    pub fn report(moment: &str) -> Self {
        Self::new(["report", moment])
    }

    /// Tries something; the answer is the fact `name` of `moment`.
    pub fn ask(moment: &str, name: &str, what: &Try) -> Self {
        let mut instruction = Self::new(["ask", moment, name]);
        instruction.extend(&words(what));
        instruction
    }

    /// Says how many facts of `moment` there were: its listing's end.
    pub fn done(moment: &str) -> Self {
        Self::new(["done", moment])
    }

    /// Reads standard input to its end; it is the fact `stdin` of the moment `hook`.
    pub fn stdin() -> Self {
        Self::new(["stdin"])
    }

    /// Installs a handler that leaves the record `signal` and goes on; `signal` is a name with SIG.
    pub fn handle(signal: &str) -> Self {
        Self::new(["handle", signal])
    }

    /// Starts a child that sleeps until the container ends.
    pub fn spawn() -> Self {
        Self::new(["spawn"])
    }

    /// Holds until the order [`Self::release`] comes; other orders are followed meanwhile.
    pub fn hold() -> Self {
        Self::new(["hold"])
    }

    /// As an order only: ends [`Self::hold`].
    pub fn release() -> Self {
        Self::new(["release"])
    }

    /// Follows orders until one of them ends it.
    pub fn serve() -> Self {
        Self::new(["serve"])
    }

    /// Ends with this status.
    pub fn exit(code: u8) -> Self {
        Self::new(["exit", &code.to_string()])
    }

    /// Dies by this signal, a name with SIG; the first process of a pid namespace can do so by SIGSEGV only.
    pub fn abort(signal: &str) -> Self {
        Self::new(["abort", signal])
    }

    /// What a case orders in its step `step`.
    pub fn of_order(order: &Order, step: &str) -> Self {
        match order {
            Order::Ask { name, what } => Self::ask(step, name, what),
            Order::Handle(signal) => Self::handle(signal),
            Order::Spawn {} => Self::spawn(),
            Order::Ignore(signal) => Self::new(["ignore", signal]),
            Order::Block(signal) => Self::new(["block", signal]),
            Order::Keyring(name) => Self::new(["keyring", name]),
        }
    }

    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self(words.map(|word| encode(word.as_bytes())).join(" "))
    }

    fn extend(&mut self, words: &[String]) {
        for word in words {
            self.0.push(' ');
            self.0.push_str(&encode(word.as_bytes()));
        }
    }
}

impl From<&Question> for Instruction {
    fn from(question: &Question) -> Self {
        Self::ask(question.moment(), &question.name, &question.what)
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Nonce {
    /// A new one from the kernel's random numbers.
    ///
    /// # Errors
    /// When /dev/urandom can't be read.
    pub fn fresh() -> io::Result<Self> {
        let mut bytes = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(format!("{:016x}", u64::from_le_bytes(bytes))))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Nonce {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program text has {} bytes, the slot holds {}", self.0, SLOT - HEAD)
    }
}

impl std::error::Error for TooLong {}

/// The kind and the arguments of a question, in the order of its fields.
fn words(what: &Try) -> Vec<String> {
    let (kind, arguments) = match what {
        Try::Read(path) => ("read", vec![path.clone()]),
        Try::Write { path, text } => ("write", vec![path.clone(), text.clone()]),
        Try::Make(path) => ("make", vec![path.clone()]),
        Try::Stat(path) => ("stat", vec![path.clone()]),
        Try::Follow(path) => ("follow", vec![path.clone()]),
        Try::List(path) => ("list", vec![path.clone()]),
        Try::Open { path, mode } => ("open", vec![path.clone(), mode.clone()]),
        Try::Mknod { path, r#type, major, minor } => {
            ("mknod", vec![path.clone(), r#type.clone(), major.to_string(), minor.to_string()])
        }
        Try::Exec(arguments) => ("exec", arguments.clone()),
        Try::Syscall(call) => ("syscall", call_words(call)),
        Try::Trapped(call) => ("trapped", call_words(call)),
        Try::Traced(call) => ("traced", call_words(call)),
        Try::Threads(call) => ("threads", call_words(call)),
        Try::Interrupted(call) => ("interrupted", call_words(call)),
        Try::Foreign(call) => ("foreign", call_words(call)),
        Try::MemoryPolicy {} => ("memory-policy", Vec::new()),
        Try::Touch(mebibytes) => ("touch", vec![mebibytes.to_string()]),
        Try::Fork(count) => ("fork", vec![count.to_string()]),
        Try::Statfs(path) => ("statfs", vec![path.clone()]),
        Try::Xattr { path, name } => ("xattr", vec![path.clone(), name.clone()]),
        Try::Bind { source, target } => ("bind", vec![source.clone(), target.clone()]),
        Try::TakeDown(device) => ("take-down", vec![device.clone()]),
        Try::Kill { pid, signal } => ("kill", vec![pid.to_string(), signal.to_string()]),
    };
    std::iter::once(kind.to_owned()).chain(arguments).collect()
}

fn call_words(call: &Syscall) -> Vec<String> {
    std::iter::once(call.call.clone()).chain(call.args.iter().map(u64::to_string)).collect()
}

/// One word of the program text: every byte outside `[A-Za-z0-9/._:=,@+-]` as `%XX`, the empty word a lone `%`.
fn encode(word: &[u8]) -> String {
    if word.is_empty() {
        return "%".to_owned();
    }
    word.iter().fold(String::with_capacity(word.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"/._:=,@+-".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

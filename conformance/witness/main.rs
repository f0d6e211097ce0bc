//! The program inside: a process, a hook, or a process that stays and takes orders. It reports facts and never judges.
//!
//! The harness writes a program text into the slot of each copy (`slot`), so that arguments, environment
//! and descriptors stay free to be tested. Every fact goes into the journal (`journal`), one record a write.
//!
//! **Its own floor of system calls**, which a profile under test has to keep open. To start: `execve brk
//! arch_prctl mprotect`. To say anything: `openat write exit_group`. To take orders: `pread64 poll`. To try what
//! could hurt it: `pipe2 clone poll read wait4 kill`. To handle a signal: `rt_sigaction rt_sigreturn`. To trace:
//! `ptrace`. For a second thread what the C library makes one with, and `openat getdents64 close`. (On aarch64
//! there is no `arch_prctl`, and `poll` is `ppoll`.) Every other call may be refused with an error, though not by
//! death: then the fact is `{"$unreadable": "EPERM"}`. At its start it also makes `set_tid_address set_robust_list
//! rseq prlimit64 readlink getrandom getdents64 newfstatat close fcntl statx ioctl getpid`, and where there is no
//! /proc `select`. A limit on file sizes has to leave room for the journal.
//!
//! **Exit statuses of its own**: 71 no usable program text, 72 the journal can't be opened, 73 a record was
//! not written whole, 74 an instruction that it can't follow (a `trouble` record says which).

// The runtime of std would open closed descriptors and change signals before `main`: falsified facts.
#![no_main]

use std::ffi::{CStr, c_char, c_int};
use std::io;

mod calls;
mod child;
mod credentials;
mod descriptors;
mod errno;
mod facts;
mod files;
mod journal;
mod kernel;
mod network;
mod orders;
mod program;
mod questions;
mod scheduling;
mod signals;
mod slot;
mod syscalls;
mod value;

use journal::Journal;
use orders::Orders;
use program::Program;
use value::Value;

/// What a witness knows while it runs.
struct Witness {
    journal: Journal,
    orders: Orders,
    /// What the kernel handed over at execve(2).
    start: Start,
}

/// What only the first moment of a process can tell.
struct Start {
    args: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
    /// The descriptors before the journal took one; the first report takes it.
    descriptors: Option<Value>,
}

/// Entered from the C library's start-up.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, args: *const *const c_char, environment: *const *const c_char) -> c_int {
    // SAFETY: the C library hands over two arrays of C strings, each closed by a null pointer.
    let (args, environment) = unsafe { (strings(args), strings(environment)) };
    let start = Start { args, environment, descriptors: Some(Value::from(descriptors::all(&[]))) };
    let text = slot::text();
    let Some(program) = text.as_deref().and_then(Program::parse) else { kernel::exit(71) };
    let Some(journal) = Journal::open(&program) else { kernel::exit(72) };
    let orders = Orders::new(&program, journal.length());
    Witness { journal, orders, start }.run(&program.instructions)
}

impl Witness {
    fn run(&mut self, instructions: &[Vec<String>]) -> ! {
        self.journal.event("ran", &[("pid", Value::from(kernel::pid().map(Value::from)))]);
        for instruction in instructions {
            self.follow(instruction);
        }
        self.exit(0)
    }

    /// Follows one instruction; what it doesn't know ends it, lest silence pass for an answer.
    fn follow(&mut self, instruction: &[String]) {
        let words: Vec<&str> = instruction.iter().map(String::as_str).collect();
        match words[..] {
            ["report", moment] => facts::report(self, moment),
            ["ask", moment, name, kind, ref args @ ..] => match questions::answer(kind, args) {
                Some(answer) => self.journal.fact(moment, &value::pointer(name), &answer),
                None => self.trouble(instruction, "unknown question"),
            },
            ["done", moment] => self.journal.reported(moment),
            ["stdin"] => self.journal.fact("hook", "/stdin", &files::standard_input()),
            ["handle", name] => match signals::handle(&self.journal, name) {
                Ok(()) => self.journal.event("handling", &[("signal", Value::text(name))]),
                Err(error) => self.trouble(instruction, &errno::name(&error)),
            },
            ["ignore", name] => self.done_to_itself(instruction, signals::ignore(name)),
            ["block", name] => self.done_to_itself(instruction, signals::block(name)),
            ["keyring", name] => self.done_to_itself(instruction, kernel::join_session_keyring(name)),
            ["spawn"] => match child::sleeper() {
                Ok(pid) => self.journal.event("spawned", &[("pid", Value::from(pid))]),
                Err(error) => self.trouble(instruction, &errno::name(&error)),
            },
            ["hold"] => self.hold(),
            ["serve"] => self.serve(),
            ["exit", code] => match code.parse() {
                Ok(code) => self.exit(code),
                Err(_) => self.trouble(instruction, "not an exit status"),
            },
            ["abort", name] => {
                let error = signals::die(name);
                self.trouble(instruction, &errno::name(&error))
            }
            _ => self.trouble(instruction, "unknown instruction"),
        }
    }

    /// What was meant to change this process has to have changed it.
    fn done_to_itself(&mut self, instruction: &[String], done: io::Result<()>) {
        if let Err(error) = done {
            self.trouble(instruction, &errno::name(&error));
        }
    }

    /// Holds until it is released; other orders are followed meanwhile.
    fn hold(&mut self) {
        self.journal.event("holding", &[]);
        loop {
            let order = self.next_order();
            if order == ["release"] {
                return self.journal.event("released", &[]);
            }
            self.follow(&order);
        }
    }

    /// Follows orders, until one of them ends it.
    fn serve(&mut self) -> ! {
        loop {
            let order = self.next_order();
            self.follow(&order);
        }
    }

    fn next_order(&mut self) -> Vec<String> {
        match self.orders.next(&self.journal) {
            Ok(order) => order,
            Err(error) => self.trouble(&["orders".to_owned()], &errno::name(&error)),
        }
    }

    fn exit(&mut self, code: u8) -> ! {
        self.journal.event("exiting", &[("code", Value::from(code))]);
        kernel::exit(code.into())
    }

    fn trouble(&mut self, instruction: &[String], why: &str) -> ! {
        let what = format!("{}: {why}", instruction.join(" "));
        let what: String = what.chars().take(500).collect();
        self.journal.event("trouble", &[("what", Value::text(&what))]);
        kernel::exit(74)
    }
}

/// Copies an array of C strings.
///
/// # Safety
/// `array` must be closed by a null pointer and hold valid C strings before it.
unsafe fn strings(array: *const *const c_char) -> Vec<Vec<u8>> {
    // SAFETY: as promised by the caller, every element up to the null pointer may be read.
    let elements = (0..).map(|index| unsafe { *array.add(index) });
    // SAFETY: as promised by the caller, each element is a C string.
    elements
        .take_while(|text| !text.is_null())
        .map(|text| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
        .collect()
}

//! Questions about a system call: what comes of it in a plain child, with a handler, under a tracer, beside another
//! thread, and by the convention of another architecture.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::value::Value;
use crate::{calls, child, errno, kernel};

/// How long a child waits for one of its own; less than its parent waits for it.
const DEADLINE: Duration = Duration::from_secs(4);

/// A call with its six arguments.
#[derive(Clone, Copy)]
struct Call {
    number: i64,
    arguments: [u64; 6],
}

/// The answer to a question of this kind; none if there is none, or if an argument is no number of 64 bits.
pub fn answer(kind: &str, call: &str, arguments: &[&str]) -> Option<Value> {
    let mut words = [0; 6];
    for (word, text) in words.iter_mut().zip(arguments) {
        *word = text.parse::<u64>().ok()?;
    }
    let number = if kind == "foreign" { calls::foreign_number(call) } else { calls::number(call) };
    let Some(number) = number else {
        return Some(Value::object([("$unreadable", Value::text("no such call on this architecture"))]));
    };
    let call = Call { number, arguments: words };
    let body: fn(Call) -> Value = match kind {
        "syscall" => plain,
        "trapped" => trapped,
        "traced" => traced,
        "threads" => beside_another_thread,
        "interrupted" => interrupted,
        "foreign" => foreign,
        _ => return None,
    };
    Some(child::ask(|| {
        kernel::no_core_dump();
        body(call)
    }))
}

/// Its parent sees it if it dies.
fn plain(call: Call) -> Value {
    outcome(call.make())
}

/// Handles SIGSYS: what the signal's information says, or what came of the call if there was no signal.
fn trapped(call: Call) -> Value {
    if let Err(error) = kernel::tell_of_bad_call() {
        return Value::unreadable(&error);
    }
    let made = call.make();
    match kernel::told_of_bad_call() {
        Some([code, number]) => Value::complete(vec![
            ("trapped".to_owned(), Value::Bool(true)),
            ("code".to_owned(), Value::from(code)),
            ("call".to_owned(), Value::from(number)),
        ]),
        None => outcome(made),
    }
}

/// Traces a child that makes the call: the message of the event, if there is one.
fn traced(call: Call) -> Value {
    Value::from(kernel::trace(|| _ = call.make()).map(|message| {
        let told = message.map(|message| ("message".to_owned(), Value::from(message)));
        Value::complete(told.into_iter().collect())
    }))
}

/// Of two threads the second makes the call. `{ended: true}` if it ended of it while the first goes on.
fn beside_another_thread(call: Call) -> Value {
    static RETURNED: AtomicBool = AtomicBool::new(false);
    static RESULT: AtomicI64 = AtomicI64::new(0);
    let thread = std::thread::Builder::new().spawn(move || {
        let made = call.make();
        RESULT.store(made.map_or_else(|e| -i64::from(e.raw_os_error().unwrap_or(0)), |it| it), Ordering::Relaxed);
        RETURNED.store(true, Ordering::Release);
    });
    if let Err(error) = thread {
        return Value::unreadable(&error);
    }
    let until = Instant::now() + DEADLINE;
    loop {
        // Looked at before the result, or the thread's last deed could be missed.
        let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
        if RETURNED.load(Ordering::Acquire) {
            let result = RESULT.load(Ordering::Relaxed);
            let error = i32::try_from(-result).ok().filter(|error| *error > 0);
            return outcome(error.map_or(Ok(result), |error| Err(io::Error::from_raw_os_error(error))));
        }
        match threads {
            Ok(1) => return Value::complete(vec![("ended".to_owned(), Value::Bool(true))]),
            Ok(_) if Instant::now() < until => _ = kernel::wait_readable(-1, 1),
            Ok(_) => return Value::object([("$unreadable", Value::text("deadline"))]),
            Err(error) => return Value::unreadable(&error),
        }
    }
}

/// Handles SIGUSR1 while it makes the call, and says whether the signal came: whoever answers the call sends it.
fn interrupted(call: Call) -> Value {
    if let Err(error) = kernel::take_note_of(kernel::SIGUSR1) {
        return Value::unreadable(&error);
    }
    let made = call.make();
    let mut fields = match made {
        Ok(returned) => vec![("returned".to_owned(), Value::from(returned))],
        Err(error) => vec![("error".to_owned(), Value::Text(errno::name(&error)))],
    };
    fields.push(("signalled".to_owned(), Value::Bool(kernel::noted())));
    Value::complete(fields)
}

/// By the convention of the machine's older, 32-bit architecture.
fn foreign(call: Call) -> Value {
    outcome(kernel::foreign(call.number, call.arguments.map(|argument| argument as u32)))
}

fn outcome(made: io::Result<i64>) -> Value {
    match made {
        Ok(returned) => Value::object([("returned", Value::from(returned))]),
        Err(error) => Value::error(&error),
    }
}

impl Call {
    fn make(self) -> io::Result<i64> {
        // SAFETY: the child that makes the call answers and ends; whatever it did to itself, nobody sees.
        unsafe { kernel::any(self.number, self.arguments) }
    }
}

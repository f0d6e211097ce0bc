//! `ocf validate`: what is wrong with documents of the format, without running anything.

mod bundle;
mod examine;
mod github;
mod human;
mod json;
mod sarif;

use std::io::{BufRead, IsTerminal, Read, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use clap::{Args, ValueEnum};
use ocf_schema::{Kind, Severity};
use ocf_spec::Version;

use examine::{Examined, Examiner, Input};

#[derive(Args)]
pub struct Arguments {
    /// Files, bundles (directories), or `-` for standard input
    #[arg(required_unless_present = "from", value_name = "FILE|BUNDLE")]
    inputs: Vec<PathBuf>,
    /// Read further names from this file, one a line; `-` for standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// What the documents are; seen from their names and members when left out
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// The version of the specification; the one that each document states when left out
    #[arg(long, value_name = "VERSION")]
    spec: Option<Version>,
    /// What makes a document wrong: a broken MUST, or also a SHOULD and every other warning
    #[arg(long, value_enum, default_value = "must")]
    level: Level,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Print nothing of what is right, and no sum
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Must,
    Should,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The lines themselves, underlined
    Human,
    /// One document; its schema is schema/suite/validation.json
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands, which GitHub shows beside the changed lines
    Github,
}

fn kind(word: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    Kind::ALL.into_iter().find(|it| it.as_str() == word).ok_or_else(|| format!("one of {}", known()))
}

/// What a format prints: something before all documents, each of them in the order in which they
/// were named, and something after.
trait Printer: Sync {
    fn head(&self) -> String {
        String::new()
    }
    fn one(&self, examined: &Examined, is_first: bool) -> String;
    fn tail(&self, sum: &Sum) -> String;
}

/// How many documents there were, and what was found in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// All of them.
    documents: usize,
    /// Those that the level calls wrong.
    wrong: usize,
    /// Those that could not be read.
    unreadable: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
}

/// Validates, and prints; gives the exit status.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let inputs = inputs(arguments)?;
    let printer: Box<dyn Printer> = match arguments.format {
        Format::Human => Box::new(human::Human { colour: colour(), quiet: arguments.quiet }),
        Format::Json => Box::new(json::Json),
        Format::Sarif => Box::<sarif::Sarif>::default(),
        Format::Github => Box::new(github::Github),
    };
    let examiner = Examiner { kind: arguments.kind, spec: arguments.spec };
    let fails = match arguments.level {
        Level::Must => Severity::Error,
        Level::Should => Severity::Warning,
    };
    let sum = all(&inputs, &examiner, printer.as_ref(), fails)?;
    Ok(match sum {
        Sum { unreadable: 1.., .. } => super::UNTRUSTED,
        Sum { wrong: 1.., .. } => 1,
        _ => 0,
    })
}

fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// What is to be validated, in the order given.
fn inputs(arguments: &Arguments) -> Result<Vec<Input>, String> {
    let mut inputs: Vec<Input> = arguments.inputs.iter().cloned().map(Input::named).collect();
    if let Some(list) = &arguments.from {
        let failed = |e: io::Error| format!("read the list {}: {e}", list.display());
        let lines: Vec<String> = match list.as_os_str() == "-" {
            true => io::stdin().lock().lines().collect::<Result<_, _>>().map_err(failed)?,
            false => std::fs::read_to_string(list).map_err(failed)?.lines().map(str::to_owned).collect(),
        };
        inputs.extend(lines.iter().filter(|line| !line.is_empty()).map(|line| Input::named(PathBuf::from(line))));
    }
    match inputs.iter().filter(|it| matches!(it, Input::Standard)).count() {
        _ if inputs.is_empty() => Err("--from: the list names no file".to_owned()),
        0 => Ok(inputs),
        1 if arguments.from.as_deref().is_none_or(|it| it.as_os_str() != "-") => Ok(inputs),
        _ => Err("standard input can be read once only".to_owned()),
    }
}

/// Validates all of them on every processor, and prints each as soon as those before it are printed.
fn all(inputs: &[Input], examiner: &Examiner, printer: &dyn Printer, fails: Severity) -> Result<Sum, String> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(inputs.len());
    let next = AtomicUsize::new(0);
    let queue = Mutex::new(Queue::new(inputs.len()));
    let output = Mutex::new(Output::new(printer, fails));
    output.lock().map_err(|_| "a worker died")?.write(&printer.head());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(at) else { break };
                    // A name may stand for several documents: a bundle holds more than its config.
                    let examined = examiner.examine(input);
                    let Ok(mut queue) = queue.lock() else { break };
                    queue.done(at, examined);
                    let Ok(mut output) = output.lock() else { break };
                    queue.ready().for_each(|it| output.one(&it));
                }
            });
        }
    });
    let output = output.into_inner().map_err(|_| "a worker died".to_owned())?;
    output.end()
}

/// What is done and waits for its turn.
struct Queue {
    done: Vec<Option<Examined>>,
    printed: usize,
}

impl Queue {
    fn new(length: usize) -> Self {
        Self { done: std::iter::repeat_with(|| None).take(length).collect(), printed: 0 }
    }

    fn done(&mut self, at: usize, examined: Examined) {
        self.done[at] = Some(examined);
    }

    /// Those whose turn it is.
    fn ready(&mut self) -> impl Iterator<Item = Examined> + '_ {
        std::iter::from_fn(|| {
            let ready = self.done.get_mut(self.printed)?.take()?;
            self.printed += 1;
            Some(ready)
        })
    }
}

/// Standard output, and the sum of what went there.
struct Output<'a> {
    printer: &'a dyn Printer,
    fails: Severity,
    sum: Sum,
    to: io::BufWriter<io::Stdout>,
    failed: Option<io::Error>,
}

impl<'a> Output<'a> {
    fn new(printer: &'a dyn Printer, fails: Severity) -> Self {
        Self { printer, fails, sum: Sum::default(), to: io::BufWriter::new(io::stdout()), failed: None }
    }

    fn one(&mut self, examined: &Examined) {
        let text = self.printer.one(examined, self.sum.documents == 0);
        self.sum.add(examined, self.fails);
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(text.as_bytes()).err();
        }
    }

    fn end(mut self) -> Result<Sum, String> {
        let tail = self.printer.tail(&self.sum);
        self.write(&tail);
        let flushed = self.to.flush();
        match self.failed.or(flushed.err()) {
            Some(error) => Err(format!("write to standard output: {error}")),
            None => Ok(self.sum),
        }
    }
}

impl Sum {
    fn add(&mut self, examined: &Examined, fails: Severity) {
        let of = |severity| examined.findings.iter().filter(|it| it.finding.severity == severity).count();
        self.documents += 1;
        self.wrong += usize::from(examined.findings.iter().any(|it| it.finding.severity >= fails));
        self.unreadable += usize::from(examined.unreadable.is_some());
        self.errors += of(Severity::Error);
        self.warnings += of(Severity::Warning);
        self.notes += of(Severity::Note);
    }
}

/// Reads no more than `most` bytes and one, by which the excess is seen. With room for as many as are `expected`, and
/// the one by which the end is seen, two reads do.
fn read_limited(mut from: impl Read, expected: u64, most: usize) -> io::Result<Vec<u8>> {
    let expected = usize::try_from(expected).map_or(most, |it| it.min(most));
    let mut bytes = Vec::with_capacity(expected + 1);
    from.by_ref().take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

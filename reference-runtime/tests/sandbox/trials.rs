//! Test programs in which a test can end as ignored, because this host lacks what it takes; what it does not lack is tested.

#![allow(unused_macros, unused_imports, reason = "only some test files name their tests with it")]

use libtest_mimic::{Arguments, Completion, Trial};
use std::cell::{Cell, RefCell};
use std::process::ExitCode;

/// What begins a line by which a test in its sandbox says why it is to be ignored.
const SKIPPED: &str = "skipped: ";

thread_local! {
    /// The test that this thread runs.
    static NAME: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// What the test found this host to lack.
    static REASONS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Makes the functions that are named the tests of a test program, whose `harness` is `false`.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            sandbox::trials::main(&[$((stringify!($name), $name)),*])
        }
    };
}
pub(crate) use tests;

/// Runs the tests as libtest would, with its arguments.
pub fn main(tests: &[(&'static str, fn())]) -> ExitCode {
    let trial = |(name, body): &(&'static str, fn())| {
        let (name, body) = (*name, *body);
        Trial::ignorable_test(name, move || Ok(run(name, body)))
    };
    libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit_code()
}

/// One test; its failure is a panic.
fn run(name: &'static str, body: fn()) -> Completion {
    NAME.set(Some(name));
    REASONS.take();
    body();
    match REASONS.take() {
        reasons if reasons.is_empty() => Completion::Completed,
        reasons => Completion::ignored_with(reasons.join("; ")),
    }
}

/// Ends the calling test as ignored, once it has tested the rest.
pub fn skip(reason: &str) {
    assert!(NAME.get().is_some(), "only a test of tests! can be skipped: {reason}");
    if std::env::var_os(super::DIRECTORY).is_some() {
        eprintln!("{SKIPPED}{reason}");
    }
    note(reason);
}

/// Skips the calling test for the reasons that it gave in its sandbox.
pub fn skip_as_inside(stderr: &str) {
    stderr.lines().filter_map(|line| line.strip_prefix(SKIPPED)).for_each(note);
}

fn note(reason: &str) {
    REASONS.with_borrow_mut(|reasons| {
        if !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
        }
    });
}

/// The name of the test that the calling thread runs, be it one of `tests!` or of libtest.
pub fn name() -> String {
    NAME.get().map_or_else(|| std::thread::current().name().unwrap().to_owned(), str::to_owned)
}

//! Bytes that nobody meant well: the answer is clear, comes soon, takes bounded memory, and is never
//! a panic.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod invariants;
mod kept;
mod memory;
mod mutated;
mod mutation;
mod texts;
mod time;

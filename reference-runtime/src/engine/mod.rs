//! What the specification does not ask of a runtime, and container engines do.

pub mod exec;
pub mod list;
pub mod pause;
pub mod processes;
pub mod update;

//! Runs any OCI runtime against bundles and decides, requirement by requirement, what it keeps.
//!
//! `run` is the only part that starts a runtime: it carries questions and steps, and knows no requirement.
//! `ask` and `expect` know the requirements, and start nothing. `judge` is a pure function of both.

pub mod adapter;
pub mod ask;
pub mod case;
pub mod checks;
pub mod cli;
pub mod edition;
pub mod evidence;
pub mod expect;
pub mod expectation;
pub mod export;
pub mod host;
pub mod journal;
pub mod judge;
pub mod libtest;
pub mod mountinfo;
pub mod number_list;
pub mod profile;
pub mod properties;
pub mod reduce;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod suite;
pub mod view;
pub mod witness;

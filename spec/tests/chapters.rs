//! The chapter files as they lie in `chapters/`, also one that nobody has listed yet.

#![expect(clippy::unwrap_used, reason = "sources that can't be read fail the test")]

use std::path::Path;

use ocf_spec::{CHAPTERS, Sources, Specification};

#[test]
fn every_file_parses() {
    let errors = Specification::of(&sources()).err().unwrap_or_default();
    let errors: Vec<String> = errors.iter().map(|error| format!("spec/{error}")).collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn every_chapter_file_is_listed_once() {
    let sources = sources();
    let mut listed: Vec<&str> = CHAPTERS.iter().map(|(name, _)| *name).collect();
    let mut lying: Vec<&str> = sources.chapters.iter().map(|(name, _)| name.as_str()).collect();
    listed.sort_unstable();
    lying.sort_unstable();
    assert_eq!(listed, lying, "src/chapters.rs lists what chapters/ holds");
}

fn sources() -> Sources {
    Sources::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

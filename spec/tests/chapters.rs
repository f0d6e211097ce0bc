//! The chapter files as they lie in `chapters/`, also one that nobody has listed yet.

#![expect(clippy::unwrap_used, reason = "a chapter that can't be read fails the test")]

use std::fs;
use std::path::Path;

use ocf_spec::{CHAPTERS, parse_chapter};

#[test]
fn every_chapter_file_parses() {
    let errors: Vec<String> = files()
        .iter()
        .filter_map(|(name, text)| parse_chapter(name, text).err())
        .map(|error| format!("spec/chapters/{error}"))
        .collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn every_chapter_file_is_listed_once() {
    let files = files();
    let mut listed: Vec<&str> = CHAPTERS.iter().map(|(name, _)| *name).collect();
    let mut lying: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    listed.sort_unstable();
    lying.sort_unstable();
    assert_eq!(listed, lying, "src/chapters.rs lists what chapters/ holds");
}

/// Stem and text of each file.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("chapters");
    let entries = fs::read_dir(&folder).unwrap();
    entries.map(|entry| file(&entry.unwrap().path())).collect()
}

fn file(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let stem = name.strip_suffix(".md");
    assert!(stem.is_some(), "{name} lies in chapters/ and is no chapter");
    (stem.unwrap().to_owned(), fs::read_to_string(path).unwrap())
}

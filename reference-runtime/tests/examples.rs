//! The examples do what they say, and README shows what they print.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where README's reader has the sources.
const SOURCES: &str = "/src/ocf";

/// The example's bundle, copied to where it stands below the sources.
fn copy_bundle(sandbox: &Sandbox) {
    let place = sandbox.path("reference-runtime/examples");
    fs::create_dir_all(&place).unwrap();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bundle");
    assert!(Command::new("cp").arg("-r").args([&bundle, &place]).status().unwrap().success());
}

/// A directory with the runtime under its name, which keeps its containers in the test's own root.
fn install(sandbox: &Sandbox) -> PathBuf {
    let directory = sandbox.path("programs");
    fs::create_dir(&directory).unwrap();
    let program = directory.join("ocf-runtime");
    let root = sandbox.path("root");
    let text = format!("#!/bin/sh\nexec {} --root {} \"$@\"\n", env!("CARGO_BIN_EXE_ocf-runtime"), root.display());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// The commands and outputs that README shows of the runtime.
fn shown() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, section) = readme.split_once("\n## The reference runtime\n").unwrap();
    let (_, block) = section.split_once("```console\n").unwrap();
    block.split_once("```\n").unwrap().0.to_owned()
}

/// The state without the number that is different each time.
fn without_pid(text: &str) -> String {
    let line =
        |line: &str| if line.starts_with("  \"pid\": ") { "  \"pid\": …,".to_owned() } else { line.to_owned() };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn readme_shows_what_the_commands_print() {
    sandboxed(|sandbox| {
        copy_bundle(sandbox);
        let before = sandbox.surroundings();
        let path = format!("{}:{}", install(sandbox).display(), std::env::var("PATH").unwrap());
        let shown = shown();
        let mut printed = String::new();
        for command in shown.lines().filter_map(|line| line.strip_prefix("$ ")) {
            // A created container keeps the streams, so they are a file and not a pipe.
            let output = fs::File::create(sandbox.path("printed")).unwrap();
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", command]).env("PATH", &path).current_dir(&sandbox.directory).stdin(Stdio::null());
            shell.stdout(output.try_clone().unwrap()).stderr(output).status().unwrap();
            let output = fs::read_to_string(sandbox.path("printed")).unwrap();
            printed += &format!("$ {command}\n{}", output.replace(sandbox.directory.to_str().unwrap(), SOURCES));
        }
        assert_eq!(without_pid(&printed), without_pid(&shown));
        assert_eq!(before, sandbox.surroundings(), "the commands leave something behind");
    });
}

/// Built with the tests, unless they are told by name which one is to be built.
#[test]
fn the_library_goes_through_the_lifecycle() {
    sandboxed(|sandbox| {
        copy_bundle(sandbox);
        let before = sandbox.surroundings();
        let tests = std::env::current_exe().unwrap();
        let example = tests.ancestors().nth(2).unwrap().join("examples/lifecycle");
        assert!(example.exists(), "first: cargo build --examples");
        let mut command = Command::new(example);
        command.arg(sandbox.path("root")).arg("reference-runtime/examples/bundle").current_dir(&sandbox.directory);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = "created example\nhello from the root file system\nthe second program exits with 0\n\
            the first one ended with Some(137)\n";
        assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success());
        assert_eq!(before, sandbox.surroundings(), "the example leaves something behind");
    });
}

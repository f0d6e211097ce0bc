//! `ocf spec` and `ocf explain` as a maintainer calls them.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn ocf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocf")).args(arguments).current_dir(root()).output().unwrap()
}

/// The root of this checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(arguments: &[&str]) -> Value {
    let output = ocf(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", said(&output)))
}

/// An empty directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A text in the shape of upstream's, with one keyword and something that a terminal would obey.
fn small_upstream(name: &str) -> PathBuf {
    let path = directory(name);
    fs::write(path.join("spec.md"), "# Text\n\n* [Life](runtime.md)\n* [Other](other.md)\n").unwrap();
    fs::write(path.join("runtime.md"), "# Life\n\nThe runtime MUST \u{1b}obey at\nonce.\n").unwrap();
    path
}

#[test]
fn what_this_program_carries_is_without_an_error() {
    let output = ocf(&["spec", "lint"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn nothing_of_upstream_is_unmapped() {
    let coverage = json(&["spec", "coverage", "--format", "json"]);
    for axis in ["clauses", "properties"] {
        let figure = |name: &str| coverage[axis][name].as_u64().unwrap();
        assert_eq!(figure("unmapped"), 0, "{axis}");
        assert_eq!(figure("mapped") + figure("set_aside"), figure("total"), "{axis}");
    }
}

#[test]
fn a_requirement_is_explained_and_a_misspelt_one_is_an_error() {
    let explained = json(&["explain", "hostname.applied", "--format", "json"]);
    assert_eq!((&explained["level"], &explained["checks"]["law"]), (&Value::from("MUST"), &Value::from(true)));
    let output = ocf(&["explain", "hostname.aplied"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean hostname.applied?"), "{}", said(&output));
}

#[test]
fn another_text_is_compared_and_nothing_in_it_is_obeyed() {
    let upstream = small_upstream("upstream-directory");
    let output = ocf(&["spec", "upstream", upstream.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("runtime.md:3: new MUST, no requirement"), "{text}");
    assert!(text.contains("config.md: the file is not there, with 283 clauses"), "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("The runtime MUST \\u{1b}obey at once."), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_link_in_a_checkout_is_not_followed() {
    let upstream = small_upstream("upstream-link");
    let secret = directory("upstream-secret").join("secret.md");
    fs::write(&secret, "# Secret\n\nNobody MUST read this.\n").unwrap();
    symlink(&secret, upstream.join("other.md")).unwrap();
    let output = ocf(&["spec", "upstream", upstream.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!said(&output).contains("Nobody MUST"), "{}", said(&output));
}

#[test]
fn a_revision_is_read_from_git_and_not_from_the_work_tree() {
    let upstream = small_upstream("upstream-revision");
    let git = |arguments: &[&str]| {
        let identity =
            ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "init.defaultBranch=main"];
        let status = Command::new("git").arg("-C").arg(&upstream).args(identity).args(arguments).output().unwrap();
        assert!(status.status.success(), "git {arguments:?}: {}", said(&status));
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "A text"]);
    git(&["tag", "one"]);
    fs::write(upstream.join("runtime.md"), "# Life\n\nNothing.\n").unwrap();
    let repository = upstream.to_str().unwrap();
    let found = json(&["spec", "upstream", "one", "--repository", repository, "--format", "json"]);
    let new: Vec<&Value> = found["changes"].as_array().unwrap().iter().filter(|it| it["change"] == "new").collect();
    assert_eq!(new.len(), 1, "{found:#}");
    assert_eq!((&new[0]["file"], &new[0]["line"]), (&Value::from("runtime.md"), &Value::from(3)));
    let unknown = ocf(&["spec", "upstream", "--repository", repository, "--", "--output=x"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", said(&unknown));
}

#[test]
fn a_directory_that_is_not_upstreams_is_trouble() {
    let empty = directory("upstream-empty");
    fs::write(empty.join("spec.md"), "# Text\n").unwrap();
    let output = ocf(&["spec", "upstream", empty.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("neither runtime-spec nor image-spec"), "{}", said(&output));
}

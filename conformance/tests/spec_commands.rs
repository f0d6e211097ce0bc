//! `ocf spec compare`, `export`, `impact` and `watch`, as a user calls them.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

fn ocf(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocf")).current_dir(directory).args(arguments).output().unwrap()
}

fn text(of: &[u8]) -> String {
    String::from_utf8(of.to_vec()).unwrap()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ocf-spec-commands-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A checkout with the sources that this program carries, few fixtures among them so that all is quick.
    fn checkout(name: &str) -> Self {
        let folder = Self::new(name);
        for (chapter, text) in ocf_spec::CHAPTERS {
            folder.write(&format!("spec/chapters/{chapter}.md"), text);
        }
        let sources = ocf_spec::Sources::embedded();
        folder.write("spec/upstream.tsv", &sources.upstream);
        folder.write("spec/properties.tsv", &sources.properties);
        folder.write("spec/no-requirement.tsv", &sources.no_requirement.unwrap());
        for kind in ocf_schema::Kind::FORMAT {
            folder.write(&format!("schema/{}.json", kind.as_str()), ocf_schema::schema::text(kind));
        }
        for (stem, text) in ocf_fixtures::BASES {
            folder.write(&format!("fixtures/base/{stem}.json"), text);
        }
        for (kind, text) in ocf_fixtures::STATIC_BASES {
            folder.write(&format!("fixtures/static/base/{kind}.json"), text);
        }
        for (chapter, text) in ocf_fixtures::STATIC.iter().filter(|(chapter, _)| *chapter == "masked-paths") {
            folder.write(&format!("fixtures/static/{chapter}.json"), text);
        }
        folder
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn replace(&self, file: &str, find: &str, with: &str) {
        let before = fs::read_to_string(self.0.join(file)).unwrap();
        assert!(before.contains(find), "{file} has no {find:?}");
        self.write(file, &before.replacen(find, with, 1));
    }

    fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").current_dir(&self.0).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "a state"]);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
}

#[test]
fn a_version_compared_with_itself_changes_nothing() {
    let output = ocf(here(), &["spec", "compare", "1.2.0", "1.2.0"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "1.2.0 → 1.2.0: nothing changes\n"));
}

#[test]
fn the_reversal_of_poststart_hooks_is_shown_as_a_replacement() {
    let output = ocf(here(), &["spec", "compare", "1.2.1", "1.3.0"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let replaced = shown.find("hooks.poststart-failure-continues").unwrap();
    let by = shown.find("hooks.poststart-failure-error").unwrap();
    assert!(replaced < by, "{shown}");
    assert!(shown.contains("/linux/memoryPolicy"), "{shown}");
    let widest = shown.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 100, "{widest}");
}

#[test]
fn each_change_of_a_version_has_its_example_as_json() {
    let output = ocf(here(), &["spec", "compare", "1.0.2", "1.1.0", "--format", "json"]);
    let comparison = json(&output);
    let changes = comparison["schemas"]["config"].as_array().unwrap();
    let kind = changes.iter().find(|it| it["place"] == "/linux/namespaces/*/type").unwrap();
    assert_eq!(kind["grade"], "widening");
    let example = &kind["accepts"]["example"];
    let value = example["document"].pointer(example["at"].as_str().unwrap()).unwrap();
    assert_eq!(value, "time");
    let replaced = comparison["requirements"]["replaced"].to_string();
    for id in ["capabilities.unknown-refused", "hooks.prestart-before-program"] {
        assert!(replaced.contains(id), "{id}: {replaced}");
    }
}

#[test]
fn revisions_and_directories_are_compared_without_touching_the_work_tree() {
    let folder = Folder::checkout("revisions");
    folder.git(&["init", "-q"]);
    folder.commit();
    folder.replace("schema/config.json", r#""enum": ["shared", "slave","#, r#""enum": ["shared", "bound", "slave","#);
    folder.replace("spec/chapters/hostname.md", "the host name is `hostname`.", "the host name is just `hostname`.");
    folder.commit();
    let before = folder.git(&["status", "--porcelain"]);
    for new in ["HEAD", "."] {
        let output = ocf(&folder.0, &["spec", "compare", "HEAD~1", new, "--format", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let comparison = json(&output);
        let changed = &comparison["requirements"]["changed"];
        assert_eq!((changed[0]["requirement"]["id"].as_str(), changed[1].is_null()), (Some("hostname.applied"), true));
        let changes = comparison["schemas"]["config"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{changes:#?}");
        assert_eq!(changes[0]["what"][0], r#"`enum` gained "bound""#);
        assert_eq!(changes[0]["versions"].as_array().unwrap().len(), 7);
        // A reworded sentence is for people to judge.
        assert_eq!(comparison["grade"], "unknown");
    }
    assert_eq!(folder.git(&["status", "--porcelain"]), before);
}

#[test]
fn what_names_nothing_is_an_error_that_says_what_was_tried() {
    let folder = Folder::new("nothing");
    for word in ["9.9.9", "--help-me", "no-such-thing", "\u{1b}[31mred"] {
        let output = ocf(&folder.0, &["spec", "compare", "1.0.0", "--", word]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{word}: {said}");
        assert!(said.contains("no version of the format (1.0.0 1.0.1") && said.contains("no directory"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn a_directory_without_sources_is_an_error_that_names_the_file() {
    let folder = Folder::new("empty");
    let output = ocf(&folder.0, &["spec", "compare", "1.0.0", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("read ./spec: "), "{}", text(&output.stderr));
}

#[test]
fn hostile_sources_do_not_reach_the_terminal_unescaped() {
    let folder = Folder::checkout("hostile");
    let sentence = "the host name is \u{1b}[2J\u{202e}`hostname`.";
    folder.replace("spec/chapters/hostname.md", "the host name is `hostname`.", sentence);
    let shown = text(&ocf(&folder.0, &["spec", "compare", "1.3.0", "."]).stdout);
    assert!(shown.contains("\\u{1b}[2J\\u{202e}"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn exports_are_json_and_say_which_version_they_are_of() {
    let output = ocf(here(), &["spec", "export", "--spec", "1.0.2", "--schema", "config"]);
    assert_eq!(json(&output)["$id"], "urn:ocf:config:1.0.2");
    let output = ocf(here(), &["spec", "export", "--spec", "1.1.0", "--requirements"]);
    assert_eq!(
        (json(&output)["format"].clone(), json(&output)["spec"].clone()),
        ("ocf-requirements/1".into(), "1.1.0".into())
    );
    assert_eq!(json(&ocf(here(), &["spec", "export"])).get("spec"), None);
    let output = ocf(here(), &["spec", "export", "--spec", "1.9.0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no released version"), "{}", text(&output.stderr));
}

#[test]
fn the_impact_of_a_step_names_documents_and_stale_checks() {
    let output = ocf(here(), &["spec", "impact", "1.2.1", "1.3.0"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(shown.contains("memory-policy, as it came into force"), "{shown}");
    assert!(shown.contains("replaced  hooks.poststart-failure-continues"), "{shown}");
    let output = ocf(here(), &["spec", "impact", "1.3.0", "1.3.0"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let output = ocf(here(), &["spec", "impact", "1.2.1", "1.3.0", "--runs", "src"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no evidence.jsonl lies there"), "{}", text(&output.stderr));
}

#[test]
fn a_recorded_run_is_judged_again() {
    let folder = Folder::new("runs");
    let evidence = include_str!("../../schema/tests/right/evidence-header.json");
    let header: Value = serde_json::from_str(evidence).unwrap();
    folder.write("runc/evidence.jsonl", &format!("{header}\n"));
    let output = ocf(&folder.0, &["spec", "impact", "1.2.1", "1.3.0", "--runs", ".", "--format", "json"]);
    let runs = json(&output)["runs"].as_array().unwrap().clone();
    let verdicts = runs[0]["verdicts"]["hooks.poststart-failure-continues"].clone();
    assert_eq!(verdicts, serde_json::json!(["undecided", null]));
}

#[test]
fn one_round_of_watching_tells_what_is_wrong_since_the_last_commit() {
    let folder = Folder::checkout("once");
    folder.git(&["init", "-q"]);
    folder.commit();
    let output = ocf(&folder.0, &["spec", "watch", "--once"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("Static verdicts: none changes") && shown.contains("none changed"), "{shown}");
    folder.replace("schema/config.json", r##""maskedPaths": { "$ref": "#/$defs/masked-paths" },"##, "");
    let output = ocf(&folder.0, &["spec", "watch", "--once"]);
    let shown = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("breaks nothing, not just masked-paths.array"), "{shown}");
    assert!(shown.contains("broken no longer masked-paths.absolute"), "{shown}");
}

/// A program that watches, and its lines as they come.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    fn begin(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ocf"))
            .current_dir(directory)
            .args(["spec", "watch"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    /// The lines up to the one that fits.
    fn until(&self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line: &String| !fits(line)) {
            let line = self.lines.recv_timeout(Duration::from_secs(120));
            seen.push(line.unwrap_or_else(|_| panic!("no more lines after {seen:#?}")));
        }
        seen
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_save_is_noticed_and_told_and_a_mistake_does_not_end_the_watch() {
    let folder = Folder::checkout("watch");
    let watching = Watching::begin(&folder.0);
    watching.until(|line| line.starts_with("watching "));
    let is_end = |line: &str| line.ends_with(" s");
    folder.replace("spec/chapters/hostname.md", "the host name is `hostname`.", "the host name is just `hostname`.");
    let shown = watching.until(is_end).join("\n");
    assert!(shown.contains("hostname.md") && shown.contains("changed hostname.applied: sentence"), "{shown}");
    folder.replace("spec/chapters/hostname.md", "MUST, runtime", "OUGHT, runtime");
    let shown = watching.until(|line| line.contains("OUGHT")).join("\n");
    assert!(shown.contains("spec/chapters/hostname.md:"), "{shown}");
    folder.replace("spec/chapters/hostname.md", "OUGHT, runtime", "MUST, runtime");
    let shown = watching.until(is_end).join("\n");
    assert!(shown.contains("requirements     none changed"), "{shown}");
}

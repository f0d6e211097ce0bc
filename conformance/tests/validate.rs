//! `ocf validate`, as its caller meets it.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ocf_schema::Kind;
use ocf_spec::VERSIONS;
use serde_json::{Value, json};

/// A directory of this test alone, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ocf-validate-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ocf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocf")).arg("validate").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// What one document gives with `--format json`.
fn found(arguments: &[&str]) -> Value {
    let output = ocf(&[&["--format", "json"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ocf_schema::validate(Kind::Validation, &report, VERSIONS[6]), []);
    report
}

fn ids(report: &Value) -> Vec<&str> {
    let findings = report["documents"].as_array().unwrap().iter().flat_map(|it| it["findings"].as_array().unwrap());
    findings.map(|it| it["requirement"].as_str().unwrap_or("none")).collect()
}

fn right() -> Value {
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs" },
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/bin/true"], "cwd": "/" }
    })
}

/// The right document with one member more.
fn with(member: &str, value: Value) -> String {
    let mut document = right();
    document[member] = value;
    document.to_string()
}

#[test]
fn a_right_document_is_called_so() {
    let directory = Directory::new("right");
    let file = directory.file("config.json", right().to_string());
    let output = ocf(&[&file]);
    assert_eq!(printed(&output), format!("{file}: right (config 1.0.2)\n"));
    assert_eq!(status(&output), 0);
    assert_eq!(printed(&ocf(&["--quiet", &file])), "");
}

#[test]
fn a_finding_shows_the_line_and_the_sentence() {
    let directory = Directory::new("human");
    let text = "{\n  \"ociVersion\": \"1.0.2\",\n  \"root\": { \"path\": \"rootfs\" },\n  \"hostname\": 5\n}\n";
    let file = directory.file("web.json", text);
    let output = ocf(&[&file]);
    let expected = format!(
        "error[hostname.string]: 5 is no string\n --> {file}:4:15 (/hostname)\n  |\n4 |   \"hostname\": 5\n  \
         |               ^\n  = MUST: `hostname`, where it is set, is a string.\n  = hint: in quotation marks: \"5\"\n\n\
         1 document; 1 wrong; 1 error\n"
    );
    assert_eq!(printed(&output), expected);
    assert_eq!(status(&output), 1);
}

#[test]
fn a_must_that_only_warns_says_why() {
    let directory = Directory::new("softer");
    let capabilities = |name: &str| json!({ "bounding": [name] });
    let mut document = right();
    document["ociVersion"] = json!("1.1.0");
    document["process"]["capabilities"] = capabilities("CAP_HARBOUR");
    let output = ocf(&[&directory.file("config.json", document.to_string())]);
    assert_eq!(status(&output), 0);
    let text = printed(&output);
    let (head, rest) = text.split_once('\n').unwrap();
    assert!(head.starts_with("warning[capabilities.names]: "), "{text}");
    assert!(rest.contains("= MUST: ") && rest.contains("= only a warning: since 1.1.0 "), "{text}");
    document["process"]["capabilities"] = json!({ "bounding": "CAP_KILL" });
    let text = printed(&ocf(&[&directory.file("config.json", document.to_string())]));
    assert!(text.contains("error[") && !text.contains("only a"), "{text}");
}

#[test]
fn nothing_of_a_document_reaches_the_terminal_as_a_command() {
    let directory = Directory::new("terminal");
    let text = "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"\u{9b}31m\u{202e}\"}, \u{1b}[31m";
    let file = directory.file("config.json", text);
    let output = printed(&ocf(&[&file]));
    assert!(output.contains("bundle.json"), "{output}");
    assert!(!output.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{output:?}");
}

#[test]
fn a_line_without_end_is_cut() {
    let directory = Directory::new("long");
    let wrong = with("hostname", json!(["x".repeat(1_000_000)]));
    let output = printed(&ocf(&[&directory.file("config.json", wrong)]));
    assert!(output.contains("hostname.string"), "{output}");
    assert!(output.lines().all(|line| line.chars().count() < 300), "{output}");
}

#[test]
fn a_should_fails_where_the_caller_asks_for_it() {
    let directory = Directory::new("level");
    let file = directory.file("config.json", with("root", json!({"path": "/srv/tree"})));
    assert_eq!(ids(&found(&[&file])), ["root.path-conventional"]);
    assert_eq!(status(&ocf(&[&file])), 0);
    assert_eq!(status(&ocf(&["--level", "should", &file])), 1);
}

/// A requirement, and the line and column at which it is broken.
type Broken = (&'static str, u64, u64);

/// The faults of upstream's bad examples, each in a document of our own: its kind, its text, the version that it is held
/// against, and what is found, at which line and column. What a version does not speak of is not found in it.
const FAULTS: [(&str, &str, &str, &[Broken]); 13] = [
    ("config", VNET, "1.3.0", &[("freebsd.vnet-value", 4, 34)]),
    ("config", VNET, "1.2.1", &[]),
    ("config", "{\n  \"ociVersion\": \"1.0.0\"\n]\n", "1.0.0", &[("bundle.json", 3, 1)]),
    ("config", PAGES, "1.0.2", &[("hugepage-limits.page-size-format", 5, 19)]),
    ("config", PAGES, "1.0.0", &[]),
    ("config", DEVICE, "1.3.0", &[("net-devices.name-string", 4, 52)]),
    ("config", DEVICE, "1.0.0", &[]),
    ("config", HANDLES, "1.0.2", &[("rdma.hca-handles-integer", 4, 65)]),
    ("config", HANDLES, "1.0.0", &[]),
    ("features", "{ \"ociVersionMin\": \"1.0.0\" }", "1.1.0", &[("features.version-max-present", 1, 1)]),
    ("features", "[\n", "1.1.0", &[("features.object", 1, 2)]),
    ("state", "{ \"id\": \"box\" ]", "1.3.0", &[("state.schema", 1, 15)]),
    ("state", "{ \"id\": \"box\" ]", "1.0.2", &[("state.pattern", 1, 15)]),
];

const VNET: &str = r#"{
  "ociVersion": "1.3.0",
  "root": { "path": "rootfs" },
  "freebsd": { "jail": { "vnet": "disable" } }
}"#;
const PAGES: &str = r#"{
  "ociVersion": "1.0.0",
  "root": { "path": "rootfs" },
  "linux": { "resources": { "hugepageLimits": [{
      "pageSize": "2mB", "limit": 4194304
  }] } }
}"#;
const DEVICE: &str = r#"{
  "ociVersion": "1.0.0",
  "root": { "path": "rootfs" },
  "linux": { "netDevices": { "harbour0": { "name": 0 } } }
}"#;
const HANDLES: &str = r#"{
  "ociVersion": "1.0.0",
  "root": { "path": "rootfs" },
  "linux": { "resources": { "rdma": { "hfi1_0": { "hcaHandles": "three" } } } }
}"#;

#[test]
fn the_faults_of_upstreams_bad_examples_are_found_at_their_places() {
    let directory = Directory::new("faults");
    for (at, (kind, text, spec, expected)) in FAULTS.into_iter().enumerate() {
        let file = directory.file(&format!("{at}.json"), text);
        let report = found(&["--kind", kind, "--spec", spec, &file]);
        let findings = report["documents"][0]["findings"].as_array().unwrap();
        let place = |it: &Value| (it["line"].as_u64().unwrap(), it["column"].as_u64().unwrap());
        let seen: Vec<_> = findings
            .iter()
            .map(|it| (it["requirement"].as_str().unwrap_or("none"), place(it).0, place(it).1))
            .collect();
        assert_eq!(seen, expected, "{kind} {spec} {text}");
    }
}

#[test]
fn a_document_is_held_against_the_version_that_it_states_or_the_caller() {
    let directory = Directory::new("version");
    let file = directory.file("config.json", with("linux", json!({"namespaces": [{"type": "time"}]})));
    assert_eq!(ids(&found(&[&file])), ["namespaces.type-before-time"]);
    assert_eq!(ids(&found(&["--spec", "1.1.0", &file])), [""; 0]);
    let newer = directory.file("newer.json", with("ociVersion", json!("1.9.0")));
    let report = found(&[&newer]);
    assert_eq!((&report["documents"][0]["spec"], &report["sum"]["notes"]), (&json!("1.3.0"), &json!(1)));
}

#[test]
fn the_kind_is_seen_or_given() {
    let directory = Directory::new("kind");
    let state = json!({"ociVersion": "1.0.2", "id": "a", "status": "gone", "bundle": "b"}).to_string();
    let file = directory.file("what.json", state);
    assert_eq!(found(&[&file])["documents"][0]["kind"], "state");
    assert_eq!(found(&["--kind", "config", &file])["documents"][0]["kind"], "config");
    let wrong = ocf(&["--kind", "kernel", &file]);
    assert_eq!(status(&wrong), 2);
}

#[test]
fn the_files_of_a_bundle_are_looked_at() {
    let directory = Directory::new("bundle");
    directory.file("good/config.json", right().to_string());
    fs::create_dir(directory.0.join("good/rootfs")).unwrap();
    directory.file("no-root/config.json", right().to_string());
    directory.file("outside/config.json", right().to_string());
    symlink("/", directory.0.join("outside/rootfs")).unwrap();
    directory.file("empty/readme", "");
    let of = |name: &str| found(&[directory.0.join(name).to_str().unwrap()]);
    assert_eq!(ids(&of("good")), [""; 0]);
    assert_eq!(ids(&of("no-root")), ["root.path-directory"]);
    assert_eq!(of("no-root")["documents"][0]["findings"][0]["pointer"], "/root/path");
    assert_eq!(ids(&of("outside")), ["bundle.single-directory"]);
    assert_eq!(ids(&of("empty")), ["bundle.config-file"]);
}

#[test]
fn standard_input_is_a_document_and_a_list() {
    let directory = Directory::new("input");
    let wrong = with("hostname", json!(5));
    let piped = |arguments: &[&str], input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ocf"))
            .arg("validate")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(printed(&piped(&["-"], &wrong)).contains("<standard input>:1:"), "{wrong}");
    let file = directory.file("config.json", &wrong);
    assert!(
        printed(&piped(&["--from", "-"], &format!("{file}\n\n{file}\n"))).ends_with("2 documents; 2 wrong; 2 errors\n")
    );
    assert_eq!(status(&piped(&["--from", "-", "-"], "")), 2);
    assert_eq!(status(&piped(&["--from", "-"], "")), 2);
}

#[test]
fn what_cannot_be_read_is_named_and_the_others_are_still_looked_at() {
    let directory = Directory::new("unreadable");
    let file = directory.file("config.json", right().to_string());
    let output = ocf(&["/no/such/file", &file]);
    assert!(printed(&output).starts_with("error: /no/such/file: read it: "), "{}", printed(&output));
    assert!(printed(&output).contains(": right ("));
    assert_eq!(status(&output), 2);
}

#[test]
fn thousands_of_documents_come_out_in_the_order_of_their_names() {
    let directory = Directory::new("many");
    let mut list = String::new();
    for number in 0..3000 {
        let wrong = with("annotations", if number % 7 == 0 { json!(number) } else { json!({}) });
        let _ = writeln!(list, "{}", directory.file(&format!("{number}.json"), wrong));
    }
    let report = found(&["--from", &directory.file("list", &list)]);
    let names: Vec<&str> =
        report["documents"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, list.lines().collect::<Vec<_>>());
    assert_eq!(
        report["sum"],
        json!({"documents": 3000, "wrong": 429, "unreadable": 0, "errors": 429, "warnings": 0, "notes": 0})
    );
}

#[test]
fn sarif_names_the_rules_that_its_results_cite() {
    let directory = Directory::new("sarif");
    let file = directory.file("a config.json", with("hostname", json!(5)));
    let output = ocf(&["--format", "sarif", "/no/such/file", &file, &file]);
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &sarif["runs"][0];
    let cited: Vec<&str> = run["results"].as_array().unwrap().iter().map(|it| it["ruleId"].as_str().unwrap()).collect();
    assert_eq!(cited, ["document", "hostname.string", "hostname.string"]);
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["document", "hostname.string"]);
    let place = &run["results"][1]["locations"][0]["physicalLocation"];
    assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with("/a%20config.json"), "{place}");
    let column = 1 + with("hostname", json!(5)).find(":5").unwrap() + 1;
    assert_eq!(place["region"]["startColumn"], column);
}

#[test]
fn a_workflow_command_cannot_be_ended_by_a_name() {
    let directory = Directory::new("github");
    let file = directory.file("a,b:\nc%.json", with("hostname", json!(5)));
    let output = printed(&ocf(&["--format", "github", &file]));
    let name = Path::new(&file).parent().unwrap().to_str().unwrap();
    assert!(output.starts_with(&format!("::error file={name}/a%2Cb%3A%0Ac%25.json,line=1,col=")), "{output}");
    assert!(output.contains("title=hostname.string::5 is no string (MUST: "), "{output}");
    assert_eq!(output.lines().count(), 1);
}

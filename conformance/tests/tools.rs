//! The commands round the suite, as a user calls them: reproduce, report, waivers, shards, export, adapters.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it has to be")]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use ocf_conformance::suite;
use serde_json::{Value, json};

/// A directory that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("ocf-tools-{}-{number}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// One with a stand-in, and the adapter that tells it of what it needs.
    fn with(stand_in: &str, environment: &Value) -> Self {
        let folder = Self::new(stand_in);
        let program = Path::new(env!("CARGO_BIN_EXE_ocf")).with_file_name("examples").join("stand-in");
        assert!(program.exists(), "{}: `cargo build -p ocf-conformance --examples` builds it", program.display());
        symlink(program, folder.0.join(stand_in)).unwrap();
        let adapter = json!({"about": "a stand-in", "like": "generic", "environment": environment, "claims": "1.3.0"});
        folder.write("adapter.json", &adapter.to_string());
        folder
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn report(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.0.join(name).join("report.json")).unwrap()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ocf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ocf")).args(arguments).output().unwrap()
}

/// Calls it; the status, and both streams for the reader of a failure.
fn told(arguments: &[&str]) -> (Option<i32>, String) {
    let done = ocf(arguments);
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.code(), text)
}

fn real_runtime() -> String {
    let word = env::var("OCF_RUNTIME").expect(
        "OCF_RUNTIME is not set: build with `cargo build -p ocf-runtime` and name target/debug/ocf-runtime, or use `make test`",
    );
    suite::find_runtime(&word).unwrap_or_else(|why| panic!("OCF_RUNTIME: {why}")).display().to_string()
}

fn entry<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["requirements"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap()
}

/// The ids that have this verdict.
fn with_verdict(report: &Value, verdict: &str) -> Vec<String> {
    let entries = report["requirements"].as_array().unwrap().iter().filter(|it| it["verdict"] == verdict);
    entries.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// What a report says of each requirement, but for words, in which numbers of processes and times stand.
fn findings(report: &Value) -> Vec<[Value; 4]> {
    let entries = report["requirements"].as_array().unwrap().iter();
    entries.map(|it| ["id", "verdict", "cases", "not_discriminating"].map(|name| it[name].clone())).collect()
}

/// Each fail of a stand-in becomes a script that shows it on the stand-in, and does not on a runtime that has none of them.
fn reproduced(stand_in: &str, cases: &[&str], ids: &[&str]) {
    let environment = json!({"STAND_IN_RUNTIME": real_runtime(), "STAND_IN_SPEC": "1.3.0"});
    let folder = Folder::with(stand_in, &environment);
    let (runtime, adapter, out) = (folder.path(stand_in), folder.path("adapter.json"), folder.path("out"));
    let mut words = vec!["test", "--runtime", &runtime, "--adapter", &adapter, "--out", &out, "--no-gate"];
    words.extend(cases);
    told(&words);
    let failed = with_verdict(&folder.report("out"), "fail");
    for id in ids {
        assert!(failed.iter().any(|it| it == id), "{stand_in} does not fail {id}, but {failed:?}");
    }
    let scripts = folder.path("scripts");
    let (status, text) = told(&[&["reproduce", &out, "--adapter", &adapter, "--out", &scripts], ids].concat());
    assert_eq!(status, Some(0), "{text}");
    for id in ids {
        let script = Path::new(&scripts).join(id).join("reproduce.sh");
        let kept = Command::new(&script).arg(real_runtime()).output().unwrap();
        assert_eq!(kept.status.code(), Some(0), "{id}: {}", String::from_utf8_lossy(&kept.stdout));
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.lines().count() < 60 && text.contains(&format!("# {id}\n")), "{text}");
    }
}

#[test]
fn what_a_runtime_accepts_that_it_must_not_is_shown_by_scripts() {
    let cases = ["rlimits/duplicate", "delete/running", "create/id-in-use"];
    let ids = ["rlimits.duplicate-refused", "delete.running-error", "create.id-in-use-error"];
    reproduced("accepts-everything", &cases, &ids);
}

#[test]
fn what_a_runtime_does_not_apply_is_shown_by_scripts() {
    let cases = ["hostname/dotted", "process/env-values", "masked-paths/file"];
    let ids = ["hostname.applied", "process.env-applied", "masked-paths.file-reads-nothing"];
    reproduced("base-always", &cases, &ids);
}

#[test]
fn a_refused_property_is_blamed_and_what_was_not_reached_is_blocked() {
    let environment = json!({"STAND_IN_RUNTIME": real_runtime(), "STAND_IN_REFUSES": "/domainname"});
    let folder = Folder::with("refuses-a-property", &environment);
    let (runtime, adapter, out) = (folder.path("refuses-a-property"), folder.path("adapter.json"), folder.path("out"));
    let (_, text) = told(&["test", "--runtime", &runtime, "--adapter", &adapter, "--out", &out, "hostname"]);
    let report = folder.report("out");
    let blamed = report["refused"]["/domainname"].as_array().unwrap_or_else(|| panic!("{text}"));
    assert_eq!(blamed, &vec![json!("hostname/domain")]);
    assert_eq!(with_verdict(&report, "fail"), Vec::<String>::new(), "{text}");
    let blocked = with_verdict(&report, "blocked");
    assert!(blocked.iter().any(|id| entry(&report, id)["blame"] == json!(["/domainname"])), "{blocked:?}");
    assert!(text.contains(" refused, for\n  /domainname  in hostname/domain\n"), "{text}");
    let again = folder.path("again");
    ocf(&["judge", &format!("{out}/evidence.jsonl"), "--out", &again]);
    assert_eq!(folder.report("again")["refused"], report["refused"], "judging again forgets it");
}

#[test]
fn a_waiver_changes_the_status_and_never_the_verdict() {
    let environment = json!({"STAND_IN_RUNTIME": real_runtime()});
    let folder = Folder::with("accepts-everything", &environment);
    let (runtime, adapter, out) = (folder.path("accepts-everything"), folder.path("adapter.json"), folder.path("out"));
    let call = |waive: Option<&str>| {
        let mut words = vec!["test", "--runtime", &runtime, "--adapter", &adapter, "--out", &out];
        words.extend(["rlimits.duplicate-refused", "hostname.applied"]);
        words.extend(waive.into_iter().flat_map(|file| ["--waive", file]));
        told(&words)
    };
    assert_eq!(call(None).0, Some(1));
    let failed = with_verdict(&folder.report("out"), "fail");
    let waivers: serde_json::Map<String, Value> = failed.iter().map(|id| (id.clone(), json!("known"))).collect();
    let all = folder.write("all.json", &Value::Object(waivers.clone()).to_string());
    let (status, text) = call(Some(&all));
    assert_ne!(status, Some(1), "{text}");
    let report = folder.report("out");
    assert_eq!(with_verdict(&report, "fail"), failed);
    assert_eq!(entry(&report, &failed[0])["waived"], "known");
    assert_eq!(report["verdict"], "nonconformant");
    let mut idle = waivers;
    idle.insert("hostname.applied".to_owned(), json!("forgotten"));
    let (_, text) = call(Some(&folder.write("idle.json", &Value::Object(idle).to_string())));
    assert!(text.contains("the waiver of hostname.applied changes nothing: it passes"), "{text}");
    for (wrong, why) in [
        (r#"{"hostname.aplied": "x"}"#, "no requirement is named hostname.aplied"),
        (r#"{"hostname.applied": " "}"#, "hostname.applied has no reason"),
        (r#"["hostname.applied"]"#, "line 1"),
    ] {
        let file = folder.write("wrong.json", wrong);
        let (status, text) = call(Some(&file));
        assert!(status == Some(2) && text.contains(why) && text.contains(&file), "{wrong}: {text}");
    }
}

#[test]
fn the_parts_of_a_run_joined_are_the_whole() {
    let folder = Folder::new("shards");
    let runtime = real_runtime();
    let outs = ["whole", "one", "two", "joined"].map(|name| folder.path(name));
    let [whole, one, two, joined] = &outs;
    let call = |out: &str, more: &[&str]| {
        let words = ["test", "--runtime", &runtime, "--out", out, "hostname", "masked-paths", "rlimits"];
        told(&[&words[..], more].concat())
    };
    let (status, _) = call(whole, &[]);
    let (part, text) = call(one, &["--shard", "1/2"]);
    assert!(part == Some(3) && text.contains("part 1/2 of the cases"), "{text}");
    call(two, &["--shard", "2/2"]);
    assert_eq!(told(&["report", "merge", one, two, "--out", joined]).0, status);
    let (expected, found) = (folder.report("whole"), folder.report("joined"));
    assert_eq!(findings(&found), findings(&expected));
    assert_eq!(
        (&found["cases"], &found["left_out"], &found["shard"]),
        (&expected["cases"], &expected["left_out"], &Value::Null)
    );
    // A part alone has fewer second values: that is what joining is for.
    assert_ne!(findings(&folder.report("one")), findings(&expected));
    let refused = |parts: &[&str], why: &str| {
        let (status, text) = told(&[&["report", "merge", "--out", &folder.path("none")], parts].concat());
        assert!(status == Some(2) && text.contains(why), "{parts:?}: {text}");
    };
    refused(&[one], "there is no part 2/2");
    refused(&[one, one], "part 1/2 is given twice");
    refused(&[whole, one], "this is no part of a run");
    let other = folder.path("other");
    call(&other, &["--shard", "2/2", "--spec", "1.0.2"]);
    refused(&[one, &other], "the version of the specification is not the same");
    assert!(!Path::new(&folder.path("none")).exists());
}

#[test]
fn what_failed_runs_again_alone_and_the_first_fail_ends_a_run() {
    let environment = json!({"STAND_IN_RUNTIME": real_runtime()});
    let folder = Folder::with("accepts-everything", &environment);
    let (runtime, adapter, out) = (folder.path("accepts-everything"), folder.path("adapter.json"), folder.path("out"));
    let words = ["test", "--runtime", &runtime, "--adapter", &adapter, "--out", &out];
    let call = |more: &[&str]| told(&[&words[..], more].concat());
    let (status, text) = call(&["--rerun-failed"]);
    assert!(status == Some(2) && text.contains("report.json"), "{text}");
    call(&["rlimits", "hostname"]);
    let failed = with_verdict(&folder.report("out"), "fail");
    call(&["--rerun-failed"]);
    let again = folder.report("out");
    assert_eq!((&again["selection"], with_verdict(&again, "fail")), (&json!(failed), failed.clone()));
    let (status, text) = call(&["rlimits", "--fail-fast", "--jobs", "1"]);
    assert!(status == Some(1) && text.contains("the run was stopped: the runtime failed"), "{text}");
}

#[test]
fn a_report_is_shown_in_every_form_and_compared() {
    let folder = Folder::new("forms");
    let runtime = real_runtime();
    let out = folder.path("out");
    told(&["test", "--runtime", &runtime, "--out", &out, "hostname"]);
    for (form, start) in [
        ("html", "<!"),
        ("junit", "<?xml"),
        ("tap", "TAP version 14\n1.."),
        ("markdown", "# "),
        ("badge", "<svg"),
        ("svg", "<svg"),
        ("summary", "ocf-runtime"),
    ] {
        let done = ocf(&["report", form, &out]);
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.starts_with(start), "{form}: {text}");
        let file = folder.path(form);
        ocf(&["report", form, &format!("{out}/report.json"), "--out", &file]);
        assert_eq!(fs::read_to_string(file).unwrap(), text, "{form}");
    }
    let (status, text) = told(&["report", "compare", &out, &out]);
    assert!(status == Some(0) && text.contains("no verdict differs"), "{text}");
    let mut worse = folder.report("out");
    let passed = worse["requirements"].as_array_mut().unwrap().iter_mut().find(|it| it["verdict"] == "pass").unwrap();
    passed["verdict"] = json!("fail");
    let worse = folder.write("worse.json", &worse.to_string());
    let (status, text) = told(&["report", "compare", &out, &worse]);
    assert!(status == Some(1) && text.contains("1 fails now"), "{text}");
    assert_eq!(told(&["report", "compare", &worse, &out]).0, Some(0));
    let into = folder.path("published");
    let done = ocf(&["report", "publish", &out, "--into", &into]);
    let place = String::from_utf8(done.stdout).unwrap();
    assert!(Path::new(place.trim()).join("report.html").exists() && place.contains("/1.3.0/ocf-runtime/"), "{place}");
    for (words, why) in [
        (vec!["report", "tap", "/no/such/report"], "/no/such/report"),
        (vec!["report", "tap", &folder.write("broken.json", "{")], "broken.json: read the report: EOF"),
        (vec!["reproduce", &out], "nothing failed in this report"),
        (vec!["reproduce", &out, "hostname.aplied"], "did you mean hostname.applied?"),
        (vec!["reproduce", &out, "hostname.applied"], "hostname.applied: it did not fail in this report: pass"),
    ] {
        let (status, text) = told(&words);
        assert!(status == Some(2) && text.contains(why), "{words:?}: {text}");
    }
}

#[test]
fn an_export_has_the_bundle_the_steps_and_the_expectations_of_each_case() {
    let folder = Folder::new("export");
    let out = folder.path("cases");
    let (status, text) =
        told(&["fixtures", "export", &out, "rlimits/duplicate", "hooks/create-runtime-fails", "engines/ctr"]);
    assert_eq!(status, Some(0), "{text}");
    let read = |name: &str| fs::read_to_string(Path::new(&out).join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    assert_eq!(json("index.json").as_array().unwrap().len(), 3);
    assert!(read("README.md").contains("case.json"));
    let case = json("rlimits/duplicate/case.json");
    let refused = |it: &Value| it["requirement"] == "rlimits.duplicate-refused" && it["refused"] == json!({});
    assert!(case["expect"].as_array().unwrap().iter().any(refused), "{case}");
    let limits = |name: &str| json(name)["process"]["rlimits"].clone();
    assert_ne!(limits("rlimits/duplicate/bundle/config.json"), limits("rlimits/duplicate/control/bundle/config.json"));
    assert!(Path::new(&out).join("rlimits/duplicate/bundle/rootfs/witness").exists());
    let hook = json("hooks/create-runtime-fails/bundle/config.json")["hooks"]["createRuntime"][0]["path"].clone();
    let hook = hook.as_str().unwrap().strip_prefix("/run/ocf-conformance/").unwrap().to_owned();
    assert!(Path::new(&out).join("hooks/create-runtime-fails").join(hook).exists());
    let writers = json("hooks/create-runtime-fails/nonces.json");
    assert!(writers["process"].is_string() && writers["hook:createRuntime/0"].is_string(), "{writers}");
    let (status, text) = told(&["fixtures", "export", &out, "rlimits/duplicate"]);
    assert!(status == Some(2) && text.contains("it is there already"), "{text}");
    let (status, text) = told(&["fixtures", "export", &folder.path("no"), "rlimits/duplicat"]);
    assert!(status == Some(2) && text.contains("rlimits/duplicat"), "{text}");
}

/// The example of the adapters' README, but that our runtime has neither `--state` nor `signal`.
#[test]
fn an_adapter_of_ten_lines_and_a_shim_are_enough() {
    let folder = Folder::new("adapters");
    let text = include_str!("../adapters/README.md").split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(text.lines().count() <= 10, "{text}");
    let example = text.replace("--state", "--root").replace("signal\", \"{id}", "kill\", \"{id}");
    let mut example: Value = serde_json::from_str(&example).unwrap();
    let log = folder.path("log");
    example["environment"] = json!({ "SHIM_LOG": log });
    example["via"] = json!("./shim");
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/via/shim");
    fs::copy(shim, folder.path("shim")).unwrap();
    let adapter = folder.write("mine.json", &example.to_string());
    let (runtime, out) = (real_runtime(), folder.path("out"));
    let (status, text) =
        told(&["test", "--runtime", &runtime, "--adapter", &adapter, "--out", &out, "hostname", "kill"]);
    assert_eq!(status, Some(0), "{text}");
    let report = folder.report("out");
    assert_eq!((&report["runtime"]["adapter"], &report["suite"]["spec"]), (&json!("mine"), &json!("1.0.2")));
    assert!(with_verdict(&report, "pass").len() > 5, "{text}");
    assert!(fs::read_to_string(&log).unwrap().contains(" kill ocf-main "), "the shim was not called");
    for (wrong, why) in [
        (r#"{"about": "x", "like": "nobody"}"#, "there are crun, generic"),
        (r#"{"about": "x", "like": "generic", "operation": {}}"#, "unknown field `operation`"),
        (r#"{"about": "x"}"#, "missing field"),
        ("{", "EOF"),
    ] {
        let file = folder.write("wrong.json", wrong);
        let (status, text) = told(&["test", "--runtime", &runtime, "--adapter", &file, "--out", &out]);
        assert!(status == Some(2) && text.contains(why) && text.contains("wrong.json"), "{wrong}: {text}");
    }
}

#[test]
fn a_host_is_told_what_it_decides() {
    let (status, text) = told(&["doctor"]);
    assert_eq!(status, Some(0), "{text}");
    let figures = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        (words[1].parse::<usize>().unwrap(), words[3].parse::<usize>().unwrap())
    };
    for profile in ["linux-core", "linux-v1"] {
        let (here, all) = figures(profile);
        assert!(here > 100 && here <= all, "{text}");
    }
    let lacking = text.lines().filter(|line| line.contains("  without ")).count();
    assert!(lacking > 0, "no host has every module and controller: {text}");
}

/// Every config of an engine's shape that fits this host is run to its end, and everything that it calls for is kept.
#[test]
fn configs_of_engines_shape_run_to_their_end() {
    let folder = Folder::new("engines");
    let (runtime, out) = (real_runtime(), folder.path("out"));
    let (_, text) = told(&["test", "--runtime", &runtime, "--out", &out, "engines"]);
    let report = folder.report("out");
    assert!(report["cases"]["run"].as_u64() >= Some(3), "{text}");
    assert_eq!((with_verdict(&report, "fail"), with_verdict(&report, "error")), (vec![], vec![]), "{text}");
    let lines = fs::read_to_string(Path::new(&out).join("evidence.jsonl")).unwrap();
    for line in lines.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let ended = case["facts"]["steps"]["delete"]["failed"] == false
            && case["facts"]["journal"].get("process ran").is_some();
        assert!(ended, "{}: {}", case["case"], case["facts"]["steps"]);
    }
}

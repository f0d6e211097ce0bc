//! Documents so large that memory is at stake, each in a process of its own, whose peak is measured.

use std::process::Command;
use std::{env, fs};

use ocf_schema::{Kind, LARGEST, MOST_FINDINGS, MOST_VALUES, validate_bytes};
use ocf_spec::VERSIONS;

/// The most that any document may take, in KiB.
const MOST_MEMORY: u64 = 200_000;
/// The variable that says which case a process is.
const CASE: &str = "OCF_SCHEMA_HOSTILE";

/// One document, and how the answer to it begins.
struct Case {
    name: &'static str,
    make: fn() -> Vec<u8>,
    said: &'static str,
}

const CASES: [Case; 16] = [
    // It is not read to its end, but made here.
    Case { name: "garbage", make: || garbage(100 << 20), said: "the document is larger than 16 MiB" },
    Case { name: "less garbage", make: || garbage(LARGEST), said: "the text is n" },
    Case {
        name: "lists in lists",
        make: || "[".repeat(LARGEST).into_bytes(),
        said: "the text was not read to its end: rec",
    },
    Case { name: "spaces", make: || vec![b' '; LARGEST], said: "the text is no JSON: EOF" },
    Case { name: "numbers", make: || repeated("", "0,", "0"), said: "the text was not read to its end: it holds" },
    Case { name: "objects", make: || repeated("", r#"{"a":{"b":{}}},"#, "{}"), said: "" },
    Case { name: "objects in objects", make: || chains(r#"{"a":0}"#), said: "" },
    Case { name: "names twice in deep objects", make: || chains(r#"{"a":0,"a":0}"#), said: "" },
    Case {
        name: "wrong hooks",
        make: || of_config("hooks", r#"{"poststop":["#, "{},", "{}]}"),
        said: "there are more than",
    },
    Case { name: "wrong mounts", make: || of_config("mounts", "[", "{},", "{}]"), said: "there are more than" },
    Case { name: "wrong annotations", make: annotations, said: "there are more than" },
    Case { name: "misspelt names", make: misspelt, said: "there are more than" },
    Case {
        name: "one name again",
        make: || of_config("annotations", "{", r#""a":"","#, r#""a":""}"#),
        said: "there are more",
    },
    Case { name: "one long name", make: || long_name(1), said: "" },
    Case { name: "members of a long name", make: || long_name(50_000), said: "there are more" },
    Case { name: "one long string", make: || of_config("process", "{\"cwd\":\"", "x/", "\"}"), said: "" },
];

fn garbage(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let block: Vec<u8> = (0..1 << 16).map(|_| byte()).collect();
    block.into_iter().cycle().take(length).collect()
}

/// As many of `unit` between `start` and `end` as may be.
fn repeated(start: &str, unit: &str, end: &str) -> Vec<u8> {
    repeated_some(start, unit, end, MOST_VALUES + 1_000)
}

fn repeated_some(start: &str, unit: &str, end: &str, most: usize) -> Vec<u8> {
    let number = ((LARGEST - 1_000) / unit.len()).min(most);
    format!("[{start}{}{end}]", unit.repeat(number)).into_bytes()
}

/// A config with as many of `unit` in a property as are still read.
fn of_config(property: &str, start: &str, unit: &str, end: &str) -> Vec<u8> {
    let values = if unit.contains(',') { MOST_VALUES - 1_000 } else { LARGEST };
    let units = unit.repeat(((LARGEST - 1_000) / unit.len()).min(values));
    format!(r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},"{property}":{start}{units}{end}}}"#).into_bytes()
}

/// As many objects in objects as are still read, each chain of them with an object of its own at its end.
fn chains(end: &str) -> Vec<u8> {
    const DEEP: usize = 120;
    let chain = format!("{}{end}{}", r#"{"a":"#.repeat(DEEP), "}".repeat(DEEP));
    repeated_some("", &format!("{chain},"), &chain, (MOST_VALUES - 1_000) / (DEEP + 3))
}

/// A number, which is wrong, for each of many annotations.
fn annotations() -> Vec<u8> {
    let members = (0..MOST_VALUES - 1_000).map(|at| format!(r#""{at}":0"#)).collect::<Vec<_>>();
    format!(r#"{{"annotations":{{{}}}}}"#, members.join(",")).into_bytes()
}

/// Many names of eight characters, six of them those of `hostname`.
fn misspelt() -> Vec<u8> {
    let letter = |at: usize| char::from_u32('一' as u32 + at as u32).unwrap();
    let members =
        (0..MOST_VALUES - 1_000).map(|at| format!(r#""host{}{}me":0"#, letter(at % 1_000), letter(at / 1_000)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
}

/// A name of 10 MiB, below which each of many names is there twice.
fn long_name(members: usize) -> Vec<u8> {
    let below = (0..members).map(|at| format!(r#""{at}":0,"{at}":0"#)).collect::<Vec<_>>().join(",");
    format!(r#"{{"annotations":{{"{}":{{{below}}}}}}}"#, "x".repeat(10 << 20)).into_bytes()
}

#[test]
fn no_document_takes_much_memory() {
    for case in &CASES {
        let (peak, said) = in_a_process(case.name);
        println!("{:>8} KiB  {:<24} {said}", peak, case.name);
        assert!(peak < MOST_MEMORY, "{} took {peak} KiB", case.name);
        assert!(said.contains(case.said), "of {}: {said}", case.name);
    }
}

/// Peak memory, in KiB, of a process that validates a case, and the first sentence of its answer.
fn in_a_process(case: &str) -> (u64, String) {
    // The limit is there so that a mistake ends this process and not the machine.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 4194304; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let output =
        shell.args(["memory::one_case", "--exact", "--ignored", "--nocapture"]).env(CASE, case).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{case}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let value = |name: &str| text.lines().find_map(|line| line.split_once(name).map(|it| it.1.trim().to_owned()));
    let peak = value("peak: ").and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{case}: {text}"));
    (peak, value("said: ").unwrap_or_default())
}

#[test]
#[ignore = "the test beside it runs this in processes of their own"]
fn one_case() {
    let Ok(name) = env::var(CASE) else { return };
    let case = CASES.iter().find(|it| it.name == name).unwrap();
    let bytes = (case.make)();
    let findings = validate_bytes(Kind::Config, &bytes, VERSIONS[VERSIONS.len() - 1]);
    assert!(!findings.is_empty() && findings.len() <= 3 * MOST_FINDINGS, "{}", findings.len());
    let more = findings.iter().find(|it| it.message.starts_with("there are more")).unwrap_or(&findings[0]);
    println!("\nsaid: {} ({} findings)", more.message, findings.len());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak: {}", peak.trim().trim_end_matches(" kB"));
}

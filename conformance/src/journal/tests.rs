use super::*;

const HARNESS: &str = "00000000000000aa";
const PROCESS: &str = "00000000000000bb";

fn writers() -> BTreeMap<Nonce, String> {
    let nonce = |text: &str| serde_json::from_value(json!(text)).unwrap();
    BTreeMap::from([(nonce(HARNESS), "harness".to_owned()), (nonce(PROCESS), "process".to_owned())])
}

fn read(text: impl AsRef<[u8]>) -> Journal {
    parse(text.as_ref(), &writers()).unwrap()
}

/// A record of the process' run `run`.
fn said_by(run: &str, fields: &str) -> String {
    format!("{{\"nonce\":\"{PROCESS}\",\"writer\":\"process\",\"run\":\"{run}\",{fields}}}\n")
}

fn said(fields: &str) -> String {
    said_by("1", fields)
}

fn fact(path: &str, value: &str) -> String {
    said(&format!(r#""event":"fact","moment":"start","path":"{path}","value":{value}"#))
}

fn piece(path: &str, value: &str) -> String {
    said(&format!(r#""event":"fact","moment":"start","path":"{path}","more":true,"value":{value}"#))
}

fn reported(count: u64) -> String {
    said(&format!(r#""event":"reported","moment":"start","facts":{count}"#))
}

fn told(records: &[String]) -> Value {
    facts(&read(records.concat()).entries, "process", "start")
}

#[test]
fn records_and_orders_become_entries_in_order() {
    let harness: Nonce = serde_json::from_value(json!(HARNESS)).unwrap();
    let text = [
        step_record(&harness, "call", "create \"x\"") + "\n",
        said(r#""event":"ran","pid":7"#),
        format!("{{\"to\":\"{PROCESS}\",\"order\":\"exit 0\"}}\n"),
        said(r#""event":"signal","signal":"SIGTERM""#),
        said(r#""event":"holding""#),
        step_record(&harness, "return", "create \"x\"") + "\n",
    ]
    .concat();
    let journal = read(&text);
    assert_eq!(String::from_utf8(journal.foreign).unwrap(), "");
    assert_eq!(journal.entries.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(journal.entries[2].event, Event::Order { order: "exit 0".into() });
    let expected = json!({
        "$complete": true, "call create \"x\"": [0], "process ran": [1], "process signal SIGTERM": [3],
        "process holding": [4], "return create \"x\"": [5],
    });
    assert_eq!(labels(&journal.entries), expected);
}

#[test]
fn a_label_has_every_index() {
    let again = said(r#""event":"ran","pid":7"#);
    assert_eq!(labels(&read(again.repeat(2)).entries)["process ran"], json!([0, 1]));
}

#[test]
fn what_has_no_known_nonce_is_foreign() {
    let stranger = "{\"nonce\":\"00000000000000cc\",\"writer\":\"process\",\"event\":\"ran\",\"pid\":1}\n";
    let unknown = said(r#""event":"sang""#);
    let wrong = said(r#""event":"exiting","code":"one""#);
    let cut = &said(r#""event":"holding""#)[..20];
    let text = format!("hello\n{stranger}{unknown}{wrong}\n{cut}\n");
    let journal = read(&text);
    assert_eq!((journal.entries, journal.foreign), (vec![], text.into_bytes()));
}

#[test]
fn a_record_is_found_behind_foreign_text_on_its_line() {
    let mut text = b"no newline \xff {\"nonce\":\"".to_vec();
    text.extend(said(r#""event":"ran","pid":7"#).bytes());
    text.extend(b"after");
    let journal = read(&text);
    assert_eq!(journal.entries.len(), 1);
    assert_eq!(journal.foreign, b"no newline \xff {\"nonce\":\"after");
}

#[test]
fn a_last_line_without_its_end_is_no_record_yet() {
    let whole = said(r#""event":"ran","pid":7"#);
    let journal = read(whole.trim_end());
    assert_eq!((journal.entries.len(), journal.foreign.len()), (0, whole.len() - 1));
}

#[test]
fn a_journal_over_the_limit_is_an_error() {
    assert!(parse(&vec![b'x'; LIMIT], &writers()).is_ok());
    assert_eq!(parse(&vec![b'x'; LIMIT + 1], &writers()).unwrap_err(), TooLong(LIMIT + 1));
}

#[test]
fn a_hostile_line_costs_no_more_than_its_length() {
    let bait = format!("{{\"nonce\":\"{PROCESS}\",\"a\":[");
    let journal = read(bait.repeat(LIMIT / bait.len()) + "\n");
    assert_eq!(journal.entries, []);
}

#[test]
fn facts_are_put_together() {
    let text = [
        fact("/pid", "1"),
        fact("/env", "[]"),
        fact("/env/0", r#""A=1""#),
        piece("/env/1", r#""B=\"é""#),
        fact("/env/1", r#""end""#),
        fact("/devices", "{}"),
        fact("/devices/~1dev~1a~0b", r#"{"type":"block"}"#),
        fact("/devices/$complete", "true"),
        piece("/cwd", r#""/a""#),
        fact("/cwd", r#""/b""#),
        reported(10),
    ];
    let expected = json!({
        "pid": 1, "env": ["A=1", "B=\"éend"], "devices": { "/dev/a~b": { "type": "block" }, "$complete": true },
        "cwd": "/a/b", "$reported": true,
    });
    assert_eq!(told(&text), expected);
}

#[test]
fn a_listing_is_reported_only_when_nothing_is_missing() {
    let is_reported = |records: &[String]| told(records)[REPORTED].clone();
    assert_eq!(is_reported(&[fact("/pid", "1"), reported(1)]), true);
    assert_eq!(is_reported(&[fact("/pid", "1")]), false, "never closed");
    assert_eq!(is_reported(&[fact("/pid", "1"), reported(2)]), false, "a fact was lost");
    assert_eq!(is_reported(&[fact("/pid", "1"), reported(1), fact("/b", "1")]), false, "open again");
    assert_eq!(is_reported(&[fact("/pid", "1"), reported(1), fact("/b", "1"), reported(2)]), true, "closed again");
    assert_eq!(is_reported(&[piece("/a", r#""x""#), reported(1)]), false, "a text has no end");
    assert_eq!(is_reported(&[piece("/a", r#""x""#), fact("/b", "1"), reported(2)]), false, "a text has no end");
    assert_eq!(is_reported(&[fact("/a/b", "1"), reported(1)]), false, "no parent");
    assert_eq!(is_reported(&[fact("/a", "[]"), fact("/a/1", "1"), reported(2)]), false, "an item is missing");
    assert_eq!(is_reported(&[]), false);
}

#[test]
fn hostile_paths_break_the_listing_and_nothing_else() {
    let deep = "/a".repeat(1000);
    for path in ["", "a", "é/b", "é/b/c", "//", "/a/b/c/d", &deep, "/~2", "/a/-"] {
        let facts = told(&[fact("/a", "[]"), fact(path, "1"), piece("/a/0", "1"), fact("/a/0", "[]"), reported(4)]);
        assert_eq!(facts[REPORTED], false, "{path}");
    }
}

#[test]
fn the_first_process_of_a_copy_that_spoke_of_a_moment_counts() {
    let other = |fields| said_by("2", fields);
    let text = [
        fact("/pid", "1"),
        other(r#""event":"fact","moment":"start","path":"/pid","value":2"#),
        other(r#""event":"fact","moment":"later","path":"/pid","value":3"#),
        reported(1),
    ];
    assert_eq!(told(&text), json!({ "pid": 1, "$reported": true }));
    assert_eq!(facts(&read(text.concat()).entries, "process", "later"), json!({ "pid": 3, "$reported": false }));
}

#[test]
fn another_writer_and_another_moment_are_left_out() {
    let journal = read([fact("/pid", "1"), reported(1)].concat());
    assert_eq!(facts(&journal.entries, "harness", "start"), json!({ "$reported": false }));
    assert_eq!(facts(&journal.entries, "process", "create"), json!({ "$reported": false }));
}

#[test]
fn mountinfo_is_taken_apart() {
    let facts = told(&[fact("/mountinfo", r#""1 0 0:5 / /tmp ro - tmpfs t rw\n""#), reported(1)]);
    assert_eq!(facts["mounts"]["/tmp"]["type"], "tmpfs");
    assert_eq!(facts["mount-points"], json!(["/tmp"]));
    assert_eq!(facts.get("mountinfo"), None);
}

#[test]
fn mountinfo_that_is_no_utf8_or_unreadable() {
    let line = "1 0 0:5 / /tmp ro - tmpfs \u{fffd} rw";
    let digits: String = b"1 0 0:5 / /tmp ro - tmpfs \xff rw".iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = told(&[fact("/mountinfo", &format!(r#"{{"hex":"{digits}"}}"#))]);
    assert_eq!(facts["mounts"], mountinfo::facts(line));
    let why = json!({ "$unreadable": "ENOENT" });
    assert_eq!(told(&[fact("/mountinfo", &why.to_string())])["mounts"], why);
    assert_eq!(told(&[fact("/mountinfo", "7")])["mounts"], json!({ "$unreadable": "mountinfo is no text" }));
}

proptest::proptest! {
    /// Whatever a stranger writes between them, records stay records and the rest stays the stranger's.
    #[test]
    fn strangers_change_nothing(noise in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..40), 0..8)) {
        let record = said(r#""event":"ran","pid":7"#);
        let text: Vec<u8> = noise.iter().flat_map(|noise| [noise.as_slice(), record.as_bytes()].concat()).collect();
        let journal = read(&text);
        proptest::prop_assert_eq!(journal.entries.len(), noise.len());
        proptest::prop_assert_eq!(journal.foreign, noise.concat());
    }
}

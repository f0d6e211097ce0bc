//! What fits the grammar, and for each of its rules an input that breaks it.

use super::*;
use crate::requirement::{Level, Party};

/// A chapter of one requirement with every part; each line below counts from 1.
const WHOLE: &str = "\
# hostname

The name of the
host.

## hostname.applied
MUST NOT, runtime, since 1.0.1, config.md#configHostname, ledger CFG-184 RT-046, property hostname
It holds.
Until: 1.2.0
Replaced by: hostname.kept alpha.other
Needs: cgroup=v1, controller:memory, kernel>=5.12, lsm:selinux, cap:CAP_SYS_ADMIN, userns
Reading: so.
Not checked: because.
Draft
";

#[test]
fn every_part_is_read() {
    let chapter = parse_chapter("hostname", WHOLE).unwrap();
    assert_eq!(chapter.name, "hostname");
    assert_eq!(chapter.introduction, "The name of the host.");
    let [requirement] = &chapter.requirements[..] else {
        panic!("one requirement, not {}", chapter.requirements.len());
    };
    let expected = Requirement {
        id: "hostname.applied".parse().unwrap(),
        level: Level::MustNot,
        party: Party::Runtime,
        since: Version::new(1, 0, 1),
        until: Some(Version::new(1, 2, 0)),
        replaced_by: ["hostname.kept", "alpha.other"].map(|id| id.parse().unwrap()).to_vec(),
        source: Source::Upstream { file: "config.md".to_owned(), anchor: "configHostname".to_owned() },
        clauses: vec!["CFG-184".to_owned(), "RT-046".to_owned()],
        properties: vec!["hostname".to_owned()],
        needs: ["cgroup=v1", "controller:memory", "kernel>=5.12", "lsm:selinux", "cap:CAP_SYS_ADMIN", "userns"]
            .map(str::to_owned)
            .to_vec(),
        reading: Some("so.".to_owned()),
        not_checked: Some("because.".to_owned()),
        draft: true,
        sentence: "It holds.".to_owned(),
        line: 6,
    };
    assert_eq!(*requirement, expected);
}

#[test]
fn it_applies_from_since_to_before_until() {
    let chapter = parse_chapter("hostname", WHOLE).unwrap();
    let applies = |version: &str| chapter.requirements[0].applies(version.parse().unwrap());
    assert!(!applies("1.0.0"));
    assert!(applies("1.0.1"));
    assert!(applies("1.1.0"));
    assert!(!applies("1.2.0"));
}

#[test]
fn what_is_optional_may_be_left_out() {
    let text = "# hostname\n\nThe name.\n\n## hostname.applied\nMAY, caller, since 1.0.0, ours\nIt holds.\n";
    let chapter = parse_chapter("hostname", text).unwrap();
    let requirement = &chapter.requirements[0];
    assert_eq!(requirement.source, Source::Ours);
    assert_eq!((requirement.until, requirement.draft), (None, false));
    assert!(requirement.clauses.is_empty() && requirement.properties.is_empty());
    let last: Version = "1.3.0".parse().unwrap();
    assert!(requirement.applies(last));
}

/// What replaces what in [`WHOLE`], on which line the error is, and how its message begins.
#[rustfmt::skip]
const OFFENCES: [(&str, &str, usize, &str); 56] = [
    ("# hostname\n", "# host\n", 1, "the first line is `# hostname`"),
    ("# hostname\n\n", "# hostname\n", 2, "an empty line follows the title"),
    ("The name of the\nhost.\n\n", "", 3, "the introduction is missing"),
    ("host.\n\n", "host.\n", 5, "an empty line follows the introduction"),
    ("## hostname.applied", "### hostname.applied", 6, "`## chapter.name` stands here"),
    ("## hostname.applied", "## hostname", 6, "`hostname` is no id"),
    ("## hostname.applied", "## hostname.Applied", 6, "`hostname.Applied` is no id"),
    ("## hostname.applied", "## hostname.rule-1", 6, "`hostname.rule-1` is no id"),
    ("## hostname.applied", "## hooks.applied", 6, "`hooks.applied` is no id of the chapter"),
    ("## hostname.applied\n", "## hostname.applied\n\n", 7, "the field `level` is missing"),
    ("MUST NOT,", "SHALL NOT,", 7, "`SHALL NOT` is no level"),
    ("MUST NOT,", "must not,", 7, "`must not` is no level"),
    ("runtime,", "author,", 7, "`author` is no party"),
    ("runtime, since", "since", 7, "`since 1.0.1` is no party"),
    ("since 1.0.1", "from 1.0.1", 7, "`since V` stands in third place"),
    ("since 1.0.1", "since 1.0", 7, "`1.0` is no version"),
    ("since 1.0.1", "since 1.0.3", 7, "`1.0.3` is no released version"),
    ("since 1.0.1", "since 1.0.1-dev", 7, "`1.0.1-dev` is no released version"),
    (", config.md#configHostname", "", 7, "the source is `file.md#anchor`"),
    ("config.md#configHostname", "config.md", 7, "the source is `file.md#anchor`"),
    ("config.md#", "hostname.md#", 7, "upstream.tsv knows no anchor"),
    ("#configHostname", "#configHost", 7, "upstream.tsv knows no anchor"),
    (", config.md#configHostname, ledger CFG-184 RT-046, property hostname", "", 7, "the field `source` is missing"),
    ("CFG-184", "CFG-999", 7, "`CFG-999` is not the ledger's"),
    ("CFG-184 RT-046", "RT-046 RT-046", 7, "`RT-046` is named twice"),
    ("CFG-184 RT-046", "CFG-184, RT-046", 7, "`ledger ID…`, then `property NAME…`"),
    ("CFG-184 RT-046", "CFG-184  RT-046", 7, "`` is not the ledger's"),
    ("property hostname", "property hostName", 7, "`hostName` is not a leaf property"),
    ("property hostname", "property linux.resources", 7, "`linux.resources` is not a leaf property"),
    ("property hostname", "property windows.cpu", 7, "`windows.cpu` is not a leaf property"),
    ("property hostname", "property hostname hostname", 7, "`hostname` is named twice"),
    ("ledger CFG-184 RT-046, property hostname", "property hostname, ledger CFG-184", 7, "`ledger ID…`, then"),
    ("property hostname", "properties hostname", 7, "`ledger ID…`, then"),
    ("property hostname", "property hostname,", 7, "`hostname,` is not a leaf property"),
    ("It holds.\n", "", 8, "the sentence is missing"),
    ("It holds.\n", "Draft\n", 8, "the sentence is missing"),
    ("It holds.", "It holds", 8, "the sentence takes one line"),
    ("It holds.", "It\nholds.", 8, "the sentence takes one line"),
    ("It holds.\n", "It holds.\nAlways.\n", 9, "after the sentence stand"),
    ("It holds.\n", "It holds.\n\n", 10, "`## chapter.name` stands here"),
    ("Until: 1.2.0", "Until: 1.0.1", 9, "until 1.0.1 is not later than since 1.0.1"),
    ("Until: 1.2.0", "Until: 1.0.0", 9, "until 1.0.0 is not later than since 1.0.1"),
    ("Until: 1.2.0", "Until: 2.0.0", 9, "`2.0.0` is no released version"),
    ("Until: 1.2.0", "Until: 1.2.0\nUntil: 1.2.0", 10, "after the sentence stand"),
    ("Until: 1.2.0\n", "", 9, "after the sentence stand"),
    ("alpha.other", "alpha", 10, "`alpha` is no id"),
    ("kept alpha", "kept, alpha", 10, "`hostname.kept,` is no id"),
    ("cgroup=v1,", "cgroup=v3,", 11, "`cgroup=v3` is no host fact"),
    ("kernel>=5.12", "kernel>=5", 11, "`kernel>=5` is no host fact"),
    ("cap:CAP_SYS_ADMIN", "cap:sys_admin", 11, "`cap:sys_admin` is no host fact"),
    ("controller:memory", "controller:", 11, "`controller:` is no host fact"),
    ("Reading: so.\n", "Reading: so.\n  and so.\n", 13, "after the sentence stand"),
    ("Reading: so.\nNot checked: because.\n", "Not checked: because.\nReading: so.\n", 13, "after the sentence stand"),
    ("Draft", "Draft: yes", 14, "after the sentence stand"),
    ("It holds.", "It holds. ", 8, "a tab, or white space"),
    ("Draft\n", "Draft", 14, "the file ends in one line feed"),
];

#[test]
fn each_offence_is_named_with_its_place() {
    for (part, replacement, line, message) in OFFENCES {
        let text = WHOLE.replacen(part, replacement, 1);
        assert_ne!(text, WHOLE, "{part} is no part");
        let error = parse_chapter("hostname", &text).unwrap_err();
        let shown = format!("{part:?} => {replacement:?}: {error}");
        assert_eq!((error.file.as_str(), error.line), ("chapters/hostname.md", Some(line)), "{shown}");
        assert!(error.message.starts_with(message), "{shown}");
    }
}

#[test]
fn an_id_stands_once() {
    let requirement = WHOLE.split_once("\n\n## ").map(|(_, it)| format!("\n## {it}"));
    let text = WHOLE.to_owned() + &requirement.unwrap();
    let error = parse_chapter("hostname", &text).unwrap_err();
    let expected = "chapters/hostname.md:16: `hostname.applied` stands already in line 6";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_chapter_has_requirements() {
    let error = parse_chapter("hostname", "# hostname\n\nThe name.\n").unwrap_err();
    assert_eq!(error.line, Some(5));
    assert!(error.message.starts_with("a requirement is missing"));
}

#[test]
fn a_requirement_that_does_not_fit_hides_no_other() {
    let second = "\n## hostname.other\nMUST, runtime, since 1.0.0, ours\nIt holds.\n";
    let text = WHOLE.replace("It holds.\n", "It holds\n") + second + "\n## host.third\n";
    let (chapter, errors) = examine_chapter("hostname", &text, Some(Tables::embedded()));
    let ids: Vec<&str> = chapter.requirements.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["hostname.other"]);
    assert_eq!(errors.iter().map(|it| it.line).collect::<Vec<_>>(), [Some(8), Some(20)]);
}

//! Reports for the tests of what is made from them.

use ocf_spec::Specification;
use serde_json::{Value, json};

use super::{Report, Run};
use crate::evidence::{Evidence, Header, Role};
use crate::expectation::Expectation;
use crate::judge::testing::{self, case, evidence, expectation, header, profile, ran};
use crate::judge::{Unusable, Waivers, judge};

/// What a runtime would say to harm a terminal, a page, an XML document, and a reader's eye.
pub const HOSTILE: &str = "\x1b]0;x\x07\u{9b}2J<script>alert('1')</script>\"&amp;]]>\u{0}\u{202e}\u{fffe}\nend";

/// The specification that the samples are judged by.
pub fn specification() -> Specification {
    testing::specification()
}

/// Evidence of a life that went well, in which two MUSTs are looked at, a SHOULD that nobody raised, and a MAY.
pub fn run(fact: Value) -> Vec<(Evidence, Vec<Expectation>)> {
    let done = json!({"failed": false});
    let facts = json!({"steps": {"create": done, "start": done}, "journal": ran(), "before": {"fact": fact}});
    let expected = |id: &str| expectation("start", "/before/fact", json!({"equals": 1, "requirement": id}));
    let mut control = evidence("test/plain", case(), facts.clone());
    control.role = Role::Control;
    vec![
        (evidence("test/plain", case(), facts), ["test.must", "test.needs", "test.may"].map(expected).into()),
        (control, vec![]),
    ]
}

fn report_of(header: &Header, fact: Value, unusable: Option<&Unusable>) -> Report {
    report_on(header, &run(fact), unusable)
}

fn report_on(header: &Header, evidence: &[(Evidence, Vec<Expectation>)], unusable: Option<&Unusable>) -> Report {
    let (specification, profile) = (specification(), profile());
    let decided = judge(header, evidence, &specification, &profile);
    Report::new(&Run {
        header,
        specification: &specification,
        profile: &profile,
        evidence,
        decided: &decided,
        waivers: &Waivers::new(),
        selection: &[],
        shard: None,
        command: "ocf test --runtime /usr/sbin/runc",
        unusable,
        stopped: None,
        left_out: &[],
        seconds: 12.34,
    })
}

/// One MUST failed.
pub fn report() -> Report {
    report_of(&header(), json!(2), None)
}

/// Nothing was tried.
pub fn untried() -> Report {
    report_on(&header(), &[], None)
}

/// The harness could not write a case's journal.
pub fn troubled() -> Report {
    let mut run = run(json!(2));
    run[0].0.trouble = Some("write journal: ENOSPC".to_owned());
    run[0].1.retain(|it| it.requirement.as_str() == "test.must");
    report_on(&header(), &run, None)
}

/// One MUST failed, and everything that a runtime or host can say is hostile.
pub fn hostile() -> Report {
    let mut header = header();
    let hostile = || HOSTILE.to_owned();
    header.runtime.name = hostile();
    header.runtime.version = hostile();
    header.runtime.path = hostile();
    header.runtime.adapter = hostile();
    header.adapter.config = Some(json!({ HOSTILE: HOSTILE }));
    header.host.system = hostile();
    header.host.kernel = hostile();
    header.host.lsms = [hostile()].into();
    header.profile = hostile();
    let mut report = report_of(&header, json!({ HOSTILE: HOSTILE }), None);
    report.command = hostile();
    report.started = hostile();
    report.selection = vec![hostile()];
    report.host_lacks = vec![hostile()];
    report.stopped = Some(hostile());
    for entry in &mut report.requirements {
        for text in [&mut entry.expected, &mut entry.seen, &mut entry.case, &mut entry.waived] {
            *text = Some(hostile());
        }
        entry.reason = entry.reason.is_some().then(hostile);
        entry.clauses = vec![hostile()];
        entry.properties = vec![hostile()];
        entry.cases = vec![hostile()];
    }
    report
}

/// The runtime would not run the base bundle.
pub fn unusable() -> Report {
    let words = "cgroups: \x1b[2Jnot supported\n]]> try another host".to_owned();
    let unusable = Unusable { seen: "create failed".to_owned(), words };
    report_of(&header(), json!(2), Some(&unusable))
}

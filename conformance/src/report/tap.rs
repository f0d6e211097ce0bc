//! TAP version 14: a test point a requirement of the profile. Only a pass is plainly ok; what is not decided is skipped.

use std::fmt::{self, Write};

use ocf_spec::Specification;

use super::{Entry, Report};
use crate::judge::{Verdict, visible};

/// The document.
pub fn render(report: &Report, specification: &Specification) -> String {
    let mut tap = String::new();
    // Writing to a String can't fail.
    let _ = document(&mut tap, report, specification);
    tap
}

fn document(out: &mut String, report: &Report, specification: &Specification) -> fmt::Result {
    let entries: Vec<_> = report.requirements.iter().filter(|it| it.in_profile).collect();
    writeln!(out, "TAP version 14")?;
    if let Some(unusable) = &report.unusable {
        return writeln!(out, "1..0\nBail out! the base bundle does not run: {}", escaped(&unusable.seen));
    }
    writeln!(out, "1..{}", entries.len())?;
    let (name, version) = (escaped(&report.runtime.name), escaped(&report.runtime.version));
    writeln!(out, "# {name} ({version}), OCI Runtime Specification {}", report.suite.spec)?;
    for (number, entry) in entries.into_iter().enumerate() {
        point(out, number + 1, entry, specification)?;
    }
    if let Some(why) = &report.stopped {
        writeln!(out, "Bail out! the run was stopped: {}", escaped(why))?;
    }
    Ok(())
}

fn point(out: &mut String, number: usize, entry: &Entry, specification: &Specification) -> fmt::Result {
    let (id, level, verdict) = (&entry.id, entry.level, entry.verdict.word());
    match entry.verdict {
        Verdict::Pass => return writeln!(out, "ok {number} - {id}"),
        Verdict::Fail | Verdict::Error => {}
        _ => {
            let reason = escaped(entry.reason.as_deref().unwrap_or("a MAY is recorded and not judged"));
            return writeln!(out, "ok {number} - {id} # SKIP {verdict}: {reason}");
        }
    }
    writeln!(out, "not ok {number} - {id}")?;
    writeln!(out, "  ---")?;
    writeln!(out, "  level: {level}")?;
    let sentence = specification.get(id.as_str()).map(|it| it.sentence.as_str());
    let reason = entry.reason.as_deref().filter(|_| entry.verdict == Verdict::Error);
    let details = [
        ("requirement", sentence),
        ("expected", entry.expected.as_deref()),
        ("seen", entry.seen.as_deref()),
        ("case", entry.case.as_deref()),
        ("error", reason),
        ("waived", entry.waived.as_deref()),
    ];
    for (name, value) in details {
        if let Some(value) = value {
            // A JSON string is a YAML string.
            writeln!(out, "  {name}: {}", serde_json::Value::String(visible(value)))?;
        }
    }
    writeln!(out, "  ...")
}

/// Text in which nothing reads as a directive.
fn escaped(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('#', "\\#")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn tap(report: &Report) -> String {
        render(report, &sample::specification())
    }

    #[test]
    fn only_a_pass_is_plainly_ok() {
        let mut report = sample::report();
        for verdict in Verdict::ALL {
            report.requirements[0].verdict = verdict;
            let tap = tap(&report);
            let line = tap.lines().find(|it| it.contains("test.must")).unwrap();
            match verdict {
                Verdict::Pass => assert_eq!(line, "ok 1 - test.must"),
                Verdict::Fail | Verdict::Error => assert_eq!(line, "not ok 1 - test.must"),
                _ => assert!(line.starts_with("ok 1 - test.must # SKIP "), "{line}"),
            }
        }
    }

    #[test]
    fn the_plan_counts_the_profile_and_a_fail_tells_all() {
        let tap = tap(&sample::report());
        assert!(tap.starts_with("TAP version 14\n1..4\n"), "{tap}");
        assert_eq!(tap.lines().filter(|it| it.starts_with("ok ") || it.starts_with("not ok ")).count(), 4);
        assert!(
            tap.contains("  expected: \"/before/fact: 1\"\n  seen: \"2\"\n  case: \"test/plain\"\n  ...\n"),
            "{tap}"
        );
    }

    #[test]
    fn hostile_text_makes_no_line_and_no_directive() {
        let tap = tap(&sample::hostile());
        let known = ["TAP version", "1..", "# ", "ok ", "not ok ", "  ", "Bail out!"];
        assert!(tap.lines().all(|line| known.iter().any(|start| line.starts_with(start))), "{tap}");
        assert!(tap.chars().all(|it| it == '\n' || visible(&it.to_string()) == it.to_string()));
    }

    #[test]
    fn an_unusable_runtime_bails_out() {
        assert!(tap(&sample::unusable()).contains("1..0\nBail out! the base bundle does not run: create failed\n"));
    }
}

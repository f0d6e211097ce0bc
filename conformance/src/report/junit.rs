//! junit.xml: a suite a chapter, a case a requirement of the profile, for what reads test results.
//!
//! Only a pass is a success. A requirement that is not decided is skipped, never passed; an unusable
//! runtime is an error.

use std::fmt::{self, Write};

use ocf_spec::Specification;

use super::{Entry, Report, Tally};
use crate::judge::{Verdict, visible};

/// The document, XML 1.0 whatever the report holds.
pub fn render(report: &Report, specification: &Specification) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String can't fail.
    let _ = suites(&mut xml, report, specification);
    xml
}

fn suites(out: &mut String, report: &Report, specification: &Specification) -> fmt::Result {
    let total = report.total();
    let refused = usize::from(report.unusable.is_some());
    let name = text(&format!("ocf {} {}", report.runtime.name, report.suite.spec));
    let (tests, errors) = (total.total + refused, total.error + refused);
    let (failures, skipped, seconds) = (total.fail, skipped(&total), report.seconds);
    writeln!(
        out,
        "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\" time=\"{seconds:.3}\">"
    )?;
    if let Some(unusable) = &report.unusable {
        let (seen, words) = (text(&unusable.seen), text(&unusable.words));
        writeln!(out, "  <testsuite name=\"base\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0\">")?;
        writeln!(out, "    <testcase classname=\"base\" name=\"the base bundle runs\" time=\"0\">")?;
        writeln!(out, "      <error message=\"{seen}\">{words}</error>")?;
        writeln!(out, "    </testcase>\n  </testsuite>")?;
    }
    let entries: Vec<_> = report.requirements.iter().filter(|it| it.in_profile).collect();
    for chapter in entries.chunk_by(|one, other| one.id.chapter() == other.id.chapter()) {
        suite(out, chapter, specification)?;
    }
    writeln!(out, "</testsuites>")
}

fn suite(out: &mut String, chapter: &[&Entry], specification: &Specification) -> fmt::Result {
    let name = chapter.first().map_or("", |it| it.id.chapter());
    let tally: Tally = chapter.iter().map(|it| it.verdict).collect();
    let (tests, failures, errors, skipped) = (tally.total, tally.fail, tally.error, skipped(&tally));
    writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\" time=\"0\">"
    )?;
    for entry in chapter {
        case(out, entry, specification)?;
    }
    writeln!(out, "  </testsuite>")
}

fn case(out: &mut String, entry: &Entry, specification: &Specification) -> fmt::Result {
    let (chapter, id) = (entry.id.chapter(), &entry.id);
    write!(out, "    <testcase classname=\"{chapter}\" name=\"{id}\" time=\"0\"")?;
    if entry.verdict == Verdict::Pass {
        return writeln!(out, "/>");
    }
    let sentence = specification.get(id.as_str()).map_or("", |it| it.sentence.as_str());
    let reason = entry.reason.as_deref().unwrap_or("a MAY is recorded and not judged");
    let (reason, details) = (text(reason), text(&details(entry, sentence)));
    let (level, verdict) = (entry.level, entry.verdict.word());
    writeln!(out, ">")?;
    match entry.verdict {
        Verdict::Fail => {
            writeln!(out, "      <failure type=\"{level}\" message=\"{}\">{details}</failure>", text(sentence))?
        }
        Verdict::Error => {
            writeln!(out, "      <error type=\"{level}\" message=\"{reason}\">{details}</error>")?;
        }
        _ => writeln!(out, "      <skipped message=\"{verdict}: {reason}\"/>")?,
    }
    writeln!(out, "    </testcase>")
}

fn details(entry: &Entry, sentence: &str) -> String {
    let named =
        [("expected", &entry.expected), ("seen", &entry.seen), ("case", &entry.case), ("waived", &entry.waived)];
    let mut details = sentence.to_owned();
    for (name, value) in named {
        if let Some(value) = value {
            details.push_str(&format!(" {name}: {value}"));
        }
    }
    details
}

/// All that neither passed, failed, nor was the harness's trouble.
fn skipped(tally: &Tally) -> usize {
    tally.open() - tally.error
}

/// Text for an element or an attribute.
fn text(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            it => xml.push(it),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn xml(report: &Report) -> String {
        render(report, &sample::specification())
    }

    #[test]
    fn only_a_pass_is_a_success() {
        let mut report = sample::report();
        for verdict in Verdict::ALL {
            report.requirements[0].verdict = verdict;
            let xml = xml(&report);
            let success = xml.contains("name=\"test.must\" time=\"0\"/>");
            assert_eq!(success, verdict == Verdict::Pass, "{xml}");
            let element = match verdict {
                Verdict::Pass => continue,
                Verdict::Fail => "<failure type=\"MUST\" message=\"The runtime keeps what it has to keep.\">",
                Verdict::Error => "<error type=\"MUST\"",
                _ => "<skipped message=\"",
            };
            let case = xml.split("name=\"test.must\"").nth(1).unwrap();
            assert!(case.split("</testcase>").next().unwrap().contains(element), "{xml}");
        }
    }

    #[test]
    fn the_numbers_agree_with_the_cases_and_the_profile() {
        let xml = xml(&sample::report());
        let suite = "<testsuite name=\"test\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"3\" time=\"0\">";
        assert!(xml.contains(suite), "{xml}");
        assert_eq!(xml.matches("<testcase ").count(), 4);
        assert_eq!(xml.matches("<skipped ").count(), 3);
        assert!(
            xml.contains("<skipped message=\"undecidable: the host lacks: controller:hugetlb, controller:rdma\"/>")
        );
        assert!(!xml.contains("test.author"));
    }

    #[test]
    fn an_unusable_runtime_is_an_error() {
        let xml = xml(&sample::unusable());
        assert!(xml.contains("tests=\"5\" failures=\"1\" errors=\"1\""), "{xml}");
        assert!(xml.contains(
            "<error message=\"create failed\">cgroups: \\u{1b}[2Jnot supported\\n]]&gt; try another host</error>"
        ));
    }

    #[test]
    fn hostile_text_stays_text_of_xml() {
        let mut report = sample::hostile();
        for verdict in Verdict::ALL {
            for entry in &mut report.requirements {
                entry.verdict = verdict;
            }
            let xml = xml(&report);
            assert!(!xml.contains("<script") && !xml.contains("]]>") && !xml.contains("\"&amp;]"), "{xml}");
            assert!(xml.chars().all(|it| it == '\n' || visible(&it.to_string()) == it.to_string()));
            assert!(is_well_formed(&xml), "{xml}");
        }
    }

    /// Whether every element that is opened is closed in its turn, with quoted attributes and no stray sign.
    fn is_well_formed(xml: &str) -> bool {
        let mut open = Vec::new();
        let body = xml.split_once("?>\n").unwrap().1;
        let mut rest = body;
        while let Some(start) = rest.find('<') {
            let Some(length) = rest[start..].find('>') else {
                return false;
            };
            let tag = &rest[start + 1..start + length];
            if rest[..start].contains(['>', '"']) || tag.contains('<') || tag.matches('"').count() % 2 == 1 {
                return false;
            }
            let name = tag.trim_start_matches('/').split([' ', '/']).next();
            if tag.starts_with('/') {
                if open.pop() != name {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.extend(name);
            }
            rest = &rest[start + length + 1..];
        }
        open.is_empty() && rest.trim().is_empty()
    }
}

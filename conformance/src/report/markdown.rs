//! Markdown, for a comment on a change or a release's notes: the verdict, the levels, and each fail.

use std::fmt::{self, Write};

use ocf_spec::Specification;

use super::{Entry, Report};
use crate::judge::{Verdict, visible};

/// The document.
pub fn render(report: &Report, specification: &Specification) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = document(&mut text, report, specification);
    text
}

fn document(out: &mut String, report: &Report, specification: &Specification) -> fmt::Result {
    let (name, version) = (escaped(&report.runtime.name), escaped(&report.runtime.version));
    writeln!(out, "# {name}: {}\n", report.verdict.word())?;
    let (spec, profile, host) = (report.suite.spec, escaped(&report.profile), &report.host);
    let (kernel, system) = (escaped(&host.kernel), escaped(&host.system));
    writeln!(out, "{version}. OCI Runtime Specification {spec}, profile {profile}, on Linux {kernel}, {system}.\n")?;
    writeln!(out, "{}.\n", escaped(&report.sentence()))?;
    if let Some(unusable) = &report.unusable {
        return writeln!(out, "{}:\n\n{}", escaped(&unusable.seen), block(&unusable.words));
    }
    levels(out, report)?;
    if let Some(why) = &report.stopped {
        writeln!(out, "\nThe run was stopped: {}.", escaped(why))?;
    }
    let failed = report.failed();
    if !failed.is_empty() {
        writeln!(out, "\n## {} failed", failed.len())?;
    }
    for entry in failed {
        failure(out, report, entry, specification)?;
    }
    if !report.refused.is_empty() {
        writeln!(out, "\n## Valid bundles refused\n\n| for | in |\n|---|---|")?;
    }
    for (blame, cases) in &report.refused {
        let cases: Vec<_> = cases.iter().map(|it| escaped(it)).collect();
        writeln!(out, "| {} | {} |", escaped(blame), cases.join(", "))?;
    }
    Ok(())
}

fn levels(out: &mut String, report: &Report) -> fmt::Result {
    let total = report.total();
    let columns: Vec<_> = Verdict::ALL.into_iter().filter(|it| total.of(*it) > 0).collect();
    let head: Vec<_> = columns.iter().map(|it| it.word()).collect();
    writeln!(out, "| | of | {} |", head.join(" | "))?;
    writeln!(out, "|---|---:|{}", "---:|".repeat(columns.len()))?;
    for (level, tally) in &report.summary {
        let cells: Vec<_> = columns.iter().map(|it| tally.of(*it).to_string()).collect();
        writeln!(out, "| {level} | {} | {} |", tally.total, cells.join(" | "))?;
    }
    Ok(())
}

fn failure(out: &mut String, report: &Report, entry: &Entry, specification: &Specification) -> fmt::Result {
    writeln!(out, "\n### {} ({})\n", entry.id, entry.level)?;
    if let Some(requirement) = specification.get(entry.id.as_str()) {
        writeln!(out, "{}\n", requirement.sentence)?;
    }
    let again = report.again(&entry.id);
    let details = [
        ("expected", entry.expected.as_deref()),
        ("seen", entry.seen.as_deref()),
        ("case", entry.case.as_deref()),
        ("waived", entry.waived.as_deref()),
        ("again", Some(again.as_str())),
    ];
    let lines: Vec<_> = details.iter().filter_map(|(name, value)| Some(format!("{name:<8}  {}", (*value)?))).collect();
    write!(out, "{}", block(&lines.join("\n")))
}

/// Text that stays text: no markup, no link, no reference.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A name behind it would be told, a number linked.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            ':' => escaped.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            it => escaped.push(it),
        }
    }
    escaped
}

/// A block of text as it is, indented, so that no line of it ends it.
fn block(text: &str) -> String {
    text.lines().map(|line| format!("    {}\n", visible(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_verdict_the_levels_and_each_fail_are_there() {
        let text = render(&sample::report(), &sample::specification());
        assert!(text.contains(": nonconformant\n"), "{text}");
        assert!(
            text.contains("| | of | fail | undecidable | undecided | observed |\n|---|---:|---:|---:|---:|---:|\n")
        );
        assert!(text.contains("| MUST | 1 | 1 | 0 | 0 | 0 |\n"), "{text}");
        assert!(
            text.contains("### test.must (MUST)\n\nThe runtime keeps what it has to keep.\n\n    expected  /before")
        );
    }

    #[test]
    fn hostile_text_is_no_markup() {
        for report in [sample::hostile(), sample::unusable()] {
            let text = render(&report, &sample::specification());
            for line in text.lines().filter(|it| !it.starts_with("    ")) {
                assert!(!line.contains("<script") && !line.contains("@") && !line.contains("]("), "{line}");
            }
            assert!(text.chars().all(|it| it == '\n' || visible(&it.to_string()) == it.to_string()));
        }
    }
}

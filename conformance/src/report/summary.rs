//! The text that stands on the terminal after a run, read in ten seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::Path;

use ocf_spec::Specification;

use super::{Entry, Report, Tally};
use crate::judge::{Conclusion, Verdict, visible};
use crate::profile::BESIDE;

/// How and where the summary is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Whether colours may be used.
    pub colour: bool,
    /// Where report.html, report.json and junit.xml were written, if they were.
    pub directory: Option<&'a Path>,
}

/// The summary. Nothing that a runtime or the host said in it reaches the terminal unescaped.
pub fn render(report: &Report, specification: &Specification, shown: &Shown<'_>) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write_all(&mut text, report, specification, shown);
    text
}

fn write_all(out: &mut String, report: &Report, specification: &Specification, shown: &Shown<'_>) -> fmt::Result {
    let paint = Paint(shown.colour);
    identity(out, report, paint)?;
    if let Some(unusable) = &report.unusable {
        writeln!(out, "\nIt would not run the base bundle: {}", visible(&unusable.seen))?;
        for line in unusable.words.lines() {
            writeln!(out, "  | {}", visible(line))?;
        }
    } else {
        levels(out, report, paint)?;
        failures(out, report, specification, paint)?;
        refused(out, report)?;
        open(out, report)?;
    }
    conclusion(out, report, shown, paint)
}

fn identity(out: &mut String, report: &Report, paint: Paint) -> fmt::Result {
    let (runtime, cases) = (&report.runtime, &report.cases);
    let name = paint.bold(&visible(&runtime.name));
    let version = runtime.version.lines().next().unwrap_or_default();
    writeln!(out, "{name}  {}  {}", visible(version), visible(&runtime.path))?;
    let (spec, profile, seconds) = (report.suite.spec, visible(&report.profile), report.seconds);
    let (run, controls) = (cases.run, cases.controls);
    writeln!(
        out,
        "OCI Runtime Specification {spec}, profile {profile}, {run} cases and {controls} controls in {seconds:.1} s"
    )?;
    if !report.selection.is_empty() {
        writeln!(out, "only {}", visible(&report.selection.join(" ")))?;
    }
    if let Some(shard) = &report.shard {
        writeln!(out, "part {} of the cases; `ocf report merge` joins the parts", visible(shard))?;
    }
    Ok(())
}

/// A row a level, and a column for each verdict that any requirement of the profile got.
fn levels(out: &mut String, report: &Report, paint: Paint) -> fmt::Result {
    let total = report.total();
    let shown = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Error,
        Verdict::Blocked,
        Verdict::Unsupported,
        Verdict::Undecidable,
        Verdict::Undecided,
        Verdict::Observed,
    ];
    let columns: Vec<_> = shown.into_iter().filter(|it| total.of(*it) > 0).collect();
    write!(out, "\n{:<12}{:>5}", "", "of")?;
    for verdict in &columns {
        write!(out, "  {:>4}", verdict.word())?;
    }
    writeln!(out)?;
    for (level, tally) in &report.summary {
        write!(out, "{:<12}{:>5}", level.as_str(), tally.total)?;
        for verdict in &columns {
            write!(out, "  {}", cell(tally, *verdict, paint))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn cell(tally: &Tally, verdict: Verdict, paint: Paint) -> String {
    let width = verdict.word().len().max(4);
    let number = format!("{:>width$}", tally.of(verdict));
    match verdict {
        Verdict::Fail | Verdict::Error if tally.of(verdict) > 0 => paint.red(&number),
        _ => number,
    }
}

fn failures(out: &mut String, report: &Report, specification: &Specification, paint: Paint) -> fmt::Result {
    let failed = report.failed();
    if !failed.is_empty() {
        writeln!(out, "\n{} failed:", failed.len())?;
    }
    for entry in failed {
        failure(out, report, specification, entry, paint)?;
    }
    Ok(())
}

fn failure(
    out: &mut String,
    report: &Report,
    specification: &Specification,
    entry: &Entry,
    paint: Paint,
) -> fmt::Result {
    let beside = if entry.in_profile { "" } else { ", not of the profile" };
    writeln!(out, "\n  {}  {}{beside}", paint.red(entry.id.as_str()), entry.level)?;
    if let Some(requirement) = specification.get(entry.id.as_str()) {
        writeln!(out, "    {}", requirement.sentence)?;
    }
    let again = report.again(&entry.id);
    for (name, value) in [
        ("expected", entry.expected.as_deref()),
        ("seen", entry.seen.as_deref()),
        ("case", entry.case.as_deref()),
        ("waived", entry.waived.as_deref()),
        ("again", Some(again.as_str())),
    ] {
        if let Some(value) = value {
            writeln!(out, "    {name:<8}  {}", visible(value))?;
        }
    }
    Ok(())
}

/// Which valid bundles were refused, and for what.
fn refused(out: &mut String, report: &Report) -> fmt::Result {
    if report.refused.is_empty() {
        return Ok(());
    }
    let total: BTreeSet<_> = report.refused.values().flatten().collect();
    let plural = if total.len() == 1 { "" } else { "s" };
    writeln!(out, "\n{} valid bundle{plural} refused, for", total.len())?;
    for (blame, cases) in &report.refused {
        let shown: Vec<_> = cases.iter().take(3).map(String::as_str).collect();
        let more = if cases.len() > shown.len() { ", …" } else { "" };
        writeln!(out, "  {}  in {}{more}", visible(blame), visible(&shown.join(", ")))?;
    }
    Ok(())
}

/// What of the profile is not decided, by reason, the most frequent first.
fn open(out: &mut String, report: &Report) -> fmt::Result {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in report.requirements.iter().filter(|it| it.in_profile && it.reason.is_some()) {
        *reasons.entry(entry.reason_kind()).or_default() += 1;
    }
    let total: usize = reasons.values().sum();
    if total == 0 {
        return Ok(());
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    writeln!(out, "\n{total} not decided:")?;
    for (kind, count) in reasons {
        writeln!(out, "  {count:>5}  {}", visible(kind))?;
    }
    troubles(out, report)
}

/// The harness's own trouble in its words, the first few of it: whoever reads this must mend it first.
fn troubles(out: &mut String, report: &Report) -> fmt::Result {
    let errors = report.requirements.iter().filter(|it| it.verdict == Verdict::Error);
    let told: BTreeSet<_> = errors.map(|it| (&it.case, &it.reason)).collect();
    for (case, reason) in told.into_iter().take(3) {
        let (case, reason) = (case.as_deref().unwrap_or_default(), reason.as_deref().unwrap_or_default());
        writeln!(out, "  {}: {}", visible(case), visible(reason))?;
    }
    Ok(())
}

fn conclusion(out: &mut String, report: &Report, shown: &Shown<'_>, paint: Paint) -> fmt::Result {
    let word = report.verdict.word().to_uppercase();
    let word = match report.verdict {
        Conclusion::Conformant => paint.green(&word),
        Conclusion::Partial => paint.yellow(&word),
        Conclusion::Nonconformant | Conclusion::Unusable => paint.red(&word),
    };
    writeln!(out, "\n{word}: {}", visible(&report.sentence()))?;
    if report.unusable.is_none() {
        writeln!(out, "{}", counts(&report.total()))?;
        let beside = report.beside();
        if beside.total > beside.undecided {
            writeln!(out, "beside the verdict, {BESIDE}: {}", counts(&beside))?;
        }
    }
    if !report.host_lacks.is_empty() {
        writeln!(out, "the host lacks what the profile needs: {}", visible(&report.host_lacks.join(", ")))?;
    }
    if let Some(why) = &report.stopped {
        writeln!(out, "the run was stopped: {}", visible(why))?;
    }
    if let Some(left_out) = report.left_out_in_words() {
        writeln!(out, "cases left out: {}", visible(&left_out))?;
    }
    write!(out, "exit status {}", report.exit_status)?;
    if let Some(directory) = shown.directory {
        write!(out, "; report.html, report.json and junit.xml are in {}", visible(&directory.to_string_lossy()))?;
    }
    writeln!(out)
}

/// Each verdict that any requirement got, with its number; `unsupported` is among them.
fn counts(tally: &Tally) -> String {
    let some = Verdict::ALL.into_iter().filter(|it| tally.of(*it) > 0);
    let counts: Vec<_> = some.map(|it| format!("{} {}", tally.of(it), it.word())).collect();
    format!("of {} requirements: {}", tally.total, counts.join(", "))
}

/// Our own colours, if they are wanted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn yellow(self, text: &str) -> String {
        self.with("1;33", text)
    }

    fn with(self, attributes: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{attributes}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn shown(report: &Report, colour: bool) -> String {
        let directory = Path::new("/tmp/\x1b[1mout");
        render(report, &sample::specification(), &Shown { colour, directory: Some(directory) })
    }

    #[test]
    fn each_failed_requirement_stands_with_all_that_one_needs_to_look_into_it() {
        let text = shown(&sample::report(), false);
        let lines = [
            "  test.must  MUST",
            "    The runtime keeps what it has to keep.",
            "    expected  /before/fact: 1",
            "    seen      2",
            "    case      test/plain",
            "    again     ocf test --runtime /usr/sbin/runc test.must --keep",
        ];
        assert!(text.contains(&lines.join("\n")), "{text}");
    }

    #[test]
    fn the_levels_the_verdict_the_status_and_the_place_are_named() {
        let text = shown(&sample::report(), false);
        assert!(text.contains("               of  fail  undecidable  undecided  observed\n"), "{text}");
        assert!(text.contains("\nMUST            1     1            0          0         0\n"), "{text}");
        assert!(text.contains("\nNONCONFORMANT: 1 of 2 MUSTs of linux-core are broken\n"), "{text}");
        assert!(text.contains("\nof 4 requirements: 1 fail, 1 undecidable, 1 undecided, 1 observed\n"), "{text}");
        assert!(text.contains("      1  the host lacks\n"), "{text}");
        assert!(text.contains("exit status 1; report.html, report.json and junit.xml are in /tmp/\\u{1b}[1mout\n"));
    }

    #[test]
    fn the_harness_tells_its_own_trouble() {
        let text = shown(&sample::troubled(), false);
        assert!(text.contains("      1  harness trouble\n"), "{text}");
        assert!(text.contains("  test/plain: harness trouble: write journal: ENOSPC\n"), "{text}");
        assert!(text.contains("exit status 2; "), "{text}");
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        for report in [sample::hostile(), sample::unusable()] {
            let text = shown(&report, false);
            let is_harmless = |it: char| it == '\n' || visible(&it.to_string()) == it.to_string();
            assert!(text.chars().all(is_harmless), "{text:?}");
        }
    }

    #[test]
    fn an_unusable_runtime_speaks_for_itself() {
        let text = shown(&sample::unusable(), false);
        assert!(text.contains("  | cgroups: \\u{1b}[2Jnot supported\n  | ]]> try another host\n"), "{text}");
        assert!(text.contains("UNUSABLE: "), "{text}");
        assert!(!text.contains(" pass"), "{text}");
    }

    #[test]
    fn colours_are_ours_alone() {
        let plain = shown(&sample::hostile(), false);
        let coloured = shown(&sample::hostile(), true);
        assert_ne!(plain, coloured);
        let mut stripped = coloured;
        for code in ["1;31", "1;32", "1;33", "1", "0"] {
            stripped = stripped.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(stripped, plain);
    }
}

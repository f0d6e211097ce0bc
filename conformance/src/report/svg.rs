//! report.svg: the head of the report as a picture, for a page that links to the whole.

use std::fmt::{self, Write};

use ocf_spec::Level;

use super::html::{SHOWN, Text, short_version};
use super::{Report, Tally};
use crate::judge::{Conclusion, Verdict};

/// Pixels of the picture's width.
const WIDTH: usize = 860;
/// Where bars begin, and how wide a whole one is.
const BAR: (usize, usize) = (140, 580);

/// The picture.
pub fn render(report: &Report) -> String {
    let mut svg = String::new();
    // Writing to a String can't fail.
    let _ = picture(&mut svg, report);
    svg
}

fn picture(out: &mut String, report: &Report) -> fmt::Result {
    let height = 168 + 30 * report.summary.len() + 44;
    let total = report.total();
    let (name, version) = (Text(&report.runtime.name), Text(short_version(&report.runtime.version)));
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" font-size=\"14\">"
    )?;
    writeln!(out, "<title>{name} {version}: {}</title>", report.verdict.word())?;
    writeln!(out, "<rect width=\"{WIDTH}\" height=\"{height}\" rx=\"10\" fill=\"#f6f7f9\"/>")?;
    writeln!(
        out,
        "<path d=\"M0 146V10a10 10 0 0 1 10-10H{}a10 10 0 0 1 10 10v136z\" fill=\"{}\"/>",
        WIDTH - 10,
        tone(report.verdict)
    )?;
    let (spec, profile) = (report.suite.spec, Text(&report.profile));
    line(out, 34, 14, &format!("OCI Runtime Specification {spec} · profile {profile}"))?;
    line(out, 68, 28, &format!("<tspan font-weight=\"700\">{name}</tspan> {version}"))?;
    let sentence = report.sentence();
    line(out, 98, 16, &format!("<tspan font-weight=\"700\">{}</tspan>: {}", report.verdict.word(), Text(&sentence)))?;
    let counts: Vec<_> = SHOWN
        .into_iter()
        .filter(|it| total.of(*it) > 0)
        .map(|it| format!("<tspan font-weight=\"700\">{}</tspan> {}", total.of(it), it.word()))
        .collect();
    line(out, 126, 14, &counts.join(" · "))?;
    for (number, (level, tally)) in report.summary.iter().enumerate() {
        bar(out, 168 + 30 * number, *level, tally)?;
    }
    legend(out, height - 20, &total)?;
    writeln!(out, "</svg>")
}

fn line(out: &mut String, y: usize, size: usize, text: &str) -> fmt::Result {
    writeln!(out, "<text x=\"24\" y=\"{y}\" font-size=\"{size}\" fill=\"#fff\">{text}</text>")
}

fn bar(out: &mut String, y: usize, level: Level, tally: &Tally) -> fmt::Result {
    let kept = if level == Level::May { tally.observed } else { tally.pass };
    writeln!(out, "<text x=\"24\" y=\"{}\" fill=\"#1b2129\" font-weight=\"600\">{level}</text>", y + 13)?;
    let (start, width) = BAR;
    let mut before = 0;
    for verdict in SHOWN.into_iter().filter(|it| tally.of(*it) > 0) {
        let at = |count: usize| start + width * count / tally.total.max(1);
        let (from, to) = (at(before), at(before + tally.of(verdict)));
        let color = color(verdict);
        writeln!(
            out,
            "<rect x=\"{from}\" y=\"{y}\" width=\"{}\" height=\"16\" fill=\"{color}\"/>",
            to.saturating_sub(from + 2).max(2)
        )?;
        before += tally.of(verdict);
    }
    let (x, y, of) = (WIDTH - 24, y + 13, tally.total);
    writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"#5d6875\">{kept} of {of}</text>")
}

fn legend(out: &mut String, y: usize, total: &Tally) -> fmt::Result {
    let mut x = 24;
    for verdict in SHOWN.into_iter().filter(|it| total.of(*it) > 0) {
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"11\" height=\"11\" rx=\"3\" fill=\"{}\"/>",
            y - 10,
            color(verdict)
        )?;
        writeln!(out, "<text x=\"{}\" y=\"{y}\" fill=\"#5d6875\" font-size=\"13\">{}</text>", x + 17, verdict.word())?;
        x += 38 + 8 * verdict.word().len();
    }
    Ok(())
}

pub(super) fn tone(verdict: Conclusion) -> &'static str {
    match verdict {
        Conclusion::Conformant => "#1a7445",
        Conclusion::Nonconformant => "#b32735",
        Conclusion::Partial => "#92610c",
        Conclusion::Unusable => "#454d57",
    }
}

fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "#218a54",
        Verdict::Fail => "#cf2f3f",
        Verdict::Error => "#a034b8",
        Verdict::Blocked => "#d98a13",
        Verdict::Unsupported => "#8a7a52",
        Verdict::Undecidable => "#5b7fb5",
        Verdict::Undecided => "#9aa5b1",
        Verdict::Observed => "#2f9fae",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_picture_names_runtime_verdict_and_every_level() {
        let report = sample::report();
        let svg = render(&report);
        assert!(svg.contains(report.verdict.word()) && svg.contains("OCI Runtime Specification"));
        for level in report.summary.keys() {
            assert!(svg.contains(&format!(">{level}</text>")), "{level}");
        }
    }

    #[test]
    fn nothing_hostile_becomes_markup() {
        let svg = render(&sample::hostile());
        assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
        let tags = svg.matches('<').count();
        assert_eq!(tags, svg.matches('>').count(), "every bracket is one of ours");
    }
}

//! badge.svg: the verdict in twenty pixels, for a runtime's README.

use std::fmt::Write;

use super::Report;
use super::html::Text;
use super::svg::tone;
use crate::judge::Conclusion;

/// Pixels of a character's width, on average, in the badge's font.
const CHARACTER: usize = 7;
/// Pixels left and right of a text.
const MARGIN: usize = 6;

/// The picture. Only ours is in it: the version of the specification, and the verdict with its figures.
pub fn render(report: &Report) -> String {
    let label = format!("OCI runtime {}", report.suite.spec);
    let value = value(report);
    let [left, right] = [&label, &value].map(|it| it.chars().count() * CHARACTER + 2 * MARGIN);
    let (width, colour) = (left + right, tone(report.verdict));
    let (label, value) = (Text(&label), Text(&value));
    let mut svg = String::new();
    // Writing to a String can't fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"20\" role=\"img\" \
         aria-label=\"{label}: {value}\" font-family=\"Verdana, 'DejaVu Sans', sans-serif\" font-size=\"11\">\n\
         <title>{label}: {value}</title>\n\
         <clipPath id=\"r\"><rect width=\"{width}\" height=\"20\" rx=\"3\"/></clipPath>\n\
         <g clip-path=\"url(#r)\" text-anchor=\"middle\" fill=\"#fff\">\n\
         <rect width=\"{left}\" height=\"20\" fill=\"#555\"/>\n\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\n\
         <text x=\"{}\" y=\"14\">{label}</text>\n\
         <text x=\"{}\" y=\"14\">{value}</text>\n\
         </g>\n</svg>\n",
        left / 2,
        left + right / 2,
    );
    svg
}

/// The verdict, and of the profile's MUSTs how many it rests on: a partial one is never mistaken for a green one.
fn value(report: &Report) -> String {
    let musts = report.binding();
    let word = report.verdict.word();
    match report.verdict {
        Conclusion::Conformant => format!("{word}: {} MUSTs", musts.total),
        Conclusion::Nonconformant => format!("{} of {} MUSTs broken", musts.fail, musts.total),
        Conclusion::Partial => format!("{word}: {} of {} MUSTs kept", musts.pass, musts.total),
        Conclusion::Unusable => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_verdict_stands_in_it_with_its_figures() {
        assert!(render(&sample::report()).contains("<title>OCI runtime 1.0.2: 1 of 2 MUSTs broken</title>"));
        assert!(render(&sample::untried()).contains(": partial: 0 of 2 MUSTs kept</title>"));
        assert!(render(&sample::unusable()).contains(": unusable</title>"));
    }

    #[test]
    fn verdicts_have_colours_of_their_own() {
        let colours: std::collections::BTreeSet<_> =
            [Conclusion::Conformant, Conclusion::Nonconformant, Conclusion::Partial].map(tone).into();
        assert_eq!(colours.len(), 3);
    }

    #[test]
    fn nothing_that_a_runtime_says_is_in_it() {
        assert!(!render(&sample::hostile()).contains("script"));
    }
}

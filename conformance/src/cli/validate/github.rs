//! Workflow commands, by which GitHub shows a finding beside the changed line.
//! Source: GitHub's documentation, "Workflow commands for GitHub Actions".

use std::fmt::Write;

use ocf_schema::Severity;

use super::examine::{Examined, Placed};
use super::{Printer, Sum};

pub(super) struct Github;

impl Printer for Github {
    fn one(&self, examined: &Examined, _: bool) -> String {
        let mut text = String::new();
        if let Some(why) = &examined.unreadable {
            let _ = writeln!(text, "::error file={}::{}", property(&examined.name), data(why));
        }
        for placed in &examined.findings {
            line(&mut text, &examined.name, placed);
        }
        text
    }

    fn tail(&self, _: &Sum) -> String {
        String::new()
    }
}

fn line(text: &mut String, name: &str, placed: &Placed) {
    let command = match placed.finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let title = placed.finding.requirement.as_ref().map_or("ocf validate", |id| id.as_str());
    let sentence = placed.requirement().map_or_else(String::new, |it| format!(" ({}: {})", it.level, it.sentence));
    let softer =
        placed.why_softer().map_or_else(String::new, |why| format!("\nonly a {}: {why}", placed.finding.severity));
    let hint = placed.finding.hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
    let message = format!("{}{sentence}{softer}{hint}", placed.finding.message);
    let (start, end) = (placed.start, placed.end);
    let _ = writeln!(
        text,
        "::{command} file={},line={},col={},endLine={},endColumn={},title={}::{}",
        property(name),
        start.line,
        start.column,
        end.line,
        end.column,
        property(title),
        data(&message)
    );
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

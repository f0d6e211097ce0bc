//! What was found, with the lines themselves.

use std::fmt::Write;

use ocf_schema::{Position, Severity};
use unicode_width::UnicodeWidthChar;

use super::examine::{Examined, Placed};
use super::{Printer, Sum};

/// The widest part of a line that is shown, in terminal columns.
const WIDTH: usize = 100;
/// How much of a cut line is shown before the place.
const BEFORE: usize = 30;

pub(super) struct Human {
    pub(super) colour: bool,
    pub(super) quiet: bool,
}

impl Printer for Human {
    fn one(&self, examined: &Examined, _: bool) -> String {
        let name = printable(&examined.name);
        let mut text = String::new();
        if let Some(why) = &examined.unreadable {
            let _ = writeln!(text, "{}: {name}: {why}\n", self.bold(RED, "error"));
        }
        for placed in &examined.findings {
            self.finding(&mut text, &name, &examined.bytes, placed);
        }
        if !self.quiet && examined.findings.is_empty() && examined.unreadable.is_none() {
            let _ = writeln!(text, "{name}: right ({} {})", examined.kind.as_str(), examined.spec);
        }
        text
    }

    fn tail(&self, sum: &Sum) -> String {
        if self.quiet || (sum.documents == 1 && sum.errors + sum.warnings + sum.notes + sum.unreadable == 0) {
            return String::new();
        }
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let mut parts = vec![counted(sum.documents, "document"), format!("{} wrong", sum.wrong)];
        parts.extend((sum.unreadable > 0).then(|| format!("{} unreadable", sum.unreadable)));
        let found = [(sum.errors, "error"), (sum.warnings, "warning"), (sum.notes, "note")];
        let found: Vec<String> = found.iter().filter(|it| it.0 > 0).map(|it| counted(it.0, it.1)).collect();
        parts.extend((!found.is_empty()).then(|| found.join(", ")));
        format!("{}\n", parts.join("; "))
    }
}

const RED: &str = "31";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const CYAN: &str = "36";

impl Human {
    fn bold(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[1;{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    fn finding(&self, text: &mut String, name: &str, bytes: &[u8], placed: &Placed) {
        let finding = &placed.finding;
        let colour = colour_of(finding.severity);
        let id = finding.requirement.as_ref().map_or_else(String::new, |id| format!("[{id}]"));
        let head = self.bold(colour, &format!("{}{id}", finding.severity));
        let _ = writeln!(text, "{head}: {}", printable(&finding.message));
        let Position { line, column } = placed.start;
        let gutter = " ".repeat(line.to_string().len());
        let bar = self.bold(BLUE, "|");
        let _ =
            writeln!(text, "{gutter}{} {name}:{line}:{column}{}", self.bold(BLUE, "-->"), pointer(&finding.pointer));
        if !bytes.is_empty() {
            let shown = Shown::of(bytes, placed);
            let _ = writeln!(text, "{gutter} {bar}");
            let _ = writeln!(text, "{} {bar} {}", self.bold(BLUE, &line.to_string()), shown.line);
            let mark = self.bold(colour, &"^".repeat(shown.width));
            let _ = writeln!(text, "{gutter} {bar} {}{mark}", " ".repeat(shown.indent));
        }
        if let Some(requirement) = placed.requirement() {
            let end = self.bold(BLUE, "=");
            let _ = writeln!(text, "{gutter} {end} {}: {}", requirement.level, requirement.sentence);
            if let Some(why) = placed.why_softer() {
                let _ = writeln!(text, "{gutter} {end} only a {}: {why}", finding.severity);
            }
        }
        if let Some(hint) = &finding.hint {
            let _ =
                writeln!(text, "{gutter} {} {}: {}", self.bold(BLUE, "="), self.bold(CYAN, "hint"), printable(hint));
        }
        text.push('\n');
    }
}

fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Note => CYAN,
    }
}

fn pointer(pointer: &str) -> String {
    match pointer {
        "" => String::new(),
        _ => format!(" ({})", cut(&printable(pointer))),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A line as a terminal shows it, and where on it the mark goes.
struct Shown {
    line: String,
    /// Columns before the mark.
    indent: usize,
    /// Columns of the mark; at least one.
    width: usize,
}

impl Shown {
    fn of(bytes: &[u8], placed: &Placed) -> Self {
        let at = placed.finding.span.as_ref().map_or(0, |span| span.start.min(bytes.len()));
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |it| it + 1);
        // Of a line without end only so many bytes are looked at: a character has at most four.
        let before = tail(&bytes[start..at], 4 * BEFORE);
        let rest = &bytes[at..(at + 4 * WIDTH).min(bytes.len())];
        let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let before = Cells::of(before).last(BEFORE, start + before.len() < at);
        let after = Cells::of(rest).first(WIDTH - before.width.min(WIDTH / 2), at + rest.len() < line_end(bytes, at));
        let same_line = placed.end.line == placed.start.line;
        let marked = placed.end.column.saturating_sub(placed.start.column);
        let width = if same_line { after.width_of(marked) } else { after.width };
        Self { indent: before.width, width: width.max(1), line: before.text + after.text.trim_end() }
    }
}

/// Where the line ends, if that is near enough to be shown.
fn line_end(bytes: &[u8], at: usize) -> usize {
    let near = &bytes[at..(at + 8 * WIDTH).min(bytes.len())];
    near.iter().position(|byte| *byte == b'\n').map_or(at + near.len(), |length| at + length)
}

fn tail(bytes: &[u8], most: usize) -> &[u8] {
    let mut from = bytes.len().saturating_sub(most);
    while from < bytes.len() && bytes[from] & 0b1100_0000 == 0b1000_0000 {
        from += 1;
    }
    &bytes[from..]
}

/// Characters, with their widths in columns.
struct Cells {
    cells: Vec<(char, usize)>,
}

struct Cut {
    text: String,
    width: usize,
    widths: Vec<usize>,
}

impl Cells {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let cell = |c: char| (c, c.width().unwrap_or(1));
        Self { cells: text.chars().map(visible).map(cell).collect() }
    }

    fn first(self, most: usize, is_cut: bool) -> Cut {
        let mut kept = Cut { text: String::new(), width: 0, widths: Vec::new() };
        let length = self.cells.len();
        for (at, (c, width)) in self.cells.into_iter().enumerate() {
            if kept.width + width > most || (is_cut && at + 1 == length) {
                kept.text.push('…');
                break;
            }
            kept.text.push(c);
            kept.width += width;
            kept.widths.push(width);
        }
        kept
    }

    fn last(self, most: usize, is_cut: bool) -> Cut {
        let all: usize = self.cells.iter().map(|it| it.1).sum();
        if all <= most && !is_cut {
            return self.first(most, false);
        }
        let mut over = (all + 1).saturating_sub(most);
        let cells = self.cells.into_iter().skip_while(|(_, width)| {
            let skip = over > 0;
            over = over.saturating_sub(*width);
            skip
        });
        let mut kept = Self { cells: cells.collect() }.first(most, false);
        kept.text.insert(0, '…');
        kept.width += 1;
        kept
    }
}

impl Cut {
    /// The columns of its first characters.
    fn width_of(&self, characters: usize) -> usize {
        self.widths.iter().take(characters).sum()
    }
}

/// A text without anything that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A tab as a space; a control character, or one that turns the direction of writing, as a sign.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        other => other,
    }
}

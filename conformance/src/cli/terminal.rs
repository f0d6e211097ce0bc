//! What is printed for people: no wider than a page, and nothing in it that a terminal would obey.

use std::io::{self, IsTerminal, Write};

use unicode_width::UnicodeWidthStr;

use crate::judge::visible;

/// The widest line that is printed, in columns, as far as words allow.
pub(super) const WIDTH: usize = 100;

/// How a word looks where colours can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Red,
    Green,
    Yellow,
}

impl Ink {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Red => Some("31"),
            Self::Green => Some("32"),
            Self::Yellow => Some("33"),
        }
    }
}

/// A text of several lines that grows.
#[derive(Debug, Default)]
pub(super) struct Page {
    colour: bool,
    text: String,
}

impl Page {
    /// A page for standard output: with colours if that is a terminal whose user has not declined them.
    pub(super) fn new() -> Self {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self { colour: io::stdout().is_terminal() && !declined, text: String::new() }
    }

    /// An empty line, unless one stands there already or nothing does.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A line of its own, as wide as it is.
    pub(super) fn line(&mut self, ink: Ink, text: &str) {
        let painted = self.painted(ink, &visible(text));
        self.text.push_str(&painted);
        self.text.push('\n');
    }

    /// A text of one ink behind a label, in lines that begin below its beginning.
    pub(super) fn block(&mut self, label: (&str, Ink), indent: usize, text: &str) {
        let words: Vec<(&str, Ink)> = text.split_whitespace().map(|word| (word, Ink::Plain)).collect();
        self.words(label, indent, &words);
    }

    /// The same with words of several inks. A label that leaves no room has a line of its own.
    pub(super) fn words(&mut self, label: (&str, Ink), indent: usize, words: &[(&str, Ink)]) {
        let (label, ink) = (visible(label.0), label.1);
        let mut line = self.painted(ink, &label);
        let mut column = label.width();
        if column < indent || label.is_empty() {
            line.push_str(&" ".repeat(indent - column));
            column = indent;
        } else if !words.is_empty() {
            line.push('\n');
            line.push_str(&" ".repeat(indent));
            column = indent;
        }
        let mut is_first = true;
        for (word, ink) in words {
            let word = visible(word);
            if !is_first && column + 1 + word.width() > WIDTH {
                line.push('\n');
                line.push_str(&" ".repeat(indent));
                column = indent;
            } else if !is_first {
                line.push(' ');
                column += 1;
            }
            column += word.width();
            line.push_str(&self.painted(*ink, &word));
            is_first = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn painted(&self, ink: Ink, text: &str) -> String {
        match ink.code().filter(|_| self.colour && !text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }

    /// Writes it to standard output.
    pub(super) fn print(self) -> Result<(), String> {
        print(&self.text)
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Writes a text to standard output. A reader who has seen enough, as `head` has, is no trouble.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("write to standard output: {error}")),
        _ => Ok(()),
    }
}

/// Writes a document as JSON to standard output.
pub(super) fn print_json(document: &serde_json::Value) -> Result<(), String> {
    print(&format!("{document:#}\n"))
}

/// A number with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_hangs_below_its_beginning() {
        let mut page = Page::default();
        page.block(("label", Ink::Strong), 8, &"word ".repeat(25));
        let lines: Vec<&str> = page.text().lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("label   word word") && lines[1].starts_with("        word"));
        assert!(lines.iter().all(|it| it.len() <= WIDTH));
    }

    #[test]
    fn a_long_label_takes_a_line_and_a_long_word_stays_whole() {
        let mut page = Page::default();
        page.block(("a-long-label", Ink::Plain), 4, &"x".repeat(120));
        assert_eq!(page.text(), format!("a-long-label\n    {}\n", "x".repeat(120)));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let mut page = Page { colour: true, text: String::new() };
        page.line(Ink::Plain, "a\u{1b}[2Jb\nc");
        page.block(("\u{7}", Ink::Plain), 10, "\u{9b}31m \u{202e}x");
        assert!(!page.text().contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{:?}", page.text());
        assert_eq!(page.text().lines().count(), 2);
    }

    #[test]
    fn colours_are_closed() {
        let mut page = Page { colour: true, text: String::new() };
        page.words(("", Ink::Plain), 2, &[("a", Ink::Red), ("b", Ink::Plain)]);
        assert_eq!(page.text(), "  \u{1b}[31ma\u{1b}[0m b\n");
    }

    #[test]
    fn gaps_are_single() {
        let mut page = Page::default();
        page.gap();
        page.line(Ink::Plain, "a");
        page.gap();
        page.gap();
        page.line(Ink::Plain, "b");
        assert_eq!(page.text(), "a\n\nb\n");
    }
}

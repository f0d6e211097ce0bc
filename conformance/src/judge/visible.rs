//! Makes text of strangers harmless to a reader's eye and terminal.

use std::fmt::Write;

/// Replaces what can't be seen, or changes what is seen, by its escape: control characters, line ends,
/// marks that reorder or join text, and code points that no document may hold.
///
/// What comes out is one line, may go to a terminal, and holds only characters that XML 1.0 allows.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            it if is_hidden(it) => {
                // Writing to a String can't fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(it));
            }
            it => shown.push(it),
        }
    }
    shown
}

/// The first `limit` characters, with an ellipsis in place of the last if there were more.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || code & 0xfffe == 0xfffe
        || matches!(code,
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfdd0..=0xfdef
            | 0xfe00..=0xfe0f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("a\x1b[31mb\x07\u{9b}c\x7f"), "a\\u{1b}[31mb\\u{7}\\u{9b}c\\u{7f}");
        assert_eq!(visible("one\ntwo\r\tthree"), "one\\ntwo\\r\\tthree");
    }

    #[test]
    fn what_reorders_or_hides_text_is_shown() {
        let hidden = visible("\u{202e}\u{200b}\u{2066}\u{feff}\u{fffe}\u{e0041}\u{2028}");
        assert_eq!(hidden, "\\u{202e}\\u{200b}\\u{2066}\\u{feff}\\u{fffe}\\u{e0041}\\u{2028}");
        assert_eq!(visible("größer <b> 語 🦀"), "größer <b> 語 🦀");
    }

    #[test]
    fn a_cut_is_marked_and_falls_between_characters() {
        assert_eq!(shorten("größe", 5), "größe");
        assert_eq!(shorten("größer", 5), "größ…");
    }
}

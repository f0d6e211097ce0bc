//! Two states of a sentence, and which words of theirs differ.

use super::terminal::{Ink, Page};

/// The sentence as it was, as far as it is at hand, and as it is, so far from the margin; words that only one has are
/// marked.
pub(super) fn show(page: &mut Page, margin: usize, before: Option<&str>, after: &str) {
    let label = |word: &str| format!("{:margin$}{word}", "");
    let Some(before) = before else {
        page.block((&label("now"), Ink::Green), margin + 4, after);
        return;
    };
    let (ours, theirs) = common(before, after);
    marked(page, margin, (&label("was"), Ink::Red), before, &ours);
    marked(page, margin, (&label("now"), Ink::Green), after, &theirs);
}

fn marked(page: &mut Page, margin: usize, label: (&str, Ink), sentence: &str, common: &[bool]) {
    let ink = |at: usize| if common.get(at).copied().unwrap_or(true) { Ink::Plain } else { label.1 };
    let words: Vec<(&str, Ink)> = sentence.split_whitespace().enumerate().map(|(at, word)| (word, ink(at))).collect();
    page.words(label, margin + 4, &words);
}

/// For each word of two sentences, whether the other has it in its place too.
fn common(before: &str, after: &str) -> (Vec<bool>, Vec<bool>) {
    let (before, after): (Vec<&str>, Vec<&str>) = (words(before), words(after));
    // How many words the two can have in common from each pair of places on.
    let mut longest = vec![vec![0_u16; after.len() + 1]; before.len() + 1];
    for (one, word) in before.iter().enumerate().rev() {
        for (other, its) in after.iter().enumerate().rev() {
            longest[one][other] = match word == its {
                true => longest[one + 1][other + 1] + 1,
                false => longest[one + 1][other].max(longest[one][other + 1]),
            };
        }
    }
    let (mut ours, mut theirs) = (vec![false; before.len()], vec![false; after.len()]);
    let (mut one, mut other) = (0, 0);
    while one < before.len() && other < after.len() {
        if before[one] == after[other] {
            (ours[one], theirs[other]) = (true, true);
            (one, other) = (one + 1, other + 1);
        } else if longest[one + 1][other] >= longest[one][other + 1] {
            one += 1;
        } else {
            other += 1;
        }
    }
    (ours, theirs)
}

/// The words that are compared; of a sentence without end only the first thousand.
fn words(sentence: &str) -> Vec<&str> {
    sentence.split_whitespace().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_both_have_in_order_are_common() {
        let (before, after) = common("it MUST be one path", "it SHOULD be path");
        assert_eq!(before, [true, false, true, false, true]);
        assert_eq!(after, [true, false, true, true]);
    }

    #[test]
    fn sentences_without_a_common_word_differ_whole() {
        assert_eq!(common("a b", "c"), (vec![false, false], vec![false]));
        assert_eq!(common("", ""), (vec![], vec![]));
    }
}

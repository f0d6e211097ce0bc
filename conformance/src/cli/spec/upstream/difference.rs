//! Which words of two sentences differ.

/// For each word of two sentences, whether the other has it in its place too.
pub(super) fn common(before: &str, after: &str) -> (Vec<bool>, Vec<bool>) {
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

//! Lists of numbers as Linux writes them, of processors and of memory nodes: `0-2,7` (cpuset(7), "List format").

/// More than any machine has: a list that names more is not unfolded.
const MOST: u64 = 1 << 16;

/// The numbers in their order, each once; none if the text is no such list, or one of its ranges runs backwards.
pub fn parse(text: &str) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last >= MOST {
            return None;
        }
        found.extend(first..=last);
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_the_same_however_it_is_written() {
        assert_eq!(parse("3,1-2,2"), Some(vec![1, 2, 3]));
        assert_eq!(parse(""), Some(vec![]));
        assert_eq!(parse("one"), None);
        assert_eq!(parse("3-1"), None);
        assert_eq!(parse("0-4294967295"), None);
    }
}

//! Texts that match a pattern: all of them, if they are few, or some.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The most texts of a pattern that count as few.
const MOST_TEXTS: usize = 512;

/// So many texts stand for a pattern that matches more.
const SOME_TEXTS: usize = 12;

/// The longest text that is made of a pattern, in bytes.
const LONGEST: usize = 256;

/// Every text that matches, if the pattern is about whole texts and these are few.
pub(super) fn language(pattern: &str) -> Option<BTreeSet<String>> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let [first, middle @ .., last] = &parts[..] else { return None };
    let is = |part: &Hir, look| matches!(part.kind(), HirKind::Look(it) if *it == look);
    if !is(first, Look::Start) || !is(last, Look::End) {
        return None;
    }
    let texts = concatenated(middle, &mut |part| all_of(part))?;
    Some(texts.into_iter().collect())
}

/// Some texts that most likely match, and such as nearly do: whoever uses them tries them.
pub(super) fn texts(pattern: &str) -> Vec<String> {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Vec::new() };
    let matching = some_of(&hir);
    let near = matching.iter().take(3).flat_map(|text| near(text));
    let mut all: Vec<String> = matching.iter().cloned().chain(near).collect();
    let mut seen = BTreeSet::new();
    all.retain(|text| seen.insert(text.clone()));
    all
}

/// Texts that differ from one by little.
fn near(text: &str) -> Vec<String> {
    let (mut front, mut back) = (text.chars(), text.chars());
    front.next();
    back.next_back();
    vec![
        front.as_str().to_owned(),
        back.as_str().to_owned(),
        format!("x{text}"),
        format!("{text}x"),
        text.to_uppercase(),
        text.to_lowercase(),
        format!(" {text}"),
        format!("{text}\n"),
    ]
}

/// Every text of an expression; `None` if there are too many, or it looks around.
fn all_of(hir: &Hir) -> Option<Vec<String>> {
    let texts = match hir.kind() {
        HirKind::Empty => vec![String::new()],
        HirKind::Look(_) => return None,
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).ok()?],
        HirKind::Class(class) => characters(class, MOST_TEXTS)?,
        HirKind::Capture(capture) => all_of(&capture.sub)?,
        HirKind::Concat(parts) => concatenated(parts, &mut |part| all_of(part))?,
        HirKind::Alternation(parts) => parts.iter().map(all_of).collect::<Option<Vec<_>>>()?.concat(),
        HirKind::Repetition(repetition) => {
            let sub = all_of(&repetition.sub)?;
            let lengths = repetition.min..=repetition.max.filter(|max| *max <= 4)?;
            lengths.map(|count| repeated(&sub, count, MOST_TEXTS)).collect::<Option<Vec<_>>>()?.concat()
        }
    };
    (texts.len() <= MOST_TEXTS).then_some(texts)
}

/// Some texts of an expression, none longer than [`LONGEST`].
fn some_of(hir: &Hir) -> Vec<String> {
    let mut texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).into_iter().collect(),
        HirKind::Class(class) => some_characters(class),
        HirKind::Capture(capture) => some_of(&capture.sub),
        HirKind::Concat(parts) => {
            concatenated(parts, &mut |part| Some(some_of(part).into_iter().take(3).collect())).unwrap_or_default()
        }
        HirKind::Alternation(parts) => in_turn(parts.iter().map(some_of).collect()),
        HirKind::Repetition(repetition) => {
            let sub: Vec<String> = some_of(&repetition.sub).into_iter().take(2).collect();
            let fits = |count: &u32| repetition.max.is_none_or(|max| *count <= max);
            // One more than the least first: a repetition that may be left out says little then.
            let counts = [repetition.min.max(1), repetition.min, repetition.min + 1].into_iter().filter(fits);
            counts.filter_map(|count| repeated(&sub, count.min(64), SOME_TEXTS)).flatten().collect()
        }
    };
    texts.retain(|text| text.len() <= LONGEST);
    texts.truncate(SOME_TEXTS);
    texts
}

/// One of each list, then a second of each, and so on.
fn in_turn(lists: Vec<Vec<String>>) -> Vec<String> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).flat_map(|at| lists.iter().filter_map(move |list| list.get(at).cloned())).collect()
}

/// Every way to put one text of each part behind another, up to [`MOST_TEXTS`].
fn concatenated(parts: &[Hir], texts: &mut dyn FnMut(&Hir) -> Option<Vec<String>>) -> Option<Vec<String>> {
    let mut made = vec![String::new()];
    for part in parts {
        let next = texts(part)?;
        made = next.iter().flat_map(|end| made.iter().map(move |start| format!("{start}{end}"))).collect();
        if made.len() > MOST_TEXTS {
            return None;
        }
    }
    Some(made)
}

fn repeated(texts: &[String], count: u32, most: usize) -> Option<Vec<String>> {
    let mut made = vec![String::new()];
    for _ in 0..count {
        made = made.iter().flat_map(|start| texts.iter().map(move |end| format!("{start}{end}"))).collect();
        if most == SOME_TEXTS {
            made.truncate(SOME_TEXTS);
        }
        if made.len() > most {
            return None;
        }
    }
    Some(made)
}

/// Every character of a class, if they are few.
fn characters(class: &Class, most: usize) -> Option<Vec<String>> {
    let Class::Unicode(class) = class else { return None };
    let mut all = Vec::new();
    for range in class.ranges() {
        for character in range.start()..=range.end() {
            all.push(character.to_string());
            if all.len() > most {
                return None;
            }
        }
    }
    Some(all)
}

/// The first printable character of each range, a letter first.
fn some_characters(class: &Class) -> Vec<String> {
    let Class::Unicode(class) = class else { return Vec::new() };
    let letter = class.ranges().iter().find(|it| it.start() <= 'a' && 'a' <= it.end()).map(|_| 'a');
    let starts = class.ranges().iter().map(|it| it.start().max(' ').min(it.end()));
    letter.into_iter().chain(starts).take(6).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_texts_are_all_known() {
        let all = |pattern| language(pattern).map(|it| it.into_iter().collect::<Vec<_>>());
        assert_eq!(all("^(pid|ipc|user|uts)$"), Some(vec!["ipc".into(), "pid".into(), "user".into(), "uts".into()]));
        assert_eq!(all("^[cbu]p?$"), Some(["b", "bp", "c", "cp", "u", "up"].map(String::from).to_vec()));
        assert_eq!(language("^CAP_(A|B)$").unwrap().len(), 2);
    }

    #[test]
    fn many_texts_are_not() {
        for pattern in ["^a*$", "a|b", "^[0-9]{9}$", "^(a|b", "^a", "^($|b)$"] {
            assert_eq!(language(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn some_texts_match_and_some_nearly_do() {
        let texts = texts("^/[a-z]+$");
        assert!(texts.contains(&"/a".to_owned()), "{texts:?}");
        assert!(texts.contains(&"a".to_owned()), "{texts:?}");
    }

    #[test]
    fn hostile_patterns_end() {
        for pattern in ["((a{64}){64}){64}", "(x+x+)+y", "[^a]{1000}", "(((((a|b)(c|d)){9}){9}){9})"] {
            assert!(texts(pattern).iter().all(|it| it.len() <= LONGEST + 4), "{pattern}");
        }
    }
}

//! Holds upstream's text, as it is now, against the clauses that were read from it.
//!
//! In three passes, each over what the earlier ones left: a keyword whose sentence stands as it was
//! below its anchor is unchanged; one whose sentence stands elsewhere has moved; and of the sentences
//! left on both sides those that are alike are one that was reworded. What is left then is gone, or new.

use std::collections::{BTreeMap, VecDeque};

use super::tables::{Clause, Repository, Tables};
use super::text::{Found, MarkdownFiles, digest, scan};

/// What became of the clauses.
#[derive(Clone, Debug, Default)]
pub struct Comparison<'t> {
    /// How many clauses were looked for.
    pub clauses: usize,
    /// Those of them that stand where they stood, word for word.
    pub unchanged: Vec<(&'t Clause, Sentence)>,
    /// Files with clauses that are not there now, in the order of the table.
    pub absent: Vec<AbsentFile<'t>>,
    /// Everything else, in the order of the files, and in each of its lines.
    pub changes: Vec<Change<'t>>,
}

/// A file that is not there now.
#[derive(Clone, Debug)]
pub struct AbsentFile<'t> {
    /// Its name in the table.
    pub file: String,
    /// Its clauses that stand nowhere else, either.
    pub clauses: Vec<&'t Clause>,
}

/// What happened to a sentence with normative keywords.
#[derive(Clone, Debug)]
pub enum Change<'t> {
    /// It reads otherwise.
    Reworded {
        /// Its clauses.
        clauses: Vec<Carried<'t>>,
        /// How it read, if a text with the clauses' digests was given.
        before: Option<String>,
        /// How it reads.
        after: Sentence,
        /// Keywords that it has now and had not.
        added: Vec<&'static str>,
    },
    /// It reads the same, below another heading or in another file.
    Moved {
        /// Its clauses.
        clauses: Vec<&'t Clause>,
        /// Where it stands.
        to: Sentence,
    },
    /// It is there no more.
    Gone {
        /// Its clauses.
        clauses: Vec<&'t Clause>,
        /// How it read, if a text with the clauses' digests was given.
        before: Option<String>,
        /// The line of the keyword after which it stood, if that is left.
        near: Option<usize>,
    },
    /// It was not there, and no requirement can carry it yet.
    New {
        /// Its keywords.
        keywords: Vec<&'static str>,
        /// Where it stands.
        sentence: Sentence,
    },
}

impl<'t> Change<'t> {
    /// The clauses that it concerns.
    pub fn clauses(&self) -> Vec<&'t Clause> {
        match self {
            Self::Reworded { clauses, .. } => clauses.iter().map(|it| it.clause).collect(),
            Self::Moved { clauses, .. } | Self::Gone { clauses, .. } => clauses.clone(),
            Self::New { .. } => Vec::new(),
        }
    }
}

/// A clause in a reworded sentence.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'t> {
    /// The clause.
    pub clause: &'t Clause,
    /// The keyword that stands for it now: mostly its own; `None` if none does.
    pub keyword: Option<&'static str>,
}

/// A sentence as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The file, as the table would name it.
    pub file: String,
    /// The line; the first is 1.
    pub line: usize,
    /// The anchor of the heading above it.
    pub anchor: String,
    /// The sentence, normalised.
    pub text: String,
    /// For each of its clauses or keywords in their order, which occurrence of that keyword below the anchor it is.
    pub ordinals: Vec<usize>,
}

/// Holds the clauses of a repository against `now`, the text of that repository.
///
/// `before` has, by tags, the texts that the clauses were read from, as far as they are at hand:
/// with them a reworded sentence is known by its words, and without them by its place alone.
pub fn check<'t>(
    tables: &'t Tables,
    repository: Repository,
    now: &MarkdownFiles,
    before: &BTreeMap<String, MarkdownFiles>,
) -> Comparison<'t> {
    let mut matching = Matching::new(tables, repository, now, before);
    matching.keep();
    matching.follow();
    let pairs = matching.pairs();
    matching.comparison(now, &pairs)
}

/// A clause, and which keyword of the new text stands for it.
struct Old<'t> {
    clause: &'t Clause,
    sentence: Option<String>,
    /// Its position in the table's order of files, for sorting.
    file: usize,
    now: Option<usize>,
    moved: bool,
}

/// A keyword of the new text.
struct New {
    file: String,
    found: Found,
    sha256: String,
    taken: bool,
}

struct Matching<'t> {
    files: Vec<&'t str>,
    old: Vec<Old<'t>>,
    new: Vec<New>,
}

/// The positions of the keywords of one sentence.
struct Group {
    members: Vec<usize>,
    words: Option<Vec<String>>,
}

impl<'t> Matching<'t> {
    fn new(
        tables: &'t Tables,
        repository: Repository,
        now: &MarkdownFiles,
        before: &BTreeMap<String, MarkdownFiles>,
    ) -> Self {
        let clauses = tables.clauses.iter().filter(|it| Repository::of(&it.file).0 == repository);
        let mut files: Vec<&str> = Vec::new();
        let mut old = Vec::new();
        let sentences = Sentences::of(before);
        for clause in clauses {
            let file = files.iter().position(|it| *it == clause.file).unwrap_or_else(|| {
                files.push(&clause.file);
                files.len() - 1
            });
            old.push(Old { clause, sentence: sentences.get(clause), file, now: None, moved: false });
        }
        let keyword = |file: &String, found: Found| {
            let sha256 = digest(&found.sentence);
            New { file: file.clone(), found, sha256, taken: false }
        };
        let new = now.iter().flat_map(|(file, text)| scan(text).into_iter().map(move |it| keyword(file, it)));
        Self { new: new.collect(), files, old }
    }

    /// Pairs the keywords whose sentences stand unchanged below their anchors.
    fn keep(&mut self) {
        let mut open: BTreeMap<(&str, &str, &str, &str), VecDeque<usize>> = BTreeMap::new();
        for (position, new) in self.new.iter().enumerate() {
            let key = (&*new.file, &*new.found.anchor, new.found.keyword, &*new.sha256);
            open.entry(key).or_default().push_back(position);
        }
        for old in &mut self.old {
            let Clause { file, anchor, keyword, sha256, .. } = old.clause;
            old.now = open.get_mut(&(&**file, &**anchor, *keyword, &**sha256)).and_then(VecDeque::pop_front);
        }
        self.take();
    }

    /// Pairs those whose sentences stand unchanged elsewhere, in the same file rather than in another.
    fn follow(&mut self) {
        let mut open: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (position, new) in self.new.iter().enumerate().filter(|(_, it)| !it.taken) {
            open.entry((new.found.keyword, &new.sha256)).or_default().push(position);
        }
        for old in self.old.iter_mut().filter(|it| it.now.is_none()) {
            let Some(places) = open.get_mut(&(old.clause.keyword, &*old.clause.sha256)) else { continue };
            let nearest = places.iter().position(|at| self.new[*at].file == old.clause.file).unwrap_or(0);
            old.now = (!places.is_empty()).then(|| places.remove(nearest));
            old.moved = old.now.is_some();
        }
        self.take();
    }

    fn take(&mut self) {
        for at in self.old.iter().filter_map(|it| it.now) {
            self.new[at].taken = true;
        }
    }

    /// Pairs what is left, sentence by sentence: the position of the old group and of the new one.
    fn pairs(&self) -> Pairs {
        let (old, new) = (self.old_groups(), self.new_groups());
        let mut candidates = Vec::new();
        for (one, was) in old.iter().enumerate() {
            for (other, is) in new.iter().enumerate() {
                let same_section = self.same_section(was, is);
                // What was said elsewhere has to be much more alike than what was said in this very place.
                let (least, bonus) = if same_section { (0.5, 0.3) } else { (0.7, 0.0) };
                let alike = was.words.as_ref().zip(is.words.as_ref()).map(|(was, is)| likeness(was, is));
                if let Some(alike) = alike.filter(|it| *it >= least) {
                    candidates.push((alike + bonus, one, other));
                }
            }
        }
        candidates.extend(self.by_place(&old, &new));
        candidates.sort_by(|one, other| other.0.total_cmp(&one.0).then((one.1, one.2).cmp(&(other.1, other.2))));
        let mut pairs = Pairs { with: vec![None; old.len()], taken: vec![false; new.len()], old, new };
        for (_, one, other) in candidates {
            if pairs.with[one].is_none() && !pairs.taken[other] {
                pairs.with[one] = Some(other);
                pairs.taken[other] = true;
            }
        }
        pairs
    }

    /// Sentences whose old words are not at hand, paired by the unchanged keyword that they follow.
    fn by_place(&self, old: &[Group], new: &[Group]) -> Vec<(f64, usize, usize)> {
        let mut open: BTreeMap<(&str, &str, Option<usize>), VecDeque<usize>> = BTreeMap::new();
        let after = self.followed();
        for (position, group) in new.iter().enumerate() {
            let New { file, found, .. } = &self.new[group.members[0]];
            open.entry((file, &found.anchor, after[group.members[0]])).or_default().push_back(position);
        }
        let mut pairs = Vec::new();
        for (position, group) in old.iter().enumerate().filter(|(_, it)| it.words.is_none()) {
            let clause = self.old[group.members[0]].clause;
            let place = (&*clause.file, &*clause.anchor, self.kept_before(group.members[0]));
            let Some(waiting) = open.get_mut(&place) else { continue };
            let shares = |at: &usize| new[*at].members.iter().any(|it| self.new[*it].found.keyword == clause.keyword);
            let chosen = waiting.iter().position(shares).or((waiting.len() == 1).then_some(0));
            pairs.extend(chosen.and_then(|at| waiting.remove(at)).map(|other| (0.5, position, other)));
        }
        pairs
    }

    /// Of each new keyword, the last one before it in its section that has a clause.
    fn followed(&self) -> Vec<Option<usize>> {
        let mut last: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut followed = Vec::with_capacity(self.new.len());
        for (position, new) in self.new.iter().enumerate() {
            let section = (&*new.file, &*new.found.anchor);
            followed.push(last.get(&section).copied());
            if new.taken {
                last.insert(section, position);
            }
        }
        followed
    }

    /// The new position of the last unchanged clause of the same section before this one.
    fn kept_before(&self, position: usize) -> Option<usize> {
        let clause = self.old[position].clause;
        let section = |it: &&Old<'_>| it.clause.file == clause.file && it.clause.anchor == clause.anchor;
        let before = self.old[..position].iter().rev().take_while(section);
        before.filter(|it| !it.moved).find_map(|it| it.now)
    }

    fn same_section(&self, was: &Group, is: &Group) -> bool {
        let (clause, new) = (self.old[was.members[0]].clause, &self.new[is.members[0]]);
        clause.file == new.file && clause.anchor == new.found.anchor
    }

    fn old_groups(&self) -> Vec<Group> {
        let left = (0..self.old.len()).filter(|at| self.old[*at].now.is_none());
        let same = |one: usize, other: usize| {
            let place = |at: usize| {
                let Clause { file, anchor, sha256, .. } = self.old[at].clause;
                (file, anchor, sha256)
            };
            place(one) == place(other)
        };
        groups(left, same, |at| self.old[at].sentence.as_deref())
    }

    fn new_groups(&self) -> Vec<Group> {
        let left = (0..self.new.len()).filter(|at| !self.new[*at].taken);
        let same = |one: usize, other: usize| self.same_sentence(one, other);
        groups(left, same, |at| Some(&self.new[at].found.sentence))
    }

    fn same_sentence(&self, one: usize, other: usize) -> bool {
        let place = |at: usize| {
            let New { file, found, .. } = &self.new[at];
            (file, found.line, &found.sentence)
        };
        place(one) == place(other)
    }

    fn comparison(&self, now: &MarkdownFiles, pairs: &Pairs) -> Comparison<'t> {
        let mut absent: BTreeMap<usize, Vec<&'t Clause>> = BTreeMap::new();
        let mut changes: Vec<(Order, Change<'t>)> = self.moves();
        for (group, with) in pairs.old.iter().zip(&pairs.with) {
            let first = &self.old[group.members[0]];
            match with {
                Some(other) => changes.push(self.reworded(group, &pairs.new[*other])),
                None if now.contains_key(&first.clause.file) => changes.push(self.gone(group)),
                None => {
                    absent.entry(first.file).or_default().extend(group.members.iter().map(|at| self.old[*at].clause))
                }
            }
        }
        let new = pairs.new.iter().zip(&pairs.taken).filter(|(_, taken)| !**taken);
        changes.extend(new.map(|(group, _)| self.new_sentence(group)));
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        let absent =
            absent.into_iter().map(|(file, clauses)| AbsentFile { file: self.files[file].to_owned(), clauses });
        let kept = self.old.iter().filter(|it| !it.moved).filter_map(|it| Some((it.clause, it.now?)));
        Comparison {
            clauses: self.old.len(),
            unchanged: kept.map(|(clause, at)| (clause, self.sentence(&[at]))).collect(),
            absent: absent.collect(),
            changes: changes.into_iter().map(|(_, change)| change).collect(),
        }
    }

    fn moves(&self) -> Vec<(Order, Change<'t>)> {
        let moved = (0..self.old.len()).filter(|at| self.old[*at].moved);
        let new = |at: usize| self.old[at].now.unwrap_or_default();
        let same = |one: usize, other: usize| self.same_sentence(new(one), new(other));
        let groups = groups(moved, same, |_| None);
        groups
            .iter()
            .map(|group| {
                let to = self.sentence(&group.members.iter().map(|at| new(*at)).collect::<Vec<_>>());
                let clauses = group.members.iter().map(|at| self.old[*at].clause).collect();
                (self.order(&to.file, to.line, 0), Change::Moved { clauses, to })
            })
            .collect()
    }

    /// The keywords of both sentences: the same with the same, then what is left in its order.
    fn reworded(&self, old: &Group, new: &Group) -> (Order, Change<'t>) {
        let mut open: Vec<usize> = new.members.clone();
        let mut now: Vec<Option<usize>> = Vec::new();
        for at in &old.members {
            let keyword = self.old[*at].clause.keyword;
            let same = open.iter().position(|it| self.new[*it].found.keyword == keyword);
            now.push(same.map(|at| open.remove(at)));
        }
        for other in now.iter_mut().filter(|it| it.is_none()) {
            *other = (!open.is_empty()).then(|| open.remove(0));
        }
        let keyword = |at: usize| self.new[at].found.keyword;
        let carried =
            |(at, now): (&usize, &Option<usize>)| Carried { clause: self.old[*at].clause, keyword: now.map(keyword) };
        let members: Vec<usize> = now.iter().flatten().copied().collect();
        let mut after = self.sentence(if members.is_empty() { &new.members } else { &members });
        after.ordinals = members.iter().map(|at| self.new[*at].found.ordinal).collect();
        let change = Change::Reworded {
            clauses: old.members.iter().zip(&now).map(carried).collect(),
            before: self.old[old.members[0]].sentence.clone(),
            added: open.into_iter().map(keyword).collect(),
            after: after.clone(),
        };
        (self.order(&after.file, after.line, 0), change)
    }

    fn gone(&self, group: &Group) -> (Order, Change<'t>) {
        let first = &self.old[group.members[0]];
        let near = self.kept_before(group.members[0]).map(|at| self.new[at].found.line);
        let clauses = group.members.iter().map(|at| self.old[*at].clause).collect();
        let change = Change::Gone { clauses, before: first.sentence.clone(), near };
        (self.order(&first.clause.file, near.unwrap_or_else(|| self.line_of(first.clause)), group.members[0]), change)
    }

    /// A line by which what is gone is sorted: that of its section, as far as something of it is left.
    fn line_of(&self, clause: &Clause) -> usize {
        let section = |it: &&New| it.file == clause.file && it.found.anchor == clause.anchor;
        self.new.iter().find(section).map_or(usize::MAX, |it| it.found.line.saturating_sub(1))
    }

    fn new_sentence(&self, group: &Group) -> (Order, Change<'t>) {
        let sentence = self.sentence(&group.members);
        let keywords = group.members.iter().map(|at| self.new[*at].found.keyword).collect();
        (self.order(&sentence.file, sentence.line, usize::MAX), Change::New { keywords, sentence })
    }

    fn sentence(&self, members: &[usize]) -> Sentence {
        let New { file, found, .. } = &self.new[members[0]];
        Sentence {
            file: file.clone(),
            line: found.line,
            anchor: found.anchor.clone(),
            text: found.sentence.clone(),
            ordinals: members.iter().map(|at| self.new[*at].found.ordinal).collect(),
        }
    }

    fn order(&self, file: &str, line: usize, rank: usize) -> Order {
        let known = self.files.iter().position(|it| *it == file).unwrap_or(self.files.len());
        (known, file.to_owned(), line, rank)
    }
}

/// By what changes are sorted: the file's position in the table and name, the line, and a rank in it.
type Order = (usize, String, usize, usize);

/// Which old group became which new one.
struct Pairs {
    old: Vec<Group>,
    new: Vec<Group>,
    with: Vec<Option<usize>>,
    taken: Vec<bool>,
}

/// Neighbours that are of one sentence.
fn groups<'s>(
    positions: impl Iterator<Item = usize>,
    same: impl Fn(usize, usize) -> bool,
    sentence: impl Fn(usize) -> Option<&'s str>,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for position in positions {
        match groups.last_mut() {
            Some(last) if same(last.members[0], position) => last.members.push(position),
            _ => groups.push(Group { members: vec![position], words: sentence(position).map(words) }),
        }
    }
    groups
}

/// The words of a sentence without what joins them, sorted.
fn words(sentence: &str) -> Vec<String> {
    let parts = sentence.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty());
    let mut words: Vec<String> = parts.map(str::to_lowercase).collect();
    words.sort();
    words
}

/// The share of words that two sentences have in common: 1 for the same words.
fn likeness(one: &[String], other: &[String]) -> f64 {
    let (mut at, mut to, mut common) = (0, 0, 0);
    while at < one.len() && to < other.len() {
        match one[at].cmp(&other[to]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => to += 1,
            std::cmp::Ordering::Equal => {
                (at, to, common) = (at + 1, to + 1, common + 1);
            }
        }
    }
    2.0 * f64::from(common) / (one.len() + other.len()).max(1) as f64
}

/// The sentences of the texts that were read.
struct Sentences(BTreeMap<(String, String, String, &'static str, usize), String>);

impl Sentences {
    fn of(before: &BTreeMap<String, MarkdownFiles>) -> Self {
        let mut sentences = BTreeMap::new();
        for (tag, files) in before {
            for (file, text) in files {
                for found in scan(text) {
                    let key = (tag.clone(), file.clone(), found.anchor, found.keyword, found.ordinal);
                    sentences.insert(key, found.sentence);
                }
            }
        }
        Self(sentences)
    }

    /// The sentence of a clause, if it is the one whose digest was kept.
    fn get(&self, clause: &Clause) -> Option<String> {
        let Clause { tag, file, anchor, keyword, ordinal, sha256, .. } = clause;
        let sentence = self.0.get(&(tag.clone(), file.clone(), anchor.clone(), keyword, *ordinal))?;
        (digest(sentence) == *sha256).then(|| sentence.clone())
    }
}

#[cfg(test)]
mod tests;

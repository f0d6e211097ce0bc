//! What changes for requirements from one edition to another.

use std::collections::{BTreeMap, BTreeSet};

use ocf_schema::compare::Grade;
use ocf_spec::{Level, Party, Requirement, RequirementId, Version};
use serde::Serialize;

use super::Edition;

/// Everything that changes for requirements. An edition that is looked at in one version has the requirements that are
/// in force there, another has all of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Amendments {
    /// Requirements that nobody had written before.
    pub added: Vec<Entry>,
    /// Requirements that nobody has written any more.
    pub removed: Vec<Entry>,
    /// Requirements that come into force, and replace none.
    pub came: Vec<Entry>,
    /// Requirements that are no longer in force, and are replaced by none.
    pub ceased: Vec<Entry>,
    /// Requirements in whose place others come into force.
    pub replaced: Vec<Replacement>,
    /// Requirements that don't say what they said.
    pub changed: Vec<Rewording>,
}

/// One requirement, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: RequirementId,
    /// How strongly it binds.
    pub level: Level,
    /// Who owes it.
    pub party: Party,
    /// The obligation itself.
    pub sentence: String,
    /// Whether it is about what was not there before: a chapter, or properties, none of which the older edition has.
    pub about_new: bool,
}

/// Requirements that cease, and those that carry a clause of theirs from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replacement {
    /// What ceases.
    pub ceased: Vec<Entry>,
    /// What comes in its place.
    pub came: Vec<Entry>,
}

/// A requirement that doesn't say what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rewording {
    /// As it is now.
    pub requirement: Entry,
    /// The fields that differ, by their names: what was, and what is.
    pub fields: BTreeMap<&'static str, [String; 2]>,
}

impl Amendments {
    /// What changes from one edition to another.
    pub fn between(old: &Edition, new: &Edition) -> Self {
        let [was, is] = [old, new].map(in_force);
        let news = News { old, chapters: was.iter().map(|it| it.id.chapter()).collect() };
        let mut amendments = Self::default();
        let (mut came, mut ceased) = (Vec::new(), Vec::new());
        for requirement in is.iter().filter(|it| !was.iter().any(|other| other.id == it.id)) {
            match old.specification.get(requirement.id.as_str()) {
                None => amendments.added.push(news.entry(requirement)),
                Some(_) => came.push(*requirement),
            }
        }
        for requirement in was.iter().filter(|it| !is.iter().any(|other| other.id == it.id)) {
            match new.specification.get(requirement.id.as_str()) {
                None => amendments.removed.push(entry(requirement)),
                Some(_) => ceased.push(*requirement),
            }
        }
        amendments.replaced = replaced(&mut ceased, &mut came, new);
        amendments.came = came.into_iter().map(|it| news.entry(it)).collect();
        amendments.ceased = ceased.into_iter().map(entry).collect();
        amendments.changed =
            is.iter().filter_map(|it| rewording(was.iter().find(|other| other.id == it.id)?, it)).collect();
        amendments
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The ids of requirements that are no longer there, or don't demand what they did.
    pub fn outdated(&self) -> BTreeSet<&RequirementId> {
        let replaced = self.replaced.iter().flat_map(|it| &it.ceased);
        let gone = self.removed.iter().chain(&self.ceased).chain(replaced).map(|it| &it.id);
        let changed = self.changed.iter().filter(|it| it.is_of_substance()).map(|it| &it.requirement.id);
        gone.chain(changed).collect()
    }

    /// The ids that are there, or in force, only now; and those that were only before.
    pub fn moved(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        fn ids<'a>(all: impl Iterator<Item = &'a Entry>) -> BTreeSet<&'a str> {
            all.map(|it| it.id.as_str()).collect()
        }
        let replacing = self.replaced.iter().flat_map(|it| &it.came);
        let replaced = self.replaced.iter().flat_map(|it| &it.ceased);
        let came = self.added.iter().chain(&self.came).chain(replacing);
        let gone = self.removed.iter().chain(&self.ceased).chain(replaced);
        (ids(came), ids(gone))
    }

    /// What became of an outdated requirement.
    pub fn fate(&self, id: &RequirementId) -> &'static str {
        let among = |all: &[Entry]| all.iter().any(|it| it.id == *id);
        match () {
            () if among(&self.removed) => "removed",
            () if among(&self.ceased) => "ceased",
            () if self.replaced.iter().any(|it| among(&it.ceased)) => "replaced",
            () => "changed",
        }
    }

    /// What the changes amount to, apart from those that a schema enforces: `enforced` says for an id what comes of it
    /// there.
    pub fn grade(&self, enforced: &BTreeMap<RequirementId, Grade>) -> Option<Grade> {
        let came = self.added.iter().chain(&self.came).map(|it| enforced.get(&it.id).copied().unwrap_or(of_new(it)));
        let gone =
            self.removed.iter().chain(&self.ceased).map(|it| enforced.get(&it.id).copied().unwrap_or(Grade::Widening));
        let replaced = self.replaced.iter().map(|it| it.grade(enforced));
        let changed = self.changed.iter().map(Rewording::grade);
        came.chain(gone).chain(replaced).chain(changed).reduce(Grade::and)
    }
}

/// A new obligation can break who kept all the others, unless it is about what was not there.
fn of_new(entry: &Entry) -> Grade {
    match entry.level {
        _ if entry.about_new => Grade::Widening,
        Level::Must | Level::MustNot => Grade::Breaking,
        Level::Should | Level::ShouldNot => Grade::Advice,
        Level::May => Grade::Widening,
    }
}

/// What the older edition has, to tell what is new.
struct News<'a> {
    old: &'a Edition,
    /// The chapters with a requirement in force.
    chapters: BTreeSet<&'a str>,
}

impl News<'_> {
    fn entry(&self, requirement: &Requirement) -> Entry {
        let is_known = |name: &String| {
            let property = self.old.specification.upstream.property(name);
            property.is_some_and(|it| self.old.version.is_none_or(|version| it.since <= version))
        };
        let properties = &requirement.properties;
        let is_new = !properties.is_empty() && !properties.iter().any(is_known);
        Entry { about_new: is_new || !self.chapters.contains(requirement.id.chapter()), ..entry(requirement) }
    }
}

impl Replacement {
    /// Who kept what ceases may break what comes.
    fn grade(&self, enforced: &BTreeMap<RequirementId, Grade>) -> Grade {
        let known =
            self.came.iter().chain(&self.ceased).filter_map(|it| enforced.get(&it.id).copied()).reduce(Grade::and);
        known.unwrap_or_else(|| self.came.iter().map(of_new).fold(Grade::Editorial, Grade::and))
    }
}

impl Rewording {
    /// Whether what differs can change what is demanded, of whom or when.
    pub fn is_of_substance(&self) -> bool {
        SUBSTANCE.iter().any(|it| self.fields.contains_key(it))
    }

    /// A level says how the weight changed; whether another sentence demands the same, only people can tell.
    pub fn grade(&self) -> Grade {
        if !self.is_of_substance() {
            return Grade::Editorial;
        }
        let only_level = self.fields.keys().all(|it| *it == "level" || !SUBSTANCE.contains(it));
        let level = |at: usize| self.fields.get("level").and_then(|it| it[at].parse::<Level>().ok());
        match (level(0), level(1)) {
            (Some(was), Some(is)) if only_level && was.is_must() && !is.is_must() => Grade::Widening,
            (Some(was), Some(is)) if only_level && !was.is_must() && is.is_must() => Grade::Breaking,
            _ => Grade::Unknown,
        }
    }
}

/// The fields that say what is demanded, of whom and when.
const SUBSTANCE: [&str; 6] = ["sentence", "level", "party", "since", "until", "draft"];

fn in_force(edition: &Edition) -> Vec<&Requirement> {
    let applies = |it: &&Requirement| edition.version.is_none_or(|version| it.applies(version));
    edition.specification.requirements().filter(applies).collect()
}

fn entry(requirement: &Requirement) -> Entry {
    Entry {
        id: requirement.id.clone(),
        level: requirement.level,
        party: requirement.party,
        sentence: requirement.sentence.clone(),
        about_new: false,
    }
}

fn rewording(old: &Requirement, new: &Requirement) -> Option<Rewording> {
    let (was, is) = (fields(old), fields(new));
    let differing = was.into_iter().zip(is).filter(|((_, was), (_, is))| was != is);
    let fields: BTreeMap<_, _> = differing.map(|((name, was), (_, is))| (name, [was, is])).collect();
    (!fields.is_empty()).then(|| Rewording { requirement: entry(new), fields })
}

fn fields(of: &Requirement) -> [(&'static str, String); 13] {
    let until = of.until.map(|it| it.to_string()).unwrap_or_default();
    [
        ("sentence", of.sentence.clone()),
        ("level", of.level.to_string()),
        ("party", of.party.to_string()),
        ("since", of.since.to_string()),
        ("until", until),
        ("replaced by", of.replaced_by.iter().map(RequirementId::as_str).collect::<Vec<_>>().join(" ")),
        ("needs", of.needs.join(", ")),
        ("reading", of.reading.clone().unwrap_or_default()),
        ("source", of.source.to_string()),
        ("ledger", of.clauses.join(" ")),
        ("property", of.properties.join(" ")),
        ("not checked", of.not_checked.clone().unwrap_or_default()),
        ("draft", if of.draft { "yes".to_owned() } else { String::new() }),
    ]
}

/// Takes from both lists what belongs together: the one ceases in the version in which the other begins, perhaps by way
/// of a third in between, as [`ocf_spec::Specification::successors`] tells.
fn replaced(ceased: &mut Vec<&Requirement>, came: &mut Vec<&Requirement>, new: &Edition) -> Vec<Replacement> {
    let mut groups: Vec<(Vec<&Requirement>, Vec<&Requirement>)> = Vec::new();
    for old in ceased.iter() {
        let heirs = heirs(old, new);
        let heirs: Vec<&Requirement> = came.iter().filter(|it| heirs.contains(&it.id)).copied().collect();
        if heirs.is_empty() {
            continue;
        }
        let shares = |group: &(Vec<&Requirement>, Vec<&Requirement>)| group.1.iter().any(|it| heirs.contains(it));
        match groups.iter_mut().find(|it| shares(it)) {
            Some(group) => {
                group.0.push(old);
                let more: Vec<&Requirement> = heirs.into_iter().filter(|it| !group.1.contains(it)).collect();
                group.1.extend(more);
            }
            None => groups.push((vec![old], heirs)),
        }
    }
    ceased.retain(|it| !groups.iter().any(|group| group.0.contains(it)));
    came.retain(|it| !groups.iter().any(|group| group.1.contains(it)));
    let entries = |all: Vec<&Requirement>| all.into_iter().map(entry).collect();
    groups.into_iter().map(|(ceased, came)| Replacement { ceased: entries(ceased), came: entries(came) }).collect()
}

/// The requirements that come in the place of one, directly or after others.
fn heirs(of: &Requirement, new: &Edition) -> BTreeSet<RequirementId> {
    let mut found = BTreeSet::new();
    let mut queue: Vec<&Requirement> = vec![of];
    while let Some(old) = queue.pop() {
        let direct: Vec<&Requirement> = new.specification.successors(old).collect();
        queue.extend(direct.iter().filter(|it| found.insert(it.id.clone())));
    }
    found
}

/// The versions between which an edition is compared with itself.
pub fn versions(old: &Edition, new: &Edition) -> Vec<[Version; 2]> {
    match (old.version, new.version) {
        (Some(old), Some(new)) => vec![[old, new]],
        (Some(only), None) | (None, Some(only)) => vec![[only, only]],
        (None, None) => ocf_spec::VERSIONS.iter().map(|it| [*it, *it]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ocf_spec::Specification;

    use super::*;

    fn edition(version: Option<&str>, chapter: &str) -> Edition {
        let specification = Specification::parse(&[("alpha", chapter)]).unwrap();
        let version = version.map(|it| it.parse().unwrap());
        Edition { version, specification: Cow::Owned(specification), ..Edition::embedded() }
    }

    fn embedded(version: &str) -> Edition {
        Edition { version: Some(version.parse().unwrap()), ..Edition::embedded() }
    }

    fn ids(of: &[Entry]) -> Vec<&str> {
        of.iter().map(|it| it.id.as_str()).collect()
    }

    const OLD: &str = "# alpha\n\nIt begins.\n\n\
        ## alpha.stays\nMUST, runtime, since 1.0.0, ours\nIt stays.\n\n\
        ## alpha.goes\nMUST, runtime, since 1.0.0, ours\nIt goes.\n";
    const NEW: &str = "# alpha\n\nIt begins.\n\n\
        ## alpha.stays\nSHOULD, runtime, since 1.0.0, ours\nIt stays.\nReading: so it is read.\n\n\
        ## alpha.comes\nMUST, runtime, since 1.0.0, ours\nIt comes.\n";

    #[test]
    fn between_two_texts_requirements_are_added_removed_and_changed() {
        let amendments = Amendments::between(&edition(None, OLD), &edition(None, NEW));
        assert_eq!((ids(&amendments.added), ids(&amendments.removed)), (vec!["alpha.comes"], vec!["alpha.goes"]));
        let [changed] = &amendments.changed[..] else { panic!("{amendments:?}") };
        assert_eq!(changed.fields["level"], ["MUST", "SHOULD"]);
        assert_eq!(changed.fields["reading"], ["", "so it is read."]);
        assert_eq!(changed.fields.len(), 2);
        assert_eq!(changed.grade(), Grade::Widening);
        assert_eq!(amendments.grade(&BTreeMap::new()), Some(Grade::Both));
    }

    #[test]
    fn an_edition_does_not_differ_from_itself() {
        assert!(Amendments::between(&edition(None, OLD), &edition(None, OLD)).is_empty());
        assert!(Amendments::between(&embedded("1.1.0"), &embedded("1.1.0")).is_empty());
    }

    #[test]
    fn a_reading_is_editorial_and_a_sentence_for_people_to_judge() {
        let reworded = |from: &str, to: &str| {
            let amendments = Amendments::between(&edition(None, OLD), &edition(None, &OLD.replace(from, to)));
            amendments.changed[0].grade()
        };
        assert_eq!(reworded("It stays.", "It remains."), Grade::Unknown);
        assert_eq!(reworded("It stays.", "It stays.\nReading: so."), Grade::Editorial);
    }

    fn replacement<'a>(amendments: &'a Amendments, id: &str) -> &'a Replacement {
        let found = amendments.replaced.iter().find(|it| ids(&it.ceased).contains(&id));
        found.unwrap_or_else(|| panic!("{id}: {:?}", amendments.replaced))
    }

    #[test]
    fn the_reversal_of_poststart_hooks_is_a_replacement() {
        let amendments = Amendments::between(&embedded("1.2.1"), &embedded("1.3.0"));
        let poststart = replacement(&amendments, "hooks.poststart-failure-continues");
        assert!(
            poststart.came.iter().any(|it| it.id.as_str().starts_with("hooks.poststart-failure-")),
            "{poststart:?}"
        );
        assert_eq!(poststart.grade(&BTreeMap::new()), Grade::Breaking);
    }

    #[test]
    fn capabilities_and_prestart_hooks_were_replaced_in_1_1_0() {
        let amendments = Amendments::between(&embedded("1.0.2"), &embedded("1.1.0"));
        replacement(&amendments, "capabilities.unknown-refused");
        replacement(&amendments, "hooks.prestart-before-program");
        let ceased: Vec<&str> = amendments.replaced.iter().flat_map(|it| ids(&it.ceased)).collect();
        assert!(!ceased.iter().any(|it| ids(&amendments.ceased).contains(it)));
    }

    #[test]
    fn what_ceases_without_a_successor_is_what_upstream_took_away() {
        let mut alone = BTreeSet::new();
        for step in ocf_spec::VERSIONS.windows(2) {
            let [old, new] = [step[0], step[1]].map(|it| embedded(&it.to_string()));
            alone.extend(Amendments::between(&old, &new).ceased.into_iter().map(|it| it.id.to_string()));
        }
        // 1.2.0 made the annotation one that no config may have; z/OS had devices until 1.2.1 only.
        assert!(alone.remove("conversion.exposed-ports-list"));
        assert!(alone.iter().all(|it| it.starts_with("zos.device")), "{alone:?}");
        assert_eq!(alone.len(), 9, "{alone:?}");
    }

    #[test]
    fn what_a_chapter_says_is_replaced_is_one_replacement() {
        let amendments = Amendments::between(&embedded("1.2.1"), &embedded("1.3.0"));
        let monitoring = replacement(&amendments, "intel-rdt.bandwidth-monitoring-boolean");
        let both = ["intel-rdt.cache-monitoring-boolean", "intel-rdt.bandwidth-monitoring-boolean"];
        assert_eq!(ids(&monitoring.ceased), both);
        assert_eq!(ids(&monitoring.came), ["intel-rdt.monitoring-boolean"]);
    }

    #[test]
    fn names_that_are_alike_replace_nothing() {
        let text = "# alpha\n\nIt begins.\n\n\
            ## alpha.device-type\nMUST, runtime, since 1.0.0, ours\nIt goes.\nUntil: 1.1.0\n\n\
            ## alpha.devices-type\nMUST, runtime, since 1.1.0, ours\nIt comes.\n";
        let between = |text: &str| Amendments::between(&edition(Some("1.0.2"), text), &edition(Some("1.1.0"), text));
        assert_eq!(ids(&between(text).ceased), ["alpha.device-type"]);
        let said = text.replace("Until: 1.1.0\n", "Until: 1.1.0\nReplaced by: alpha.devices-type\n");
        assert_eq!(ids(&replacement(&between(&said), "alpha.device-type").came), ["alpha.devices-type"]);
    }

    #[test]
    fn a_replacement_over_several_versions_is_found() {
        let amendments = Amendments::between(&embedded("1.0.0"), &embedded("1.3.0"));
        replacement(&amendments, "hooks.prestart-during-start");
    }
}

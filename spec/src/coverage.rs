//! How much of upstream the requirements carry, on two axes: every normative keyword of its text, and
//! every leaf property of its config that applies to Linux. Most effects of the config have no
//! keyword of their own, so neither axis contains the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::specification::Specification;
use crate::upstream::{Clause, Property, Why};

/// What stands for a clause or a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A requirement.
    Mapped,
    /// A reason why it calls for none.
    SetAside(Why),
    /// Nothing.
    Unmapped,
}

/// How many of some clauses or properties are mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Those with a requirement.
    pub mapped: usize,
    /// Those that call for none, by the reason.
    pub set_aside: BTreeMap<Why, usize>,
    /// The others.
    pub unmapped: usize,
}

impl Share {
    /// All of them.
    pub fn total(&self) -> usize {
        self.mapped + self.aside() + self.unmapped
    }

    /// Those that call for no requirement, for whatever reason.
    pub fn aside(&self) -> usize {
        self.set_aside.values().sum()
    }

    fn add(&mut self, standing: Standing) {
        match standing {
            Standing::Mapped => self.mapped += 1,
            Standing::SetAside(why) => *self.set_aside.entry(why).or_default() += 1,
            Standing::Unmapped => self.unmapped += 1,
        }
    }
}

impl FromIterator<Standing> for Share {
    fn from_iter<I: IntoIterator<Item = Standing>>(all: I) -> Self {
        let mut share = Self::default();
        all.into_iter().for_each(|standing| share.add(standing));
        share
    }
}

/// Every clause and property of a specification, with what stands for it.
#[derive(Clone, Debug)]
pub struct Coverage<'s> {
    /// Every clause, in the order of the table.
    pub clauses: Vec<(&'s Clause, Standing)>,
    /// Every leaf property for Linux, in the order of the table.
    pub properties: Vec<(&'s Property, Standing)>,
}

impl<'s> Coverage<'s> {
    /// The coverage of a specification.
    pub fn of(specification: &'s Specification) -> Self {
        let named = |names: fn(&crate::Requirement) -> &[String]| -> BTreeSet<&'s str> {
            specification.requirements().flat_map(names).map(String::as_str).collect()
        };
        let (carried, decided) = (named(|it| &it.clauses), named(|it| &it.properties));
        let of_clause = |clause: &Clause| match specification.upstream.set_aside(&clause.id) {
            _ if carried.contains(clause.id.as_str()) => Standing::Mapped,
            Some(row) => Standing::SetAside(row.why),
            None => Standing::Unmapped,
        };
        let of_property = |property: &Property| match decided.contains(property.name.as_str()) {
            true => Standing::Mapped,
            false => Standing::Unmapped,
        };
        let leaves = specification.upstream.properties.iter().filter(|it| it.is_linux_leaf());
        Self {
            clauses: specification.upstream.clauses.iter().map(|it| (it, of_clause(it))).collect(),
            properties: leaves.map(|it| (it, of_property(it))).collect(),
        }
    }

    /// The clauses for which nothing stands.
    pub fn unmapped_clauses(&self) -> impl Iterator<Item = &'s Clause> {
        self.clauses.iter().filter(|(_, standing)| *standing == Standing::Unmapped).map(|(it, _)| *it)
    }

    /// The leaf properties for Linux for which nothing stands.
    pub fn unmapped_properties(&self) -> impl Iterator<Item = &'s Property> {
        self.properties.iter().filter(|(_, standing)| *standing == Standing::Unmapped).map(|(it, _)| *it)
    }
}

/// The share of each area, in the order in which the areas are first met.
pub fn by_area<'s, T, K: PartialEq>(all: &[(&'s T, Standing)], area: impl Fn(&'s T) -> K) -> Vec<(K, Share)> {
    let mut areas: Vec<(K, Share)> = Vec::new();
    for (one, standing) in all {
        let key = area(one);
        let position = areas.iter().position(|(it, _)| *it == key).unwrap_or_else(|| {
            areas.push((key, Share::default()));
            areas.len() - 1
        });
        areas[position].1.add(*standing);
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Sources;

    /// A chapter that carries two clauses and a property, and a clause that is set aside.
    fn specification() -> Specification {
        let chapter = "# alpha\n\nThe first.\n\n## alpha.one-thing\n\
            MUST, runtime, since 1.0.0, ours, ledger SPEC-001 SPEC-002, property hostname\nIt holds.\n";
        let rows = "clause\twhy\tof\tnote\nSPEC-003\tdefinition\t-\tIt defines.\n";
        let sources = Sources {
            chapters: vec![("alpha".to_owned(), chapter.to_owned())],
            no_requirement: Some(rows.to_owned()),
            ..Sources::embedded()
        };
        Specification::of(&sources).unwrap()
    }

    #[test]
    fn a_clause_is_mapped_set_aside_or_unmapped() {
        let specification = specification();
        let coverage = Coverage::of(&specification);
        let share: Share = coverage.clauses.iter().map(|(_, standing)| *standing).collect();
        assert_eq!((share.mapped, share.aside(), share.total()), (2, 1, specification.upstream.clauses.len()));
        assert_eq!(share.set_aside, BTreeMap::from([(Why::Definition, 1)]));
        assert_eq!(coverage.unmapped_clauses().count(), share.unmapped);
        assert_eq!(coverage.unmapped_clauses().next().map(|it| it.id.as_str()), Some("SPEC-004"));
    }

    #[test]
    fn a_property_is_mapped_or_not() {
        let specification = specification();
        let coverage = Coverage::of(&specification);
        assert_eq!(coverage.properties.len(), 172);
        assert_eq!(coverage.unmapped_properties().count(), 171);
        let parts = by_area(&coverage.properties, Property::part);
        let hostname = parts.iter().find(|(part, _)| *part == "hostname").unwrap();
        assert_eq!(hostname.1, Share { mapped: 1, ..Share::default() });
    }

    #[test]
    fn areas_stand_in_the_order_of_the_table() {
        let specification = specification();
        let areas = by_area(&Coverage::of(&specification).clauses, |it| it.file.as_str());
        assert_eq!(areas[0].0, "spec.md");
        assert_eq!(areas[0].1.mapped, 2);
    }
}

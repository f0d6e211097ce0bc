//! Id-mapped mounts: which mounts are, and whom files on them belong to.

use serde_json::json;

use super::Laws;
use crate::case::Try;
use crate::expectation::{Expectation, Matcher};
use crate::view::mounts::Entry;
use crate::view::namespaces::{self, Mapping, Way};
use crate::view::tree::{self, File, lies_in};

impl Laws<'_> {
    /// Which of the mounts that an entry makes are id-mapped: the kernel shows it of each (proc(5)).
    pub(super) fn id_mapped(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        if !entry.is_id_mapped() || (!entry.mapped && !namespaces::lists(self.subject.config, "user")) {
            return Vec::new();
        }
        let law = |requirement: &str, place: &str, is_mapped: bool| {
            let word = json!("idmapped");
            let matcher = if is_mapped { Matcher::Contains(word) } else { Matcher::Lacks(word) };
            self.law(requirement, format!("{}/options", self.mount(place)), matcher)
        };
        let option = option(entry);
        let mut all = vec![law(option, place, true), law("mounts.id-mapping-by-mount-setattr", place, true)];
        let places = self.places(entry, place);
        let below = places.iter().filter(|it| *it != place);
        all.extend(below.map(|below| law(option, below, entry.has("ridmap"))));
        all
    }

    /// Whom a file that root wrote belongs to on an id-mapped mount, as the container numbers users and groups.
    pub(super) fn owners(&self, entry: &Entry, file: &File) -> Vec<Expectation> {
        let stat = self.raised.fact(&Try::Stat(file.path.clone())).filter(|_| entry.is_id_mapped());
        let (Some(stat), Ok(Some(namespaces))) = (stat, namespaces::view(self.subject.config)) else {
            return Vec::new();
        };
        let (user, group) = entry.root;
        let (uid, gid) = (format!("{stat}/uid"), format!("{stat}/gid"));
        match (namespaces.way("user"), self.is_below(entry, file) && !entry.has("ridmap")) {
            // Root's own number, as if there were no mapping.
            (Way::Inherited, true) => {
                [uid, gid].iter().flat_map(|fact| self.owner(&[option(entry)], fact, 0)).collect()
            }
            (Way::Inherited, false) => self.mapped_owners(entry, [(&uid, user), (&gid, group)], &[]),
            (Way::New, false) if entry.mapped => {
                let user = user.and_then(|id| in_container(id, &namespaces.uid_mappings));
                let group = group.and_then(|id| in_container(id, &namespaces.gid_mappings));
                self.mapped_owners(entry, [(&uid, user), (&gid, group)], &["mounts.id-mapping-own"])
            }
            // The container's mapping makes root's files those of root in it.
            (Way::New, false) => {
                let cited = ["mounts.id-mapping-of-container", "mounts.id-mapping-missing-refused"];
                [uid, gid].iter().flat_map(|fact| self.owner(&cited, fact, 0)).collect()
            }
            // Whom nothing maps is a stranger in a new namespace, and who maps what in a joined one is not the config's.
            (Way::New, true) | (Way::Path(_), _) => Vec::new(),
        }
    }

    /// What the entry's own mappings make of root, where they say something of it.
    fn mapped_owners(
        &self,
        entry: &Entry,
        [(uid, user), (gid, group)]: [(&str, Option<u64>); 2],
        further: &[&str],
    ) -> Vec<Expectation> {
        let cited = |own| [&[own, option(entry)][..], further].concat();
        let users = user.map(|id| self.owner(&cited("mounts.uid-mappings-applied"), uid, id));
        let groups = group.map(|id| self.owner(&cited("mounts.gid-mappings-applied"), gid, id));
        users.into_iter().chain(groups).flatten().collect()
    }

    fn owner(&self, cited: &[&str], fact: &str, id: u64) -> Vec<Expectation> {
        cited.iter().map(|requirement| self.law(requirement, fact, Matcher::Equals(json!(id)))).collect()
    }

    /// Whether a file lies on a mount below the one at the source.
    fn is_below(&self, entry: &Entry, file: &File) -> bool {
        let below = entry.source.as_deref().map(|source| tree::mounted_below(self.subject.case, source));
        let mut places = below.into_iter().flatten().map(|rest| format!("{}{rest}", entry.destination));
        places.any(|place| lies_in(&file.path, &place))
    }
}

fn option(entry: &Entry) -> &'static str {
    if entry.has("ridmap") { "mounts.option-ridmap" } else { "mounts.option-idmap" }
}

/// The number in the container of an id outside.
fn in_container(id: u64, mappings: &[Mapping]) -> Option<u64> {
    let covers = |it: &&Mapping| (it.host_id..it.host_id + it.size).contains(&id);
    mappings.iter().find(covers).map(|it| it.container_id + id - it.host_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_outside_has_a_number_inside_only_where_a_mapping_covers_it() {
        let mappings = [
            Mapping { container_id: 0, host_id: 100_000, size: 10 },
            Mapping { container_id: 50, host_id: 7, size: 1 },
        ];
        assert_eq!(in_container(100_005, &mappings), Some(5));
        assert_eq!(in_container(7, &mappings), Some(50));
        assert_eq!(in_container(100_010, &mappings), None);
    }
}

//! The entries of `mounts`, in their order.

use serde_json::Value;

use super::tree::{lies_in, plain};
use super::{Offence, namespaces, objects, strings, typed};

/// Where the harness puts a mount of its own, which no case asks for.
const JOURNAL: &str = "/.ocf";

/// What `mounts` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The entries, but for the harness's own.
    pub entries: Vec<Entry>,
}

/// One entry of `mounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The destination from the container's root, without superfluous slashes.
    pub destination: String,
    /// Whether the config writes it without a slash in front.
    pub relative: bool,
    /// The file system's type.
    pub kind: Option<String>,
    /// The source, as it is written.
    pub source: Option<String>,
    /// The options, in their order.
    pub options: Vec<String>,
    /// Whether the entry has mappings of its own.
    pub mapped: bool,
    /// What its mappings make of a file of the user and of the group 0.
    pub root: (Option<u64>, Option<u64>),
}

/// What `mounts` says; none when there is no entry.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let mounts = objects(config, "/mounts")?.unwrap_or_default();
    let entries: Vec<Entry> = mounts.iter().map(Entry::parse).collect::<Result<_, _>>()?;
    let entries: Vec<Entry> = entries.into_iter().filter(|entry| entry.destination != JOURNAL).collect();
    if entries.iter().any(|entry| entry.is_id_mapped() && !entry.mapped) && !namespaces::lists(config, "user") {
        let what = "a mount is to be id-mapped, and there are neither mappings nor a user namespace";
        return Err(Offence::refused("mounts.id-mapping-without-user-namespace-refused", what));
    }
    Ok((!entries.is_empty()).then_some(View { entries }))
}

impl View {
    /// The entries after which no later one mounts on the same place or above it.
    pub fn uncovered(&self) -> impl Iterator<Item = &Entry> {
        let numbered = self.entries.iter().enumerate();
        numbered.filter(|(index, entry)| self.covering(*index).is_none() && !entry.is_remount()).map(|(_, entry)| entry)
    }

    /// The last entry that mounts on the place of the entry with this index, or above it, after it.
    pub fn covering(&self, index: usize) -> Option<usize> {
        let covers =
            |later: &Entry| !later.is_remount() && lies_in(&self.entries[index].destination, &later.destination);
        (index + 1..self.entries.len()).rev().find(|later| covers(&self.entries[*later]))
    }

    /// The entry whose mount a path of the container lies on; none if it is the root file system's.
    pub fn on(&self, path: &str) -> Option<&Entry> {
        let holds = |entry: &&Entry| !entry.is_remount() && lies_in(path, &entry.destination);
        // The last of all: a later mount above hides an earlier one below.
        self.entries.iter().rev().find(holds)
    }

    /// The `remount` entries for the mount of an entry, and what else comes after it at the same place.
    pub fn remounts(&self, entry: &Entry) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |other| other.is_remount() && other.destination == entry.destination)
    }
}

impl Entry {
    fn parse(mount: &Value) -> Result<Self, Offence> {
        let text = |name: &str| Ok(typed(mount, name, "a string", Value::as_str)?.map(str::to_owned));
        let missing = || Offence::refused("errors.invalid-value", "a mount has no destination");
        let destination = text("/destination")?.ok_or_else(missing)?;
        let options = typed(mount, "/options", "an array of strings", strings)?.unwrap_or_default();
        Ok(Self {
            relative: !destination.starts_with('/'),
            destination: plain(&destination),
            kind: text("/type")?,
            source: text("/source")?,
            options: options.into_iter().map(str::to_owned).collect(),
            mapped: mount.get("uidMappings").is_some() || mount.get("gidMappings").is_some(),
            root: (of_root(mount, "/uidMappings"), of_root(mount, "/gidMappings")),
        })
    }

    /// Whether the options hold this one.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|it| it == option)
    }

    /// Whether the options hold any of these.
    pub fn has_any(&self, options: &[&str]) -> bool {
        options.iter().any(|option| self.has(option))
    }

    /// Whether it shows a part of the host's tree. `[mounts.type-of-bind-mount]`
    pub fn is_bind(&self) -> bool {
        self.has_any(&["bind", "rbind"])
    }

    /// Whether it only changes what another entry has mounted.
    pub fn is_remount(&self) -> bool {
        self.has("remount")
    }

    /// Whether it makes a mount of a file system that it names.
    pub fn is_new(&self) -> bool {
        !self.is_bind() && !self.is_remount() && !matches!(self.kind.as_deref(), None | Some("none" | "bind" | ""))
    }

    /// Whether it is of this type, and new.
    pub fn is_new_of(&self, kind: &str) -> bool {
        self.is_new() && self.kind.as_deref() == Some(kind)
    }

    /// Whether its owners are to be mapped.
    pub fn is_id_mapped(&self) -> bool {
        self.has_any(&["idmap", "ridmap"])
    }

    /// The value of an option such as `size=64k`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What the mappings make of the id 0.
fn of_root(mount: &Value, pointer: &str) -> Option<u64> {
    let mappings = mount.pointer(pointer)?.as_array()?;
    let covers = |it: &&Value| it["containerID"] == 0 && it["size"].as_u64() > Some(0);
    mappings.iter().find(covers)?["hostID"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(mounts: Value) -> View {
        view(&json!({ "mounts": mounts })).unwrap().unwrap()
    }

    #[test]
    fn a_later_mount_above_covers_an_earlier_one_below() {
        let view = of(json!([{ "destination": "/a/b" }, { "destination": "/a" }, { "destination": "/a/c" }]));
        assert_eq!(view.covering(0), Some(1));
        assert_eq!(view.covering(1), None);
        assert_eq!(view.on("/a/c/d").map(|entry| entry.destination.as_str()), Some("/a/c"));
        assert_eq!(view.on("/a/b/d").map(|entry| entry.destination.as_str()), Some("/a"));
    }

    #[test]
    fn the_harness_own_mount_is_no_entry() {
        assert_eq!(view(&json!({ "mounts": [{ "destination": "/.ocf" }] })), Ok(None));
    }

    #[test]
    fn an_id_mapped_mount_needs_a_mapping_from_somewhere() {
        let mount = json!({ "destination": "/a", "options": ["bind", "idmap"] });
        let offence = view(&json!({ "mounts": [mount] })).unwrap_err();
        assert_eq!(offence.refusal, Some("mounts.id-mapping-without-user-namespace-refused"));
        let with = json!({ "mounts": [mount], "linux": { "namespaces": [{ "type": "user" }] } });
        assert!(view(&with).is_ok());
    }
}

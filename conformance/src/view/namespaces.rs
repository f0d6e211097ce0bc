//! The namespaces, the id mappings of a user namespace and the clock offsets of a time namespace.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Offence, objects, typed};

/// The types of config.json, with the name of each below /proc/PID/ns (namespaces(7)).
pub const TYPES: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

/// What a config says of namespaces. Whoever lists none says that all are inherited.
pub struct Namespaces<'a> {
    /// `linux.namespaces`: type and path.
    pub entries: Vec<(&'a str, Option<&'a str>)>,
    /// `linux.uidMappings`.
    pub uid_mappings: Vec<Mapping>,
    /// `linux.gidMappings`.
    pub gid_mappings: Vec<Mapping>,
    /// `linux.timeOffsets`: clock, seconds, nanoseconds.
    pub time_offsets: Vec<(&'a str, i64, u64)>,
}

/// A range of ids in a container and outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first id in the container.
    pub container_id: u64,
    /// The first id in the runtime's user namespace.
    pub host_id: u64,
    /// How many there are.
    pub size: u64,
}

/// How the container process comes to a namespace of some type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// It gets a new one.
    New,
    /// It joins the one at this path.
    Path(&'a str),
    /// It stays in the runtime's.
    Inherited,
}

impl<'a> Namespaces<'a> {
    /// How the process comes to its namespace of the type `kind`.
    pub fn way(&self, kind: &str) -> Way<'a> {
        match self.entries.iter().find(|(listed, _)| *listed == kind) {
            None => Way::Inherited,
            Some((_, None | Some(""))) => Way::New,
            Some((_, Some(path))) => Way::Path(path),
        }
    }

    /// What can't be applied to the runtime's own namespaces.
    fn own(&self) -> Result<(), Offence> {
        let is_mapped = !self.uid_mappings.is_empty() || !self.gid_mappings.is_empty();
        let is_offset = self.time_offsets.iter().any(|(_, seconds, nanoseconds)| (*seconds, *nanoseconds) != (0, 0));
        for (given, kind, requirement) in [
            (is_mapped, "user", "namespaces.mappings-without-namespace-refused"),
            (is_offset, "time", "namespaces.time-offsets-without-namespace-refused"),
        ] {
            if given && self.way(kind) == Way::Inherited {
                return Err(Offence::refused(requirement, format!("there is no entry for a {kind} namespace")));
            }
        }
        Ok(())
    }
}

/// Whether the config lists a namespace of the type `kind`, whatever else may be wrong with it.
pub fn lists(config: &Value, kind: &str) -> bool {
    let entries = config.pointer("/linux/namespaces").and_then(Value::as_array);
    entries.is_some_and(|all| all.iter().any(|entry| entry.get("type").and_then(Value::as_str) == Some(kind)))
}

/// The namespaces; always some, since an empty list says something as well.
pub fn view(config: &Value) -> Result<Option<Namespaces<'_>>, Offence> {
    let entries = objects(config, "/linux/namespaces")?.unwrap_or_default();
    let namespaces = Namespaces {
        entries: checked(entries)?,
        uid_mappings: mappings(config, "/linux/uidMappings")?,
        gid_mappings: mappings(config, "/linux/gidMappings")?,
        time_offsets: time_offsets(config)?,
    };
    namespaces.own()?;
    Ok(Some(namespaces))
}

fn checked(entries: &[Value]) -> Result<Vec<(&str, Option<&str>)>, Offence> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let kind = typed(entry, "/type", "a string", Value::as_str)?;
        let kind = kind.ok_or_else(|| Offence::authors("an entry of linux.namespaces has no type"))?;
        if !TYPES.iter().any(|(known, _)| *known == kind) {
            return Err(Offence::refused("errors.invalid-value", format!("{kind:?} is no type of a namespace")));
        }
        if !seen.insert(kind) {
            return Err(Offence::refused(
                "namespaces.duplicate-refused",
                format!("two namespaces have the type {kind}"),
            ));
        }
        let path = typed(entry, "/path", "a string", Value::as_str)?;
        if path.is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
            return Err(Offence::refused(
                "errors.invalid-value",
                format!("the path of the {kind} namespace is relative"),
            ));
        }
        found.push((kind, path));
    }
    Ok(found)
}

fn mappings(config: &Value, pointer: &str) -> Result<Vec<Mapping>, Offence> {
    objects(config, pointer)?.unwrap_or_default().iter().map(mapping).collect()
}

fn mapping(entry: &Value) -> Result<Mapping, Offence> {
    let number = |name: &str| {
        let number = typed(entry, &format!("/{name}"), "an unsigned integer", Value::as_u64)?;
        number.ok_or_else(|| Offence::authors(format!("an id mapping has no {name}")))
    };
    Ok(Mapping { container_id: number("containerID")?, host_id: number("hostID")?, size: number("size")? })
}

fn time_offsets(config: &Value) -> Result<Vec<(&str, i64, u64)>, Offence> {
    let mut found = Vec::new();
    for (clock, offset) in typed(config, "/linux/timeOffsets", "an object", Value::as_object)?.into_iter().flatten() {
        let seconds = typed(offset, "/secs", "an integer", Value::as_i64)?.unwrap_or(0);
        let nanoseconds = typed(offset, "/nanosecs", "an unsigned integer", Value::as_u64)?.unwrap_or(0);
        found.push((clock.as_str(), seconds, nanoseconds));
    }
    Ok(found)
}

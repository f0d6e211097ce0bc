//! Whose the container's cgroup is: the container's own root's, if it is to have one that it can divide further.

use crate::cgroups::Membership;
use crate::error::{Doing, Result};
use crate::namespaces;
use oci_spec::runtime::{LinuxNamespaceType as Type, Mount, Spec};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chown;
use std::path::Path;

/// Files that may change hands, if the kernel doesn't list them itself. // [cgroups.delegated-files-default]
const DELEGATED: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

/// Gives the container's cgroup, on v2 alone, to the user of the process `pid`, if the config asks for it.
///
/// # Errors
/// Names the file.
// [cgroups.owner-kept-on-v1] [cgroups.owner-kept-without-namespace] [cgroups.owner-kept-without-mount]
pub fn apply(spec: &Spec, memberships: &[Membership], pid: i32) -> Result<()> {
    let writable = spec.mounts().iter().flatten().any(shows_cgroup_writable);
    let (Some(process), [member]) = (spec.process(), memberships) else { return Ok(()) };
    if !(writable && namespaces::is_new(spec, Type::Cgroup) && member.hierarchy.is_unified()) {
        return Ok(());
    }
    let maps =
        fs::read_to_string(format!("/proc/{pid}/uid_map")).doing(|| "read the user namespace's mappings".into())?;
    let Some(owner) = outside(process.user().uid(), &maps) else { return Ok(()) };
    // [cgroups.owner-changed-for-writable-mount]
    let directory = &member.directory;
    chown(directory, Some(owner), None).doing(|| format!("give {} to the user {owner}", directory.display()))?;
    // [cgroups.owner-of-delegated-files] [cgroups.owner-of-other-files]
    let listed = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap_or_else(|_| DELEGATED.to_owned());
    for file in listed.lines().map(|name| directory.join(name)) {
        match chown(&file, Some(owner), None) {
            // [cgroups.delegated-file-missing]
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            changed => changed.doing(|| format!("give {} to the user {owner}", file.display()))?,
        }
    }
    Ok(())
}

fn shows_cgroup_writable(entry: &Mount) -> bool {
    let destination = Path::new("/").join(entry.destination());
    // Also where a later option makes it writable again: the text looks for the word.
    let readonly = entry.options().iter().flatten().any(|option| option == "ro" || option == "rro");
    entry.source().as_deref() == Some(Path::new("cgroup"))
        && destination.components().eq(Path::new("/sys/fs/cgroup").components())
        && !readonly
}

/// The id outside a user namespace of an id in it, from the lines of its uid_map.
pub(crate) fn outside(id: u32, maps: &str) -> Option<u32> {
    maps.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (inside, outside, size) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        let offset = id.checked_sub(inside).filter(|offset| *offset < size)?;
        outside.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_outside() {
        let maps = "         0     100000         10\n        10          5          1\n";
        assert_eq!([0, 9, 10, 11].map(|id| outside(id, maps)), [Some(100_000), Some(100_009), Some(5), None]);
    }

    #[test]
    fn only_a_writable_view_counts() {
        let entry = |json: serde_json::Value| shows_cgroup_writable(&serde_json::from_value(json).unwrap());
        let base = |options: &[&str]| serde_json::json!({ "destination": "/sys/fs/cgroup/", "type": "cgroup", "source": "cgroup", "options": options });
        assert!(entry(base(&["rw"])));
        assert!(!entry(base(&["ro"])));
        assert!(!entry(base(&["ro", "rw"])));
        assert!(!entry(base(&["rro"])));
    }
}

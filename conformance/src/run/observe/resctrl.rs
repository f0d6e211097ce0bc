//! What the file system resctrl shows of its groups.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{listing, unreadable};

/// Where the case mounts it.
const MOUNT_POINT: &str = "/sys/fs/resctrl";
/// Directories at its top that are no groups.
const NO_GROUPS: [&str; 3] = ["info", "mon_data", "mon_groups"];

/// The groups by name, `/` for the one at the top: `{schemata: {RESOURCE: {DOMAIN: TEXT}}, holds, monitors: {NAME: {holds}}}`,
/// complete; `holds` tells whether the process is in it.
pub fn resctrl(pid: Option<i32>) -> Value {
    groups(Path::new(MOUNT_POINT), pid)
}

fn groups(top: &Path, pid: Option<i32>) -> Value {
    if !top.join("schemata").exists() {
        return unreadable("resctrl is not mounted");
    }
    let mut found = listing();
    found.insert("/".to_owned(), group(top, pid));
    for name in directories(top).filter(|name| !NO_GROUPS.contains(&name.as_str())) {
        let group = group(&top.join(&name), pid);
        found.insert(name, group);
    }
    Value::Object(found)
}

fn group(directory: &Path, pid: Option<i32>) -> Value {
    let mut monitors = listing();
    let monitored = directory.join("mon_groups");
    for name in directories(&monitored) {
        let holds = holds(&monitored.join(&name), pid);
        monitors.insert(name, json!({ "holds": holds }));
    }
    let text = fs::read_to_string(directory.join("schemata")).unwrap_or_default();
    json!({ "schemata": schemata(&text), "holds": holds(directory, pid), "monitors": monitors })
}

fn holds(directory: &Path, pid: Option<i32>) -> bool {
    let text = fs::read_to_string(directory.join("tasks")).unwrap_or_default();
    pid.is_some_and(|pid| text.lines().any(|line| line.trim().parse() == Ok(pid)))
}

fn directories(above: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// The lines of a file `schemata`, such as `L3:0=7ff;1=7ff`.
fn schemata(text: &str) -> Value {
    let mut found = listing();
    for line in text.lines() {
        let Some((resource, domains)) = line.trim().split_once(':') else { continue };
        let mut values = listing();
        let pairs = domains.split(';').filter_map(|pair| pair.split_once('='));
        // The kernel fills a mask with zeros, and a share with blanks.
        let plain = |value: &str| value.trim().trim_start_matches('0').to_ascii_lowercase();
        values.extend(pairs.map(|(domain, value)| (domain.trim().to_owned(), json!(plain(value)))));
        found.insert(resource.trim().to_owned(), Value::Object(values));
    }
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_apart_from_what_else_lies_there() {
        let top = std::env::temp_dir().join(format!("ocf-resctrl-{}", std::process::id()));
        for directory in ["info", "mon_groups/a", "gold/mon_groups/b"] {
            fs::create_dir_all(top.join(directory)).unwrap();
        }
        fs::write(top.join("schemata"), "    L3:0=007ff;1=007ff\n    MB:0= 20;1=100\n").unwrap();
        fs::write(top.join("gold/schemata"), "L3:0=F\n").unwrap();
        fs::write(top.join("gold/tasks"), "7\n8\n").unwrap();
        let found = groups(&top, Some(8));
        fs::remove_dir_all(&top).unwrap();
        let names: Vec<_> = found.as_object().unwrap().keys().filter(|name| *name != "$complete").collect();
        assert_eq!(names, ["/", "gold"]);
        assert_eq!(found["/"]["schemata"]["L3"]["1"], json!("7ff"));
        assert_eq!(found["/"]["schemata"]["MB"]["0"], json!("20"));
        assert_eq!(found["gold"]["schemata"]["L3"]["0"], json!("f"));
        assert_eq!((&found["/"]["holds"], &found["gold"]["holds"]), (&json!(false), &json!(true)));
        assert!(found["/"]["monitors"].get("a").is_some() && found["gold"]["monitors"].get("b").is_some());
    }

    #[test]
    fn without_a_mount_nothing_is_known() {
        assert!(groups(Path::new("/no/such/place"), None).get("$unreadable").is_some());
    }
}

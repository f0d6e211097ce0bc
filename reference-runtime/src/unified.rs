//! Files of the container's cgroup on cgroup v2, set by name.

use crate::error::Result;
use crate::resources::{self, Setting};
use oci_spec::runtime::LinuxResources;
use std::collections::BTreeMap;

/// The files, in the order of their names.
///
/// # Errors
/// A name is that of no file of a cgroup.
// [unified.written] [unified.unknown-written] [unified.unknown-file-refused]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let files: BTreeMap<_, _> = resources.unified().iter().flatten().collect();
    let setting = |(file, value): (&String, &String)| match controller(file) {
        Some(controller) => Ok(Setting::new(format_args!("unified.{file}"), value, controller).v2(file, value)),
        None => Err(resources::invalid("unified", format_args!("{file:?}"), "names no file of a cgroup")),
    };
    files.into_iter().map(setting).collect()
}

/// The controller of a file: the word before the first dot; none for what the kernel has in every cgroup.
fn controller(file: &str) -> Option<&str> {
    let (word, rest) = file.split_once('.')?;
    if word.is_empty() || rest.is_empty() || file.contains('/') {
        return None;
    }
    Some(if word == "cgroup" || rest == "pressure" { "" } else { word })
}

#[cfg(test)]
mod tests {
    use super::controller;
    use crate::resources::table::{V1, V2, on, refused};
    use serde_json::json;

    #[test]
    fn files_have_the_controller_of_their_name() {
        let files = ["memory.max", "hugetlb.2MB.rsvd.max", "cgroup.max.depth", "io.pressure", "misc.max"];
        assert_eq!(files.map(controller), ["memory", "hugetlb", "", "", "misc"].map(Some));
        for file in ["", ".", "..", "memory", "memory.", ".max", "../x.max", "a.b/c", "a/b.c"] {
            assert_eq!(controller(file), None, "{file}");
            let named = format!("linux.resources.unified: {file:?} ");
            refused(V2, json!({ "unified": { file: "1" } }), &named);
        }
    }

    #[test]
    fn files_are_written_on_v2_alone_and_last() {
        let both = json!({ "unified": { "memory.max": "7", "cpu.weight": "5" }, "memory": { "limit": 9 } });
        assert_eq!(on(V2, both).unwrap(), ["memory.max 9", "cpu.weight 5", "memory.max 7"]);
        refused(V1, json!({ "unified": { "memory.max": "7" } }), "linux.resources.unified.memory.max: 7: ");
    }
}

//! Files of the container's cgroup on cgroup v2, set by name.

use serde_json::Value;

use super::{Offence, object, typed};

/// An entry of `linux.resources.unified`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The file's name.
    pub file: &'a str,
    /// What is written to it.
    pub text: &'a str,
    /// The controller that the file belongs to; none for those that every cgroup has.
    pub controller: Option<&'a str>,
    /// Whether another property of `linux.resources` may set it, too.
    pub overlaps: bool,
}

/// Properties of `linux.resources`, and the controller whose files they set.
const SETS: [(&str, &str); 7] = [
    ("memory", "memory"),
    ("cpu", "cpu"),
    ("cpu", "cpuset"),
    ("blockIO", "io"),
    ("hugepageLimits", "hugetlb"),
    ("pids", "pids"),
    ("rdma", "rdma"),
];

/// The entries; none if there is none.
pub fn view(config: &Value) -> Result<Option<Vec<Entry<'_>>>, Offence> {
    let Some(resources) = object(config, "/linux/resources")? else { return Ok(None) };
    let Some(Value::Object(files)) = object(resources, "/unified")? else { return Ok(None) };
    let mut found = Vec::new();
    for (file, value) in files {
        let text = typed(value, "", "a string", Value::as_str)?.unwrap_or_default();
        let controller = controller(file)?;
        let overlaps = SETS.iter().any(|(name, its)| Some(*its) == controller && resources.get(*name).is_some());
        found.push(Entry { file, text, controller, overlaps });
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The controller of a file: the word before the first dot.
fn controller(file: &str) -> Result<Option<&str>, Offence> {
    let named = file.split_once('.').filter(|(word, rest)| !word.is_empty() && !rest.is_empty() && !file.contains('/'));
    let (word, rest) = named.ok_or_else(|| Offence::authors(format!("unified: {file:?} names no file of a cgroup")))?;
    Ok((word != "cgroup" && rest != "pressure").then_some(word))
}

//! How many tasks the container can have.

use crate::error::Result;
use crate::resources::Setting;
use crate::version;
use oci_spec::runtime::LinuxResources;
use serde_json::Value;

/// The limit of tasks; 0 is one, and negative means none.
///
/// # Errors
/// There are none.
// [pids.limit-set] [pids.limit-unlimited] [pids.limit-zero] [pids.limit-negative]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let setting = resources.pids().map(|pids| {
        let text = if pids.limit() < 0 { "max".to_owned() } else { pids.limit().to_string() };
        Setting::new("pids.limit", pids.limit(), "pids").both("pids.max", text).needless(pids.limit() < 0)
    });
    Ok(setting.into_iter().collect())
}

/// A limit that isn't given is none, and not 0; before 1.3.0, when it had to be given, 0 was written for none.
// [pids.limit-unset] [pids.limit-zero-unlimited]
pub fn drop_unset(resources: &mut Value, version: &str) {
    let Some(limit) = resources.get("pids").map(|pids| &pids["limit"]) else { return };
    let is_none = limit.is_null() || (limit == 0 && !version::is_at_least(version, 3));
    if let (true, Some(resources)) = (is_none, resources.as_object_mut()) {
        resources.remove("pids");
    }
}

#[cfg(test)]
mod tests {
    use super::drop_unset;
    use crate::resources::table::is;
    use serde_json::json;

    #[test]
    fn what_is_no_limit_depends_on_the_version() {
        for (version, limit, kept) in [
            ("1.2.1", json!(0), false),
            ("1.3.0", json!(0), true),
            ("1.3.0-rc.1", json!(0), true),
            ("1.2.1", json!(-1), true),
            ("1.3.0", json!(null), false),
        ] {
            let mut resources = json!({ "pids": { "limit": limit } });
            drop_unset(&mut resources, version);
            assert_eq!(resources.get("pids").is_some(), kept, "{version} {limit}");
        }
    }

    #[test]
    fn a_limit_is_the_same_on_both_versions() {
        for (limit, text) in [(5, "pids.max 5"), (0, "pids.max 0"), (-1, "pids.max max")] {
            is(json!({ "pids": { "limit": limit } }), &[text], &[text]);
        }
    }
}

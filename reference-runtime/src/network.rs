//! How the packets that the container's processes send are marked.

use crate::error::Result;
use crate::resources::Setting;
use oci_spec::runtime::LinuxResources;

/// The class of packets and their priorities, for which v2 has no controllers.
///
/// # Errors
/// There are none.
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let Some(network) = resources.network() else { return Ok(Vec::new()) };
    // [network.class-id-set]
    let class = network.class_id().map(|id| Setting::new("network.classID", id, "net_cls").v1("net_cls.classid", id));
    // [network.priority-set] [network.unknown-interface-refused]
    let priorities = network.priorities().iter().flatten().enumerate().map(|(index, entry)| {
        let line = format!("{} {}", entry.name(), entry.priority());
        Setting::new(format_args!("network.priorities[{index}]"), &line, "net_prio").v1("net_prio.ifpriomap", &line)
    });
    Ok(class.into_iter().chain(priorities).collect())
}

#[cfg(test)]
mod tests {
    use crate::resources::table::{V1, V2, on, refused};
    use serde_json::json;

    #[test]
    fn packets_are_marked_on_v1_alone() {
        let class = json!({ "network": { "classID": 1_048_577 } });
        assert_eq!(on(V1, class.clone()).unwrap(), ["net_cls.classid 1048577"]);
        refused(V2, class, "linux.resources.network.classID: 1048577: ");
        let priorities = json!({ "network": { "priorities": [{ "name": "eth0", "priority": 500 }] } });
        assert_eq!(on(V1, priorities.clone()).unwrap(), ["net_prio.ifpriomap eth0 500"]);
        refused(V2, priorities, "linux.resources.network.priorities[0]: eth0 500: ");
    }
}

//! How much of RDMA devices the container can use.

use crate::error::Result;
use crate::resources::{self, Setting};
use oci_spec::runtime::LinuxResources;
use std::collections::BTreeMap;

/// The limits of each device.
///
/// # Errors
/// Names an entry that limits nothing.
// [rdma.unknown-device-refused] [rdma.unset-unlimited]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let devices: BTreeMap<_, _> = resources.rdma().iter().flatten().collect();
    let setting = |(name, limits): (&String, &oci_spec::runtime::LinuxRdma)| {
        // [rdma.hca-handles-set] [rdma.hca-objects-set]
        let limits = [("hca_handle", limits.hca_handles()), ("hca_object", limits.hca_objects())];
        let limits: Vec<String> =
            limits.iter().filter_map(|(key, limit)| limit.map(|limit| format!("{key}={limit}"))).collect();
        if limits.is_empty() {
            return Err(resources::invalid("rdma", name, "has neither hcaHandles nor hcaObjects"));
        }
        let line = format!("{name} {}", limits.join(" "));
        Ok(Setting::new(format_args!("rdma.{name}"), &line, "rdma").both("rdma.max", &line))
    };
    devices.into_iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use crate::resources::table::{V1, V2, is, refused};
    use serde_json::json;

    #[test]
    fn each_device_has_a_line() {
        let lines = ["rdma.max a hca_object=4", "rdma.max b hca_handle=3 hca_object=10", "rdma.max c hca_handle=0"];
        let devices =
            json!({ "b": { "hcaHandles": 3, "hcaObjects": 10 }, "a": { "hcaObjects": 4 }, "c": { "hcaHandles": 0 } });
        is(json!({ "rdma": devices }), &lines, &lines);
    }

    #[test]
    fn a_device_without_a_limit_is_refused_by_name() {
        for version in [V1, V2] {
            refused(version, json!({ "rdma": { "mlx4_0": {} } }), "linux.resources.rdma: mlx4_0 ");
        }
    }
}

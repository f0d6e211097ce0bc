//! How fast the container can use block devices, and what its share of them is.

use crate::error::Result;
use crate::resources::{self, Setting};
use oci_spec::runtime::{LinuxBlockIo, LinuxResources, LinuxThrottleDevice, LinuxWeightDevice};
use std::fmt::Display;

/// The weights and rates of block devices.
///
/// # Errors
/// Names an entry that can't be applied.
// [block-io.leaf-weight-refused-on-v2] [block-io.unknown-device-refused]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let Some(io) = resources.block_io() else { return Ok(Vec::new()) };
    // Those who write configs take a weight of 0 for one that isn't set.
    let is_set = |weight: &u16| *weight > 0;
    let mut settings: Vec<Setting> = Vec::new();
    settings.extend(io.weight().filter(is_set).map(general_weight));
    // [block-io.leaf-weight-set]
    settings
        .extend(io.leaf_weight().filter(is_set).map(|weight| of("leafWeight", weight).v1("blkio.leaf_weight", weight)));
    for (index, entry) in io.weight_device().iter().flatten().enumerate() {
        if entry.weight().or(entry.leaf_weight()).is_none() {
            return Err(resources::invalid(
                format_args!("blockIO.weightDevice[{index}]"),
                device(entry.major(), entry.minor()),
                "has neither weight nor leafWeight",
            ));
        }
        settings.extend(entry.weight().filter(is_set).map(|weight| device_weight(index, entry, weight)));
        settings.extend(entry.leaf_weight().filter(is_set).map(|weight| device_leaf_weight(index, entry, weight)));
    }
    for throttle in throttles(io) {
        for (index, entry) in throttle.entries.iter().flatten().enumerate() {
            settings.push(throttle.setting(index, entry)?);
        }
    }
    Ok(settings)
}

fn of(name: impl Display, value: impl Display) -> Setting {
    Setting::new(format_args!("blockIO.{name}"), value, "blkio")
}

fn device(major: i64, minor: i64) -> String {
    format!("{major}:{minor}")
}

/// BFQ's weight has the range of v1 on either version, and goes before that of the other scheduler of v2.
// [block-io.weight-set] [block-io.weight-converted]
fn general_weight(weight: u16) -> Setting {
    of("weight", weight)
        .v1("blkio.weight", weight)
        .v1("blkio.bfq.weight", weight)
        .v2("io.bfq.weight", weight)
        .v2("io.weight", spread(weight))
}

// [block-io.device-weight-set] [block-io.device-weight-converted]
fn device_weight(index: usize, entry: &LinuxWeightDevice, weight: u16) -> Setting {
    let device = device(entry.major(), entry.minor());
    let line = format!("{device} {weight}");
    of(format_args!("weightDevice[{index}].weight"), &line)
        .v1("blkio.weight_device", &line)
        .v1("blkio.bfq.weight_device", &line)
        .v2("io.bfq.weight", &line)
        .v2("io.weight", format_args!("{device} {}", spread(weight)))
}

// [block-io.device-leaf-weight-set]
fn device_leaf_weight(index: usize, entry: &LinuxWeightDevice, weight: u16) -> Setting {
    let line = format!("{} {weight}", device(entry.major(), entry.minor()));
    of(format_args!("weightDevice[{index}].leafWeight"), &line).v1("blkio.leaf_weight_device", &line)
}

/// Weights from 10 to 1000 become those from 1 to 10000, on a straight line: the specification has no formula.
fn spread(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

/// A list of rates, and where they are written.
struct Throttle<'a> {
    name: &'static str,
    entries: &'a Option<Vec<LinuxThrottleDevice>>,
    v1: &'static str,
    v2: &'static str,
    /// The kernel's own number for no limit, and the greatest that it keeps.
    greatest: u64,
}

// [block-io.throttle-read-bytes-on-v1] [block-io.throttle-write-bytes-on-v1]
// [block-io.throttle-read-operations-on-v1] [block-io.throttle-write-operations-on-v1]
fn throttles(io: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    let of = |name, entries, v1, v2, greatest| Throttle { name, entries, v1, v2, greatest };
    let (bytes, operations) = (u64::MAX, u64::from(u32::MAX));
    [
        of("throttleReadBpsDevice", io.throttle_read_bps_device(), "read_bps_device", "rbps", bytes),
        of("throttleWriteBpsDevice", io.throttle_write_bps_device(), "write_bps_device", "wbps", bytes),
        of("throttleReadIOPSDevice", io.throttle_read_iops_device(), "read_iops_device", "riops", operations),
        of("throttleWriteIOPSDevice", io.throttle_write_iops_device(), "write_iops_device", "wiops", operations),
    ]
}

impl Throttle<'_> {
    // [block-io.throttle-read-bytes-on-v2] [block-io.throttle-write-bytes-on-v2]
    // [block-io.throttle-read-operations-on-v2] [block-io.throttle-write-operations-on-v2]
    fn setting(&self, index: usize, entry: &LinuxThrottleDevice) -> Result<Setting> {
        let (name, rate) = (format!("{}[{index}]", self.name), entry.rate());
        let device = device(entry.major(), entry.minor());
        if rate > self.greatest {
            let why = format!("is above {}, the greatest rate that the kernel keeps", self.greatest);
            return Err(resources::invalid(format_args!("blockIO.{name}.rate"), rate, &why));
        }
        // v1 takes 0 for no limit. [block-io.throttle-zero]
        let rate_or_max = if rate == 0 { "max".to_owned() } else { rate.to_string() };
        Ok(of(name, format_args!("{device} {rate}"))
            .v1(format!("blkio.throttle.{}", self.v1), format_args!("{device} {rate}"))
            .v2("io.max", format_args!("{device} {}={rate_or_max}", self.v2)))
    }
}

#[cfg(test)]
mod tests {
    use super::spread;
    use crate::resources::table::{V1, V2, is, on, refused};
    use serde_json::json;

    fn io(io: serde_json::Value) -> serde_json::Value {
        json!({ "blockIO": io })
    }

    #[test]
    fn weights_are_spread_within_bounds() {
        assert_eq!([1, 10, 11, 500, 1000, 2000].map(spread), [1, 1, 11, 4950, 10_000, 10_000]);
        assert!((1..=2000).map(spread).is_sorted());
    }

    #[test]
    fn weights_become_values() {
        is(io(json!({ "weight": 0, "leafWeight": 0 })), &[], &[]);
        is(
            io(json!({ "weight": 500 })),
            &["blkio.weight 500", "or blkio.bfq.weight 500"],
            &["io.bfq.weight 500", "or io.weight 4950"],
        );
        is(
            io(json!({ "weightDevice": [{ "major": 8, "minor": 16, "weight": 10 }] })),
            &["blkio.weight_device 8:16 10", "or blkio.bfq.weight_device 8:16 10"],
            &["io.bfq.weight 8:16 10", "or io.weight 8:16 1"],
        );
    }

    #[test]
    fn rates_become_values() {
        for (name, v1, v2) in [
            ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
            ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
            ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
            ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
        ] {
            let entries = json!([{ "major": 8, "minor": 0, "rate": 600 }, { "major": 8, "minor": 1, "rate": 0 }]);
            is(
                io(json!({ name: entries })),
                &[&format!("{v1} 8:0 600"), &format!("{v1} 8:1 0")],
                &[&format!("io.max 8:0 {v2}=600"), &format!("io.max 8:1 {v2}=max")],
            );
        }
    }

    #[test]
    fn what_can_not_be_had_is_refused_by_name() {
        let leaf = io(json!({ "weightDevice": [{ "major": 8, "minor": 0, "leafWeight": 10 }] }));
        assert_eq!(on(V1, leaf.clone()).unwrap(), ["blkio.leaf_weight_device 8:0 10"]);
        refused(V2, leaf, "linux.resources.blockIO.weightDevice[0].leafWeight: 8:0 10: ");
        assert_eq!(on(V1, io(json!({ "leafWeight": 10 }))).unwrap(), ["blkio.leaf_weight 10"]);
        refused(V2, io(json!({ "leafWeight": 10 })), "linux.resources.blockIO.leafWeight: 10: ");
        for version in [V1, V2] {
            let much = io(json!({ "throttleReadIOPSDevice": [{ "major": 8, "minor": 0, "rate": 4_294_967_296_u64 }] }));
            refused(version, much, "linux.resources.blockIO.throttleReadIOPSDevice[0].rate: 4294967296 ");
            let neither = io(json!({ "weightDevice": [{ "major": 8, "minor": 0 }] }));
            refused(version, neither, "linux.resources.blockIO.weightDevice[0]: 8:0 ");
        }
    }
}

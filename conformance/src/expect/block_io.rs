//! Weights and rates of block devices.

use serde_json::{Value, json};

use super::Subject;
use super::resources::{Resources, Version};
use crate::expectation::{Expectation, Matcher};
use crate::view::block_io::{self, List, Rate, View, Weight};

/// Weights that every scheduler takes.
const WEIGHTS: std::ops::RangeInclusive<u64> = 10..=1000;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match block_io::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    if view.named().any(|device| resources.is_missing("block-devices", device)) {
        return vec![resources.refused("block-io.unknown-device-refused")];
    }
    if resources.version("blkio") == Some(Version::V1) {
        return on_v1(&resources, &view);
    }
    if resources.version("io") == Some(Version::V2) { on_v2(&resources, &view) } else { Vec::new() }
}

fn on_v1(resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let mut all = Vec::new();
    all.extend(view.weight.filter(|it| WEIGHTS.contains(it)).map(|weight| {
        match present(resources, &["blkio.weight", "blkio.bfq.weight"]) {
            Some(file) => resources.is("block-io.weight-set", file, weight),
            None => resources.refused("block-io.weight-set"),
        }
    }));
    all.extend(view.leaf_weight.filter(|it| WEIGHTS.contains(it)).map(|weight| {
        match present(resources, &["blkio.leaf_weight"]) {
            Some(file) => resources.is("block-io.leaf-weight-set", file, weight),
            None => resources.refused("block-io.leaf-weight-set"),
        }
    }));
    all.extend(view.devices.iter().flat_map(|entry| device_weights_on_v1(resources, entry)));
    all.extend(view.rates.iter().map(|entry| rate_on_v1(resources, entry)));
    all
}

fn device_weights_on_v1(resources: &Resources<'_>, entry: &Weight) -> Vec<Expectation> {
    let law = |id: &str, files: &[&str], weight: Option<u64>| {
        let weight = weight.filter(|it| WEIGHTS.contains(it))?;
        let file = present(resources, files).filter(|file| is_served(resources, file, &entry.device));
        Some(match file {
            Some(file) => resources.is(id, &format!("{file}/{}", entry.device), weight),
            None => resources.refused(id),
        })
    };
    let weight = law("block-io.device-weight-set", &["blkio.weight_device", "blkio.bfq.weight_device"], entry.weight);
    let leaf = law("block-io.device-leaf-weight-set", &["blkio.leaf_weight_device"], entry.leaf_weight);
    weight.into_iter().chain(leaf).collect()
}

/// Whether the scheduler whose file this is serves the device.
fn is_served(resources: &Resources<'_>, file: &str, device: &str) -> bool {
    let scheduler = resources.listed("block-devices").and_then(|all| all.get(device)).and_then(Value::as_str);
    let wanted = if file.contains(".bfq.") { "bfq" } else { "cfq" };
    scheduler.is_none_or(|scheduler| scheduler == wanted)
}

/// The first of the files that the kernel is not known to lack.
fn present<'f>(resources: &Resources<'_>, files: &[&'f str]) -> Option<&'f str> {
    files.iter().copied().find(|file| !resources.lacks(file))
}

fn rate_on_v1(resources: &Resources<'_>, entry: &Rate) -> Expectation {
    let (id, file) = match entry.list {
        List::ReadBytes => ("block-io.throttle-read-bytes-on-v1", "read_bps_device"),
        List::WriteBytes => ("block-io.throttle-write-bytes-on-v1", "write_bps_device"),
        List::ReadOperations => ("block-io.throttle-read-operations-on-v1", "read_iops_device"),
        List::WriteOperations => ("block-io.throttle-write-operations-on-v1", "write_iops_device"),
    };
    let file = format!("blkio.throttle.{file}");
    match entry.rate {
        0 => resources.shows("block-io.throttle-zero", &file, Matcher::Lacks(json!(entry.device))),
        rate => limited(resources, id, &format!("{file}/{}", entry.device), entry.list, rate),
    }
}

/// That a rate shows, or is refused where it is more than the kernel keeps.
fn limited(resources: &Resources<'_>, id: &str, place: &str, list: List, rate: u64) -> Expectation {
    let most = match list {
        List::ReadBytes | List::WriteBytes => u64::MAX,
        List::ReadOperations | List::WriteOperations => u32::MAX.into(),
    };
    match rate {
        rate if rate > most => resources.refused(id),
        // The kernel's own number for no limit shows in no line.
        rate if rate == most => resources.shows("block-io.throttle-zero", place, Matcher::ABSENT),
        rate => resources.is(id, place, rate),
    }
}

fn on_v2(resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let leaves = view.devices.iter().map(|entry| entry.leaf_weight).chain([view.leaf_weight]);
    if leaves.flatten().any(|weight| weight > 0) {
        return vec![resources.refused("block-io.leaf-weight-refused-on-v2")];
    }
    let file = present(resources, &["io.bfq.weight", "io.weight"]);
    let mut all = Vec::new();
    if let (Some(file), true) = (file, view.weight.is_some_and(|weight| weight > 0)) {
        all.push(resources.shows("block-io.weight-converted", &format!("{file}/default"), Matcher::PRESENT));
    }
    for entry in view.devices.iter().filter(|entry| entry.weight.is_some_and(|weight| weight > 0)) {
        let line = file.map(|file| format!("{file}/{}", entry.device));
        all.extend(line.map(|line| resources.shows("block-io.device-weight-converted", &line, Matcher::PRESENT)));
    }
    all.extend(view.rates.iter().map(|entry| rate_on_v2(resources, entry)));
    all
}

fn rate_on_v2(resources: &Resources<'_>, entry: &Rate) -> Expectation {
    let (id, key) = match entry.list {
        List::ReadBytes => ("block-io.throttle-read-bytes-on-v2", "rbps"),
        List::WriteBytes => ("block-io.throttle-write-bytes-on-v2", "wbps"),
        List::ReadOperations => ("block-io.throttle-read-operations-on-v2", "riops"),
        List::WriteOperations => ("block-io.throttle-write-operations-on-v2", "wiops"),
    };
    match entry.rate {
        0 => resources.shows("block-io.throttle-zero", "io.max", Matcher::Lacks(json!(entry.device))),
        rate => limited(resources, id, &format!("io.max/{}/{key}", entry.device), entry.list, rate),
    }
}

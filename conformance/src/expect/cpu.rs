//! The container's share of the processors, by the kernel's files and by what its process sees.

use serde_json::json;

use super::resources::{Resources, Version};
use super::{Subject, expect as expected, inside};
use crate::expectation::{Expectation, Matcher};
use crate::view::cgroups;
use crate::view::cpu::{self, View};

/// What kernels keep as it is.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// Microseconds that kernels take for a period.
const PERIODS: std::ops::RangeInclusive<u64> = 1000..=1_000_000;
/// Microseconds of the period that a cgroup's real-time tasks have unless somebody sets another.
const REALTIME_PERIOD: u64 = 1_000_000;
/// Microseconds below which no kernel takes a quota.
const LEAST_QUOTA: i64 = 1000;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match cpu::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let mut all = match resources.version("cpu") {
        Some(version) => time(subject, &resources, &view, version),
        None => Vec::new(),
    };
    if resources.version("cpuset").is_some() {
        all.extend(sets(subject, &resources, &view));
    }
    all
}

fn time(subject: &Subject<'_>, resources: &Resources<'_>, view: &View, version: Version) -> Vec<Expectation> {
    let [quota, period, burst] = match version {
        Version::V1 => ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us"],
        Version::V2 => ["cpu.max/0", "cpu.max/1", "cpu.max.burst"],
    };
    let mut all = Vec::new();
    all.extend(match view.quota {
        Some(number @ LEAST_QUOTA..) => Some(resources.is("cpu.quota-set", quota, number)),
        Some(..0) => {
            let none = if version == Version::V1 { json!(-1) } else { json!("max") };
            Some(resources.is("cpu.quota-negative", quota, none))
        }
        _ => None,
    });
    let kept = view.period.filter(|number| PERIODS.contains(number));
    all.extend(kept.map(|number| resources.is("cpu.period-set", period, number)));
    let positive = view.quota.and_then(|quota| u64::try_from(quota).ok()).filter(|quota| *quota > 0);
    all.extend(match (view.burst, positive) {
        (Some(number), Some(quota)) if number > quota => Some(resources.refused("cpu.burst-over-quota-refused")),
        (Some(number), Some(_)) => Some(resources.is("cpu.burst-set", burst, number)),
        _ => None,
    });
    let known = view.idle.filter(|number| matches!(number, 0 | 1));
    all.extend(known.map(|number| resources.is("cpu.idle-set", "cpu.idle", number)));
    let shares = view.shares.filter(|number| SHARES.contains(number));
    all.extend(match (shares, version) {
        (Some(number), Version::V1) if view.idle != Some(1) => {
            Some(resources.is("cpu.shares-set", "cpu.shares", number))
        }
        (Some(_), Version::V2) => Some(resources.shows("cpu.shares-converted", "cpu.weight", Matcher::PRESENT)),
        _ => None,
    });
    all.extend(match version {
        Version::V1 => real_time_on_v1(subject, resources, view),
        Version::V2 => {
            let asked =
                view.realtime_runtime.is_some_and(|time| time > 0) || view.realtime_period.is_some_and(|time| time > 0);
            asked.then(|| resources.refused("cpu.realtime-refused-on-v2")).into_iter().collect()
        }
    });
    all
}

/// Real-time tasks get no more than the cgroup above has to give, which is known where that is the root.
fn real_time_on_v1(subject: &Subject<'_>, resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let budget = subject.before.get("real-time").and_then(serde_json::Value::as_u64);
    let of = view.realtime_period.filter(|period| *period > 0).unwrap_or(REALTIME_PERIOD);
    let runtime = view.realtime_runtime.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0);
    let below_root = |path: &str| path.strip_prefix('/').is_some_and(|name| !name.contains('/'));
    let below_root = cgroups::view(subject.config).ok().flatten().is_some_and(|view| below_root(&view.path));
    let runtime = runtime.and_then(|time| {
        let (id, file) = ("cpu.realtime-runtime-set", "cpu.rt_runtime_us");
        let is_too_much = |budget: u64| time.saturating_mul(REALTIME_PERIOD) > budget.saturating_mul(of);
        match (resources.lacks(file), below_root) {
            (true, _) => Some(resources.refused(id)),
            (false, true) if budget.is_some_and(is_too_much) => Some(resources.refused(id)),
            (false, true) => Some(resources.is(id, file, time)),
            (false, false) => None,
        }
    });
    let period = view.realtime_period.filter(|time| *time > 0).map(|time| {
        let (id, file) = ("cpu.realtime-period-set", "cpu.rt_period_us");
        if resources.lacks(file) { resources.refused(id) } else { resources.is(id, file, time) }
    });
    runtime.into_iter().chain(period).collect()
}

fn sets(subject: &Subject<'_>, resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let mut all = Vec::new();
    if let Some(cpus) = &view.cpus {
        all.push(resources.is("cpu.cpus-set", "cpuset.cpus", json!(cpus)));
        all.extend(affinity(subject, cpus));
    }
    if let Some(mems) = &view.mems {
        all.push(resources.is("cpu.mems-set", "cpuset.mems", json!(mems)));
        all.extend(subject.started().map(|start| {
            let allowed = mems.iter().map(|node| json!(node)).collect::<Vec<_>>();
            expected("cpu.mems-allowed", &start, inside(&start, "memory-nodes"), Matcher::Equals(json!(allowed)))
        }));
    }
    all
}

/// The process runs on none of those processors that its caller may use and the list does not name.
fn affinity(subject: &Subject<'_>, cpus: &[u64]) -> Vec<Expectation> {
    let Some(start) = subject.started() else { return Vec::new() };
    let law = |matcher| expected("cpu.cpus-affinity", &start, inside(&start, "affinity"), matcher);
    if let [alone] = cpus {
        return vec![law(Matcher::Equals(json!([alone])))];
    }
    let callers = subject.before.get("affinity").and_then(serde_json::Value::as_array);
    let others = callers.into_iter().flatten().filter_map(serde_json::Value::as_u64);
    others.filter(|cpu| !cpus.contains(cpu)).map(|cpu| law(Matcher::Lacks(json!(cpu)))).collect()
}

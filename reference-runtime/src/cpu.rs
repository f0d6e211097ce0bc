//! How much of the processors the container can use, and of which.

use crate::cgroups::{self, Membership};
use crate::error::{Doing, Result};
use crate::resources::{self, Setting};
use oci_spec::runtime::{LinuxCpu, LinuxResources};
use std::fmt::Display;
use std::fs;
use std::path::Path;

/// The limits of processor time, and the processors and memory nodes.
///
/// # Errors
/// Names a value that has no meaning.
// [cpu.realtime-refused-on-v2]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let Some(cpu) = resources.cpu() else { return Ok(Vec::new()) };
    if let (Some(burst), Some(quota @ 1..)) = (cpu.burst(), cpu.quota())
        && burst > quota.cast_unsigned()
    {
        return Err(resources::invalid("cpu.burst", burst, "is above cpu.quota")); // [cpu.burst-over-quota-refused]
    }
    let set = |name, cpus: &Option<String>| {
        let cpus = cpus.clone().filter(|cpus| !cpus.is_empty());
        cpus.map(|cpus| Setting::new(format_args!("cpu.{name}"), &cpus, "cpuset").both(&format!("cpuset.{name}"), cpus))
    };
    // Those who write configs take 0 for a value that isn't set, where it means nothing else.
    let settings = [
        cpu.shares().filter(|shares| *shares > 0).map(shares),
        cpu.period().filter(|period| *period > 0).map(|length| period(length, cpu)),
        cpu.quota().filter(|quota| *quota != 0).map(|time| quota(time, cpu)),
        // [cpu.burst-set]
        cpu.burst().map(|burst| {
            of("burst", burst).v1("cpu.cfs_burst_us", burst).v2("cpu.max.burst", burst).needless(burst == 0)
        }),
        // [cpu.realtime-period-set] [cpu.realtime-runtime-set]
        cpu.realtime_period()
            .filter(|period| *period > 0)
            .map(|period| of("realtimePeriod", period).v1("cpu.rt_period_us", period)),
        cpu.realtime_runtime()
            .map(|time| of("realtimeRuntime", time).v1("cpu.rt_runtime_us", time).needless(time <= 0)),
        // [cpu.idle-set]
        cpu.idle().map(|idle| of("idle", idle).both("cpu.idle", idle).needless(idle == 0)),
        // [cpu.cpus-set] [cpu.mems-set]
        set("cpus", cpu.cpus()),
        set("mems", cpu.mems()),
    ];
    Ok(settings.into_iter().flatten().collect())
}

fn of(name: &str, value: impl Display) -> Setting {
    Setting::new(format_args!("cpu.{name}"), value, "cpu")
}

// [cpu.shares-set] [cpu.shares-converted]
fn shares(shares: u64) -> Setting {
    of("shares", shares).v1("cpu.shares", shares).v2("cpu.weight", weight(shares))
}

/// The specification has no formula. This one, of which Kubernetes tells the story, is in common use: each version's
/// least, default (1024 shares, a weight of 100) and greatest value become the other's, on a curve through the three.
fn weight(shares: u64) -> u64 {
    let log = (shares.clamp(2, 262_144) as f64).log2();
    10_f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64
}

// [cpu.period-set]
fn period(period: u64, cpu: &LinuxCpu) -> Setting {
    let setting = of("period", period).v1("cpu.cfs_period_us", period);
    match cpu.quota() {
        None | Some(0) => setting.v2("cpu.max", format_args!("max {period}")),
        Some(_) => setting.nothing_on_v2(),
    }
}

// [cpu.quota-set] [cpu.quota-negative]
fn quota(quota: i64, cpu: &LinuxCpu) -> Setting {
    let time = if quota < 0 { "max".to_owned() } else { quota.to_string() };
    // Without a period the kernel keeps the one that it has.
    let both = cpu.period().filter(|period| *period > 0).map_or(time.clone(), |period| format!("{time} {period}"));
    of("quota", quota).v1("cpu.cfs_quota_us", quota.max(-1)).v2("cpu.max", both).needless(quota < 0)
}
/// On v2 a period can be set only along with a quota: one that isn't named is the one that there is.
pub fn with_present_quota(mut resources: LinuxResources, memberships: &[Membership]) -> LinuxResources {
    let member = cgroups::find("cpu", memberships).filter(|member| member.hierarchy.is_unified());
    if let (Some(member), Some(cpu)) = (member, resources.cpu_mut())
        && let (Some(1..), None | Some(0)) = (cpu.period(), cpu.quota())
    {
        // Without the file, and in one that says `max`, there is none.
        let present = fs::read_to_string(member.directory.join("cpu.max")).unwrap_or_default();
        cpu.set_quota(present.split(' ').next().and_then(|quota| quota.parse().ok()));
    }
    resources
}

/// A new cpuset of v1 is empty, and no process can join it until it has what its parent has.
///
/// # Errors
/// A set can't be copied.
pub fn fill_set(cgroup: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let path = cgroup.join(file);
        // On v2 an empty set means the parent's, and the file isn't there unless the controller is enabled.
        if path.exists() && !cgroup.join("cgroup.controllers").exists() {
            let above = cgroup.with_file_name(file);
            let set = fs::read_to_string(&above).doing(|| format!("read {}", above.display()))?;
            fs::write(&path, set.trim()).doing(|| format!("write {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::weight;
    use crate::resources::table::{V1, V2, is, on, refused};
    use serde_json::json;

    #[test]
    fn shares_become_weights_within_bounds() {
        let shares = [0, 2, 3, 512, 1024, 2048, 22_000, 262_144, u64::MAX];
        assert_eq!(shares.map(weight), [1, 1, 2, 59, 100, 174, 1204, 10_000, 10_000]);
    }

    #[test]
    fn more_shares_never_become_less_weight() {
        let weights: Vec<u64> = (2..=262_144).map(weight).collect();
        assert!(weights.is_sorted());
    }

    #[test]
    fn properties_become_values() {
        let cpu = |cpu| json!({ "cpu": cpu });
        let unset = json!({ "shares": 0, "quota": 0, "period": 0, "realtimePeriod": 0, "cpus": "", "mems": "" });
        is(cpu(unset), &[], &[]);
        is(cpu(json!({ "shares": 1024 })), &["cpu.shares 1024"], &["cpu.weight 100"]);
        is(cpu(json!({ "quota": 5000 })), &["cpu.cfs_quota_us 5000"], &["cpu.max 5000"]);
        is(cpu(json!({ "quota": -1 })), &["cpu.cfs_quota_us -1"], &["cpu.max max"]);
        is(cpu(json!({ "period": 9000 })), &["cpu.cfs_period_us 9000"], &["cpu.max max 9000"]);
        let both = json!({ "quota": 5000, "period": 9000 });
        is(cpu(both), &["cpu.cfs_period_us 9000", "cpu.cfs_quota_us 5000"], &["cpu.max 5000 9000"]);
        is(cpu(json!({ "burst": 5 })), &["cpu.cfs_burst_us 5"], &["cpu.max.burst 5"]);
        is(cpu(json!({ "idle": 1 })), &["cpu.idle 1"], &["cpu.idle 1"]);
        is(
            cpu(json!({ "cpus": "0-1", "mems": "0" })),
            &["cpuset.cpus 0-1", "cpuset.mems 0"],
            &["cpuset.cpus 0-1", "cpuset.mems 0"],
        );
        is(cpu(json!({ "realtimeRuntime": -1 })), &["cpu.rt_runtime_us -1"], &[]);
    }

    #[test]
    fn what_can_not_be_had_is_refused_by_name() {
        let realtime = json!({ "cpu": { "realtimePeriod": 9, "realtimeRuntime": 5 } });
        assert_eq!(on(V1, realtime.clone()).unwrap(), ["cpu.rt_period_us 9", "cpu.rt_runtime_us 5"]);
        refused(V2, realtime, "linux.resources.cpu.realtimePeriod: 9: ");
        for version in [V1, V2] {
            refused(version, json!({ "cpu": { "quota": 5, "burst": 6 } }), "linux.resources.cpu.burst: 6 ");
        }
    }
}

//! How much of the processors the container can use, and of which.

use crate::cgroups::{self, Membership, write};
use crate::error::{Doing, Result};
use oci_spec::runtime::{LinuxCpu, LinuxResources};
use std::fs;
use std::path::Path;

/// Sets shares, quota and period, and the processors and memory nodes.
///
/// # Errors
/// Names the limit.
pub fn apply(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let Some(cpu) = resources.cpu() else { return Ok(()) };
    if cpu.shares().is_some() || cpu.quota().is_some() || cpu.period().is_some() {
        let what = || "limit the processor time".to_owned();
        let member = cgroups::with("cpu", memberships).doing(what)?;
        if member.hierarchy.is_unified() { time_on_v2(cpu, member) } else { time_on_v1(cpu, member) }.doing(what)?;
    }
    for (file, set) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        if let Some(set) = set.as_ref().filter(|set| !set.is_empty()) {
            let what = || format!("limit {file}");
            write(cgroups::with("cpuset", memberships).doing(what)?, file, set).doing(what)?;
        }
    }
    Ok(())
}

fn time_on_v1(cpu: &LinuxCpu, member: &Membership) -> Result<()> {
    if let Some(shares) = cpu.shares() {
        write(member, "cpu.shares", shares)?;
    }
    // The period comes first: a quota has to fit into it.
    if let Some(period) = cpu.period() {
        write(member, "cpu.cfs_period_us", period)?;
    }
    cpu.quota().map_or(Ok(()), |quota| write(member, "cpu.cfs_quota_us", quota))
}

fn time_on_v2(cpu: &LinuxCpu, member: &Membership) -> Result<()> {
    if let Some(shares) = cpu.shares() {
        write(member, "cpu.weight", weight(shares))?;
    }
    if cpu.quota().is_some() || cpu.period().is_some() {
        let quota = cpu.quota().filter(|quota| *quota > 0).map_or("max".into(), |quota| quota.to_string());
        // Without a period the kernel keeps the one that it has.
        let period = cpu.period().map_or(String::new(), |period| format!(" {period}"));
        write(member, "cpu.max", quota + &period)?;
    }
    Ok(())
}

/// Shares from 2 to 262144 become a weight from 1 to 10000, on a straight line.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
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

    #[test]
    fn shares_become_weights_within_bounds() {
        assert_eq!([0, 2, 1024, 262_144, u64::MAX].map(weight), [1, 1, 39, 10_000, 10_000]);
    }
}

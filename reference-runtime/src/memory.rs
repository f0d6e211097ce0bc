//! How much memory the container can use.

use crate::cgroups::{self, Membership};
use crate::error::{Doing, Error, Result};
use crate::resources::{self, Setting};
use oci_spec::runtime::LinuxResources;
use std::fmt::Display;
use std::fs;

/// The limits of memory.
///
/// # Errors
/// Names a value that has no meaning.
// [memory.kernel-refused-on-v2] [memory.kernel-tcp-refused-on-v2] [memory.swappiness-refused-on-v2]
// [memory.oom-killer-disabled-refused-on-v2] [memory.hierarchy-disabled-refused-on-v2]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let Some(memory) = resources.memory() else { return Ok(Vec::new()) };
    let limit = bytes("limit", memory.limit())?;
    let total = bytes("swap", memory.swap())?;
    if let (Some(limit @ 1..), Some(total @ 1..)) = (limit, total)
        && total < limit
    {
        // [memory.swap-below-limit-refused]
        return Err(resources::invalid("memory.swap", total, "counts the memory too, and is below memory.limit"));
    }
    if let Some(swappiness @ 101..) = memory.swappiness() {
        return Err(resources::invalid("memory.swappiness", swappiness, "is above 100"));
    }
    let settings = [
        // [memory.hierarchy-enabled] [memory.hierarchy-disabled]
        memory.use_hierarchy().map(|on| of("useHierarchy", on).v1("memory.use_hierarchy", u8::from(on)).needless(on)),
        // [memory.limit-set] [memory.limit-unlimited]
        limit.map(|limit| numeric("limit", limit).v1("memory.limit_in_bytes", limit).v2("memory.max", or_max(limit))),
        total.map(|total| swap(total, limit)),
        bytes("reservation", memory.reservation())?.map(reservation),
        // [memory.kernel-set] [memory.kernel-unlimited]
        bytes("kernel", memory.kernel())?
            .map(|limit| numeric("kernel", limit).v1("memory.kmem.limit_in_bytes", limit).doubtful()),
        // [memory.kernel-tcp-set] [memory.kernel-tcp-unlimited]
        bytes("kernelTCP", memory.kernel_tcp())?
            .map(|limit| numeric("kernelTCP", limit).v1("memory.kmem.tcp.limit_in_bytes", limit)),
        // [memory.swappiness-set]
        memory.swappiness().map(|swappiness| of("swappiness", swappiness).v1("memory.swappiness", swappiness)),
        // [memory.oom-killer-disabled] [memory.oom-killer-enabled]
        memory
            .disable_oom_killer()
            .map(|off| of("disableOOMKiller", off).v1("memory.oom_control", u8::from(off)).needless(!off)),
    ];
    Ok(settings.into_iter().flatten().collect())
}

fn of(name: &str, value: impl Display) -> Setting {
    Setting::new(format_args!("memory.{name}"), value, "memory")
}

/// A limit in bytes, of which there is no need if there is none.
fn numeric(name: &str, limit: i64) -> Setting {
    of(name, limit).needless(limit < 0)
}

/// Takes 0 for a value that isn't set, as those who write configs do. // [memory.zero]
fn bytes(name: &str, value: Option<i64>) -> Result<Option<i64>> {
    match value {
        Some(bytes @ ..-1) => {
            Err(resources::invalid(format_args!("memory.{name}"), bytes, "is neither a number of bytes nor -1"))
        }
        value => Ok(value.filter(|bytes| *bytes != 0)),
    }
}

/// The config counts memory and swap together, as v1 does, and v2 counts swap alone.
// [memory.swap-set] [memory.swap-remainder] [memory.swap-total] [memory.swap-unlimited]
fn swap(total: i64, limit: Option<i64>) -> Setting {
    let setting = numeric("swap", total).v1("memory.memsw.limit_in_bytes", total);
    match (total, limit) {
        (..0, _) => setting.v2("memory.swap.max", "max"),
        (_, Some(limit @ 1..)) => setting.v2("memory.swap.max", total - limit),
        _ => setting.refused_on_v2("it counts the memory too, so on cgroup v2 it needs memory.limit"),
    }
}

/// The nearest that v2 has is memory that is kept for the cgroup; without a soft limit v1 keeps none either.
// [memory.reservation-set] [memory.reservation-unlimited] [memory.reservation-converted]
fn reservation(limit: i64) -> Setting {
    numeric("reservation", limit).v1("memory.soft_limit_in_bytes", limit).v2("memory.low", limit.max(0))
}

fn or_max(bytes: i64) -> String {
    if bytes < 0 { "max".into() } else { bytes.to_string() }
}

/// Refuses a limit below the usage, which v1 refuses by itself and v2 would enforce by killing.
///
/// # Errors
/// Names both.
// [memory.check-before-update] [memory.check-before-update-refused]
pub fn check_usage(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let Some(memory) = resources.memory() else { return Ok(()) };
    let (Some(limit @ 1..), Some(true)) = (memory.limit(), memory.check_before_update()) else { return Ok(()) };
    let member = cgroups::find("memory", memberships).filter(|member| member.hierarchy.is_unified());
    // A new cgroup has no such file yet, and no usage.
    let usage = member.and_then(|member| fs::read_to_string(member.directory.join("memory.current")).ok());
    let usage: i64 = usage.map_or(Ok(0), |text| text.trim().parse()).doing(|| "read memory.current".into())?;
    if limit < usage {
        return Err(Error::new(format!("linux.resources.memory.limit: {limit} is less than the {usage} bytes in use")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::resources::table::{V1, V2, is, refused};
    use serde_json::json;

    #[test]
    fn properties_become_values() {
        let memory = |memory| json!({ "memory": memory });
        is(memory(json!({ "limit": 0, "swap": 0, "reservation": 0, "kernel": 0 })), &[], &[]);
        is(memory(json!({ "limit": 9 })), &["memory.limit_in_bytes 9"], &["memory.max 9"]);
        is(memory(json!({ "limit": -1 })), &["memory.limit_in_bytes -1"], &["memory.max max"]);
        is(memory(json!({ "reservation": 9 })), &["memory.soft_limit_in_bytes 9"], &["memory.low 9"]);
        is(memory(json!({ "reservation": -1 })), &["memory.soft_limit_in_bytes -1"], &["memory.low 0"]);
        is(memory(json!({ "swap": -1 })), &["memory.memsw.limit_in_bytes -1"], &["memory.swap.max max"]);
        for (total, rest) in [(9, 0), (12, 3)] {
            is(
                memory(json!({ "limit": 9, "swap": total })),
                &["memory.limit_in_bytes 9", &format!("memory.memsw.limit_in_bytes {total}")],
                &["memory.max 9", &format!("memory.swap.max {rest}")],
            );
        }
        is(memory(json!({ "kernel": -1 })), &["memory.kmem.limit_in_bytes -1"], &[]);
        is(memory(json!({ "kernelTCP": -1 })), &["memory.kmem.tcp.limit_in_bytes -1"], &[]);
        is(memory(json!({ "disableOOMKiller": false })), &["memory.oom_control 0"], &[]);
        is(memory(json!({ "useHierarchy": true })), &["memory.use_hierarchy 1"], &[]);
        is(memory(json!({ "checkBeforeUpdate": true })), &[], &[]);
    }

    #[test]
    fn what_has_no_counterpart_is_refused_by_name() {
        for (memory, v1) in [
            (json!({ "swap": 9 }), "memory.memsw.limit_in_bytes 9"),
            (json!({ "kernel": 9 }), "memory.kmem.limit_in_bytes 9"),
            (json!({ "kernelTCP": 9 }), "memory.kmem.tcp.limit_in_bytes 9"),
            (json!({ "swappiness": 0 }), "memory.swappiness 0"),
            (json!({ "disableOOMKiller": true }), "memory.oom_control 1"),
            (json!({ "useHierarchy": false }), "memory.use_hierarchy 0"),
        ] {
            let (name, value) = memory.as_object().unwrap().iter().next().unwrap();
            refused(V2, json!({ "memory": memory }), &format!("linux.resources.memory.{name}: {value}: "));
            assert_eq!(crate::resources::table::on(V1, json!({ "memory": memory })).unwrap(), [v1]);
        }
        refused(V2, json!({ "memory": { "limit": -1, "swap": 9 } }), "linux.resources.memory.swap: 9");
    }

    #[test]
    fn values_without_a_meaning_are_refused_by_name() {
        for version in [V1, V2] {
            refused(version, json!({ "memory": { "limit": -2 } }), "linux.resources.memory.limit: -2 ");
            refused(version, json!({ "memory": { "limit": 9, "swap": 8 } }), "linux.resources.memory.swap: 8 ");
            refused(version, json!({ "memory": { "swappiness": 101 } }), "linux.resources.memory.swappiness: 101 ");
        }
    }
}

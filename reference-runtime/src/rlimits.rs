//! Resource limits of the container process.

use crate::error::{Doing, Error, Result};
use nix::sys::resource::{Resource, setrlimit};
use oci_spec::runtime::{PosixRlimitType as Type, Process};

/// Refuses a limit that stands twice, or one that is greater than its own bound.
///
/// # Errors
/// Names the limit.
pub fn check(process: &Process) -> Result<()> {
    let limits = process.rlimits().as_deref().unwrap_or_default();
    for (index, limit) in limits.iter().enumerate() {
        // [rlimits.duplicate-refused]
        if limits[..index].iter().any(|earlier| earlier.typ() == limit.typ()) {
            return Err(Error::new(format!("process.rlimits: {} stands twice", limit.typ())));
        }
        if limit.soft() > limit.hard() {
            return Err(Error::new(format!("process.rlimits: {} has soft above hard", limit.typ())));
        }
    }
    Ok(())
}

/// Sets the limits of the calling process.
///
/// # Errors
/// The kernel refuses one, for instance because it would be raised without CAP_SYS_RESOURCE.
// [rlimits.soft-applied] [rlimits.hard-applied]
pub fn apply(process: &Process) -> Result<()> {
    for limit in process.rlimits().as_deref().unwrap_or_default() {
        setrlimit(resource(limit.typ()), limit.soft(), limit.hard())
            .doing(|| format!("set {} to soft {} and hard {}", limit.typ(), limit.soft(), limit.hard()))?;
    }
    Ok(())
}

fn resource(limit: Type) -> Resource {
    match limit {
        Type::RlimitCpu => Resource::RLIMIT_CPU,
        Type::RlimitFsize => Resource::RLIMIT_FSIZE,
        Type::RlimitData => Resource::RLIMIT_DATA,
        Type::RlimitStack => Resource::RLIMIT_STACK,
        Type::RlimitCore => Resource::RLIMIT_CORE,
        Type::RlimitRss => Resource::RLIMIT_RSS,
        Type::RlimitNproc => Resource::RLIMIT_NPROC,
        Type::RlimitNofile => Resource::RLIMIT_NOFILE,
        Type::RlimitMemlock => Resource::RLIMIT_MEMLOCK,
        Type::RlimitAs => Resource::RLIMIT_AS,
        Type::RlimitLocks => Resource::RLIMIT_LOCKS,
        Type::RlimitSigpending => Resource::RLIMIT_SIGPENDING,
        Type::RlimitMsgqueue => Resource::RLIMIT_MSGQUEUE,
        Type::RlimitNice => Resource::RLIMIT_NICE,
        Type::RlimitRtprio => Resource::RLIMIT_RTPRIO,
        Type::RlimitRttime => Resource::RLIMIT_RTTIME,
    }
}

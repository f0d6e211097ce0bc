//! The five capability sets of the container process.

use crate::error::{Doing, Result, warn};
use caps::{CapSet, Capability as Cap, CapsHashSet};
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};
use serde_json::Value;
use std::str::FromStr;

const SETS: [&str; 5] = ["bounding", "effective", "inheritable", "permitted", "ambient"];

type Set = fn(&LinuxCapabilities) -> &Option<Capabilities>;

/// Takes the names out of a config's sets that stand for no capability, and says so.
// [capabilities.ungrantable-warned] [capabilities.ungrantable-accepted]
pub fn drop_unknown(config: &mut Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for set in SETS {
        let names = config.pointer_mut(&format!("/process/capabilities/{set}"));
        if let Some(names) = names.and_then(Value::as_array_mut) {
            names.retain(|name| {
                // Only text can be an unknown name; anything else is an invalid value, refused by the parser.
                let unknown = name.as_str().is_some_and(|name| Cap::from_str(name).is_err());
                if unknown {
                    warnings.push(format!("process.capabilities.{set}: no capability is called {name}"));
                }
                !unknown
            });
        }
    }
    warnings
}

/// Limits the bounding set, while the process is still allowed to.
///
/// # Errors
/// A capability can't be dropped from the bounding set.
pub fn bound(process: &Process) -> Result<()> {
    let wanted = listed(process, LinuxCapabilities::bounding);
    let held = caps::read(None, CapSet::Bounding).doing(|| "read the bounding set".into())?;
    warn_missing("bounding", &wanted, &held);
    // [capabilities.bounding]
    for capability in held.difference(&wanted) {
        caps::drop(None, CapSet::Bounding, *capability).doing(|| format!("drop {capability} from the bounding set"))?;
    }
    Ok(())
}

/// Sets the other four sets, after the user ids have been set with the permitted set kept. `filtered` keeps, up to the
/// execution of the program, what installing a filter of system calls takes.
///
/// # Errors
/// A set can't be written; what can't be granted only warns.
// [capabilities.inheritable] [capabilities.permitted] [capabilities.effective] [capabilities.ambient] [capabilities.unset]
pub fn apply(process: &Process, filtered: bool) -> Result<()> {
    let held = caps::read(None, CapSet::Permitted).doing(|| "read the permitted set".into())?;
    let bounding = caps::read(None, CapSet::Bounding).doing(|| "read the bounding set".into())?;
    let granted = |name, set: Set, limit: &CapsHashSet| -> CapsHashSet {
        let wanted = listed(process, set);
        warn_missing(name, &wanted, limit);
        wanted.intersection(limit).copied().collect()
    };
    let permitted = granted("permitted", LinuxCapabilities::permitted, &held);
    let effective = granted("effective", LinuxCapabilities::effective, &permitted);
    let inheritable = granted("inheritable", LinuxCapabilities::inheritable, &bounding);
    let both = permitted.intersection(&inheritable).copied().collect();
    let ambient = granted("ambient", LinuxCapabilities::ambient, &both);

    // The inheritable set grows only while CAP_SETPCAP is in effect; the permitted one shrinks last of the three.
    set(CapSet::Effective, &held)?;
    set(CapSet::Inheritable, &inheritable)?;
    // Of these two sets nothing survives execve(2), which makes them of the other three.
    let kept: CapsHashSet = held.into_iter().filter(|held| filtered && *held == Cap::CAP_SYS_ADMIN).collect();
    set(CapSet::Effective, &(&effective | &kept))?;
    set(CapSet::Permitted, &(&permitted | &kept))?;
    set(CapSet::Ambient, &ambient)
}

fn set(which: CapSet, capabilities: &CapsHashSet) -> Result<()> {
    caps::set(None, which, capabilities).doing(|| format!("set the {which:?} capabilities"))
}

fn warn_missing(set: &str, wanted: &CapsHashSet, held: &CapsHashSet) {
    for capability in wanted.difference(held) {
        warn(format!("process.capabilities.{set}: {capability} can't be granted"));
    }
}

fn listed(process: &Process, set: Set) -> CapsHashSet {
    let listed = process.capabilities().as_ref().and_then(|sets| set(sets).as_ref());
    listed.into_iter().flatten().filter_map(from_config).collect()
}

fn from_config(capability: &Capability) -> Option<Cap> {
    Cap::from_str(&format!("CAP_{capability}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_of_the_config_has_a_counterpart() {
        for capability in caps::all() {
            let parsed: Capability = serde_json::from_value(Value::from(capability.to_string())).unwrap();
            assert_eq!(from_config(&parsed), Some(capability));
        }
    }

    #[test]
    fn unknown_names_are_taken_out_with_a_warning() {
        let mut config = serde_json::json!({
            "process": { "capabilities": { "ambient": ["CAP_CHOWN", "CAP_NONE_SUCH"] } }
        });
        assert_eq!(drop_unknown(&mut config).len(), 1);
        assert_eq!(config["process"]["capabilities"]["ambient"], serde_json::json!(["CAP_CHOWN"]));
    }
}

//! From which NUMA nodes the container's memory comes.

use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::libc::{self, c_ulong};
use oci_spec::runtime::{LinuxMemoryPolicy, MemoryPolicyFlagType as Flag, MemoryPolicyModeType as Mode, Spec};

/// The modes, with their numbers in linux/mempolicy.h and whether they need nodes: `None` if they may have some.
const MODES: [(Mode, libc::c_int, Option<bool>); 7] = [
    (Mode::MpolDefault, 0, Some(false)),           // [memory-policy.default]
    (Mode::MpolPreferred, 1, None),                // [memory-policy.preferred]
    (Mode::MpolBind, 2, Some(true)),               // [memory-policy.bind]
    (Mode::MpolInterleave, 3, Some(true)),         // [memory-policy.interleave]
    (Mode::MpolLocal, 4, Some(false)),             // [memory-policy.local]
    (Mode::MpolPreferredMany, 5, Some(true)),      // [memory-policy.preferred-many]
    (Mode::MpolWeightedInterleave, 6, Some(true)), // [memory-policy.weighted-interleave]
];

/// The flags, with their bits, which are a part of the mode for the kernel.
const FLAGS: [(Flag, libc::c_int); 3] = [
    (Flag::MpolFNumaBalancing, 1 << 13), // [memory-policy.flag-balancing]
    (Flag::MpolFRelativeNodes, 1 << 14), // [memory-policy.flag-relative-nodes]
    (Flag::MpolFStaticNodes, 1 << 15),   // [memory-policy.flag-static-nodes]
];

/// The names of all modes, for `features`.
pub fn modes() -> Vec<String> {
    MODES.iter().map(|(mode, ..)| mode.to_string()).collect()
}

/// The names of all flags, for `features`.
pub fn flags() -> Vec<String> {
    FLAGS.iter().map(|(flag, _)| flag.to_string()).collect()
}

/// Refuses lists of nodes that can't be read, or that the mode can't have.
///
/// # Errors
/// Names the value.
pub fn check(spec: &Spec) -> Result<()> {
    let Some(policy) = policy(spec) else { return Ok(()) };
    let given = !nodes(policy)?.is_empty();
    match row(policy.mode()).2 {
        Some(true) if !given => Err(Error::new(format!("linux.memoryPolicy.nodes: {} needs one", policy.mode()))),
        Some(false) if given => Err(Error::new(format!("linux.memoryPolicy.nodes: {} has none", policy.mode()))),
        _ => Ok(()),
    }
}

/// Sets the policy of the calling process, which it hands on to what it executes and forks.
///
/// # Errors
/// The kernel refuses it, for instance as no node of it exists.
// [memory-policy.children] [memory-policy.unappliable-refused]
pub fn apply(spec: &Spec) -> Result<()> {
    let Some(policy) = policy(spec) else { return Ok(()) };
    let flags = policy.flags().iter().flatten().filter_map(|flag| FLAGS.iter().find(|(known, _)| known == flag));
    let mode = flags.fold(row(policy.mode()).1, |mode, (_, bit)| mode | bit);
    let mask = mask(&nodes(policy)?);
    // The kernel takes the number of bits for one more than there are.
    let bits = mask.len() * c_ulong::BITS as usize + 1;
    // SAFETY: the mask has as many bits as is said, and outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask.as_ptr(), bits) };
    Errno::result(result).map(drop).doing(|| {
        format!("set linux.memoryPolicy to {} of {:?}", policy.mode(), policy.nodes().as_deref().unwrap_or_default())
    })
}

fn policy(spec: &Spec) -> Option<&LinuxMemoryPolicy> {
    spec.linux().as_ref()?.memory_policy().as_ref()
}

fn row(mode: Mode) -> &'static (Mode, libc::c_int, Option<bool>) {
    MODES.iter().find(|(known, ..)| *known == mode).unwrap_or(&MODES[0])
}

fn nodes(policy: &LinuxMemoryPolicy) -> Result<Vec<u16>> {
    let list = policy.nodes().as_deref().unwrap_or_default();
    parse(list).ok_or_else(|| Error::new(format!("linux.memoryPolicy.nodes: {list:?} is no list of nodes, as 0-3,7")))
}

/// Numbers and ranges with a dash, parted by commas; an empty text lists nothing.
fn parse(list: &str) -> Option<Vec<u16>> {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| Some(text).filter(digits)?.parse::<u16>().ok();
    let mut nodes = Vec::new();
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = number(first)?..=number(last)?;
        if range.is_empty() {
            return None;
        }
        nodes.extend(range);
    }
    Some(nodes)
}

// [memory-policy.nodes-applied]
fn mask(nodes: &[u16]) -> Vec<c_ulong> {
    let bits = c_ulong::BITS as usize;
    let mut mask = vec![0; nodes.iter().max().map_or(0, |last| usize::from(*last) / bits + 1)];
    for node in nodes.iter().copied().map(usize::from) {
        mask[node / bits] |= 1 << (node % bits);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_numbers_and_ranges() {
        assert_eq!(parse("0-2,7"), Some(vec![0, 1, 2, 7]));
        assert_eq!(parse(""), Some(vec![]));
        for wrong in ["2-1", "a", "1,", "-1", "1-", "+1", "1-2-3", "70000"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nodes_become_bits() {
        assert_eq!(mask(&[0, 2]), [0b101]);
        assert_eq!(mask(&[c_ulong::BITS as u16]), [0, 1]);
        assert!(mask(&[]).is_empty());
    }
}

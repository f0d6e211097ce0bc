//! The execution domain of the container process.

use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::libc;
use oci_spec::runtime::{LinuxPersonality, LinuxPersonalityDomain as Domain, Spec};

/// Refuses flags, of which there are none yet.
///
/// # Errors
/// Names the flag.
// [personality.flags-refused]
pub fn check(spec: &Spec) -> Result<()> {
    match personality(spec).and_then(|personality| personality.flags().as_ref()?.first()) {
        Some(flag) => Err(Error::new(format!("linux.personality.flags: {flag:?} is not supported, nor is any other"))),
        None => Ok(()),
    }
}

/// Sets the domain of the calling process, which keeps it when it executes a program.
///
/// # Errors
/// The kernel has no such domain.
// [personality.linux] [personality.linux32] [personality.linux32-machine]
pub fn apply(spec: &Spec) -> Result<()> {
    let Some(domain) = personality(spec).map(LinuxPersonality::domain) else { return Ok(()) };
    // As of linux/personality.h.
    let number = match domain {
        Domain::PerLinux => 0,
        Domain::PerLinux32 => 8,
    };
    // SAFETY: the call takes a number.
    let result = unsafe { libc::personality(number) };
    Errno::result(result).map(drop).doing(|| format!("set linux.personality.domain to {domain}"))
}

fn personality(spec: &Spec) -> Option<&LinuxPersonality> {
    spec.linux().as_ref()?.personality().as_ref()
}

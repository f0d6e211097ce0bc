//! The container's host name and its NIS domain name.

use crate::error::{Doing, Error, Result};
use nix::libc;
use oci_spec::runtime::Spec;

/// Sets both names in the UTS namespace of the calling process.
///
/// # Errors
/// The kernel refuses a name.
pub fn apply(spec: &Spec) -> Result<()> {
    // [hostname.applied]
    if let Some(name) = spec.hostname() {
        nix::unistd::sethostname(name).doing(|| format!("set the host name {name:?}"))?;
    }
    // [hostname.domainname-applied]
    if let Some(name) = spec.domainname() {
        // SAFETY: the pointer and the length describe `name`, which outlives the call.
        let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
        nix::errno::Errno::result(result).doing(|| format!("set the domain name {name:?}"))?;
    }
    Ok(())
}

/// Refuses a name for which the config asks no UTS namespace of the container's own: it would rename the host.
///
/// # Errors
/// Names the property.
// [hostname.runtime-namespace] [hostname.domainname-runtime-namespace]
pub fn check(spec: &Spec, own_namespace: bool) -> Result<()> {
    let named = spec.hostname().is_some() || spec.domainname().is_some();
    if named && !own_namespace {
        return Err(Error::new("hostname and domainname need an entry of the type uts in linux.namespaces"));
    }
    Ok(())
}

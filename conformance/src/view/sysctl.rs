//! Kernel parameters.

use serde_json::Value;

use super::{Offence, typed};

/// Name and value of each parameter in `linux.sysctl`, if it has one.
pub fn view(config: &Value) -> Result<Option<Vec<(&str, &str)>>, Offence> {
    let all = typed(config, "/linux/sysctl", "an object of strings", parameters)?.unwrap_or_default();
    Ok((!all.is_empty()).then_some(all))
}

fn parameters(value: &Value) -> Option<Vec<(&str, &str)>> {
    value.as_object()?.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

/// The file in which a parameter is read: `a.b` is `a/b`. A name with a slash means itself by sysctl(8), or nothing:
/// none.
pub fn file(name: &str) -> Option<String> {
    let plain = !name.contains('/') && name.split('.').all(|part| !part.is_empty());
    plain.then(|| format!("/proc/sys/{}", name.replace('.', "/")))
}

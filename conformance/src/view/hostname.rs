//! The host name and the NIS domain name.

use serde_json::Value;

use super::{Offence, typed};

/// The names that a config sets.
pub struct Names<'a> {
    /// `hostname`.
    pub host: Option<&'a str>,
    /// `domainname`.
    pub domain: Option<&'a str>,
    /// Whether the container gets a UTS namespace other than the runtime's, as far as the config says.
    pub own_namespace: bool,
}

/// The names, if the config sets one.
pub fn view(config: &Value) -> Result<Option<Names<'_>>, Offence> {
    let host = typed(config, "/hostname", "a string", Value::as_str)?;
    let domain = typed(config, "/domainname", "a string", Value::as_str)?;
    let names = Names { host, domain, own_namespace: super::namespaces::lists(config, "uts") };
    Ok((host.is_some() || domain.is_some()).then_some(names))
}

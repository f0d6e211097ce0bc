//! The container's share of cache and memory bandwidth, and their monitoring.

use serde_json::Value;

use super::{Offence, boolean, object, strings, typed};

/// `linux.intelRdt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The class of service; none if the container has one of its own.
    pub class: Option<String>,
    /// `l3CacheSchema`: values in their order.
    pub cache: Vec<Share>,
    /// `memBwSchema`.
    pub bandwidth: Vec<Share>,
    /// `schemata`, which 1.3.0 brought.
    pub schemata: Vec<Share>,
    /// Whether `l3CacheSchema` or `memBwSchema` is set.
    pub has_older_schema: bool,
    /// Whether `schemata` is set.
    pub has_schemata: bool,
    /// Whether the container is monitored by itself.
    pub monitored: bool,
    /// Whether `enableCMT` or `enableMBM`, which 1.3.0 took away, asks for that.
    pub monitored_before: bool,
}

/// What a line of a schema gives one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The resource: `L3`, `MB`.
    pub resource: String,
    /// The domain's number.
    pub domain: String,
    /// Mask or share, without leading zeros.
    pub value: String,
}

/// What is said of cache and bandwidth; none if nothing is.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(rdt) = object(config, "/linux/intelRdt")? else { return Ok(None) };
    let text = |name: &str| typed(rdt, name, "a string", Value::as_str);
    let (cache, bandwidth) = (text("/l3CacheSchema")?, text("/memBwSchema")?);
    let schemata = typed(rdt, "/schemata", "an array of strings", strings)?;
    let older = ["/enableCMT", "/enableMBM"].map(|name| boolean(rdt, name));
    Ok(Some(View {
        class: text("/closID")?.filter(|class| !class.is_empty()).map(str::to_owned),
        cache: cache.map(shares).unwrap_or_default(),
        bandwidth: bandwidth.map(shares).unwrap_or_default(),
        schemata: schemata.iter().flatten().copied().flat_map(shares).collect(),
        has_older_schema: cache.is_some() || bandwidth.is_some(),
        has_schemata: schemata.is_some(),
        monitored: boolean(rdt, "/enableMonitoring")? == Some(true),
        monitored_before: older.into_iter().collect::<Result<Vec<_>, _>>()?.contains(&Some(true)),
    }))
}

/// The shares in lines such as `L3:0=7f0;1=1f`.
fn shares(text: &str) -> Vec<Share> {
    let mut found = Vec::new();
    for (resource, domains) in text.lines().filter_map(|line| line.trim().split_once(':')) {
        for (domain, value) in domains.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().trim_start_matches('0').to_ascii_lowercase();
            let (resource, domain) = (resource.trim().to_owned(), domain.trim().to_owned());
            found.push(Share { resource, domain, value });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_read_domain_by_domain() {
        let rdt = json!({ "linux": { "intelRdt": { "l3CacheSchema": "L3:0=07F0;1=1f", "memBwSchema": "MB:0=20" } } });
        let view = view(&rdt).unwrap().unwrap();
        let share = |resource: &str, domain: &str, value: &str| {
            let [resource, domain, value] = [resource, domain, value].map(str::to_owned);
            Share { resource, domain, value }
        };
        assert_eq!(view.cache, [share("L3", "0", "7f0"), share("L3", "1", "1f")]);
        assert_eq!(view.bandwidth, [share("MB", "0", "20")]);
        assert!(view.has_older_schema && !view.has_schemata && !view.monitored);
    }
}

//! Upstream's own examples, which its schema is tested with, held against ours.

use std::collections::BTreeSet;

use ocf_schema::{Kind, Severity, validate_bytes};
use ocf_spec::upstream::Repository;
use ocf_spec::{VERSIONS, Version};
use serde_json::{Value, json};

use crate::cli::checkout::Checkout;

/// One example, and what is found in it.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) path: String,
    /// Upstream calls it good.
    pub(super) is_good: bool,
    /// The version that it was held against.
    pub(super) spec: Version,
    /// The requirements that it breaks; a text that is no JSON breaks none of a state.
    pub(super) broken: BTreeSet<String>,
    /// The first error, in words.
    pub(super) first: Option<String>,
}

impl Example {
    /// Whether we say otherwise than upstream.
    pub(super) fn is_surprise(&self) -> bool {
        self.is_good == self.first.is_some()
    }

    pub(super) fn document(&self) -> Value {
        json!({ "path": self.path, "good": self.is_good, "spec": self.spec, "broken": self.broken, "first": self.first })
    }
}

/// All examples of a checkout, in the order of their paths. Upstream's schema is that of its own version, whatever a
/// document states, so they are held against that.
pub(super) fn all(checkout: &Checkout, repository: Repository) -> Result<Vec<Example>, String> {
    let mut examples = Vec::new();
    if repository != Repository::Runtime {
        return Ok(examples);
    }
    let spec = newest_known(checkout.text("specs-go/version.go")?.as_deref().and_then(version));
    for kind in Kind::FORMAT {
        for (folder, is_good) in [("bad", false), ("good", true)] {
            for path in checkout.folder(&format!("schema/test/{}/{folder}", kind.as_str()))? {
                let Some(bytes) = checkout.bytes(&path)? else { continue };
                examples.push(examined(kind, path, is_good, &bytes, spec));
            }
        }
    }
    Ok(examples)
}

fn examined(kind: Kind, path: String, is_good: bool, bytes: &[u8], spec: Version) -> Example {
    let findings = validate_bytes(kind, bytes, spec);
    let errors: Vec<_> = findings.iter().filter(|it| it.severity == Severity::Error).collect();
    Example {
        path,
        is_good,
        spec,
        broken: errors.iter().filter_map(|it| Some(it.requirement.as_ref()?.to_string())).collect(),
        first: errors.first().map(|it| format!("{}: {}", it.pointer, it.message).trim_start_matches(": ").to_owned()),
    }
}

/// The version that upstream's sources for Go state.
fn version(source: &str) -> Option<Version> {
    let number = |name: &str| -> Option<u32> {
        let (_, rest) = source.split_once(&format!("{name} = "))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some(Version::new(number("VersionMajor")?, number("VersionMinor")?, number("VersionPatch")?))
}

/// The newest known version that is no newer than this one.
fn newest_known(stated: Option<Version>) -> Version {
    let known = VERSIONS.into_iter().filter(|known| stated.is_none_or(|it| *known <= it));
    known.max().unwrap_or(VERSIONS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(is_good: bool, text: &str) -> Example {
        examined(Kind::Config, "x.json".to_owned(), is_good, text.as_bytes(), VERSIONS[2])
    }

    #[test]
    fn a_good_example_with_an_error_is_a_surprise_and_a_bad_one_without() {
        let right = r#"{"ociVersion": "1.0.2", "root": {"path": "rootfs"}}"#;
        let wrong = r#"{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": 5}"#;
        assert!(!example(true, right).is_surprise() && example(false, right).is_surprise());
        assert!(example(true, wrong).is_surprise() && !example(false, wrong).is_surprise());
        assert!(example(false, wrong).broken.iter().any(|id| id.starts_with("hostname.")));
    }

    #[test]
    fn the_version_of_a_checkout_is_read() {
        let source =
            "const (\n\tVersionMajor = 1\n\tVersionMinor = 2\n\tVersionPatch = 1\n\n\tVersionDev = \"+dev\"\n)";
        assert_eq!(version(source), Some(Version::new(1, 2, 1)));
        assert_eq!(version("package specs"), None);
        assert_eq!(newest_known(Some(Version::new(1, 9, 0))), VERSIONS[6]);
        assert_eq!(newest_known(Some(Version::new(1, 1, 7))), Version::new(1, 1, 0));
        assert_eq!(newest_known(None), VERSIONS[6]);
    }

    #[test]
    fn an_example_that_is_no_json_has_an_error() {
        assert!(!example(false, "{").is_surprise());
    }
}

//! Which versions of the specification this runtime understands.

use crate::error::{Error, Result};

/// The oldest version that a bundle may ask for.
pub const OLDEST: &str = "1.0.0";
/// The newest version that a bundle may ask for; its text is the one that is implemented.
pub const NEWEST: &str = "1.3.0";

/// Refuses an `ociVersion` outside 1.0.0 to 1.3.x. A pre-release counts as the release that it leads to.
///
/// # Errors
/// The version is malformed, or not supported.
pub fn check(version: &str) -> Result<()> {
    // [version.malformed-error]
    let (major, minor) =
        parse(version).ok_or_else(|| Error::new(format!("ociVersion {version:?} is no semantic version")))?;
    // [version.unsupported-major-error] [version.later-minor]
    if major != 1 || minor > 3 {
        return Err(Error::new(format!("ociVersion {version} is not supported, only {OLDEST} to {NEWEST}")));
    }
    Ok(())
}

/// Whether a config of this version is meant as version 1.`minor` and later ones say.
pub fn is_at_least(version: &str, minor: u64) -> bool {
    parse(version).is_some_and(|(_, found)| found >= minor)
}

/// The major and minor number of a version that Semantic Versioning 2.0.0 allows.
fn parse(version: &str) -> Option<(u64, u64)> {
    let (version, build) = split(version, '+');
    let (release, pre_release) = split(version, '-');
    let labels_fit = [(build, true), (pre_release, false)]
        .into_iter()
        .all(|(labels, zeros)| labels.is_none_or(|labels| labels.split('.').all(|label| is_label(label, zeros))));
    let numbers = release.split('.').map(number).collect::<Option<Vec<_>>>()?;
    match numbers[..] {
        [major, minor, _patch] if labels_fit => Some((major, minor)),
        _ => None,
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(left, right)| (left, Some(right)))
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    (digits && !leading_zero).then(|| text.parse().ok()).flatten()
}

fn is_label(text: &str, leading_zeros: bool) -> bool {
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit());
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && (!numeric || leading_zeros || text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn supported_versions_are_accepted() {
        for version in ["1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.3.0", "1.3.7+build.01"] {
            check(version).unwrap();
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for version in ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "0.9.0", "2.0.0", "1.4.0", "1.0.0.0"]
        {
            check(version).unwrap_err();
        }
    }
}

//! Versions of the format, and ranges of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of the OCI Runtime Specification.
///
/// It is written as text everywhere. A pre-release or a build of a version counts as that version:
/// `1.0.2-dev` is 1.0.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// Raised by an incompatible change.
    pub major: u32,
    /// Raised by a compatible addition.
    pub minor: u32,
    /// Raised by a correction.
    pub patch: u32,
}

/// Every released version since 1.0.0, the oldest first.
pub const VERSIONS: [Version; 7] = [
    Version::new(1, 0, 0),
    Version::new(1, 0, 1),
    Version::new(1, 0, 2),
    Version::new(1, 1, 0),
    Version::new(1, 2, 0),
    Version::new(1, 2, 1),
    Version::new(1, 3, 0),
];

/// A text that is no version, or no range of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidVersion(String);

impl fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for InvalidVersion {}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Whether it is one of [`VERSIONS`].
    pub fn is_released(self) -> bool {
        VERSIONS.contains(&self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(format!("`{text}` is no version such as 1.2.1"));
        let (core, _suffix) = split_suffix(text).ok_or_else(invalid)?;
        let numbers: Vec<u32> = core.split('.').map(number).collect::<Option<_>>().ok_or_else(invalid)?;
        match numbers[..] {
            [major, minor, patch] => Ok(Self::new(major, minor, patch)),
            _ => Err(invalid()),
        }
    }
}

/// Parts `1.0.2` from the pre-release or build that follows it; `None` if what follows can't stand
/// there by Semantic Versioning 2.0.0, items 9 and 10.
fn split_suffix(text: &str) -> Option<(&str, &str)> {
    let Some(at) = text.find(['-', '+']) else {
        return Some((text, ""));
    };
    let (core, suffix) = (&text[..at], &text[at..]);
    let (pre_release, build) = match suffix.split_once('+') {
        Some((pre_release, build)) => (pre_release.strip_prefix('-'), Some(build)),
        None => (suffix.strip_prefix('-'), None),
    };
    let starts_well = pre_release.is_some() || suffix.starts_with('+');
    let fits = pre_release.is_none_or(|it| it.split('.').all(is_pre_release_identifier))
        && build.is_none_or(|it| it.split('.').all(is_identifier));
    (starts_well && fits).then_some((core, suffix))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// An identifier which, if it is a number, has no leading zero.
fn is_pre_release_identifier(text: &str) -> bool {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    is_identifier(text) && !(is_number && text.len() > 1 && text.starts_with('0'))
}

/// A number without sign or leading zero, as Semantic Versioning writes it.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok())?
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// A range of versions: comparisons that must all hold, parted by commas, as `>=1.1.0,<1.3.0`.
///
/// The comparisons are `>=`, `>`, `<=`, `<` and `=`; a version alone means `=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRange {
    comparisons: Vec<(Comparison, Version)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

/// The longer signs first, so that none is taken for the beginning of another.
const COMPARISONS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Exactly),
];

impl VersionRange {
    /// Whether `version` satisfies every comparison.
    pub fn contains(&self, version: Version) -> bool {
        self.comparisons.iter().all(|&(comparison, bound)| match comparison {
            Comparison::AtLeast => version >= bound,
            Comparison::Above => version > bound,
            Comparison::AtMost => version <= bound,
            Comparison::Below => version < bound,
            Comparison::Exactly => version == bound,
        })
    }
}

impl FromStr for VersionRange {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let comparisons = text.split(',').map(|part| comparison(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { comparisons })
    }
}

fn comparison(text: &str) -> Result<(Comparison, Version), InvalidVersion> {
    let (comparison, version) = COMPARISONS
        .iter()
        .find_map(|&(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))
        .unwrap_or((Comparison::Exactly, text));
    Ok((comparison, version.trim().parse()?))
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (comparison, version)) in self.comparisons.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let sign = COMPARISONS.iter().find(|(_, it)| it == comparison);
            write!(f, "{comma}{}{version}", sign.map_or("", |(sign, _)| sign))?;
        }
        Ok(())
    }
}

impl TryFrom<String> for VersionRange {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        text.parse()
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pre_release_counts_as_its_version() {
        for text in ["1.0.2", "1.0.2-dev", "1.0.2-rc.1", "1.0.2+dev", "1.0.2-rc1+git.7"] {
            assert_eq!(text.parse(), Ok(Version::new(1, 0, 2)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_version() {
        let texts = [
            "",
            "1",
            "1.0",
            "1.0.",
            "v1.0.0",
            "1.0.0.0",
            "1.0.x",
            "01.0.0",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-rc..1",
            "1.0.0-rc_1",
            "1.0.0-01",
            " 1.0.0",
            "+1.0.0",
            "1.-1.0",
        ];
        for text in texts {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(VERSIONS.is_sorted());
        assert!(Version::new(1, 10, 0) > Version::new(1, 9, 9));
    }

    #[test]
    fn a_range_holds_what_satisfies_all_of_it() {
        let held = |range: &str| -> Vec<String> {
            let range: VersionRange = range.parse().unwrap();
            let held = VERSIONS.iter().filter(|&&version| range.contains(version));
            held.map(Version::to_string).collect()
        };
        assert_eq!(held(">=1.1.0,<1.3.0"), ["1.1.0", "1.2.0", "1.2.1"]);
        assert_eq!(held(">1.2.0"), ["1.2.1", "1.3.0"]);
        assert_eq!(held("<=1.0.1"), ["1.0.0", "1.0.1"]);
        assert_eq!(held("1.2.0"), ["1.2.0"]);
        assert_eq!(held("=1.2.0"), ["1.2.0"]);
        assert_eq!(held("<1.0.0"), [""; 0]);
    }

    #[test]
    fn an_ill_formed_range_is_refused() {
        for text in ["", ",", ">=", ">=1.1", "~1.1.0", ">=1.1.0,", "1.0.0..1.2.1", "=>1.0.0"] {
            assert!(text.parse::<VersionRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn both_are_texts_in_json() {
        let range: VersionRange = serde_json::from_str("\">= 1.1.0, <1.3.0\"").unwrap();
        assert_eq!(serde_json::to_string(&range).unwrap(), "\">=1.1.0,<1.3.0\"");
        let version: Version = serde_json::from_str("\"1.0.2-dev\"").unwrap();
        assert_eq!(serde_json::to_string(&version).unwrap(), "\"1.0.2\"");
        assert!(serde_json::from_str::<Version>("\"latest\"").is_err());
    }
}

//! The limits of huge pages are set, and hold.

use serde_json::{Value, json};

use super::resources::{Resources, Version};
use super::{Subject, expect as expected};
use crate::ask::hugepage_limits::{beyond, raised};
use crate::expectation::{Expectation, Matcher};
use crate::view::hugepage_limits::{self, Entry};

/// Sizes whose files are facts.
const SIZES: [&str; 4] = ["64KB", "2MB", "32MB", "1GB"];
/// Bytes above which the kernel's greatest number may be.
const GREATEST: u64 = 1 << 60;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let entries = match hugepage_limits::view(subject.config) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let Some(version) = resources.version("hugetlb") else { return Vec::new() };
    if entries.iter().any(|entry| resources.is_missing("huge-pages", entry.size)) {
        return vec![resources.refused("hugepage-limits.unknown-page-size-refused")];
    }
    let once = |entry: &&Entry<'_>| entries.iter().filter(|other| other.size == entry.size).count() == 1;
    let mut all = Vec::new();
    for entry in entries.iter().filter(once) {
        all.extend(set(&resources, version, entry));
        all.extend(enforced(subject, &resources, entry));
    }
    all
}

fn set(resources: &Resources<'_>, version: Version, entry: &Entry<'_>) -> Vec<Expectation> {
    let whole = entry.bytes.is_some_and(|bytes| entry.limit.is_multiple_of(bytes)) && entry.limit <= GREATEST;
    if !whole || !SIZES.contains(&entry.size) {
        return Vec::new();
    }
    let [usage, reservation] = match version {
        Version::V1 => ["limit_in_bytes", "rsvd.limit_in_bytes"],
        Version::V2 => ["max", "rsvd.max"],
    };
    let law = |id: &str, file: &str| resources.is(id, &format!("hugetlb.{}.{file}", entry.size), entry.limit);
    // Which of them are in force depends on the version.
    let mut all = vec![law("hugepage-limits.usage-limit-set", usage)];
    if resources.lacks(&format!("hugetlb.{}.{reservation}", entry.size)) {
        all.push(law("hugepage-limits.usage-limit-as-fallback", usage));
    } else {
        all.push(law("hugepage-limits.reservation-limit-set", reservation));
        all.push(law("hugepage-limits.usage-limit-beside", usage));
    }
    all
}

/// One page too many is refused, while the host has as many.
fn enforced(subject: &Subject<'_>, resources: &Resources<'_>, entry: &Entry<'_>) -> Option<Expectation> {
    let start = subject.started()?;
    let (what, pages) = beyond(entry)?;
    let free = resources.listed("huge-pages")?.get(entry.size).and_then(Value::as_u64)?;
    let fact = raised(subject.case, subject.config)?.fact(&what).filter(|_| free >= pages)?;
    let refused = Matcher::Equals(json!({ "error": "ENOMEM" }));
    Some(expected("hugepage-limits.reservation-limit-enforced", &start, fact, refused))
}

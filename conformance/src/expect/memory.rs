//! The limits of memory are set, and hold; what cgroup v2 has nothing for is refused there.

use serde_json::json;

use super::resources::{Resources, Version, is_shown};
use super::{Subject, expect as expected};
use crate::ask::memory::{beyond, kills, raised};
use crate::case::{Question, Try};
use crate::expectation::{Expectation, Matcher};
use crate::view::memory::{self, View};

/// What cgroup v1 shows for no limit, in bytes: the greatest number of whole pages, of 4, 16 and 64 KiB.
const UNLIMITED: [u64; 3] = [9_223_372_036_854_771_712, 9_223_372_036_854_759_424, 9_223_372_036_854_710_272];
/// The first kernel that keeps no limit of its own for the kernel's memory.
const NO_KERNEL_LIMIT: (u32, u32) = (5, 16);
/// The first kernel in which every hierarchy of memory is one.
const ALWAYS_HIERARCHY: (u32, u32) = (5, 11);

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match memory::view(subject.config) {
        Ok(Some(view)) => view,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let Some(version) = resources.version("memory") else { return Vec::new() };
    if let (Some(swap @ 1..), Some(limit @ 1..)) = (view.swap, view.limit)
        && swap < limit
    {
        return vec![resources.refused("memory.swap-below-limit-refused")];
    }
    let set = match version {
        Version::V1 => on_v1(&resources, &view),
        Version::V2 => on_v2(&resources, &view),
    };
    set.into_iter().chain(enforced(subject, &view)).collect()
}

/// A limit in bytes.
enum Bytes {
    Number(u64),
    Unlimited,
    Zero,
    /// A number of which it is not sure how it shows, or none that the format knows.
    Other,
}

fn bytes(limit: i64) -> Bytes {
    match (limit, u64::try_from(limit)) {
        (-1, _) => Bytes::Unlimited,
        (0, _) => Bytes::Zero,
        (_, Ok(number)) if is_shown(number) => Bytes::Number(number),
        _ => Bytes::Other,
    }
}

fn no_limit() -> Matcher {
    Matcher::OneOf(UNLIMITED.iter().map(|number| json!(number)).collect())
}

fn on_v1(resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let old_kernel = resources.kernel() < NO_KERNEL_LIMIT;
    let limits = [
        (view.limit, "memory.limit_in_bytes", "memory.limit-set", "memory.limit-unlimited"),
        (view.reservation, "memory.soft_limit_in_bytes", "memory.reservation-set", "memory.reservation-unlimited"),
        // What the kernel does with one alone is no matter of this file.
        (
            view.swap.filter(|swap| *swap <= 0 || view.limit.is_some_and(|limit| limit > 0)),
            "memory.memsw.limit_in_bytes",
            "memory.swap-set",
            "memory.swap-unlimited",
        ),
        (
            view.kernel.filter(|limit| old_kernel || *limit <= 0),
            "memory.kmem.limit_in_bytes",
            "memory.kernel-set",
            "memory.kernel-unlimited",
        ),
        (view.kernel_tcp, "memory.kmem.tcp.limit_in_bytes", "memory.kernel-tcp-set", "memory.kernel-tcp-unlimited"),
    ];
    let mut all = Vec::new();
    for (limit, file, set, unlimited) in limits {
        all.extend(match (limit.map(bytes), resources.lacks(file)) {
            (Some(Bytes::Number(_)), true) => Some(resources.refused(set)),
            (Some(Bytes::Number(number)), false) => Some(resources.is(set, file, number)),
            (Some(Bytes::Unlimited), false) => Some(resources.shows(unlimited, file, no_limit())),
            (Some(Bytes::Zero), false) => Some(resources.shows("memory.zero", file, no_limit())),
            _ => None,
        });
    }
    if view.kernel.is_some_and(|limit| limit > 0) && !old_kernel {
        all.push(resources.refused("memory.kernel-set"));
    }
    all.extend(view.swappiness.map(|number| resources.is("memory.swappiness-set", "memory.swappiness", number)));
    all.extend(view.disable_oom_killer.map(|disabled| {
        let id = if disabled { "memory.oom-killer-disabled" } else { "memory.oom-killer-enabled" };
        resources.is(id, "memory.oom_control/oom_kill_disable", u64::from(disabled))
    }));
    all.extend(match view.use_hierarchy {
        Some(true) => Some(resources.is("memory.hierarchy-enabled", "memory.use_hierarchy", 1)),
        // What an older one does depends on the cgroup above.
        Some(false) if resources.kernel() >= ALWAYS_HIERARCHY => Some(resources.refused("memory.hierarchy-disabled")),
        _ => None,
    });
    all
}

fn on_v2(resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    let positive = |limit: Option<i64>| limit.is_some_and(|limit| limit > 0);
    let refusals = [
        (positive(view.kernel), "memory.kernel-refused-on-v2"),
        (positive(view.kernel_tcp), "memory.kernel-tcp-refused-on-v2"),
        (view.swappiness.is_some(), "memory.swappiness-refused-on-v2"),
        (view.disable_oom_killer == Some(true), "memory.oom-killer-disabled-refused-on-v2"),
        (view.use_hierarchy == Some(false), "memory.hierarchy-disabled-refused-on-v2"),
    ];
    let refusals: Vec<_> =
        refusals.into_iter().filter(|(asked, _)| *asked).map(|(_, id)| resources.refused(id)).collect();
    if !refusals.is_empty() {
        return refusals;
    }
    let mut all = Vec::new();
    all.extend(match view.limit.map(bytes) {
        Some(Bytes::Number(number)) => Some(resources.is("memory.limit-set", "memory.max", number)),
        Some(Bytes::Unlimited) => Some(resources.is("memory.limit-unlimited", "memory.max", "max")),
        Some(Bytes::Zero) => Some(resources.is("memory.zero", "memory.max", "max")),
        _ => None,
    });
    all.extend(match view.reservation.map(bytes) {
        Some(Bytes::Number(number)) => Some(resources.is("memory.reservation-converted", "memory.low", number)),
        Some(Bytes::Zero) => Some(resources.is("memory.zero", "memory.low", 0)),
        _ => None,
    });
    all.extend(swap_on_v2(resources, view));
    all
}

/// The property counts memory and swap together, the file swap alone.
fn swap_on_v2(resources: &Resources<'_>, view: &View) -> Vec<Expectation> {
    const FILE: &str = "memory.swap.max";
    let limit = view.limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| is_shown(*limit));
    let total = match view.swap.map(bytes) {
        Some(Bytes::Number(total)) if resources.lacks(FILE) => {
            return limit
                .filter(|limit| *limit <= total)
                .map(|_| resources.refused("memory.swap-remainder"))
                .into_iter()
                .collect();
        }
        Some(Bytes::Number(total)) => total,
        Some(Bytes::Unlimited) if !resources.lacks(FILE) => {
            return vec![resources.is("memory.swap-unlimited", FILE, "max")];
        }
        Some(Bytes::Zero) if !resources.lacks(FILE) => return vec![resources.is("memory.zero", FILE, "max")],
        _ => return Vec::new(),
    };
    // Without a limit of memory neither part can be more than the sum.
    let (memory, swap) = limit.map_or((total, total), |limit| (limit, total.saturating_sub(limit)));
    let at_most = |bytes: u64| Matcher::AtMost(bytes.into());
    let mut all = vec![
        resources.shows("memory.swap-total", "memory.max", at_most(memory)),
        resources.shows("memory.swap-total", FILE, at_most(swap)),
    ];
    all.extend(limit.map(|_| resources.is("memory.swap-remainder", FILE, swap)));
    all
}

/// What the chapter asks, and what the case itself touches beyond the limit.
fn enforced(subject: &Subject<'_>, view: &View) -> Vec<Expectation> {
    let (Some(start), Some(raised), true) = (subject.started(), raised(subject.case, subject.config), kills(view))
    else {
        return Vec::new();
    };
    let Some(least) = beyond(view) else { return Vec::new() };
    let goes_beyond = |question: &&Question| {
        question.moment() == start && matches!(question.what, Try::Touch(mebibytes) if mebibytes > least)
    };
    let own = subject.case.questions.iter().filter(goes_beyond).filter_map(|question| raised.fact(&question.what));
    let killed =
        |fact| expected("memory.limit-enforced", &start, fact, Matcher::Equals(json!({ "signal": "SIGKILL" })));
    raised.fact(&Try::Touch(least)).into_iter().chain(own).map(killed).collect()
}

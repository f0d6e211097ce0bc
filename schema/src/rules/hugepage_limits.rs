//! One size of page, one limit; and sizes as the kernel writes them.

use serde_json::Value;

use super::{Offence, Rule, entries, repeated};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("hugepage-limits.page-size-in-kernel-form"), offences: other_forms },
    Rule { requirement: Some("hugepage-limits.page-size-unique"), offences: duplicates },
];

const LIMITS: &str = "/linux/resources/hugepageLimits";

fn other_forms(config: &Value) -> Vec<Offence> {
    entries(config, LIMITS)
        .filter(|(_, limit)| is_kernel_form(limit) == Some(false))
        .map(|(pointer, _)| Offence {
            pointer: format!("{pointer}/pageSize"),
            message: "no file of the kernel's is named so: a power of two, in the greatest unit that fits".to_owned(),
        })
        .collect()
}

/// Whether the size is written as the kernel writes it; `None` if it is no size.
fn is_kernel_form(limit: &Value) -> Option<bool> {
    let size = limit.get("pageSize")?.as_str()?;
    let unit = ["KB", "MB", "GB"].into_iter().find(|unit| size.ends_with(unit))?;
    let digits = size.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    // More than 64 bits is no size of a page.
    let number: u64 = digits.parse().unwrap_or(u64::MAX);
    Some(number.is_power_of_two() && (number < 1024 || unit == "GB"))
}

fn duplicates(config: &Value) -> Vec<Offence> {
    let size = |limit: &'_ Value| Some(limit.get("pageSize")?.as_str()?.to_owned());
    repeated(entries(config, LIMITS), size)
        .into_iter()
        .map(|(pointer, first, _)| Offence { pointer, message: format!("this size is limited already at {first}") })
        .collect()
}

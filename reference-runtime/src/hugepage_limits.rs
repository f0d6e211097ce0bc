//! How much memory in huge pages the container can reserve or use.

use crate::error::Result;
use crate::resources::{self, Setting};
use oci_spec::runtime::LinuxResources;
use serde_json::Value;

/// The limits of each size of huge pages.
///
/// # Errors
/// Names a size that no kernel has.
// [hugepage-limits.unknown-page-size-refused]
pub fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for (index, entry) in resources.hugepage_limits().iter().flatten().enumerate() {
        let (size, limit) = (entry.page_size(), entry.limit());
        if !is_size(size) {
            let name = format!("hugepageLimits[{index}].pageSize");
            return Err(resources::invalid(name, size, "is not a number and KB, MB or GB"));
        }
        let of = || Setting::new(format_args!("hugepageLimits[{index}].limit"), limit, "hugetlb");
        let (v1, v2) = (format!("hugetlb.{size}.limit_in_bytes"), format!("hugetlb.{size}.max"));
        // What 1.0 limits is the usage. [hugepage-limits.usage-limit-set] [hugepage-limits.usage-limit-as-fallback]
        settings.push(of().v1(v1, limit).v2(v2, limit));
        // What 1.1 limits, on kernels that can, are reservations, which are usage to be.
        // [hugepage-limits.reservation-limit-set] [hugepage-limits.usage-limit-beside]
        let (v1, v2) = (format!("hugetlb.{size}.rsvd.limit_in_bytes"), format!("hugetlb.{size}.rsvd.max"));
        settings.push(of().v1(v1, limit).v2(v2, limit).needless(true));
    }
    Ok(settings)
}

fn is_size(size: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The parser keeps 63 bits of a limit, which are more than the kernel keeps.
pub fn respell(resources: &mut Value) {
    for entry in resources.get_mut("hugepageLimits").and_then(Value::as_array_mut).into_iter().flatten() {
        if entry["limit"].as_u64().is_some_and(|limit| i64::try_from(limit).is_err()) {
            entry["limit"] = i64::MAX.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_size;
    use crate::resources::table::{V1, V2, is, refused};
    use serde_json::json;

    fn limits(size: &str, limit: u64) -> serde_json::Value {
        json!({ "hugepageLimits": [{ "pageSize": size, "limit": limit }] })
    }

    #[test]
    fn reservations_and_usage_are_limited() {
        is(
            limits("2MB", 4_194_304),
            &["hugetlb.2MB.limit_in_bytes 4194304", "hugetlb.2MB.rsvd.limit_in_bytes 4194304"],
            &["hugetlb.2MB.max 4194304", "hugetlb.2MB.rsvd.max 4194304"],
        );
        let most = i64::MAX;
        is(
            limits("1GB", u64::MAX),
            &[&format!("hugetlb.1GB.limit_in_bytes {most}"), &format!("hugetlb.1GB.rsvd.limit_in_bytes {most}")],
            &[&format!("hugetlb.1GB.max {most}"), &format!("hugetlb.1GB.rsvd.max {most}")],
        );
    }

    #[test]
    fn only_sizes_name_a_file() {
        assert!(["2MB", "64KB", "1GB"].into_iter().all(is_size));
        for size in ["", "MB", "2M", "2mb", "-2MB", "2 MB", "../2MB", "2MB/../x.2MB"] {
            for version in [V1, V2] {
                refused(version, limits(size, 1), &format!("linux.resources.hugepageLimits[0].pageSize: {size} "));
            }
        }
    }
}

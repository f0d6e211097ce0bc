//! Where a published report lies: by what was tested, which version of it, and on what sort of host.

use std::path::PathBuf;

use super::Report;
use super::html::short_version;
use crate::host::HostFacts;

/// `SPECIFICATION/RUNTIME/VERSION/HOST`, each one directory whatever a runtime says of itself.
pub fn of(report: &Report) -> PathBuf {
    let version = report.runtime.version.lines().next().unwrap_or_default();
    [
        report.suite.spec.to_string(),
        directory(&report.runtime.name),
        directory(short_version(version)),
        directory(&host(&report.host)),
    ]
    .iter()
    .collect()
}

/// What tells hosts apart in what they decide: the cgroups' layout, the security module, and the kernel's version.
fn host(host: &HostFacts) -> String {
    let layout = match (host.cgroups.v1.is_empty(), host.cgroups.unified) {
        (true, true) => "v2",
        (false, true) => "hybrid",
        (false, false) => "v1",
        (true, false) => "no-cgroups",
    };
    let module = ["apparmor", "selinux"].into_iter().find(|name| host.lsms.contains(*name));
    let kernel: Vec<_> = host.kernel.split(['.', '-']).take(2).collect();
    [Some(layout.to_owned()), module.map(str::to_owned), Some(format!("linux{}", kernel.join(".")))]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("-")
}

/// A name that is one directory and nothing else.
fn directory(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    let name: String = name.chars().take(80).map(plain).collect();
    match name.trim_start_matches('.') {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn each_part_tells_reports_apart() {
        let mut report = sample::report();
        report.runtime.name = "runc".to_owned();
        report.runtime.version = "runc version 1.1.5+ds1".to_owned();
        report.host.kernel = "6.1.0-18-amd64".to_owned();
        report.host.lsms = ["capability", "apparmor"].map(str::to_owned).into();
        report.host.cgroups.unified = true;
        report.host.cgroups.v1.clear();
        assert_eq!(of(&report), PathBuf::from("1.0.2/runc/1.1.5+ds1/v2-apparmor-linux6.1"));
        report.host.cgroups.v1 = ["memory".to_owned()].into();
        assert!(of(&report).ends_with("hybrid-apparmor-linux6.1"));
    }

    #[test]
    fn nothing_that_is_said_leads_elsewhere() {
        for name in ["..", "../../etc", "/etc", "", ".hidden", "a/b"] {
            let mut report = sample::report();
            (report.runtime.name, report.runtime.version) = (name.to_owned(), format!("x version {name}"));
            let place = of(&report);
            assert_eq!(place.components().count(), 4, "{}", place.display());
            let plain = |part| matches!(part, std::path::Component::Normal(_));
            assert!(place.components().all(plain), "{}", place.display());
        }
    }
}

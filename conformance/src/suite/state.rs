//! What of the host no case may change; compared before and after a run.

use std::fs;

/// Files whose text is the host's, whatever namespaces a case has.
const FILES: [&str; 8] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/panic",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/sys/kernel/uevent_helper",
];

/// The text of each file; none where it can't be read.
pub(super) struct HostState(Vec<Option<String>>);

impl HostState {
    /// Looks now.
    pub fn look() -> Self {
        Self(FILES.iter().map(|file| fs::read_to_string(file).ok()).collect())
    }

    /// What has changed since, if anything.
    pub fn changed(&self) -> Option<String> {
        let now = Self::look();
        let changed = FILES.iter().zip(self.0.iter().zip(&now.0)).find(|(_, (before, after))| before != after);
        changed.map(|(file, (before, after))| {
            let text = |t: &Option<String>| t.as_deref().unwrap_or("unreadable").trim().to_owned();
            format!("{file} was {:?} and is {:?}", text(before), text(after))
        })
    }
}

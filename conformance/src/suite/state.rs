//! What of the host no case may change; compared before and after a run.

use std::fs;
use std::os::unix::fs::MetadataExt;

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

/// Nodes of the host's whose owner and mode no case may change, either.
const NODES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What is known of each file; none where it can't be read.
pub(super) struct HostState(Vec<Option<String>>);

impl HostState {
    /// Looks now.
    pub fn look() -> Self {
        let texts = FILES.iter().map(|file| fs::read_to_string(file).ok());
        Self(texts.chain(NODES.iter().map(|node| owner_and_mode(node))).collect())
    }

    /// What has changed since, if anything.
    pub fn changed(&self) -> Option<String> {
        let now = Self::look();
        let changed =
            FILES.iter().chain(&NODES).zip(self.0.iter().zip(&now.0)).find(|(_, (before, after))| before != after);
        changed.map(|(file, (before, after))| {
            let text = |t: &Option<String>| t.as_deref().unwrap_or("unreadable").trim().to_owned();
            format!("{file} was {:?} and is {:?}", text(before), text(after))
        })
    }
}

fn owner_and_mode(node: &str) -> Option<String> {
    let facts = fs::metadata(node).ok()?;
    Some(format!("{}:{} {:o}", facts.uid(), facts.gid(), facts.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_with_both_values() {
        let mut before = HostState::look();
        assert_eq!(before.changed(), None);
        before.0[FILES.len()] = Some("1:1 600".into());
        let told = before.changed().unwrap_or_default();
        assert!(told.starts_with("/dev/null was \"1:1 600\" and is"), "{told}");
    }
}

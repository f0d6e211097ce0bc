//! The options of a mount, one by one.

use serde_json::{Value, json};

use super::Laws;
use crate::case::Action;
use crate::expectation::{Expectation, Matcher};
use crate::view::mounts::Entry;
use crate::view::{namespaces, tree};

/// A flag of a mount: the word that mountinfo shows, the options that set it, and those that clear it.
struct Flag {
    word: &'static str,
    set: &'static [&'static str],
    clear: &'static [&'static str],
}

/// Flags of one mount; the options with an `r` in front hold for the mounts below as well.
const FLAGS: [Flag; 7] = [
    Flag { word: "ro", set: &["ro", "rro"], clear: &["rw", "rrw"] },
    Flag { word: "nosuid", set: &["nosuid", "rnosuid"], clear: &["suid", "rsuid"] },
    Flag { word: "nodev", set: &["nodev", "rnodev"], clear: &["dev", "rdev"] },
    Flag { word: "noexec", set: &["noexec", "rnoexec"], clear: &["exec", "rexec"] },
    Flag { word: "nodiratime", set: &["nodiratime", "rnodiratime"], clear: &["diratime", "rdiratime"] },
    Flag { word: "noatime", set: &["noatime", "rnoatime"], clear: &["atime", "ratime", "strictatime", "rstrictatime"] },
    Flag { word: "nosymfollow", set: &["nosymfollow", "rnosymfollow"], clear: &["symfollow", "rsymfollow"] },
];
/// Options that clear a flag of the same table without being its opposite.
const NO_OPPOSITES: [&str; 2] = ["strictatime", "rstrictatime"];
/// Flags of a file system: the word among its options, and the option that clears it.
const FILE_SYSTEM: [(&str, &str); 4] =
    [("sync", "async"), ("dirsync", ""), ("lazytime", "nolazytime"), ("mand", "nomand")];
/// Every option on times of access.
const TIMES: [&str; 6] = ["atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"];
/// Propagation, each with its recursive form.
const PROPAGATION: [(&str, &str); 4] =
    [("private", "rprivate"), ("shared", "rshared"), ("slave", "rslave"), ("unbindable", "runbindable")];
/// What is not to be seen of a mount with `defaults` alone.
const NOT_DEFAULT: [&str; 5] = ["ro", "nosuid", "nodev", "noexec", "noatime"];

impl Laws<'_> {
    /// What the options of an entry, mounted at `place`, call for.
    pub(super) fn options(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let remounts: Vec<&Entry> = self.view.remounts(entry).collect();
        if !remounts.is_empty() {
            return remounts.into_iter().flat_map(|remount| self.remount(entry, remount, place)).collect();
        }
        let mut all = self.flags(entry, place);
        all.extend(self.times(entry, place));
        all.extend(self.propagation(entry, place));
        all.extend(self.id_mapped(entry, place));
        if entry.is_new() {
            all.extend(self.of_file_system(entry, place));
            all.extend(self.data(entry, place));
        }
        all
    }

    fn flags(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let mut all = Vec::new();
        for flag in &FLAGS {
            let (sets, clears) = (entry.has_any(flag.set), entry.has_any(flag.clear));
            let words = if sets { flag.set } else { flag.clear };
            if sets == clears {
                continue;
            }
            for option in words.iter().filter(|option| entry.has(option) && !NO_OPPOSITES.contains(option)) {
                let matcher = if sets { Matcher::Contains(json!(flag.word)) } else { Matcher::Lacks(json!(flag.word)) };
                if !sets && !is_recursive(option) && self.takes_over(entry, flag.word) {
                    let options = format!("{}/options", self.mount(place));
                    all.push(self.law("mounts.options-lift-flags", options, matcher));
                } else {
                    all.extend(self.on_each(entry, option, place, &matcher));
                }
            }
        }
        all
    }

    /// Whether a bind mount may have this flag from its source: the case mounts something with it.
    fn takes_over(&self, entry: &Entry, flag: &str) -> bool {
        let has_flag =
            |action: &Action| matches!(action, Action::Mount { options, .. } if options.iter().any(|it| it == flag));
        entry.is_bind() && self.subject.does(has_flag)
    }

    /// The three times of access, of which a mount has one.
    fn times(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let has = |name: &str| entry.has(name) || entry.has(&format!("r{name}"));
        let relatime = Matcher::Contains(json!("relatime"));
        let mut all = Vec::new();
        for option in ["relatime", "rrelatime"] {
            if entry.has(option) && !has("noatime") && !has("strictatime") {
                all.extend(self.on_each(entry, option, place, &relatime));
            }
        }
        for option in ["strictatime", "rstrictatime"] {
            if entry.has(option) && !has("noatime") && !has("relatime") {
                all.extend(self.on_each(entry, option, place, &Matcher::Lacks(json!("relatime"))));
                all.extend(self.on_each(entry, option, place, &Matcher::Lacks(json!("noatime"))));
            }
        }
        let alone = TIMES.iter().filter(|option| has(option)).count() == 1;
        if entry.is_new() && entry.has("nostrictatime") && alone {
            all.extend(self.on_each(entry, "nostrictatime", place, &relatime));
        }
        all
    }

    /// What an option means for the options of the mount, and of those below if it begins with an `r` for that.
    fn on_each(&self, entry: &Entry, option: &str, place: &str, matcher: &Matcher) -> Vec<Expectation> {
        let requirement = format!("mounts.option-{option}");
        let places = if is_recursive(option) { self.places(entry, place) } else { vec![place.to_owned()] };
        let law = |place: String| self.law(&requirement, format!("{}/options", self.mount(&place)), matcher.clone());
        places.into_iter().map(law).collect()
    }

    /// The mount of a recursive bind mount, and those below it.
    pub(super) fn places(&self, entry: &Entry, place: &str) -> Vec<String> {
        let source = entry.source.as_deref().filter(|_| entry.has("rbind"));
        let below = source.map(|source| tree::mounted_below(self.subject.case, source)).unwrap_or_default();
        // Without rbind there is nothing below, and what the option would mean then is unsaid.
        let own = entry.has("rbind").then(|| place.to_owned());
        own.into_iter().chain(below.into_iter().map(|rest| format!("{place}{rest}"))).collect()
    }

    fn propagation(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let given = PROPAGATION.iter().filter(|(one, all)| entry.has(one) || entry.has(all)).count();
        if given != 1 {
            return Vec::new();
        }
        let shared = entry.source.as_deref().is_some_and(|source| tree::is_shared(self.subject.case, source));
        let law = |requirement: &str, word: &str, place: &str| {
            let fact = format!("{}/propagation", self.mount(place));
            let matcher =
                if word == "private" { Matcher::Equals(json!(["private"])) } else { Matcher::Contains(json!(word)) };
            self.law(requirement, fact, matcher)
        };
        let mut all = Vec::new();
        for (one, recursive) in PROPAGATION {
            // What has no peer can't become a slave.
            let applies = one != "slave" || (entry.is_bind() && shared);
            if entry.has(one) && applies {
                all.push(law(&format!("mounts.option-{one}"), one, place));
            }
            if entry.has(recursive) && applies {
                let places = self.places(entry, place).into_iter();
                all.extend(
                    places
                        .filter(|it| one != "slave" || it == place)
                        .map(|it| law(&format!("mounts.option-{recursive}"), one, &it)),
                );
            }
        }
        all
    }

    /// Flags of the file system, and what `defaults` alone gives.
    fn of_file_system(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let (own, of_system) =
            (format!("{}/options", self.mount(place)), format!("{}/super-options", self.mount(place)));
        let mut all = Vec::new();
        for (set, clear) in FILE_SYSTEM {
            let law = |option: &str, matcher| self.law(&format!("mounts.option-{option}"), of_system.clone(), matcher);
            match (entry.has(set), entry.has(clear)) {
                (true, false) => all.push(law(set, Matcher::Contains(json!(set)))),
                (false, true) => all.push(law(clear, Matcher::Lacks(json!(set)))),
                _ => {}
            }
        }
        if entry.options == ["defaults"] {
            let lacks = |word: &&str| self.law("mounts.option-defaults", own.clone(), Matcher::Lacks(json!(word)));
            all.extend(NOT_DEFAULT.iter().map(lacks));
            all.push(self.law("mounts.option-defaults", of_system, Matcher::Lacks(json!("sync"))));
        }
        all
    }

    /// Options of one file system, as it shows them.
    fn data(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let shown = match entry.kind.as_deref() {
            Some("tmpfs") => tmpfs(entry),
            Some("devpts") => devpts(entry),
            _ => return Vec::new(),
        };
        let fact = format!("{}/super-options", self.mount(place));
        // With owners of another user namespace the kernel shows other numbers.
        let is_plain = !namespaces::lists(self.subject.config, "user");
        let laws = shown.into_iter().filter(|_| is_plain).flat_map(|word| {
            ["mounts.options-of-file-system", "mounts.options-unknown-passed"]
                .map(|requirement| self.law(requirement, fact.clone(), Matcher::Contains(Value::String(word.clone()))))
        });
        laws.collect()
    }

    /// A later entry that changes the mount: it is the same mount, with the other options.
    fn remount(&self, entry: &Entry, remount: &Entry, place: &str) -> Vec<Expectation> {
        let (fact, mut all) = (self.mount(place), Vec::new());
        if let (true, Some(source)) = (entry.is_new(), &entry.source) {
            all.push(self.law("mounts.option-remount", format!("{fact}/source"), Matcher::Equals(json!(source))));
        }
        let set = FLAGS.iter().filter(|flag| remount.has(flag.word) && !remount.has_any(flag.clear));
        all.extend(set.map(|flag| {
            self.law("mounts.option-remount", format!("{fact}/options"), Matcher::Contains(json!(flag.word)))
        }));
        all
    }
}

/// Whether the option holds for the mounts below as well.
fn is_recursive(option: &str) -> bool {
    option.starts_with('r') && !["ro", "rw", "relatime"].contains(&option)
}

/// What a tmpfs shows of its data (tmpfs(5)): sizes in KiB, and nothing that is as by default.
fn tmpfs(entry: &Entry) -> Vec<String> {
    let octal = |name: &str| u32::from_str_radix(entry.value(name)?, 8).ok();
    let number = |name: &str| entry.value(name)?.parse::<u32>().ok().filter(|number| *number != 0);
    let size = entry.value("size").and_then(bytes).filter(|bytes| bytes % (64 << 10) == 0 && *bytes > 0);
    let mode = octal("mode").filter(|mode| *mode != 0o1777);
    [
        size.map(|bytes| format!("size={}k", bytes >> 10)),
        mode.map(|mode| format!("mode={mode:03o}")),
        number("nr_inodes").map(|count| format!("nr_inodes={count}")),
        number("uid").map(|uid| format!("uid={uid}")),
        number("gid").map(|gid| format!("gid={gid}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a devpts shows of its data.
fn devpts(entry: &Entry) -> Vec<String> {
    let octal = |name: &str| u32::from_str_radix(entry.value(name)?, 8).ok().map(|mode| format!("{name}={mode:03o}"));
    let number = |name: &str| entry.value(name)?.parse::<u32>().ok().map(|id| format!("{name}={id}"));
    [octal("mode"), octal("ptmxmode"), number("uid"), number("gid")].into_iter().flatten().collect()
}

/// A number of bytes with a suffix for its unit.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::mounts;

    fn entry(options: Value) -> Entry {
        let config = json!({ "mounts": [{ "destination": "/a", "type": "tmpfs", "options": options }] });
        mounts::view(&config).unwrap().unwrap().entries.remove(0)
    }

    #[test]
    fn data_is_as_the_file_system_shows_it() {
        assert_eq!(tmpfs(&entry(json!(["size=1m", "mode=0755", "uid=0"]))), ["size=1024k", "mode=755"]);
        assert!(tmpfs(&entry(json!(["size=50%", "mode=1777"]))).is_empty());
        assert_eq!(devpts(&entry(json!(["mode=0620", "gid=5"]))), ["mode=620", "gid=5"]);
    }
}

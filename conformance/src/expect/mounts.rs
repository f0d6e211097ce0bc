//! What is mounted where, from what, in which order and with which options.

use serde_json::{Value, json};

use super::{Subject, expect as expected, inside, refused};
use crate::ask::devices::DEFAULTS as DEVICES;
use crate::ask::mounts::{hidden, proc_type, raised, shown};
use crate::ask::raised::Raised;
use crate::case::Try;
use crate::expectation::{Expectation, Matcher, token};
use crate::view::mounts::{self, Entry, View};
use crate::view::tree::{self, File, Tree, lies_in};
use crate::view::{masked_paths, readonly_paths, text};
use ocf_spec::Version;

mod id_mapping;
mod options;

/// Since this version a destination may be relative.
const RELATIVE: Version = Version::new(1, 2, 0);
/// File systems that a program on Linux expects, but for proc, which is looked for in another way.
const DEFAULTS: [(&str, &str, &str); 3] = [
    ("mounts.default-sys", "/sys", "sysfs"),
    ("mounts.default-dev-pts", "/dev/pts", "devpts"),
    ("mounts.default-dev-shm", "/dev/shm", "tmpfs"),
];

/// File systems of which the kernel has made one already, in every namespace of theirs, with labels by its policy; and proc,
/// in which one label for all files would take the place of those that the policy gives.
const LABELLED_BY_KERNEL: [&str; 5] = ["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match mounts::view(subject.config) {
        Ok(view) => view.unwrap_or(View { entries: Vec::new() }),
        Err(offence) => return subject.refusal(&offence),
    };
    if view.entries.iter().any(|entry| entry.relative) && subject.spec < RELATIVE {
        let refusal = subject.created().map(|created| refused("mounts.destination-relative-refused", &created));
        return refusal.into_iter().collect();
    }
    let (Some(start), Some(raised)) = (subject.started(), raised(subject.case, subject.config)) else {
        return Vec::new();
    };
    let tree = Tree::of(subject.case, subject.config);
    let laws = Laws { subject, start, raised, tree, view: &view };
    let entries =
        view.uncovered().filter(|entry| !is_contested(entry)).filter_map(|entry| Some((entry, laws.place(entry)?)));
    let each = entries.flat_map(|(entry, place)| laws.entry(entry, &place));
    each.chain(laws.order()).chain(laws.defaults()).collect()
}

struct Laws<'a> {
    subject: &'a Subject<'a>,
    start: String,
    raised: Raised<'a>,
    tree: Tree,
    view: &'a View,
}

impl Laws<'_> {
    fn law(&self, requirement: &str, fact: impl Into<String>, matcher: Matcher) -> Expectation {
        expected(requirement, &self.start, fact, matcher)
    }

    /// The fact of what is topmost at a mount point.
    fn mount(&self, place: &str) -> String {
        inside(&self.start, &format!("mounts/{}", token(place)))
    }

    /// Where an entry is mounted, unless masked or read-only paths put something of their own over it.
    fn place(&self, entry: &Entry) -> Option<String> {
        let config = self.subject.config;
        let masked = masked_paths::view(config).ok().flatten().map(|view| view.paths).unwrap_or_default();
        let readonly = readonly_paths::view(config).ok().flatten().map(|view| view.paths).unwrap_or_default();
        let place = tree::resolved(self.subject.case, &entry.destination)?;
        let is_over = |path: &String| lies_in(&place, path);
        (!masked.iter().chain(&readonly).any(is_over) && !place.contains("${")).then_some(place)
    }

    fn entry(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let fact = self.mount(place);
        let kind = || self.law("mounts.destination-applied", format!("{fact}/type"), Matcher::PRESENT);
        let mut all = vec![kind()];
        if entry.relative {
            all.push(Expectation { requirement: id("mounts.destination-relative"), ..kind() });
        }
        if place != entry.destination {
            all.push(Expectation { requirement: id("mounts.destination-inside"), ..kind() });
        }
        if entry.is_new() {
            all.extend(self.file_system(entry, &fact));
        } else if entry.is_bind() {
            all.extend(self.bind(entry, place));
        }
        all.extend(self.options(entry, place));
        all
    }

    /// Type and source of a new file system.
    fn file_system(&self, entry: &Entry, fact: &str) -> Vec<Expectation> {
        if entry.is_new_of("cgroup") {
            return Vec::new();
        }
        let equals = |requirement, member, value: &Option<String>| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some(self.law(requirement, format!("{fact}/{member}"), Matcher::Equals(json!(value))))
        };
        let kind = equals("mounts.type-applied", "type", &entry.kind);
        let source = equals("mounts.source-of-file-system", "source", &entry.source);
        kind.into_iter().chain(source).chain(self.label(entry, fact)).collect()
    }

    /// The SELinux context of a new file system whose labels are not the kernel's own.
    fn label(&self, entry: &Entry, fact: &str) -> Option<Expectation> {
        let label = text(self.subject.config, "/linux/mountLabel").filter(|label| !label.is_empty())?;
        let takes_one = !entry.kind.as_deref().is_some_and(|kind| LABELLED_BY_KERNEL.contains(&kind));
        // The kernel quotes what holds a comma.
        let shown = if label.contains(',') { format!("context=\"{label}\"") } else { format!("context={label}") };
        let options = format!("{fact}/super-options");
        takes_one.then(|| self.law("mounts.label-applied", options, Matcher::Contains(json!(shown))))
    }

    /// What a bind mount shows: known files, and the mounts below its source or not.
    fn bind(&self, entry: &Entry, place: &str) -> Vec<Expectation> {
        let Some(source) = entry.source.as_deref() else { return Vec::new() };
        let below = tree::mounted_below(self.subject.case, source);
        let mut all: Vec<_> =
            shown(&self.tree, entry, self.subject.config).flat_map(|file| self.shows(entry, source, file)).collect();
        all.extend(below.iter().map(|rest| {
            let fact = self.mount(&format!("{place}{rest}"));
            if entry.has("rbind") {
                self.law("mounts.option-rbind", fact, Matcher::PRESENT)
            } else {
                self.law("mounts.option-bind", fact, Matcher::ABSENT)
            }
        }));
        all
    }

    fn shows(&self, entry: &Entry, source: &str, file: &File) -> Vec<Expectation> {
        let (Some(read), Some(text)) = (self.raised.fact(&Try::Read(file.path.clone())), &file.text) else {
            return Vec::new();
        };
        let mut cited = vec![if source.starts_with('/') { "mounts.source-absolute" } else { "mounts.source-relative" }];
        cited.push(if entry.has("rbind") { "mounts.option-rbind" } else { "mounts.option-bind" });
        cited.extend((file.path == entry.destination).then_some("mounts.source-file"));
        let dummy = matches!(entry.kind.as_deref(), None | Some("none" | "bind" | ""));
        cited.extend((!dummy).then_some("mounts.type-of-bind-mount"));
        let shows = |requirement| self.law(requirement, read.clone(), Matcher::Equals(json!({ "bytes": text })));
        cited.into_iter().map(shows).chain(self.owners(entry, file)).collect()
    }

    /// What shows that entries were mounted in their order, where one lies at or above another.
    fn order(&self) -> Vec<Expectation> {
        let indices = 0..self.view.entries.len();
        indices.flat_map(|index| self.covered(index).into_iter().chain(self.above(index))).collect()
    }

    /// The earlier entry of two is hidden by the later one.
    fn covered(&self, index: usize) -> Option<Expectation> {
        if let Some(entry) = hidden(self.view, index) {
            let fact = self.raised.fact(&Try::Stat(entry.destination.clone()))?;
            return Some(self.law("mounts.order", fact, Matcher::Equals(json!({ "error": "ENOENT" }))));
        }
        let (entry, later) = (&self.view.entries[index], &self.view.entries[self.view.covering(index)?]);
        let tells = entry.destination == later.destination && later.is_new() && entry.source != later.source;
        let (source, place) = (later.source.as_deref().filter(|_| tells && !entry.is_remount())?, self.place(later)?);
        Some(self.law("mounts.order", format!("{}/source", self.mount(&place)), Matcher::Equals(json!(source))))
    }

    /// The later entry of two lies below the earlier one, and is seen there.
    fn above(&self, index: usize) -> Option<Expectation> {
        let entry = &self.view.entries[index];
        let earlier = self.view.entries[..index].iter();
        let is_above = |it: &Entry| {
            !it.is_remount() && it.destination != entry.destination && lies_in(&entry.destination, &it.destination)
        };
        let visible = self.view.covering(index).is_none()
            && !is_contested(entry)
            && entry.is_bind()
            && earlier.into_iter().any(is_above);
        let file = shown(&self.tree, entry, self.subject.config).next().filter(|_| visible)?;
        let fact = self.raised.fact(&Try::Read(file.path.clone()))?;
        Some(self.law("mounts.order", fact, Matcher::Equals(json!({ "bytes": file.text }))))
    }

    /// The default file systems, where the config puts nothing else in their place.
    fn defaults(&self) -> Vec<Expectation> {
        let others = DEFAULTS.iter().filter(|(_, path, kind)| self.is_free(path, kind));
        let others = others.filter_map(|(requirement, path, kind)| {
            let place = tree::resolved(self.subject.case, path).filter(|place| !place.contains("${"))?;
            Some(self.law(requirement, format!("{}/type", self.mount(&place)), Matcher::Equals(json!(kind))))
        });
        let proc = self.raised.fact(&proc_type()).filter(|_| self.is_free("/proc", "proc"));
        let proc =
            proc.map(|fact| self.law("mounts.default-proc", format!("{fact}/type"), Matcher::Equals(json!("proc"))));
        others.chain(proc).collect()
    }

    fn is_free(&self, path: &str, kind: &str) -> bool {
        let masked = masked_paths::view(self.subject.config).ok().flatten().map(|view| view.paths).unwrap_or_default();
        let is_other = |on: &Entry| on.destination == path && !on.is_new_of(kind);
        !masked.iter().any(|mask| lies_in(path, mask)) && !self.view.on(path).is_some_and(is_other)
    }
}

/// Whether a device of the runtime's own has to be at the destination: the text does not say which of the two wins.
fn is_contested(entry: &Entry) -> bool {
    DEVICES.iter().any(|(path, ..)| *path == entry.destination)
}

fn id(requirement: &str) -> ocf_spec::RequirementId {
    expected(requirement, "", "", Matcher::Equals(Value::Null)).requirement
}

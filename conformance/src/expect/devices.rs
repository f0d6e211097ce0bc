//! Devices, configured and by default; the links beside them; and the accesses that the rules allow.

use serde_json::{Value, json};

use super::{Subject, expect as expected, refused};
use crate::ask::devices::{DEFAULTS, accesses, raised};
use crate::ask::raised::Raised;
use crate::case::{Node, Try};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::devices::{self, Access, Device, Field, Kind, View};
use crate::view::tree::{behind_link, lies_in, plain};
use crate::view::{masked_paths as masked, mounts, namespaces, readonly_paths};

/// Links in /dev, and where each leads if that is there.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// What opening or making a node may say when no rule is against it.
const NOT_DENIED: [&str; 4] = ["ENXIO", "ENODEV", "EBUSY", "EIO"];

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match devices::view(subject.config) {
        Ok(view) => view.unwrap_or_default(),
        Err(offence) => return subject.refusal(&offence),
    };
    if let (true, Some(created)) = (view.devices.iter().any(|it| is_taken(subject, it)), subject.created()) {
        return vec![refused("devices.other-file-refused", &created)];
    }
    let (Some(start), Some(raised)) = (subject.started(), raised(subject.case, subject.config)) else {
        return Vec::new();
    };
    let laws = Laws { subject, start, raised, view: &view };
    let configured = view.devices.iter().flat_map(|device| laws.configured(device));
    configured.chain(laws.defaults()).chain(laws.links()).chain(laws.ptmx()).chain(laws.rules()).collect()
}

/// Whether the case puts another file at the device's path, which no mount hides.
fn is_taken(subject: &Subject<'_>, device: &Device) -> bool {
    let Ok(mounts) = mounts::view(subject.config) else { return false };
    if mounts.is_some_and(|view| view.on(&device.path).is_some()) || behind_link(subject.case, &device.path) {
        return false;
    }
    let at = subject.case.rootfs.iter().find(|(path, _)| plain(path) == device.path);
    at.is_some_and(|(_, entry)| match &entry.node {
        Node::File(_) | Node::Directory(_) | Node::Witness(_) => true,
        Node::Fifo(_) => device.kind != Kind::Fifo,
        Node::Device { r#type, major, minor } => {
            let kind = if r#type == "b" { Kind::Block } else { Kind::Character };
            let numbers = i64::try_from(*major).ok().zip(i64::try_from(*minor).ok());
            device.kind != kind || device.numbers != numbers
        }
        Node::Symlink(_) => false,
    })
}

struct Laws<'a> {
    subject: &'a Subject<'a>,
    start: String,
    raised: Raised<'a>,
    view: &'a View,
}

impl Laws<'_> {
    fn law(&self, requirement: &str, fact: impl Into<String>, value: impl Into<Value>) -> Expectation {
        expected(requirement, &self.start, fact, Matcher::Equals(value.into()))
    }

    /// What stands at the path of an entry of `linux.devices`.
    fn configured(&self, device: &Device) -> Vec<Expectation> {
        let what = Try::Follow(device.path.clone());
        let Some(fact) = self.raised.fact(&what).filter(|_| self.is_clear(&device.path)) else { return Vec::new() };
        let kinds = ["character", "block", "fifo"].map(|kind| json!(kind)).to_vec();
        let mut all = vec![
            expected("devices.path-applied", &self.start, format!("{fact}/type"), Matcher::OneOf(kinds)),
            self.law("devices.type-applied", format!("{fact}/type"), device.kind.word()),
        ];
        if let Some((major, minor)) = device.numbers {
            all.push(self.law("devices.major-applied", format!("{fact}/rdev/0"), major));
            all.push(self.law("devices.minor-applied", format!("{fact}/rdev/1"), minor));
        }
        all.extend(device.mode.map(|mode| self.law("devices.file-mode-applied", format!("{fact}/mode"), mode)));
        // The numbers of a user namespace's own owners are not those by which a runtime may make a node.
        if !namespaces::lists(self.subject.config, "user") {
            all.extend(device.uid.map(|uid| self.law("devices.uid-applied", format!("{fact}/uid"), uid)));
            all.extend(device.gid.map(|gid| self.law("devices.gid-applied", format!("{fact}/gid"), gid)));
        }
        all
    }

    fn defaults(&self) -> Vec<Expectation> {
        let own = |path: &str| self.view.devices.iter().any(|device| device.path == path);
        let clear = DEFAULTS.iter().filter(|(path, ..)| !own(path) && self.is_clear(path));
        let laws = clear.flat_map(|(path, major, minor)| {
            let requirement = format!("devices.default-{}", &path["/dev/".len()..]);
            let fact = format!("/inside/{}/devices/{}", token(&self.start), token(path));
            [
                self.law(&requirement, format!("{fact}/type"), "character"),
                self.law(&requirement, format!("{fact}/rdev"), json!([major, minor])),
            ]
        });
        laws.collect()
    }

    /// The links, where a proc file system of the config's is at /proc.
    fn links(&self) -> Vec<Expectation> {
        let has_proc = mounts::view(self.subject.config).ok().flatten();
        let has_proc = has_proc.is_some_and(|view| {
            view.on("/proc/self/fd").is_some_and(|on| on.is_new_of("proc") && on.destination == "/proc")
        });
        let clear = LINKS
            .iter()
            .filter(|(name, target)| has_proc && self.is_clear(&format!("/dev/{name}")) && self.is_clear(target));
        let laws = clear.flat_map(|(name, target)| {
            let requirement = format!("devices.link-{name}");
            let fact = format!("/inside/{}/devices/{}", token(&self.start), token(&format!("/dev/{name}")));
            let relative = format!("..{target}");
            let targets = Matcher::OneOf(vec![json!(target), json!(relative)]);
            [
                self.law(&requirement, format!("{fact}/type"), "symlink"),
                expected(&requirement, &self.start, format!("{fact}/target"), targets),
            ]
        });
        laws.collect()
    }

    /// Two paths, one device of one file system: by a link or by a bind mount.
    fn ptmx(&self) -> Vec<Expectation> {
        let facts = ["/dev/ptmx", "/dev/pts/ptmx"].map(|path| self.raised.fact(&Try::Follow(path.into())));
        let [Some(one), Some(other)] = facts else { return Vec::new() };
        let has_pts = mounts::view(self.subject.config).ok().flatten();
        let has_pts = has_pts.is_some_and(|view| view.on("/dev/pts/ptmx").is_some_and(|on| on.is_new_of("devpts")));
        if !has_pts || !self.is_clear("/dev/ptmx") {
            return Vec::new();
        }
        let same = |member: &str| {
            let other = Matcher::SameAs(format!("{other}/{member}"));
            expected("devices.default-ptmx", &self.start, format!("{one}/{member}"), other)
        };
        let numbers = self.law("devices.default-ptmx", format!("{one}/rdev"), json!([5, 2]));
        vec![numbers, same("dev"), same("ino")]
    }

    fn rules(&self) -> Vec<Expectation> {
        let tried = accesses(self.view, self.subject.config);
        tried.into_iter().flat_map(|(what, access)| self.rule(&what, access)).collect()
    }

    /// The decision about one access, and what it rests on.
    fn rule(&self, what: &Try, access: Access) -> Vec<Expectation> {
        let (Some(allowed), Some(fact)) = (self.view.allows(access), self.raised.fact(what)) else { return Vec::new() };
        let matcher = if allowed { Matcher::OneOf(not_denied()) } else { Matcher::Equals(json!({ "error": "EPERM" })) };
        let own = if allowed { "devices.rule-allows" } else { "devices.rule-denies" };
        let fields = self.view.rests_on(access).into_iter().map(|field| match field {
            Field::Order => "devices.rules-in-order",
            Field::Kind => "devices.rule-type",
            Field::Major => "devices.rule-major",
            Field::Minor => "devices.rule-minor",
            Field::Access => "devices.rule-access",
        });
        let law = |requirement| expected(requirement, &self.start, fact.clone(), matcher.clone());
        let openable = (allowed && access.letter == 'r').then_some("devices.openable");
        std::iter::once(own).chain(openable).chain(fields).map(law).collect()
    }

    /// Whether nothing else of the config or the case is at this path, and nothing hides it.
    fn is_clear(&self, path: &str) -> bool {
        let config = self.subject.config;
        let masks = masked::view(config).ok().flatten().map(|view| view.paths).unwrap_or_default();
        let readonly = readonly_paths::view(config).ok().flatten().map(|view| view.paths).unwrap_or_default();
        let mounts = mounts::view(config).ok().flatten();
        let on_itself = mounts.as_ref().is_some_and(|view| view.entries.iter().any(|entry| entry.destination == path));
        let in_rootfs = mounts.is_none_or(|view| view.on(path).is_none())
            && self.subject.case.rootfs.keys().any(|at| plain(at) == path);
        !masks.iter().any(|mask| lies_in(path, mask))
            && !readonly.iter().any(|it| it == path)
            && !on_itself
            && !in_rootfs
    }
}

fn not_denied() -> Vec<Value> {
    let errors = NOT_DENIED.iter().map(|error| json!({ "error": error }));
    errors.chain([json!({ "opened": true }), json!({ "made": true })]).collect()
}

//! What stands at the devices' paths, and which accesses to them the cgroup lets pass.

use serde_json::Value;

use super::Subject;
use super::raised::Raised;
use crate::case::{Case, Question, Try};
use crate::view::devices::{self, Access, Device, View};
use crate::view::{mounts, namespaces};

/// The numbers of the default devices, which a runtime supplies whatever the rules say.
pub const DEFAULTS: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];
/// The first of the major numbers that the kernel keeps free for local use (devices.txt), and the last.
const LOCAL: std::ops::RangeInclusive<i64> = 60..=63;
/// Where the witness tries to make a node.
const MADE: &str = "/dev/.ocf-made";

/// The chapter's questions.
pub fn ask(subject: &Subject<'_>) -> Vec<Question> {
    raised(subject.case, subject.config).map(|raised| raised.questions()).unwrap_or_default()
}

/// What is asked, for the law as well.
pub fn raised<'a>(case: &'a Case, config: &Value) -> Option<Raised<'a>> {
    let view = devices::view(config).ok()??;
    let mut raised = Raised::new("devices", case)?;
    raised.add(Try::Follow("/dev/ptmx".into()));
    raised.add(Try::Follow("/dev/pts/ptmx".into()));
    for device in &view.devices {
        raised.add(Try::Follow(device.path.clone()));
    }
    for (what, _) in accesses(&view, config) {
        raised.add(what);
    }
    Some(raised)
}

/// The accesses that are tried: to devices that no driver of the kernel serves, so that nothing but a rule gives
/// EPERM.
pub fn accesses(view: &View, config: &Value) -> Vec<(Try, Access)> {
    let uid = config.pointer("/process/user/uid").and_then(Value::as_u64).unwrap_or(0);
    if uid != 0 || namespaces::lists(config, "user") {
        return Vec::new();
    }
    let tried = view.devices.iter().filter(|device| is_reachable(device, config));
    tried.flat_map(|device| accesses_to(device, config)).collect()
}

fn accesses_to(device: &Device, config: &Value) -> Vec<(Try, Access)> {
    let Some((major, minor)) = device.numbers.filter(|(major, _)| LOCAL.contains(major)) else { return Vec::new() };
    let access = |letter| Access { kind: device.kind, major, minor, letter };
    let open = |mode: &str| Try::Open { path: device.path.clone(), mode: mode.into() };
    let mut all = vec![(open("r"), access('r')), (open("w"), access('w'))];
    if let (true, Ok(major), Ok(minor)) = (can_make_nodes(config), u32::try_from(major), u32::try_from(minor)) {
        let letter = if device.kind == devices::Kind::Block { "b" } else { "c" };
        all.push((Try::Mknod { path: MADE.into(), r#type: letter.into(), major, minor }, access('m')));
    }
    all
}

/// Whether the device lies on a mount where devices can be opened.
fn is_reachable(device: &Device, config: &Value) -> bool {
    let Ok(mounts) = mounts::view(config) else { return false };
    mounts.and_then(|view| view.on(&device.path).map(|on| !on.has_any(&["nodev", "rnodev"]))).unwrap_or(true)
}

fn can_make_nodes(config: &Value) -> bool {
    let effective = config.pointer("/process/capabilities/effective").and_then(Value::as_array);
    let on_tmpfs = mounts::view(config)
        .ok()
        .flatten()
        .and_then(|view| view.on(MADE).map(|on| on.is_new_of("tmpfs") && !on.has("ro")));
    effective.is_some_and(|names| names.iter().any(|name| name == "CAP_MKNOD")) && on_tmpfs == Some(true)
}

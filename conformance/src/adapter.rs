//! How one runtime is called, and what can be seen of it: data, never code.
//!
//! A file with `"like": NAME` is a merge patch (RFC 7396) on the adapter of that name, so that it holds only what differs.

use std::collections::BTreeMap;
use std::path::Path;

use ocf_spec::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::expectation::Vantage;

/// The adapters that the suite brings, each file once.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("crun", include_str!("../adapters/crun.json")),
    ("generic", include_str!("../adapters/generic.json")),
    ("ocf-runtime", include_str!("../adapters/ocf-runtime.json")),
    ("runc", include_str!("../adapters/runc.json")),
    ("runsc", include_str!("../adapters/runsc.json")),
    ("youki", include_str!("../adapters/youki.json")),
];

/// One adapter file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adapter {
    /// What it is for, in one phrase.
    pub about: String,
    /// Arguments before every verb. `{root}` is the directory for the runtime's own state.
    pub global: Vec<String>,
    /// The arguments of each operation, after the global ones. `{id} {bundle} {pid-file} {signal}` are filled in.
    pub operations: Operations,
    /// The environment added to the caller's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The version of the specification that it claims where `features` does not say.
    pub claims: Version,
    /// What can be seen of its containers.
    #[serde(default)]
    pub sees: Sees,
    /// A merge patch on every config, which the report shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// Whether a private copy of its file can be run; false for what must stay where it is.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub copy: bool,
    /// A program that speaks our binding on the runtime's behalf; it is given the runtime's path first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// The arguments of each operation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Operations {
    /// Create.
    pub create: Vec<String>,
    /// Start.
    pub start: Vec<String>,
    /// Query state, as JSON on stdout.
    pub state: Vec<String>,
    /// Kill with a signal.
    pub kill: Vec<String>,
    /// Delete.
    pub delete: Vec<String>,
    /// Delete whatever the status.
    pub delete_force: Vec<String>,
    /// Create, start, wait and delete.
    pub run: Vec<String>,
    /// What the runtime implements, as JSON on stdout; none if it can't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// Its version; the first line of what it prints counts.
    pub version: Vec<String>,
}

/// What can be seen of a runtime's containers from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sees {
    /// The container process.
    #[serde(default)]
    pub pid: Pid,
    /// The container's cgroup.
    #[serde(default)]
    pub cgroup: Cgroup,
    /// Where host-side hooks run.
    #[serde(default)]
    pub hooks: Hooks,
}

/// Whether `pid` is a process of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pid {
    /// It is.
    #[default]
    Host,
    /// It is a monitor's, or none.
    Opaque,
}

/// Whose cgroup the host sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// The container's.
    #[default]
    Container,
    /// That of a sandbox around it.
    Sandbox,
    /// None.
    None,
}

/// Where host-side hooks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hooks {
    /// On the host.
    #[default]
    Host,
    /// In a guest.
    Guest,
}

impl Adapter {
    /// The adapter for a runtime's file: `wanted` is `--adapter`, a name or a file; without it the file's
    /// name chooses, else `generic`. Gives its name, too.
    pub fn choose(runtime: &Path, wanted: Option<&str>) -> Result<(String, Self), String> {
        if let Some(wanted) = wanted {
            return Self::named(wanted).unwrap_or_else(|| Self::read(Path::new(wanted)));
        }
        let file = runtime.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        // As several versions of one lie beside each other: `runc-1.3`.
        let is_version = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let file = file.split_once('-').filter(|(_, rest)| is_version(rest)).map_or(file, |(name, _)| name);
        Self::named(file).unwrap_or_else(|| Self::named("generic").ok_or("no generic adapter")?)
    }

    fn named(wanted: &str) -> Option<Result<(String, Self), String>> {
        let (name, text) = EMBEDDED.iter().find(|(name, _)| *name == wanted)?;
        Some(Self::parse(text).map(|a| ((*name).to_owned(), a)).map_err(|e| format!("adapter {name}: {e}")))
    }

    /// Reads an adapter's text.
    fn parse(text: &str) -> Result<Self, String> {
        let value = whole(serde_json::from_str(text).map_err(|e| e.to_string())?, EMBEDDED.len())?;
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    fn read(file: &Path) -> Result<(String, Self), String> {
        let names: Vec<_> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        let text = std::fs::read_to_string(file).map_err(|e| {
            format!("adapter {}: {e} (the adapters with a name are {})", file.display(), names.join(", "))
        })?;
        let mut adapter = Self::parse(&text).map_err(|e| format!("adapter {}: {e}", file.display()))?;
        // A program beside the file is meant wherever the harness is called from.
        if let Some(via) = adapter.via.as_mut().filter(|via| via.contains('/') && !via.starts_with('/')) {
            let beside = file.parent().unwrap_or(Path::new(".")).join(&*via);
            let place = std::path::absolute(&beside).map_err(|e| format!("adapter {}: via: {e}", file.display()))?;
            *via = place.display().to_string();
        }
        let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or("adapter");
        Ok((name.to_owned(), adapter))
    }

    /// Whether facts from this vantage can be had.
    pub fn allows(&self, vantage: Vantage) -> bool {
        match vantage {
            Vantage::Inside | Vantage::Caller => true,
            Vantage::Pid => self.sees.pid == Pid::Host,
            Vantage::Cgroup => self.sees.cgroup == Cgroup::Container,
            Vantage::Hooks => self.sees.hooks == Hooks::Host,
        }
    }
}

/// The document with what it is like put under it; `depth` is how many may follow each other.
fn whole(mut document: Value, depth: usize) -> Result<Value, String> {
    let Some(like) = document.as_object_mut().and_then(|fields| fields.remove("like")) else { return Ok(document) };
    let known = || EMBEDDED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = like.as_str().and_then(|like| EMBEDDED.iter().find(|(name, _)| *name == like));
    let (name, text) = found.ok_or_else(|| format!("like: {like} is no adapter; there are {}", known()))?;
    let below = serde_json::from_str(text).map_err(|e| format!("{name}: {e}"))?;
    let depth = depth.checked_sub(1).ok_or_else(|| format!("like: {name} is like itself"))?;
    let mut whole = whole(below, depth)?;
    json_patch::merge(&mut whole, &document);
    Ok(whole)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_adapter_parses() {
        for (name, _) in EMBEDDED {
            Adapter::named(name).unwrap().unwrap();
        }
    }

    #[test]
    fn what_is_like_another_holds_only_what_differs() {
        let text =
            r#"{"about": "mine", "like": "generic", "global": ["-r", "{root}"], "operations": {"features": null}}"#;
        let (mine, generic) = (Adapter::parse(text).unwrap(), Adapter::named("generic").unwrap().unwrap().1);
        assert_eq!(mine.global, ["-r", "{root}"]);
        assert_eq!((mine.operations.features, mine.operations.create), (None, generic.operations.create));
        assert!(Adapter::parse(r#"{"about": "x", "like": "nobody"}"#).unwrap_err().contains("there are crun, generic"));
        assert!(Adapter::parse(r#"{"about": "x", "like": "generic", "globl": []}"#).unwrap_err().contains("globl"));
    }

    #[test]
    fn the_files_name_chooses_and_a_stranger_is_generic() {
        assert_eq!(Adapter::choose(Path::new("/usr/sbin/runc"), None).unwrap().0, "runc");
        assert_eq!(Adapter::choose(Path::new("/usr/local/bin/runc-1.3.6"), None).unwrap().0, "runc");
        assert_eq!(Adapter::choose(Path::new("/opt/mine"), None).unwrap().0, "generic");
        assert_eq!(Adapter::choose(Path::new("/opt/crun-vm"), None).unwrap().0, "generic");
    }
}

//! The configs of engines' shape as cases that any host can run to their end: what only the engine's own machine has is
//! given a stand-in, and everything else stays as the engine writes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::case::{Action, Case, Empty, Entry, Hook, Node};
use crate::host::Need;

/// The first word of their names.
pub const CHAPTER: &str = "engines";

/// Where the stand-ins for the engine's files lie.
const PLACE: &str = "${host}/engine";
/// The highest limit that is asked for: nobody without CAP_SYS_RESOURCE can raise one.
const LIMIT: u64 = 1024;
/// Destinations at which an engine binds a file, besides those in /etc.
const FILES: [&str; 4] = ["/run/.containerenv", "/dev/termination-log", "/sbin/docker-init", "/.containerenv"];

/// All of them, by name.
///
/// # Errors
/// A config that is no JSON, or states no version.
pub fn cases() -> Result<Vec<(String, Case)>, String> {
    let case = |(stem, text): &(&str, &str)| {
        let about = |e: &dyn std::fmt::Display| format!("fixtures/{CHAPTER}/{stem}.json: {e}");
        let config: Value = serde_json::from_str(text).map_err(|e| about(&e))?;
        Ok((format!("{CHAPTER}/{stem}"), portable(stem, config).map_err(|e| about(&e))?))
    };
    ocf_fixtures::ENGINES.iter().map(case).collect()
}

fn portable(stem: &str, mut config: Value) -> Result<Case, String> {
    let stated = config["ociVersion"].as_str().unwrap_or_default();
    let release = stated.split('-').next().unwrap_or_default();
    let spec = format!(">={release}").parse().map_err(|e| format!("ociVersion {stated:?}: {e}"))?;
    let needs = needs(&config);
    let mut setup = vec![Action::Directory { path: PLACE.to_owned() }];
    process(&mut config["process"]);
    config["root"]["path"] = json!("rootfs");
    mounts(&mut config, &mut setup);
    namespaces(&mut config, &mut setup);
    cgroups_path(&mut config["linux"]);
    let hooks = hooks(&mut config);
    let rootfs = rootfs(&config);
    Ok(Case {
        about: format!("the config of {stem}, with stand-ins for what only its engine's host has"),
        spec: Some(spec),
        needs,
        patch: Some(json!([{ "op": "replace", "path": "", "value": config }])),
        rootfs,
        setup,
        hooks,
        ..Case::default()
    })
}

/// What of the config few hosts have.
fn needs(config: &Value) -> Vec<Need> {
    let resources = &config["linux"]["resources"];
    let asked = [
        (config["linux"].get("uidMappings").is_some(), Need::UserNamespace),
        (resources.get("unified").is_some(), Need::CgroupV2),
        (resources.get("hugepageLimits").is_some(), Need::Controller("hugetlb".to_owned())),
        (resources.get("memory").is_some(), Need::Controller("memory".to_owned())),
        (resources.get("pids").is_some(), Need::Controller("pids".to_owned())),
        (resources.get("cpu").is_some(), Need::Controller("cpu".to_owned())),
        (resources.pointer("/cpu/cpus").is_some(), Need::Controller("cpuset".to_owned())),
        (has_weight(resources), Need::Controller("io".to_owned())),
    ];
    asked.into_iter().filter_map(|(is_asked, need)| is_asked.then_some(need)).collect()
}

fn has_weight(resources: &Value) -> bool {
    resources.pointer("/blockIO/weight").and_then(Value::as_u64).is_some_and(|weight| weight > 0)
}

/// The witness without a terminal; no security module's names, which only its policy gives a meaning; and no limit or
/// badness that takes CAP_SYS_RESOURCE.
fn process(process: &mut Value) {
    process["args"] = json!(["/witness"]);
    if let Some(fields) = process.as_object_mut() {
        for gone in ["terminal", "consoleSize", "apparmorProfile", "selinuxLabel"] {
            fields.remove(gone);
        }
    }
    for limit in process["rlimits"].as_array_mut().into_iter().flatten() {
        for bound in ["soft", "hard"] {
            limit[bound] = json!(limit[bound].as_u64().unwrap_or(LIMIT).min(LIMIT));
        }
    }
    if let Some(limits) = process.get_mut("rlimits").and_then(Value::as_array_mut) {
        // A KiB of locked memory is too little for runtimes that load device programs.
        limits.retain(|it| it["type"] != json!("RLIMIT_MEMLOCK"));
    }
    if process["oomScoreAdj"].as_i64().is_some_and(|it| it < 0) {
        process["oomScoreAdj"] = json!(0);
    }
    // Indexing has made members of what was not there.
    if let Some(fields) = process.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

/// A stand-in for each file or directory of the engine's that is bound.
fn mounts(config: &mut Value, setup: &mut Vec<Action>) {
    for (number, mount) in config["mounts"].as_array_mut().into_iter().flatten().enumerate() {
        let source = mount["source"].as_str().unwrap_or_default().to_owned();
        if !source.starts_with('/') || source == "/sys" {
            continue;
        }
        let destination = mount["destination"].as_str().unwrap_or_default().to_owned();
        let path = format!("{PLACE}/{number}");
        setup.push(if is_file(&destination) {
            Action::Write { path: path.clone(), text: source, append: false }
        } else {
            Action::Directory { path: path.clone() }
        });
        mount["source"] = json!(path);
    }
}

/// A namespace of ours for each that is joined by its path.
fn namespaces(config: &mut Value, setup: &mut Vec<Action>) {
    for namespace in config["linux"]["namespaces"].as_array_mut().into_iter().flatten() {
        if namespace.get("path").is_none() {
            continue;
        }
        let kind = namespace["type"].as_str().unwrap_or_default().to_owned();
        let path = format!("{PLACE}/{kind}");
        namespace["path"] = json!(path);
        setup.push(Action::Namespace { r#type: kind, path, hostname: None });
    }
}

/// `SLICE:PREFIX:NAME` is what a runtime is told that asks systemd for its cgroups; to others a path is told.
fn cgroups_path(linux: &mut Value) {
    let path = linux["cgroupsPath"].as_str().unwrap_or_default();
    if let [_, prefix, name] = path.split(':').collect::<Vec<_>>()[..] {
        linux["cgroupsPath"] = json!(format!("/{prefix}-{name}"));
    }
    if let Some(fields) = linux.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

/// What an image has, or the engine makes before it calls: the directory where the program runs, and the places of mounts,
/// all of them the container's root's.
fn rootfs(config: &Value) -> BTreeMap<String, Entry> {
    let owner = |map: &str| {
        let mappings = config["linux"][map].as_array().into_iter().flatten();
        let root = mappings.filter(|it| it["containerID"] == json!(0)).find_map(|it| it["hostID"].as_u64());
        u32::try_from(root.unwrap_or_default()).unwrap_or_default()
    };
    let (uid, gid) = (owner("uidMappings"), owner("gidMappings"));
    let entry = |node| Entry { node, mode: None, uid, gid };
    let mounted = config["mounts"].as_array().into_iter().flatten().filter_map(|it| it["destination"].as_str());
    let is_ours = |place: &&str| !["/dev", "/proc", "/sys"].iter().any(|it| place.starts_with(it)) && *place != "/";
    let mut found: BTreeMap<String, Entry> = mounted
        .filter(is_ours)
        .map(|place| {
            let node = if is_file(place) { Node::File(String::new()) } else { Node::Directory(Empty {}) };
            (place.to_owned(), entry(node))
        })
        .collect();
    if let Some(cwd) = config["process"]["cwd"].as_str().filter(is_ours) {
        found.entry(cwd.to_owned()).or_insert_with(|| entry(Node::Directory(Empty {})));
    }
    found
}

/// Whether it is a file that an engine binds there.
fn is_file(destination: &str) -> bool {
    destination.starts_with("/etc/") || FILES.contains(&destination)
}

/// A copy of the witness for each hook.
fn hooks(config: &mut Value) -> BTreeMap<String, Hook> {
    let kinds = config.get_mut("hooks").and_then(Value::as_object_mut);
    let all = kinds.into_iter().flat_map(Map::values_mut).filter_map(Value::as_array_mut).flatten();
    let mut programs = BTreeMap::new();
    for hook in all {
        hook["path"] = json!("${hook:engine}");
        programs.insert("engine".to_owned(), Hook::default());
    }
    programs
}

#[cfg(test)]
mod tests {
    use ocf_schema::{Kind, Severity, validate_bytes};
    use ocf_spec::VERSIONS;

    use super::*;
    use crate::case::Base;

    #[test]
    fn each_is_a_case_whose_config_is_right_and_names_nothing_of_an_engines_host() {
        let base = Base::parse(ocf_fixtures::BASES.iter().find(|(stem, _)| *stem == "plain").unwrap().1).unwrap();
        let cases = cases().unwrap();
        assert_eq!(cases.len(), ocf_fixtures::ENGINES.len());
        for (name, case) in cases {
            let text = serde_json::to_string(&case).unwrap();
            Case::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let config = case.config(&base, VERSIONS[0]).unwrap().unwrap();
            let document = config.to_string().replace("${host}", "/run/x").replace("${hook:engine}", "/run/hook");
            for finding in validate_bytes(Kind::Config, document.as_bytes(), VERSIONS[VERSIONS.len() - 1]) {
                assert_ne!(finding.severity, Severity::Error, "{name}: {finding:?}");
            }
            for place in ["/var/lib/", "/proc/4711", "/run/containers", "/home/keeper/.local"] {
                let sources = config["mounts"].as_array().into_iter().flatten().map(|it| it["source"].to_string());
                assert!(!sources.into_iter().any(|it| it.contains(place)), "{name} has {place}");
            }
        }
    }

    #[test]
    fn what_the_engine_asks_for_stays() {
        let (_, docker) = cases().unwrap().into_iter().find(|(name, _)| name == "engines/docker").unwrap();
        let config = &docker.patch.unwrap()[0]["value"];
        let (_, text) = ocf_fixtures::ENGINES.iter().find(|(stem, _)| *stem == "docker").unwrap();
        let written: Value = serde_json::from_str(text).unwrap();
        for place in
            ["/process/env", "/process/capabilities", "/linux/seccomp", "/linux/resources", "/linux/maskedPaths"]
        {
            assert_eq!(config.pointer(place), written.pointer(place), "{place}");
        }
        assert_eq!(config["process"]["args"], json!(["/witness"]));
        assert_eq!(config["hooks"]["prestart"][0]["path"], json!("${hook:engine}"));
    }
}

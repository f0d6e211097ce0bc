//! The container's share of cache and memory bandwidth, and its monitoring: directories of the file system resctrl.

use crate::cgroups::unescape;
use crate::error::{Doing, Error, Result};
use crate::version;
use oci_spec::runtime::{LinuxIntelRdt, Spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The container's directories in resctrl; none unless the config asks for them. // [intel-rdt.untouched]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Groups {
    /// Those that its processes are in: the class of service, then the monitoring group below it.
    joined: Vec<PathBuf>,
    /// Those that are made for it and go with it.
    made: Vec<PathBuf>,
    /// A class of service that is made for it and stays, once there is a container, for others that name it.
    shared: Option<PathBuf>,
}

/// Refuses values that name no directory or would be more than one line.
///
/// # Errors
/// Names the property and its value.
pub fn check(spec: &Spec) -> Result<()> {
    let Some(rdt) = of(spec) else { return Ok(()) };
    let invalid = |name, value: &str, why| Err(Error::new(format!("linux.intelRdt.{name}: {value:?} {why}")));
    match text(rdt.clos_id()) {
        Some(class) if class != "/" && (class.contains(['/', '\n']) || [".", ".."].contains(&class)) => {
            return invalid("closID", class, "names no directory at the top of resctrl");
        }
        _ => {}
    }
    match text(rdt.mem_bw_schema()) {
        Some(schema) if !schema.starts_with("MB:") || schema.contains('\n') => {
            return invalid("memBwSchema", schema, "is no single line that begins with MB:");
        }
        _ => {}
    }
    match rdt.schemata().iter().flatten().find(|line| line.contains('\n')) {
        Some(line) => invalid("schemata", line, "is no single line"),
        None => Ok(()),
    }
}

/// Before 1.3.0 two properties, which the parser doesn't know, asked for what one asks for since.
// [intel-rdt.cache-monitoring] [intel-rdt.bandwidth-monitoring]
pub fn respell(rdt: &mut Value, version: &str) {
    let older = ["enableCMT", "enableMBM"].iter().any(|name| rdt[name] == true);
    if older && !version::is_at_least(version, 3) {
        rdt["enableMonitoring"] = true.into();
    }
}

fn of(spec: &Spec) -> Option<&LinuxIntelRdt> {
    spec.linux().as_ref()?.intel_rdt().as_ref()
}

fn text(property: &Option<String>) -> Option<&str> {
    property.as_deref().filter(|text| !text.is_empty())
}

/// Finds the container's directories, and which of them have to be made.
///
/// # Errors
/// There is no resctrl, or what is there is not as the config says.
pub fn plan(spec: &Spec, id: &str) -> Result<Groups> {
    let Some(rdt) = of(spec) else { return Ok(Groups::default()) };
    let what = || "linux.intelRdt".to_owned();
    Groups::plan(rdt, spec.version(), id, &mounted().doing(what)?).doing(what)
}

// [intel-rdt.unmounted-refused]
fn mounted() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").doing(|| "read /proc/self/mountinfo".into())?;
    let last = mounts.lines().rev().find(|line| line.contains(" - resctrl "));
    let mountpoint = last.and_then(|line| line.split(' ').nth(4)).map(unescape);
    mountpoint.ok_or_else(|| Error::new("no resctrl file system is mounted"))
}

/// Makes the planned directories and writes the schemas.
///
/// # Errors
/// Names the directory or the schema.
pub fn make(spec: &Spec, groups: &mut Groups) -> Result<()> {
    of(spec).map_or(Ok(()), |rdt| groups.make(&schemas(rdt, spec.version())))
}

/// Moves a process into the container's directories.
///
/// # Errors
/// Names the directory.
// [intel-rdt.task-in-own-directory] [intel-rdt.task-in-clos] [intel-rdt.task-in-default-clos]
// [intel-rdt.monitoring-group-holds-task] [intel-rdt.clos-assigned]
pub fn join(groups: &Groups, pid: i32) -> Result<()> {
    groups.joined.iter().try_for_each(|directory| write(&directory.join("tasks"), &pid.to_string()))
}

/// Removes what was made for the container; a class that the config names stays if there was one.
///
/// # Errors
/// Names what can't be removed.
// [intel-rdt.own-directory-removed] [intel-rdt.clos-kept] [intel-rdt.monitoring-group-removed]
pub fn remove(groups: &Groups, created: bool) -> Result<()> {
    let shared = groups.shared.iter().filter(|_| !created);
    shared.chain(&groups.made).rev().try_for_each(|directory| match fs::remove_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.doing(|| format!("remove {}", directory.display())),
    })
}

impl Groups {
    fn plan(rdt: &LinuxIntelRdt, version: &str, id: &str, resctrl: &Path) -> Result<Self> {
        let class = text(rdt.clos_id());
        let directory = match class {
            Some("/") => resctrl.to_owned(),
            class => resctrl.join(class.unwrap_or(id)),
        };
        let schemas = schemas(rdt, version);
        let mut groups = Groups { joined: vec![directory.clone()], ..Groups::default() };
        match (class, directory.exists()) {
            // [intel-rdt.foreign-directory-kept]
            (None, true) => {}
            (None, false) => groups.made.push(directory.clone()), // [intel-rdt.own-directory-created]
            (Some(_), true) => compare(&schemas, &directory)?,
            // [intel-rdt.clos-missing-refused]
            (Some(class), false) if schemas.is_empty() => {
                return Err(Error::new(format!("closID: there is no {class}, and no schema to make it with")));
            }
            (Some(_), false) => groups.shared = Some(directory.clone()), // [intel-rdt.clos-created]
        }
        if *rdt.enable_monitoring() == Some(true) {
            groups.monitor(directory.join("mon_groups").join(id))?;
        }
        Ok(groups)
    }

    // [intel-rdt.monitoring-group] [intel-rdt.monitoring-group-failure-refused]
    fn monitor(&mut self, directory: PathBuf) -> Result<()> {
        if directory.exists() {
            return Err(Error::new(format!("enableMonitoring: {} is another's", directory.display())));
        }
        self.joined.push(directory.clone());
        self.made.push(directory);
        Ok(())
    }

    // [intel-rdt.schemata-untouched]
    fn make(&mut self, schemas: &[Schema]) -> Result<()> {
        let class = self.joined.first().cloned().unwrap_or_default();
        if self.shared.iter().chain(&self.made).any(|made| *made == class) && !make_directory(&class)? {
            self.made.retain(|made| *made != class);
            self.shared = None;
        }
        for schema in schemas {
            write(&class.join("schemata"), &schema.lines).doing(|| format!("linux.intelRdt.{}", schema.name))?;
        }
        for directory in self.made.iter().filter(|made| **made != class) {
            fs::create_dir(directory).doing(|| format!("make the monitoring group {}", directory.display()))?;
        }
        Ok(())
    }
}

/// Whether the directory is new; if not, somebody else was quicker.
fn make_directory(directory: &Path) -> Result<bool> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => made.doing(|| format!("make {}", directory.display())).map(|()| true),
    }
}

/// The kernel takes lines, each with its end.
fn write(file: &Path, lines: &str) -> Result<()> {
    let written = OpenOptions::new().write(true).open(file).and_then(|mut open| {
        let text = format!("{lines}\n");
        open.write_all(text.as_bytes())
    });
    written.doing(|| format!("write {lines:?} to {}", file.display()))
}

/// A property that is written to the file `schemata`.
struct Schema {
    name: &'static str,
    lines: String,
}

/// The schemas in the order of their writing: where two speak of one domain, the later one holds.
// [intel-rdt.cache-schema-written] [intel-rdt.bandwidth-schema-written] [intel-rdt.both-schemas-written]
// [intel-rdt.bandwidth-schema-last] [intel-rdt.schemata-written] [intel-rdt.schemata-last]
fn schemas(rdt: &LinuxIntelRdt, version: &str) -> Vec<Schema> {
    let is_kept = |line: &&str| version::is_at_least(version, 3) || !line.starts_with("MB:");
    // [intel-rdt.bandwidth-line-dropped]
    let cache = text(rdt.l3_cache_schema()).map(|lines| lines.lines().filter(is_kept).collect::<Vec<_>>().join("\n"));
    let bandwidth = text(rdt.mem_bw_schema()).map(str::to_owned);
    let any = rdt.schemata().as_ref().map(|lines| lines.join("\n"));
    let all = [("l3CacheSchema", cache), ("memBwSchema", bandwidth), ("schemata", any)];
    let set = all.into_iter().filter_map(|(name, lines)| Some(Schema { name, lines: lines? }));
    set.filter(|schema| !schema.lines.is_empty()).collect()
}

/// A class that is there already may be others', and so has to be as the config says. // [intel-rdt.clos-mismatch-refused]
fn compare(schemas: &[Schema], directory: &Path) -> Result<()> {
    let file = directory.join("schemata");
    for schema in schemas.iter().filter(|schema| schema.name != "schemata") {
        let found = fs::read_to_string(&file).doing(|| format!("read {}", file.display()))?;
        let found = values(&found);
        if values(&schema.lines).iter().any(|(place, value)| found.get(place) != Some(value)) {
            return Err(Error::new(format!("{}: {:?} is not what {} says", schema.name, schema.lines, file.display())));
        }
    }
    Ok(())
}

/// The value of each resource and domain in lines such as `L3:0=7f0;1=1f`; the kernel pads with blanks and zeros.
fn values(lines: &str) -> HashMap<(&str, &str), String> {
    let resources = lines.lines().filter_map(|line| line.trim().split_once(':'));
    let domains = resources.flat_map(|(resource, domains)| domains.split(';').map(move |domain| (resource, domain)));
    let values = domains.filter_map(|(resource, domain)| {
        let (domain, value) = domain.split_once('=')?;
        Some(((resource, domain.trim()), value.trim().trim_start_matches('0').to_ascii_lowercase()))
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory that stands in for resctrl, with the file `schemata` of two caches.
    struct Resctrl(PathBuf);

    impl Resctrl {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("ocf-runtime-rdt-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let resctrl = Resctrl(std::env::temp_dir().join(name));
            resctrl.class("");
            resctrl
        }

        /// Does what the kernel does for a new class.
        fn class(&self, name: &str) {
            let directory = self.0.join(name);
            fs::create_dir_all(directory.join("mon_groups")).unwrap();
            fs::write(directory.join("tasks"), "").unwrap();
            fs::write(directory.join("schemata"), "    MB:0=100;1= 20\n    L3:0=007ff;1=0001F\n").unwrap();
        }

        fn plan(&self, version: &str, rdt: Value) -> Result<Groups> {
            Groups::plan(&serde_json::from_value(rdt).unwrap(), version, "c1", &self.0)
        }

        fn paths(&self, names: &[&str]) -> Vec<PathBuf> {
            names.iter().map(|name| self.0.join(name)).collect()
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.0.join(file)).unwrap()
        }
    }

    impl Drop for Resctrl {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn lines(version: &str, rdt: Value) -> Vec<String> {
        schemas(&serde_json::from_value(rdt).unwrap(), version).into_iter().map(|schema| schema.lines).collect()
    }

    #[test]
    fn a_container_without_a_class_has_its_own_directory() {
        let resctrl = Resctrl::new();
        let mut groups = resctrl.plan("1.3.0", json!({})).unwrap();
        assert_eq!((&groups.joined, &groups.made), (&resctrl.paths(&["c1"]), &resctrl.paths(&["c1"])));
        groups.make(&[]).unwrap();
        assert!(resctrl.0.join("c1").exists());
        remove(&groups, true).unwrap();
        assert!(!resctrl.0.join("c1").exists());
        remove(&groups, true).unwrap();
    }

    #[test]
    fn a_directory_of_others_is_used_and_kept() {
        let resctrl = Resctrl::new();
        resctrl.class("c1");
        let mut groups = resctrl.plan("1.3.0", json!({})).unwrap();
        groups.make(&[]).unwrap();
        join(&groups, 7).unwrap();
        assert_eq!(resctrl.read("c1/tasks"), "7\n");
        remove(&groups, false).unwrap();
        assert!(resctrl.0.join("c1/tasks").exists());
        // Others may be quicker between the plan and the making.
        let mut late = Groups { joined: resctrl.paths(&["c1"]), made: resctrl.paths(&["c1"]), shared: None };
        late.make(&[]).unwrap();
        assert_eq!(late.made, [] as [PathBuf; 0]);
    }

    #[test]
    fn a_class_is_shared_unless_its_first_container_never_came_to_be() {
        let resctrl = Resctrl::new();
        let rdt = json!({ "closID": "gold", "l3CacheSchema": "L3:0=f" });
        let groups = resctrl.plan("1.3.0", rdt).unwrap();
        assert_eq!((groups.shared.clone(), groups.made.len()), (Some(resctrl.0.join("gold")), 0));
        fs::create_dir(resctrl.0.join("gold")).unwrap();
        remove(&groups, true).unwrap();
        assert!(resctrl.0.join("gold").exists());
        remove(&groups, false).unwrap();
        assert!(!resctrl.0.join("gold").exists());
    }

    #[test]
    fn a_class_that_exists_has_to_be_as_the_config_says() {
        let resctrl = Resctrl::new();
        resctrl.class("gold");
        for class in ["gold", "/"] {
            let with = |name: &str, schema: &str| resctrl.plan("1.3.0", json!({ "closID": class, name: schema }));
            with("l3CacheSchema", "L3:0=7ff;1=1f").unwrap();
            with("l3CacheSchema", "L3:1=01F").unwrap();
            with("memBwSchema", "MB:1=20").unwrap();
            for (name, schema) in
                [("l3CacheSchema", "L3:0=7f"), ("l3CacheSchema", "L3:2=7ff"), ("memBwSchema", "MB:0=10")]
            {
                let error = with(name, schema).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name}: {schema:?} is not")), "{error}");
            }
        }
        let mut groups = resctrl.plan("1.3.0", json!({ "closID": "gold" })).unwrap();
        assert_eq!((groups.made.len(), groups.shared.is_none()), (0, true));
        groups.make(&[]).unwrap();
        assert!(resctrl.read("gold/schemata").contains("007ff"), "without a schema nothing is written");
        resctrl.plan("1.3.0", json!({ "closID": "silver" })).unwrap_err();
    }

    #[test]
    fn schemas_are_written_in_the_order_that_decides() {
        let all =
            json!({ "memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f\nMB:0=70", "schemata": ["L2:0=f", "MB:1=30"] });
        assert_eq!(lines("1.3.0", all.clone()), ["L3:0=f\nMB:0=70", "MB:0=20", "L2:0=f\nMB:1=30"]);
        assert_eq!(lines("1.2.1", all), ["L3:0=f", "MB:0=20", "L2:0=f\nMB:1=30"]);
        assert_eq!(lines("1.2.1", json!({ "l3CacheSchema": "MB:0=70", "schemata": [] })), [] as [&str; 0]);
        let resctrl = Resctrl::new();
        let mut groups = resctrl.plan("1.3.0", json!({ "closID": "/" })).unwrap();
        groups.make(&schemas(&serde_json::from_value(json!({ "memBwSchema": "MB:0=20" })).unwrap(), "1.3.0")).unwrap();
        assert!(resctrl.read("schemata").starts_with("MB:0=20\n"), "the kernel takes no line without its end");
    }

    #[test]
    fn a_monitoring_group_goes_with_the_container() {
        let resctrl = Resctrl::new();
        resctrl.class("gold");
        let rdt = json!({ "closID": "gold", "enableMonitoring": true });
        let mut groups = resctrl.plan("1.3.0", rdt.clone()).unwrap();
        assert_eq!(groups.joined, resctrl.paths(&["gold", "gold/mon_groups/c1"]));
        groups.make(&[]).unwrap();
        resctrl.plan("1.3.0", rdt).unwrap_err();
        remove(&groups, true).unwrap();
        assert!(resctrl.0.join("gold").exists() && !resctrl.0.join("gold/mon_groups/c1").exists());
    }

    #[test]
    fn older_versions_ask_otherwise_for_monitoring() {
        for (version, property, expected) in [
            ("1.2.1", json!({ "enableCMT": true }), Some(true)),
            ("1.2.1", json!({ "enableMBM": true }), Some(true)),
            ("1.2.1", json!({ "enableMBM": false }), None),
            ("1.3.0", json!({ "enableCMT": true }), None),
            ("1.3.0", json!({ "enableMonitoring": true }), Some(true)),
        ] {
            let mut rdt = property.clone();
            respell(&mut rdt, version);
            let rdt: LinuxIntelRdt = serde_json::from_value(rdt).unwrap();
            assert_eq!(*rdt.enable_monitoring(), expected, "{version} {property}");
        }
    }

    #[test]
    fn values_without_a_meaning_are_refused_by_name() {
        let error = |rdt: Value| {
            let linux = json!({ "intelRdt": rdt });
            check(&serde_json::from_value(json!({ "ociVersion": "1.3.0", "linux": linux })).unwrap())
        };
        for (name, value) in
            [("closID", "a/b"), ("closID", ".."), ("memBwSchema", "L3:0=f"), ("memBwSchema", "MB:0=1\nMB:1=2")]
        {
            let error = error(json!({ name: value })).unwrap_err().to_string();
            assert!(error.starts_with(&format!("linux.intelRdt.{name}: {value:?} ")), "{error}");
        }
        error(json!({ "schemata": ["L3:0=f\nL3:1=f"] })).unwrap_err();
        error(json!({ "closID": "/", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=1" })).unwrap();
    }
}

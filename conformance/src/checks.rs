//! How each requirement is checked: statically by a schema or a rule, or by cases that raise it in a runtime, and
//! by which fixtures. Also which runtimes pass it, by the reports that were published.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ocf_fixtures::STATIC;
use ocf_schema::{Kind, rules, schema};
use ocf_spec::{Requirement, RequirementId, VERSIONS, Version};
use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::case::Case;
use crate::evidence::{Evidence, FORMAT, Header, Identity, Role};
use crate::expect::expectations;
use crate::host::HostFacts;
use crate::judge::Verdict;
use crate::properties;
use crate::report::Report;
use crate::suite;

/// How one requirement is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// A schema's constraint names it.
    pub schema: bool,
    /// A rule names it.
    pub rule: bool,
    /// The files of a bundle show it.
    pub files: bool,
    /// The cases that raise it, by a law or of their own.
    pub cases: BTreeSet<String>,
    /// Those of them in which a law derives it.
    pub by_law: BTreeSet<String>,
    /// The chapters of which a generated case raises it.
    pub generated: BTreeSet<String>,
    /// What is wrong in each static fixture that breaks it.
    pub wrong: Vec<String>,
}

impl Check {
    /// Whether nothing decides it.
    pub fn is_none(&self) -> bool {
        !self.is_static() && !self.is_run()
    }

    /// Whether a document, or a bundle as it lies there, shows that it is broken.
    pub fn is_static(&self) -> bool {
        self.schema || self.rule || self.files
    }

    /// Whether a run decides it.
    pub fn is_run(&self) -> bool {
        !self.cases.is_empty() || !self.generated.is_empty()
    }
}

/// What `ocf validate` decides by the files of a bundle.
pub const BY_FILES: [&str; 3] = ["bundle.config-file", "bundle.single-directory", "root.path-directory"];

/// How every requirement is checked.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    by_id: BTreeMap<String, Check>,
}

impl Checks {
    /// Those of this program.
    ///
    /// # Errors
    ///
    /// A fixture that does not parse; never in a tested build.
    pub fn embedded() -> Result<Self, String> {
        let mut checks = Self::default();
        for kind in Kind::FORMAT {
            schema::requirements(schema::document(kind)).iter().for_each(|id| checks.of_id(id.as_str()).schema = true);
            rules::of(kind).filter_map(rules::Rule::id).for_each(|id| checks.of_id(id.as_str()).rule = true);
            // What is neither is found by reading the text itself.
            let enforced = ocf_schema::enforced(kind);
            for id in enforced {
                let check = checks.of_id(id.as_str());
                check.rule |= !check.schema;
            }
        }
        BY_FILES.iter().for_each(|id| checks.of_id(id).files = true);
        checks.add_static()?;
        let headers = headers()?;
        for (name, case) in suite::fixtures()? {
            for id in case.requirements.iter().chain(case.expect.iter().map(|it| &it.requirement)) {
                checks.of_id(id.as_str()).cases.insert(name.clone());
            }
            for id in derived(&headers, &name, &case)? {
                let check = checks.of_id(id.as_str());
                check.cases.insert(name.clone());
                check.by_law.insert(name.clone());
            }
        }
        let of_claims = properties::of_claims(&everything());
        for (name, case) in properties::generate(0, GENERATED).into_iter().chain(of_claims) {
            let chapter = name.split('/').next().unwrap_or_default().to_owned();
            for id in derived(&headers, &name, &case)? {
                checks.of_id(id.as_str()).generated.insert(chapter.clone());
            }
        }
        Ok(checks)
    }

    /// The same, made once: while the program runs they do not change.
    ///
    /// # Errors
    ///
    /// As [`Checks::embedded`].
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<Checks, String>> = OnceLock::new();
        SHARED.get_or_init(Self::embedded).as_ref().map_err(Clone::clone)
    }

    /// How the requirement of this id is checked.
    pub fn get(&self, id: &RequirementId) -> Check {
        self.by_id.get(id.as_str()).cloned().unwrap_or_default()
    }

    /// Every id that some check names, with its check.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Check)> {
        self.by_id.iter().map(|(id, check)| (id.as_str(), check))
    }

    fn of_id(&mut self, id: &str) -> &mut Check {
        self.by_id.entry(id.to_owned()).or_default()
    }

    fn add_static(&mut self) -> Result<(), String> {
        for (chapter, text) in STATIC {
            let file: Value = serde_json::from_str(text).map_err(|e| format!("fixtures/static/{chapter}.json: {e}"))?;
            for wrong in file["wrong"].as_array().into_iter().flatten() {
                if let (Some(id), Some(about)) = (wrong["breaks"].as_str(), wrong["about"].as_str()) {
                    self.of_id(id).wrong.push(about.to_owned());
                }
            }
        }
        Ok(())
    }
}

/// So many cases of each generator are looked at; each of them varies all that its generator can vary.
const GENERATED: u32 = 12;

/// The heads of runs by some versions, on hosts that have everything: two of each.
fn headers() -> Result<Vec<[Header; 2]>, String> {
    let versions = [VERSIONS[0], VERSIONS[2], VERSIONS[VERSIONS.len() - 1]];
    versions.into_iter().map(|version| Ok([on_host(version, true)?, on_host(version, false)?])).collect()
}

/// The requirements that the laws derive from a case in some such run.
fn derived(headers: &[[Header; 2]], name: &str, case: &Case) -> Result<BTreeSet<RequirementId>, String> {
    let mut derived = BTreeSet::new();
    let base = suite::base(case.base.as_deref().unwrap_or("plain"))?;
    for hosts in headers {
        let version = hosts[0].spec;
        let about = |e: &dyn std::fmt::Display| format!("fixtures/{name}.json: {e}");
        let evidence = Evidence {
            case: name.to_owned(),
            role: Role::Case,
            definition: Case { expect: Vec::new(), ..case.clone() },
            config: case.config(&base, version).map_err(|e| about(&e))?,
            facts: json!({ "before": { "capabilities": { "bounding": &crate::host::CAPABILITIES[..] } } }),
            trouble: None,
            blame: None,
            seconds: 0.0,
        };
        for header in hosts {
            derived.extend(expectations(header, &evidence).into_iter().map(|it| it.requirement));
        }
    }
    Ok(derived)
}

/// The features document of a runtime that claims all of which a law speaks.
fn everything() -> Value {
    let named = |prefix: &str, names: &str| names.split(' ').map(|name| format!("{prefix}{name}")).collect::<Vec<_>>();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSIONS[VERSIONS.len() - 1].to_string(),
        "hooks": named("", "prestart createRuntime createContainer startContainer poststart poststop"),
        "mountOptions": ["ro"],
        "linux": {
            "namespaces": named("", "cgroup ipc mount network pid time user uts"),
            "capabilities": &crate::host::CAPABILITIES[..],
            "cgroup": { "v1": true, "v2": true },
            "seccomp": {
                "enabled": true,
                "actions": named("SCMP_ACT_", "ALLOW ERRNO KILL TRACE"),
                "operators": named("SCMP_CMP_", "EQ GT NE"),
                "archs": named("SCMP_ARCH_", "X86_64 X86"),
                "supportedFlags": named("SECCOMP_FILTER_FLAG_", "LOG SPEC_ALLOW"),
            },
            "mountExtensions": { "idmap": { "enabled": true } },
            "memoryPolicy": { "modes": ["MPOL_BIND"], "flags": ["MPOL_F_NUMA_BALANCING"] },
        },
    })
}

/// The head of a run on a host with every controller, on cgroup version 2 or on version 1.
fn on_host(spec: Version, unified: bool) -> Result<Header, String> {
    let mut host = HostFacts { kernel: "6.12.0".to_owned(), ..HostFacts::default() };
    let controllers = [
        "memory", "pids", "cpu", "cpuset", "io", "blkio", "hugetlb", "rdma", "devices", "freezer", "net_cls",
        "net_prio",
    ];
    let controllers: BTreeSet<String> = controllers.map(str::to_owned).into();
    host.cgroups.unified = unified;
    match unified {
        true => host.cgroups.v2 = controllers,
        false => host.cgroups.v1 = controllers,
    }
    host.resctrl = true;
    host.namespaces = ["user", "time", "cgroup"].map(str::to_owned).into();
    host.machine = "x86_64".to_owned();
    host.nodes = [0].into();
    let (name, adapter) = Adapter::choose(Path::new("runtime"), None)?;
    let runtime = Identity {
        name: String::new(),
        version: String::new(),
        path: String::new(),
        sha256: String::new(),
        adapter: name,
    };
    Ok(Header {
        format: FORMAT.to_owned(),
        suite: String::new(),
        spec,
        runtime,
        adapter,
        features: Some(everything()),
        host,
        profile: String::new(),
        started: String::new(),
    })
}

/// A runtime that was tested, and what was found.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Its name, its version, and the version of the specification that it was tested by.
    pub name: String,
    /// The report.
    pub report: Report,
}

impl Tested {
    /// What was found of a requirement; `None` if the report's version doesn't have it.
    pub fn verdict(&self, requirement: &Requirement) -> Option<Verdict> {
        self.report.requirements.iter().find(|it| it.id == requirement.id).map(|it| it.verdict)
    }
}

/// The reports below `directory`, `VERSION/RUNTIME/RUNTIME-VERSION/HOST/report.json` (or without the host), in the order of
/// their paths. A directory that isn't there holds none.
///
/// # Errors
///
/// A report that can't be read.
pub fn published(directory: &Path) -> Result<Vec<Tested>, String> {
    let mut files = Vec::new();
    collect(directory, 4, &mut files)?;
    files.sort();
    files.iter().map(|file| tested(directory, file)).collect()
}

fn collect(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("read {}: {e}", directory.display());
    let report = directory.join("report.json");
    if report.is_file() {
        files.push(report);
    }
    if depth == 0 || !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Not through links: a tree of reports holds itself.
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), depth - 1, files)?;
        }
    }
    Ok(())
}

fn tested(directory: &Path, file: &Path) -> Result<Tested, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let report = Report::from_json(&fs::read_to_string(file).map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    let place = file.parent().and_then(|it| it.strip_prefix(directory).ok()).unwrap_or(Path::new(""));
    let mut parts = place.iter().skip(2).map(|it| it.to_string_lossy());
    let version = parts.next().map_or_else(String::new, |it| format!(" {it}"));
    let host = parts.next().map_or_else(String::new, |it| format!(" on {it}"));
    Ok(Tested { name: format!("{}{version}{host}", report.runtime.name), report })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str) -> Check {
        Checks::embedded().unwrap().get(&id.parse().unwrap())
    }

    #[test]
    fn an_authors_duty_is_checked_by_a_schema_and_has_a_wrong_document() {
        let check = check("masked-paths.absolute");
        assert!(check.schema && !check.rule);
        assert_eq!(check.wrong, ["a relative path"]);
    }

    #[test]
    fn what_holds_between_two_parts_is_checked_by_a_rule() {
        assert!(check("namespaces.duplicate-refused").rule);
    }

    #[test]
    fn a_runtimes_duty_is_raised_by_the_cases_that_a_law_reads() {
        let check = check("hostname.applied");
        assert!(check.cases.iter().any(|case| case.starts_with("hostname/")), "{:?}", check.cases);
        assert!(!check.is_static());
    }

    #[test]
    fn a_directory_without_reports_holds_none() {
        assert!(published(Path::new("/no/such/directory")).unwrap().is_empty());
    }
}

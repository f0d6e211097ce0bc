//! The files of a bundle, held against its config.json.

use std::path::Path;

use ocf_schema::{Finding, Severity};
use ocf_spec::{Requirement, Version, requirement};
use serde_json::Value;

/// What is wrong with the files of the bundle at `directory`.
pub(super) fn findings(directory: &Path, config: &Value, spec: Version) -> Vec<Finding> {
    let root = root(directory, config, spec).into_iter().chain(root_outside(directory, config, spec));
    root.chain(sources(directory, config)).collect()
}

/// A directory without a config.json is no bundle.
pub(super) fn without_config(spec: Version) -> Finding {
    offence("bundle.config-file", spec, "", "the directory holds no config.json".to_owned())
}

/// `root.path` is a directory. On the platforms that have no root file system nothing is there to look at.
fn root(directory: &Path, config: &Value, spec: Version) -> Option<Finding> {
    let path = config.pointer("/root/path")?.as_str()?;
    let is_wrong = |why: String| offence("root.path-directory", spec, "/root/path", why);
    match directory.join(path).metadata() {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(is_wrong("this is no directory".to_owned())),
        Err(error) => Some(is_wrong(format!("there is no such directory: {error}"))),
    }
}

/// A relative `root.path` leads out of the bundle by `..` or a symbolic link.
fn root_outside(directory: &Path, config: &Value, spec: Version) -> Option<Finding> {
    let path = config.pointer("/root/path")?.as_str().filter(|path| !path.starts_with('/'))?;
    let bundle = directory.canonicalize().ok()?;
    let root = directory.join(path).canonicalize().ok()?;
    let why = || format!("this leads out of the bundle, to {}", root.display());
    (!root.starts_with(&bundle)).then(|| offence("bundle.single-directory", spec, "/root/path", why()))
}

/// What a bind mount brings in from the bundle itself is missing. A path on the host is none of the
/// bundle's: it may be there where the bundle is run.
fn sources(directory: &Path, config: &Value) -> Vec<Finding> {
    let mounts = config.get("mounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let missing = |mount: &Value| {
        let source = mount.get("source")?.as_str()?;
        let is_missing = is_bind(mount) && !source.starts_with('/') && !directory.join(source).exists();
        is_missing.then(|| "the bundle holds no such file to mount".to_owned())
    };
    let found = mounts.iter().enumerate().filter_map(|(index, mount)| Some((index, missing(mount)?)));
    found.map(|(index, message)| finding(&format!("/mounts/{index}/source"), Severity::Note, message)).collect()
}

fn is_bind(mount: &Value) -> bool {
    let options = mount.get("options").and_then(Value::as_array).into_iter().flatten();
    options.filter_map(Value::as_str).any(|option| matches!(option, "bind" | "rbind"))
}

/// A finding under the requirement, or without one where it doesn't apply to the version.
fn offence(id: &str, spec: Version, pointer: &str, message: String) -> Finding {
    let requirement = requirement(id).filter(|it| it.applies(spec));
    let severity = requirement.map_or(Severity::Error, |it: &Requirement| Severity::of(it.level));
    Finding { requirement: requirement.map(|it| it.id.clone()), ..finding(pointer, severity, message) }
}

fn finding(pointer: &str, severity: Severity, message: String) -> Finding {
    Finding {
        requirement: None,
        severity,
        pointer: pointer.to_owned(),
        of_name: false,
        message,
        hint: None,
        span: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ocf_spec::VERSIONS;
    use serde_json::json;

    use super::*;
    use crate::checks::BY_FILES;

    #[test]
    fn all_that_the_files_decide_is_listed_as_decided_by_them() {
        let newest = VERSIONS[VERSIONS.len() - 1];
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let of_root = |path: &str| findings(here, &json!({ "root": { "path": path } }), newest);
        let found = [vec![without_config(newest)], of_root("no-such-directory"), of_root("..")].concat();
        let found: BTreeSet<String> = found.into_iter().filter_map(|it| Some(it.requirement?.to_string())).collect();
        assert_eq!(found, BY_FILES.map(str::to_owned).into_iter().collect());
    }
}

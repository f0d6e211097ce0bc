//! What a caller who is not root needs of root beforehand: directories and cgroups of his own, an entry in passwd(5), and
//! ranges of ids that newuidmap(1) and newgidmap(1) let him use.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use serde_json::Value;

use super::job::Job;
use super::sandbox::Places;
use crate::view::namespaces::{self, Mapping};

/// The files of a cgroup by which its processes and controllers are moved (cgroups(7), delegation).
const DELEGATED: [&str; 4] = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks"];
/// The first of the ids that are an ordinary user's besides his own, and how many there are.
const RANGE: (u32, u32) = (100_000, 65_536);

/// Prepares the case's directories, its cgroups and the system's tables for `uid` and `gid`.
pub fn prepare(uid: u32, gid: u32, places: &Places, roots: &[(String, PathBuf)]) -> io::Result<()> {
    let owned = |path: &Path| lchown(path, Some(uid), Some(gid)).map_err(|e| told("chown", path, &e));
    for directory in [&places.hooks, &places.state, &places.output] {
        owned(directory)?;
    }
    for (_, root) in roots {
        for directory in [root.clone(), root.join(super::cgroups::LEAF)] {
            owned(&directory)?;
            let files = DELEGATED.iter().map(|file| directory.join(file)).filter(|file| file.exists());
            files.into_iter().try_for_each(|file| owned(&file))?;
        }
    }
    let (first, count) = RANGE;
    let passwd = fs::read_to_string("/etc/passwd")?;
    cover("/etc/passwd", &format!("{passwd}ocf-caller:x:{uid}:{gid}::/:/bin/sh\n"))?;
    for table in ["/etc/subuid", "/etc/subgid"] {
        cover(table, &format!("ocf-caller:{first}:{count}\n{uid}:{first}:{count}\n"))?;
    }
    Ok(())
}

/// Gives `uid` and `gid` what the case's setup has made in its scratch directory, but for what is mounted there.
pub fn give_scratch(uid: u32, gid: u32, places: &Places) -> io::Result<()> {
    let device = fs::symlink_metadata(&places.host)?.dev();
    let mut waiting = vec![places.host.clone()];
    while let Some(path) = waiting.pop() {
        let facts = fs::symlink_metadata(&path)?;
        if facts.dev() != device {
            continue;
        }
        match lchown(&path, Some(uid), Some(gid)) {
            // What a case has mounted there read-only stays as it is.
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => continue,
            given => given.map_err(|e| told("chown", &path, &e))?,
        }
        if facts.is_dir() {
            waiting.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        }
    }
    Ok(())
}

/// Puts another text in the place of a file, in this mount namespace only.
fn cover(file: &str, text: &str) -> io::Result<()> {
    let own = Places::base().join(file.trim_start_matches('/').replace('/', "-"));
    fs::write(&own, text).map_err(|e| told("write", &own, &e))?;
    if !Path::new(file).exists() {
        return Err(io::Error::other(format!("{file} is missing: it comes with newuidmap(1)")));
    }
    mount(Some(&own), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| io::Error::other(format!("cover {file}: {e}")))
}

/// Gives everything in a bundle to those who are its owners in the container, by the base's id mappings. A config with
/// mappings of its own is about owners, and its case says whose what is.
pub fn give(job: &Job, directory: &Path, config: Option<&Value>) -> Result<(), String> {
    let of = |config| namespaces::view(config).ok().flatten();
    let Some(base) = of(&job.base.config) else { return Ok(()) };
    let same = |own: &[Mapping], bases: &[Mapping]| own == bases;
    let keeps = config
        .and_then(of)
        .is_none_or(|own| same(&own.uid_mappings, &base.uid_mappings) && same(&own.gid_mappings, &base.gid_mappings));
    if !keeps {
        return Ok(());
    }
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let failed = |e: io::Error| told("give away", &path, &e).to_string();
        let facts = fs::symlink_metadata(&path).map_err(failed)?;
        let owner = (outside(&base.uid_mappings, facts.uid()), outside(&base.gid_mappings, facts.gid()));
        lchown(&path, owner.0, owner.1).map_err(failed)?;
        if facts.is_file() {
            // A change of owners takes these bits away.
            fs::set_permissions(&path, facts.permissions()).map_err(failed)?;
        }
        if facts.is_dir() {
            let entries = fs::read_dir(&path).map_err(failed)?;
            waiting.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    Ok(())
}

/// The id outside that stands for one inside; none for one that has no mapping.
fn outside(mappings: &[Mapping], id: u32) -> Option<u32> {
    let id = u64::from(id);
    let found = mappings.iter().find(|it| (it.container_id..it.container_id + it.size).contains(&id))?;
    u32::try_from(id - found.container_id + found.host_id).ok()
}

fn told(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

//! What a case itself knows of the files inside its container: those that it puts into the root file system, and
//! those that its set-up writes where a bind mount shows them.
//!
//! The laws of several chapters read or write such files. What is not certain is left out.

use serde_json::Value;

use super::mounts::{self, Entry};
use crate::case::{Action, Case, Node, Step};

/// The tree inside, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Regular files.
    pub files: Vec<File>,
    /// Directories.
    pub directories: Vec<Directory>,
}

/// A regular file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path inside.
    pub path: String,
    /// Its text; none if it is not known. It is never empty then.
    pub text: Option<String>,
    /// The destination of the mount that brings it; none if the root file system does.
    pub mount: Option<String>,
}

/// A directory that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its path inside.
    pub path: String,
    /// The destination of the mount that brings it; none if the root file system does.
    pub mount: Option<String>,
    /// Whether a file can be made in it; not where the kernel makes them all.
    pub takes_files: bool,
}

/// Directories that every kernel's proc and sysfs have, and files of theirs that are not empty.
const OF_PROC: (&[&str], &[&str]) =
    (&["/sys", "/sys/kernel"], &["/version", "/uptime", "/stat", "/sys/kernel/hostname"]);
const OF_SYSFS: (&[&str], &[&str]) = (&["/kernel", "/devices", "/bus", "/fs"], &[]);

impl Tree {
    /// What `case` knows of the tree that `config` makes.
    pub fn of(case: &Case, config: &Value) -> Self {
        let Ok(mounts) = mounts::view(config) else { return Self::default() };
        let mounts = mounts.unwrap_or(mounts::View { entries: Vec::new() });
        let mut tree = Self::default();
        tree.of_rootfs(case, &mounts);
        for entry in mounts.uncovered().filter(|entry| !behind_link(case, &entry.destination)) {
            tree.directory_of(entry);
            if entry.is_bind() {
                tree.of_setup(case, entry, &mounts);
            }
        }
        tree
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The directory at a path.
    pub fn directory(&self, path: &str) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.path == path)
    }

    /// The files below a directory.
    pub fn below(&self, directory: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path != directory && lies_in(&file.path, directory))
    }

    fn of_rootfs(&mut self, case: &Case, mounts: &mounts::View) {
        for (path, entry) in &case.rootfs {
            let path = plain(path);
            if mounts.on(&path).is_some() || behind_link(case, &path) {
                continue;
            }
            self.ancestors(&path, None);
            match &entry.node {
                Node::File(text) => self.files.push(File { path, text: certain(text), mount: None }),
                Node::Directory(_) => self.add_directory(path, None),
                _ => {}
            }
        }
    }

    /// The root of a new file system, and what proc and sysfs are sure to have.
    fn directory_of(&mut self, entry: &Entry) {
        if !entry.is_new() || entry.is_new_of("cgroup") {
            return;
        }
        let mount = Some(entry.destination.clone());
        let (directories, files) = match entry.kind.as_deref() {
            Some("proc") => OF_PROC,
            Some("sysfs") => OF_SYSFS,
            kind => {
                let takes_files = matches!(kind, Some("tmpfs" | "ramfs"));
                return self.directories.push(Directory { path: entry.destination.clone(), mount, takes_files });
            }
        };
        for name in directories {
            let path = format!("{}{name}", entry.destination);
            self.directories.push(Directory { path, mount: mount.clone(), takes_files: false });
        }
        let files = files.iter().map(|name| format!("{}{name}", entry.destination));
        self.files.extend(files.map(|path| File { path, text: None, mount: mount.clone() }));
    }

    fn of_setup(&mut self, case: &Case, entry: &Entry, mounts: &mounts::View) {
        let Some(source) = entry.source.as_deref() else { return };
        if !is_plain_setup(case) {
            return;
        }
        for (index, action) in case.setup.iter().enumerate() {
            let (path, text) = match action {
                Action::Write { path, text, append: false } => (path, Some(text)),
                Action::Directory { path } => (path, None),
                _ => continue,
            };
            let Some(rest) = below(path, source) else { continue };
            let inside = plain(&format!("{}{rest}", entry.destination));
            let reached = mounts.on(&inside).is_some_and(|on| on == entry);
            if !reached || !is_seen(case, index, path, source, entry) {
                continue;
            }
            let mount = Some(entry.destination.clone());
            match text {
                Some(text) => self.write(File { path: inside, text: certain(text), mount }, &entry.destination),
                None => self.add_directory(inside, mount),
            }
        }
    }

    fn write(&mut self, file: File, top: &str) {
        self.files.retain(|known| known.path != file.path);
        self.ancestors(&file.path, Some(top));
        self.files.push(file);
    }

    /// The directories above a path, up to the mount's destination, or below the root.
    fn ancestors(&mut self, path: &str, top: Option<&str>) {
        let mut rest = path;
        while let Some((above, _)) = rest.rsplit_once('/')
            && !above.is_empty()
            && top.is_none_or(|top| lies_in(above, top))
        {
            self.add_directory(above.to_owned(), top.map(str::to_owned));
            rest = above;
        }
    }

    fn add_directory(&mut self, path: String, mount: Option<String>) {
        if self.directory(&path).is_none() {
            self.directories.push(Directory { path, mount, takes_files: true });
        }
    }
}

/// The text, unless it holds what only a run knows.
fn certain(text: &str) -> Option<String> {
    (!text.contains("${")).then(|| text.to_owned())
}

/// Where a destination is once the symbolic links that the case put into the root file system are followed as
/// inside the container; none if that is not known. Where the links lead that proc has for a process depends on who
/// follows them.
pub fn resolved(case: &Case, path: &str) -> Option<String> {
    let mut path = plain(path);
    for _ in 0..10 {
        let link = case.rootfs.iter().find_map(|(at, entry)| match &entry.node {
            Node::Symlink(target) if lies_in(&path, &plain(at)) => Some((plain(at), target)),
            _ => None,
        });
        let Some((at, target)) = link else {
            let is_of_process = ["/proc/self", "/proc/thread-self"].iter().any(|own| lies_in(&path, own));
            return (!is_of_process).then_some(path);
        };
        let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
        let rest = &path[at.len()..];
        path = plain(&if target.starts_with('/') {
            format!("{target}{rest}")
        } else {
            format!("{parent}/{target}{rest}")
        });
    }
    None
}

/// Whether a path leads through a symbolic link that the case put into the root file system.
pub fn behind_link(case: &Case, path: &str) -> bool {
    resolved(case, path).is_none_or(|resolved| resolved != plain(path))
}

/// The places below `source` on which the case's set-up has mounted something, each as the rest of its path.
pub fn mounted_below(case: &Case, source: &str) -> Vec<String> {
    if !is_plain_setup(case) {
        return Vec::new();
    }
    let targets = case.setup.iter().filter_map(|action| match action {
        Action::Mount { target, .. } => below(target, source),
        _ => None,
    });
    targets.filter(|rest| !rest.is_empty()).map(str::to_owned).collect()
}

/// Whether the mount that the set-up made at `source`, or the nearest above it, is shared.
pub fn is_shared(case: &Case, source: &str) -> bool {
    let above = case.setup.iter().filter_map(|action| match action {
        Action::Mount { target, options, .. }
            if below(source, target).is_some() || below(target, source) == Some("") =>
        {
            Some((target.len(), options.iter().any(|option| option == "shared")))
        }
        _ => None,
    });
    above.max_by_key(|(length, _)| *length).is_some_and(|(_, shared)| shared)
}

/// The rest of a path of the case below a directory of its config; empty if it is that itself.
///
/// A run's config has its placeholders filled in and the case has not, so `${host}/a` in the one is
/// `/somewhere/a` in the other. What is relative in a config is so to the bundle.
pub fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let directory = directory.trim_end_matches('/');
    if !directory.starts_with(['/', '$']) {
        return rest(path.strip_prefix("${bundle}/")?, directory);
    }
    if let Some(rest) = rest(path, directory) {
        return Some(rest);
    }
    let tail = path.strip_prefix("${host}")?;
    let ends = tail.match_indices('/').map(|(at, _)| at).skip(1).chain([tail.len()]);
    ends.filter(|end| !directory.starts_with('$') && directory.ends_with(&tail[..*end])).last().map(|end| &tail[end..])
}

/// Whether a path is a directory's or below it.
pub fn lies_in(path: &str, directory: &str) -> bool {
    directory == "/" || rest(path, directory).is_some()
}

/// A path from the root, without empty components, `.` and `..`.
pub fn plain(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    format!("/{}", components.join("/"))
}

fn rest<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the host does nothing before the start by which what the set-up wrote could be gone.
fn is_plain_setup(case: &Case) -> bool {
    let moves = |action: &Action| {
        matches!(
            action,
            Action::Remove { .. } | Action::Rename { .. } | Action::Unmount { .. } | Action::Symlink { .. }
        )
    };
    let steps = case.steps();
    let before =
        steps.iter().take_while(|step| !matches!(step, Step::Call(call) if call.verb == crate::case::Verb::Start));
    !case.setup.iter().any(moves) && !before.into_iter().any(|step| matches!(step, Step::Host(_)))
}

/// Whether a bind mount of `source` shows what the action with this index made at `path`: mounts between the two
/// are there only with `rbind`, and hide what was there before.
fn is_seen(case: &Case, index: usize, path: &str, source: &str, entry: &Entry) -> bool {
    let between = case.setup.iter().enumerate().filter_map(|(at, action)| match action {
        Action::Mount { target, .. } => {
            let deeper = below(target, source).is_some_and(|rest| !rest.is_empty());
            (deeper && rest(path, target).is_some()).then_some(at)
        }
        _ => None,
    });
    between.into_iter().all(|at| (at < index) == entry.has("rbind"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(value: Value) -> Case {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_mount_hides_is_not_known() {
        let case = case(json!({ "about": "a", "rootfs": { "/a/f": { "file": "x" }, "/b/f": { "file": "y" } } }));
        let tree = Tree::of(&case, &json!({ "mounts": [{ "destination": "/a", "type": "tmpfs" }] }));
        assert_eq!(tree.file("/a/f"), None);
        assert_eq!(tree.file("/b/f").map(|file| file.text.as_deref()), Some(Some("y")));
        assert!(tree.directory("/a").is_some() && tree.directory("/b").is_some());
    }

    #[test]
    fn a_bind_mount_shows_what_the_set_up_wrote_before_and_after_placeholders_are_filled() {
        let case = case(json!({ "about": "a", "setup": [{ "write": { "path": "${host}/d/e/f", "text": "x" } }] }));
        for source in ["${host}/d", "/somewhere/host/d"] {
            let mount = json!({ "destination": "/a", "source": source, "options": ["bind"] });
            let tree = Tree::of(&case, &json!({ "mounts": [mount] }));
            assert_eq!(tree.file("/a/e/f").and_then(|file| file.mount.as_deref()), Some("/a"));
        }
    }

    #[test]
    fn a_mount_below_the_source_is_seen_with_rbind_alone() {
        let setup = json!([
            { "write": { "path": "${host}/d/sub/below", "text": "x" } },
            { "mount": { "type": "tmpfs", "source": "none", "target": "${host}/d/sub" } },
            { "write": { "path": "${host}/d/sub/above", "text": "y" } },
        ]);
        let case = case(json!({ "about": "a", "setup": setup }));
        let tree = |option: &str| {
            let mount = json!({ "destination": "/a", "source": "${host}/d", "options": [option] });
            Tree::of(&case, &json!({ "mounts": [mount] }))
        };
        assert!(tree("bind").file("/a/sub/below").is_some() && tree("bind").file("/a/sub/above").is_none());
        assert!(tree("rbind").file("/a/sub/below").is_none() && tree("rbind").file("/a/sub/above").is_some());
        assert_eq!(mounted_below(&case, "/x/d"), ["/sub"]);
    }

    #[test]
    fn links_are_followed_as_inside() {
        let case =
            case(json!({ "about": "a", "rootfs": { "/l": { "symlink": "/real" }, "/m": { "symlink": "../../up" } } }));
        assert_eq!(resolved(&case, "/l/x").as_deref(), Some("/real/x"));
        assert_eq!(resolved(&case, "/m").as_deref(), Some("/up"));
        assert!(behind_link(&case, "/l/x") && !behind_link(&case, "/real"));
        assert_eq!(resolved(&case, "/proc/self/cwd/made"), None);
    }
}

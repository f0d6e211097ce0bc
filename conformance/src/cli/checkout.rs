//! One state of upstream's repository: a directory, or a revision that git knows. The only module that asks git for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ocf_spec::upstream::{Comparison, MarkdownFiles, Repository, Tables, check, linked};

/// The largest file that is read, in bytes: upstream's largest is a hundredth of it.
const LARGEST: u64 = 4 << 20;

/// So many files of a folder are read at most.
const MOST_FILES: usize = 10_000;

/// One state of one of upstream's repositories.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    /// How its caller called it.
    pub(super) name: String,
    state: State,
    /// Where git may know the tags that were read.
    history: PathBuf,
}

#[derive(Clone, Debug)]
enum State {
    /// The files as they lie there.
    Directory(PathBuf),
    /// The commit of this hash.
    Commit(String),
}

impl Checkout {
    /// What a word means: a directory with a work tree, a git directory (then its HEAD), or a revision of `repository`.
    pub(super) fn named(word: &str, repository: Option<&Path>) -> Result<Self, String> {
        let path = Path::new(word);
        let is_work_tree = path.join("spec.md").is_file() || path.join("conversion.md").is_file();
        if path.is_dir() && is_work_tree {
            let directory = path.canonicalize().map_err(|e| format!("{word}: {e}"))?;
            let history = repository.unwrap_or(path).to_owned();
            return Ok(Self { name: word.to_owned(), state: State::Directory(directory), history });
        }
        let (repository, revision) = match (path.is_dir(), repository) {
            (true, _) => (path, "HEAD"),
            (false, given) => (given.unwrap_or(Path::new(".")), word),
        };
        let about = |why| match path.is_dir() {
            true => format!("{word}: no spec.md lies there, and as a git directory: {why}"),
            false => format!("{word}: no directory, and no revision of {}: {why}", repository.display()),
        };
        Self::at(repository, revision, word).map_err(about)
    }

    fn at(repository: &Path, revision: &str, name: &str) -> Result<Self, String> {
        let commit = format!("{revision}^{{commit}}");
        let hash = git(repository, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
            .map_err(|why| if why.is_empty() { "git knows no such commit".to_owned() } else { why })?;
        let hash = String::from_utf8_lossy(&hash).trim().to_owned();
        Ok(Self { name: name.to_owned(), state: State::Commit(hash), history: repository.to_owned() })
    }

    /// The same repository at a tag, if git knows it there.
    pub(super) fn at_tag(&self, tag: &str) -> Option<Self> {
        Self::at(&self.history, &format!("refs/tags/{tag}"), tag).ok()
    }

    /// Which of upstream's repositories it is, by the files that it has.
    pub(super) fn repository(&self) -> Result<Repository, String> {
        let has = |file: &str| self.bytes(file).map(|it| it.is_some());
        if has("runtime.md")? {
            return Ok(Repository::Runtime);
        }
        match has("conversion.md")? {
            true => Ok(Repository::Image),
            false => {
                Err(format!("{}: neither runtime-spec nor image-spec: no runtime.md, no conversion.md", self.name))
            }
        }
    }

    /// What became of the clauses, and whether some text that they were read from is at hand.
    pub(super) fn compared<'t>(
        &self,
        tables: &'t Tables,
        repository: Repository,
    ) -> Result<(Comparison<'t>, bool), String> {
        let before = self.read_before(tables, repository)?;
        let comparison = check(tables, repository, &self.markdown(tables, repository)?, &before);
        Ok((comparison, !before.is_empty()))
    }

    /// The format's text: the files that have clauses, and for runtime-spec all that its spec.md names.
    fn markdown(&self, tables: &Tables, repository: Repository) -> Result<MarkdownFiles, String> {
        let files = tables.clauses.iter().map(|it| Repository::of(&it.file));
        let mut paths: BTreeSet<String> =
            files.filter(|(it, _)| *it == repository).map(|(_, path)| path.to_owned()).collect();
        if repository == Repository::Runtime {
            paths.extend(self.text("spec.md")?.iter().flat_map(|text| linked(text)));
        }
        let mut texts = MarkdownFiles::new();
        for path in paths {
            texts.extend(self.text(&path)?.map(|text| (repository.file(&path), text)));
        }
        Ok(texts)
    }

    /// By its tag, each text that clauses were read from, as far as git knows it here.
    fn read_before(&self, tables: &Tables, repository: Repository) -> Result<BTreeMap<String, MarkdownFiles>, String> {
        let ours = tables.clauses.iter().filter(|it| Repository::of(&it.file).0 == repository);
        let tags: BTreeSet<&str> = ours.map(|it| it.tag.as_str()).collect();
        let mut before = BTreeMap::new();
        for tag in tags {
            if let Some(then) = self.at_tag(tag) {
                before.insert(tag.to_owned(), then.markdown(tables, repository)?);
            }
        }
        Ok(before)
    }

    /// The text of a file; what is no UTF-8 in it is replaced. `None` if there is no such file.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, String> {
        Ok(self.bytes(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes of a file; `None` if there is no such ordinary file.
    pub(super) fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match &self.state {
            State::Directory(directory) => {
                file(directory, path).map_err(|e| format!("read {}: {e}", directory.join(path).display()))
            }
            State::Commit(hash) => self.blob(hash, path),
        }
    }

    fn blob(&self, hash: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
        // The size comes with the listing, so that nothing is read that is too large.
        let listed = self.git(&["ls-tree", "-l", "-z", "--full-tree", hash, "--", path])?;
        let entry = String::from_utf8_lossy(&listed);
        let Some((about, _)) = entry.split_once('\t') else { return Ok(None) };
        let words: Vec<&str> = about.split_whitespace().collect();
        let [mode, "blob", blob, size] = words[..] else { return Ok(None) };
        if !mode.starts_with("100") {
            return Ok(None);
        }
        match size.parse::<u64>() {
            Ok(size) if size <= LARGEST => self.git(&["cat-file", "blob", blob]).map(Some),
            _ => Err(format!("{}: {path}: larger than {LARGEST} bytes", self.name)),
        }
    }

    /// The paths of the files directly in a folder, in their order; none if there is no such folder.
    pub(super) fn folder(&self, path: &str) -> Result<Vec<String>, String> {
        let mut names = match &self.state {
            State::Directory(directory) => {
                listed(&directory.join(path)).map_err(|e| format!("list {}: {e}", directory.join(path).display()))?
            }
            State::Commit(hash) => {
                let folder = format!("{path}/");
                let listed = self.git(&["ls-tree", "-z", "--name-only", "--full-tree", hash, "--", &folder])?;
                let names = listed.split(|byte| *byte == 0).filter(|it| !it.is_empty());
                names.filter_map(|it| Some(std::str::from_utf8(it).ok()?.rsplit('/').next()?.to_owned())).collect()
            }
        };
        names.sort();
        names.truncate(MOST_FILES);
        Ok(names.into_iter().map(|name| format!("{path}/{name}")).collect())
    }

    fn git(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let about = |why| format!("git {} in {}: {why}", arguments[0], self.history.display());
        git(&self.history, arguments).map_err(about)
    }
}

/// An ordinary file below a directory. A link is not followed: a stranger's checkout shall not show files of ours.
fn file(directory: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    let path = directory.join(path);
    let about = match fs::symlink_metadata(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other?,
    };
    if !about.is_file() || !path.canonicalize()?.starts_with(directory) {
        return Ok(None);
    }
    if about.len() > LARGEST {
        return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
    }
    fs::read(&path).map(Some)
}

fn listed(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
    }
}

/// Runs git and gives what it says; the error is its last complaint, on one line.
fn git(repository: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("git").arg("-C").arg(repository).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("run git: {e}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()),
    }
}

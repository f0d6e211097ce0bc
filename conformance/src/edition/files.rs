//! The files of one state of the sources, from a directory or from git.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ocf_spec::{CHAPTERS, Sources, SpecError, Specification};
use serde_json::Value;

/// The folders of the project that hold its data.
const FOLDERS: [&str; 3] = ["spec", "schema", "fixtures"];

/// The folders of `fixtures/` that hold no cases of a chapter.
const NO_CHAPTERS: [&str; 5] = ["base", "engines", "src", "static", "target"];

/// The largest file that is read, in bytes: the sources' are a hundredth of it.
const LARGEST: u64 = 16 << 20;

/// Files by their paths from the project's root, with `/`; only Markdown, JSON and tables.
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Reads what a checkout has below the folders of data. Symbolic links are passed over.
    pub fn of_directory(directory: &Path) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            let path = directory.join(folder);
            collect(&path, folder, &mut files).map_err(|(at, e)| format!("read {}: {e}", at.display()))?;
        }
        Ok(Self(files))
    }

    /// Reads the same from a revision. Symbolic links are passed over.
    pub fn of_revision(repository: &Path, revision: &str) -> Result<Self, String> {
        let commit = check_revision(repository, revision)?;
        let listed = git(
            repository,
            &["ls-tree", "-r", "-z", "--full-tree", &commit, "--", FOLDERS[0], FOLDERS[1], FOLDERS[2]],
            b"",
        )?;
        let blobs: Vec<(String, String)> = listed.split(|byte| *byte == 0).filter_map(blob).collect();
        let asked: String = blobs.iter().map(|(hash, _)| format!("{hash}\n")).collect();
        let answer = git(repository, &["cat-file", "--batch"], asked.as_bytes())?;
        let contents = contents(&answer, blobs.len())
            .ok_or_else(|| format!("git cat-file, in {}: an answer of another form", repository.display()))?;
        Ok(Self(blobs.into_iter().map(|(_, path)| path).zip(contents).collect()))
    }

    /// The text of a file, if it is there and UTF-8.
    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.0.get(path)?.clone()).ok()
    }

    /// The JSON document in a file.
    pub fn json(&self, path: &str) -> Result<Value, String> {
        let bytes = self.0.get(path).ok_or_else(|| format!("{path} is missing"))?;
        serde_json::from_slice(bytes).map_err(|e| format!("{path}: {e}"))
    }

    /// The JSON documents that lie directly in a folder, by their stems.
    pub fn fixtures(&self, folder: &str) -> Result<BTreeMap<String, Value>, String> {
        let inside = self.0.keys().filter_map(|path| {
            let stem = path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".json")?;
            (!stem.contains('/')).then_some((stem, path))
        });
        inside.map(|(stem, path)| Ok((stem.to_owned(), self.json(path)?))).collect()
    }

    /// The cases of every chapter, by `CHAPTER/NAME`.
    pub fn cases(&self) -> Result<BTreeMap<String, Value>, String> {
        let inside = self.0.keys().filter_map(|path| {
            let name = path.strip_prefix("fixtures/")?.strip_suffix(".json")?;
            let (chapter, rest) = name.split_once('/')?;
            (!NO_CHAPTERS.contains(&chapter) && !rest.contains('/')).then_some((name, path))
        });
        inside.map(|(name, path)| Ok((name.to_owned(), self.json(path)?))).collect()
    }

    /// The texts of the specification, with its own tables.
    pub fn sources(&self) -> Result<Sources, String> {
        let table = |name: &str| self.text(name).ok_or_else(|| format!("{name} is missing, or no text"));
        Ok(Sources {
            chapters: self.chapters()?,
            upstream: table("spec/upstream.tsv")?,
            properties: table("spec/properties.tsv")?,
            no_requirement: self.text("spec/no-requirement.tsv"),
        })
    }

    /// Name and text of each chapter: in the order of those that this program knows, then by their names.
    fn chapters(&self) -> Result<Vec<(String, String)>, String> {
        let place = |name: &str| CHAPTERS.iter().position(|(it, _)| *it == name).unwrap_or(CHAPTERS.len());
        let names = self.0.keys().filter_map(|path| path.strip_prefix("spec/chapters/")?.strip_suffix(".md"));
        let mut names: Vec<&str> = names.filter(|name| !name.contains('/')).collect();
        names.sort_by_key(|name| (place(name), *name));
        let chapter = |name: &&str| {
            let text = self.text(&format!("spec/chapters/{name}.md"));
            Ok(((*name).to_owned(), text.ok_or_else(|| format!("spec/chapters/{name}.md is no UTF-8"))?))
        };
        names.iter().map(chapter).collect()
    }
}

/// The specification that the texts say.
pub fn specification(sources: &Sources) -> Result<Specification, String> {
    let all = |errors: Vec<SpecError>| errors.iter().map(|it| format!("spec/{it}")).collect::<Vec<_>>().join("\n");
    Specification::of(sources).map_err(all)
}

/// The commit that a word names in the repository around `directory`.
pub fn check_revision(directory: &Path, revision: &str) -> Result<String, String> {
    let commit = format!("{revision}^{{commit}}");
    let hash = git(directory, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit], b"")
        .map_err(|why| if why.is_empty() { "git knows no such commit".to_owned() } else { why })?;
    Ok(String::from_utf8_lossy(&hash).trim().to_owned())
}

/// Runs git and gives what it says; the error is its last complaint, on one line.
fn git(directory: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |e: io::Error| format!("run git: {e}");
    let mut child = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // From a thread of its own: git answers while it is still being asked.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()),
    }
}

/// Hash and path of one entry of `git ls-tree -z`, if it is an ordinary file that counts.
fn blob(entry: &[u8]) -> Option<(String, String)> {
    let entry = std::str::from_utf8(entry).ok()?;
    let (about, path) = entry.split_once('\t')?;
    let mut words = about.split(' ');
    let is_file = matches!(words.next(), Some("100644" | "100755")) && words.next() == Some("blob");
    (is_file && counts(path)).then_some((words.next()?.to_owned(), path.to_owned()))
}

/// The contents in an answer of `git cat-file --batch`: for each a line `HASH blob SIZE`, the bytes and a line feed.
fn contents(answer: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut rest = answer;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let size: usize = std::str::from_utf8(&rest[..end]).ok()?.rsplit(' ').next()?.parse().ok()?;
        let bytes = rest.get(end + 1..)?.get(..size)?;
        all.push(bytes.to_vec());
        rest = rest.get(end + 1 + size + 1..)?;
    }
    Some(all)
}

fn collect(folder: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |e| (folder.to_owned(), e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let Some(own) = file_name.to_str().filter(|it| !it.starts_with('.')) else { continue };
        let (path, name) = (entry.path(), format!("{name}/{own}"));
        let kind = entry.file_type().map_err(|e| (path.clone(), e))?;
        if kind.is_dir() && own != "target" {
            collect(&path, &name, files)?;
        } else if kind.is_file() && counts(&name) {
            files.insert(name, bytes(&path).map_err(|e| (path.clone(), e))?);
        }
    }
    Ok(())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
    }
    fs::read(path)
}

/// Whether a file is data of the project.
fn counts(path: &str) -> bool {
    [".md", ".json", ".tsv"].iter().any(|it| path.ends_with(it))
}

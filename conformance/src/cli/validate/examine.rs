//! One document or bundle, and all that is wrong with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ocf_schema::{Finding, Kind, LARGEST, Position, Severity, Text, embedded};
use ocf_spec::{Requirement, VERSIONS, Version, requirement};
use serde_json::Value;

use super::{bundle, read_limited};

/// What a name on the command line stands for.
pub(super) enum Input {
    /// `-`.
    Standard,
    /// A file, or a bundle's directory.
    Path(PathBuf),
}

impl Input {
    pub(super) fn named(name: PathBuf) -> Self {
        if name.as_os_str() == "-" { Self::Standard } else { Self::Path(name) }
    }
}

/// What the caller said of every document.
pub(super) struct Examiner {
    pub(super) kind: Option<Kind>,
    pub(super) spec: Option<Version>,
}

/// A document that was looked at.
pub(super) struct Examined {
    /// How its caller called it; of a bundle, its config.json.
    pub(super) name: String,
    /// What it was taken for.
    pub(super) kind: Kind,
    /// The version that it was held against.
    pub(super) spec: Version,
    /// Why there was nothing to look at.
    pub(super) unreadable: Option<String>,
    /// In the order of the text.
    pub(super) findings: Vec<Placed>,
    /// The text, of which the findings show lines.
    pub(super) bytes: Vec<u8>,
}

/// A finding, and where a reader looks for it.
pub(super) struct Placed {
    pub(super) finding: Finding,
    pub(super) start: Position,
    pub(super) end: Position,
}

impl Placed {
    /// What the specification says of it.
    pub(super) fn requirement(&self) -> Option<&'static Requirement> {
        requirement(self.finding.requirement.as_ref()?.as_str())
    }

    /// Why it weighs less than its requirement does, if so: how that is read says it.
    pub(super) fn why_softer(&self) -> Option<&'static str> {
        let requirement = self.requirement().filter(|it| Severity::of(it.level) > self.finding.severity)?;
        requirement.reading.as_deref()
    }
}

impl Examiner {
    pub(super) fn examine(&self, input: &Input) -> Examined {
        match input {
            Input::Standard => self.file("<standard input>", read_limited(io::stdin().lock(), 0, LARGEST)),
            Input::Path(path) if path.is_dir() => self.bundle(path),
            Input::Path(path) => self.file(&path.display().to_string(), read(path)),
        }
    }

    fn file(&self, name: &str, read: io::Result<Vec<u8>>) -> Examined {
        match read {
            Ok(bytes) => self.document(name, bytes, |_, _| Vec::new()),
            Err(error) => unreadable(name, self.kind, format!("read it: {error}")),
        }
    }

    /// A bundle: its config.json, and the files beside it.
    fn bundle(&self, directory: &Path) -> Examined {
        let config = directory.join("config.json");
        let name = config.display().to_string();
        if self.kind.is_some_and(|kind| kind != Kind::Config) {
            return unreadable(&directory.display().to_string(), self.kind, "it is a directory".to_owned());
        }
        match read(&config) {
            Ok(bytes) => self.document(&name, bytes, |value, spec| bundle::findings(directory, value, spec)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let spec = self.spec.unwrap_or(VERSIONS[VERSIONS.len() - 1]);
                let missing = bundle::without_config(spec);
                Examined { findings: placed(b"", vec![missing]), ..empty(&name, Kind::Config, spec) }
            }
            Err(error) => unreadable(&name, Some(Kind::Config), format!("read it: {error}")),
        }
    }

    fn document(&self, name: &str, bytes: Vec<u8>, beside: impl Fn(&Value, Version) -> Vec<Finding>) -> Examined {
        let text = Text::read(&bytes);
        let value = text.as_ref().ok().map(Text::value);
        let kind = self.kind.unwrap_or_else(|| kind_of(name, value));
        let stated = value.and_then(|value| stated(kind, value));
        let spec = self.spec.unwrap_or_else(|| newest_known(stated));
        let mut findings = embedded(kind, spec).validate_text(&text);
        if let Ok(text) = &text {
            let newest = VERSIONS[VERSIONS.len() - 1];
            findings
                .extend(stated.filter(|it| self.spec.is_none() && *it > newest).map(|it| unknown_version(kind, it)));
            findings.extend(beside(text.value(), spec));
            text.locate(&mut findings);
        }
        drop(text);
        Examined { findings: placed(&bytes, findings), bytes, ..empty(name, kind, spec) }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A device such as /dev/zero never ends.
    let file = File::open(path)?;
    let expected = file.metadata().map_or(0, |it| it.len());
    read_limited(file, expected, LARGEST)
}

/// What a document is, by the name of its file, and else by its members.
fn kind_of(name: &str, value: Option<&Value>) -> Kind {
    let stem = Path::new(name).file_stem().and_then(OsStr::to_str);
    let has = |member: &str| value.is_some_and(|it| it.get(member).is_some());
    match stem {
        Some("config") => Kind::Config,
        Some("state") => Kind::State,
        Some("features") => Kind::Features,
        _ if has("ociVersionMin") || has("ociVersionMax") => Kind::Features,
        _ if has("status") && has("id") => Kind::State,
        _ => Kind::Config,
    }
}

/// The version that a document states.
fn stated(kind: Kind, value: &Value) -> Option<Version> {
    let member = match kind {
        Kind::Config | Kind::State => "ociVersion",
        Kind::Features => "ociVersionMax",
        _ => return None,
    };
    value.get(member)?.as_str()?.parse().ok()
}

/// The newest version that is known and not newer than what is stated; the newest of all where
/// nothing is stated, and the oldest for what is older.
fn newest_known(stated: Option<Version>) -> Version {
    let newest = VERSIONS[VERSIONS.len() - 1];
    stated.map_or(newest, |it| VERSIONS.into_iter().filter(|known| *known <= it).max().unwrap_or(VERSIONS[0]))
}

fn unknown_version(kind: Kind, stated: Version) -> Finding {
    let newest = VERSIONS[VERSIONS.len() - 1];
    let member = if kind == Kind::Features { "/ociVersionMax" } else { "/ociVersion" };
    Finding {
        requirement: None,
        severity: Severity::Note,
        pointer: member.to_owned(),
        of_name: false,
        message: format!("{stated} is newer than all known versions; held against {newest}"),
        hint: None,
        span: None,
    }
}

fn placed(bytes: &[u8], findings: Vec<Finding>) -> Vec<Placed> {
    let span = |finding: &Finding| finding.span.clone().unwrap_or(0..0);
    let offsets: Vec<usize> = findings.iter().map(span).flat_map(|span| [span.start, span.end]).collect();
    let positions = Position::of_all(bytes, &offsets);
    let pairs = positions.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    findings.into_iter().zip(pairs).map(|(finding, (start, end))| Placed { finding, start, end }).collect()
}

fn empty(name: &str, kind: Kind, spec: Version) -> Examined {
    Examined { name: name.to_owned(), kind, spec, unreadable: None, findings: Vec::new(), bytes: Vec::new() }
}

fn unreadable(name: &str, kind: Option<Kind>, why: String) -> Examined {
    let spec = VERSIONS[VERSIONS.len() - 1];
    Examined { unreadable: Some(why), ..empty(name, kind.unwrap_or(Kind::Config), spec) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_seen_from_the_name_and_else_from_the_members() {
        assert_eq!(kind_of("/b/state.json", None), Kind::State);
        assert_eq!(kind_of("runc.json", Some(&json!({"ociVersionMin": "1.0.0"}))), Kind::Features);
        assert_eq!(kind_of("<standard input>", Some(&json!({"id": "a", "status": "running"}))), Kind::State);
        assert_eq!(kind_of("web.json", Some(&json!([]))), Kind::Config);
    }

    #[test]
    fn a_document_is_held_against_what_it_states() {
        let of = |text: &str| newest_known(stated(Kind::Config, &json!({ "ociVersion": text }))).to_string();
        assert_eq!(of("1.0.2-dev"), "1.0.2");
        assert_eq!(of("1.2.7"), "1.2.1");
        assert_eq!(of("9.0.0"), "1.3.0");
        assert_eq!(of("0.9.0"), "1.0.0");
        assert_eq!(of("one"), "1.3.0");
    }
}

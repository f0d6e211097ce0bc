//! `ocf spec watch`: on each save of a source, what is wrong with the specification, and what the change touches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use ocf_schema::compare::{Touched, touched};
use ocf_schema::{Kind, projected, rules};
use ocf_spec::{Level, VERSIONS, Version};
use serde_json::Value;

use super::{impact, lint};
use crate::checks::Checks;
use crate::cli::terminal::{Ink, Page, counted, print};
use crate::edition::{Amendments, Document, Edition, Judged, Turned, between, stale, unkept};
use crate::judge::visible;

/// The folders of a checkout that are watched.
const FOLDERS: [&str; 3] = ["spec", "schema", "fixtures"];

/// An editor writes several files in one go: so long must it be quiet, in milliseconds.
const QUIET: u16 = 30;

/// The most lines that are shown of one sort.
const MOST_LINES: usize = 12;

#[derive(Args)]
pub struct Arguments {
    /// A checkout's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// One round, against the last commit, and exit: 0 all is well, 1 something is wrong
    #[arg(long)]
    once: bool,
}

/// Watches until it is interrupted.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    // Worked out beside the rest, so that no round need.
    std::thread::spawn(Checks::shared);
    let directory = &arguments.directory;
    if arguments.once {
        // A checkout outside of git, or of a state that this program can't read, is held against the program.
        let last = Edition::at_revision(directory, "HEAD").unwrap_or_else(|_| Edition::embedded());
        print(&format!("against {}\n", visible(&last.name)))?;
        let (_, is_well) = round(directory, &State::of(last)?, Edition::read(directory)?)?;
        return Ok(u8::from(!is_well));
    }
    let mut watch = Watch::begin(directory)?;
    let mut state = State::of(Edition::read(directory)?)?;
    let shown = visible(&directory.display().to_string());
    print(&format!("watching {shown}: {}; Ctrl-C ends it\n", FOLDERS.join(" ")))?;
    loop {
        let saved = watch.wait()?;
        print(&format!("\n{}\n", visible(&saved.into_iter().collect::<Vec<_>>().join(" "))))?;
        match Edition::read(directory).and_then(|edition| round(directory, &state, edition)) {
            Ok((next, _)) => state = next,
            Err(why) => print(&why.lines().map(|line| format!("  {}\n", visible(line))).collect::<String>())?,
        }
    }
}

/// A state of the sources, and what is wrong with its documents.
struct State {
    edition: Edition,
    documents: Vec<Document>,
    judged: Judged,
}

impl State {
    fn of(edition: Edition) -> Result<Self, String> {
        let documents = edition.documents();
        let all: Vec<&Document> = documents.iter().collect();
        let judged = Judged::of(&edition, &all, &VERSIONS)?;
        Ok(Self { edition, documents, judged })
    }

    /// The state after this one. Only documents are judged again whose verdict can have changed.
    fn next(&self, edition: Edition) -> Result<Self, String> {
        let documents = edition.documents();
        let step = Step::between(self, &edition, &documents);
        let again: Vec<_> = VERSIONS.iter().map(|version| (*version, step.touched(&documents, *version))).collect();
        let mut judged = self.judged.clone();
        judged.extend(Judged::of_each(&edition, &again)?);
        Ok(Self { judged, documents, edition })
    }
}

/// What differs between a state and an edition, as far as it matters to documents.
struct Step<'a> {
    last: &'a State,
    edition: &'a Edition,
    /// The documents that are not as they were, by their names.
    changed: BTreeSet<&'a str>,
    /// Requirements that don't weigh what they did.
    moved: BTreeSet<&'a str>,
    /// Each document's value, by its name; none for those that are given as a text.
    values: BTreeMap<&'a str, Value>,
}

impl<'a> Step<'a> {
    fn between(last: &'a State, edition: &'a Edition, documents: &'a [Document]) -> Self {
        let known: BTreeMap<&str, &Document> = last.documents.iter().map(|it| (it.name.as_str(), it)).collect();
        let is_changed = |it: &&Document| known.get(it.name.as_str()) != Some(it);
        let changed = documents.iter().filter(is_changed).map(|it| it.name.as_str()).collect();
        let moved = moved(&last.edition, edition);
        // The places in a document are the same under every version.
        let newest = VERSIONS[VERSIONS.len() - 1];
        let value = |it: &'a Document| Some((it.name.as_str(), it.value(newest)?));
        Self { last, edition, changed, moved, values: documents.iter().filter_map(value).collect() }
    }

    /// The documents to be judged again under a version.
    fn touched<'d>(&self, documents: &'d [Document], version: Version) -> Vec<&'d Document> {
        let mut touched = Vec::new();
        for kind in Kind::FORMAT {
            let schema = self.schema(kind, version);
            let of_kind = documents.iter().filter(|it| it.kind == kind);
            touched.extend(of_kind.filter(|it| self.touches(it, version, schema.as_ref())));
        }
        touched
    }

    /// What is said otherwise by the schema of a kind; none if nothing is.
    fn schema(&self, kind: Kind, version: Version) -> Option<Touched> {
        let [was, is] = [&self.last.edition, self.edition].map(|it| (it.schemas.get(&kind), &it.specification));
        if was.0 == is.0 && self.moved.is_empty() {
            return None;
        }
        let [was, is] =
            [was, is].map(|(schema, specification)| projected(schema.unwrap_or(&Value::Null), specification, version));
        (was != is).then(|| touched(&was, &is))
    }

    fn touches(&self, document: &Document, version: Version, schema: Option<&Touched>) -> bool {
        let Some(value) = self.values.get(document.name.as_str()) else {
            return schema.is_some() || !self.moved.is_empty() || self.changed.contains(document.name.as_str());
        };
        let cites = || {
            let faults = self.last.judged.get(&document.name, version).into_iter().flatten();
            faults.filter_map(|it| it.requirement.as_deref()).any(|id| self.moved.contains(id))
        };
        let is_moved = |rule: &&rules::Rule| rule.requirement.is_some_and(|id| self.moved.contains(id));
        let offends = || rules::of(document.kind).filter(is_moved).any(|rule| !(rule.offences)(value).is_empty());
        self.changed.contains(document.name.as_str())
            || schema.is_some_and(|it| it.reaches(value))
            || !self.moved.is_empty() && (cites() || offends())
    }
}

/// The requirements that weigh otherwise in the validation of documents, or are on one side only.
fn moved<'a>(old: &'a Edition, new: &'a Edition) -> BTreeSet<&'a str> {
    type Weight<'a> = (&'a str, Level, Version, Option<Version>, &'a [String]);
    fn weights(of: &Edition) -> BTreeSet<Weight<'_>> {
        of.specification
            .requirements()
            .map(|it| (it.id.as_str(), it.level, it.since, it.until, &it.clauses[..]))
            .collect()
    }
    let (was, is) = (weights(old), weights(new));
    was.symmetric_difference(&is).map(|it| it.0).collect()
}

/// Takes the step from the last state to an edition and says what it means; whether all is well.
fn round(directory: &Path, last: &State, edition: Edition) -> Result<(State, bool), String> {
    let begun = Instant::now();
    let state = last.next(edition)?;
    let lint: Vec<String> = match lint::errors(directory) {
        Ok(errors) => errors.iter().map(ToString::to_string).collect(),
        // What can't be linted is nothing to stop for.
        Err(why) => vec![why],
    };
    let unkept = unkept(&state.edition, &state.documents, &state.judged);
    let amendments = Amendments::between(&last.edition, &state.edition);
    let kept = counted(state.documents.iter().filter(|it| it.breaks.is_some()).count(), "wrong document");
    let mut page = Page::new();
    lines(&mut page, "lint", "no error", &lint);
    lines(&mut page, "static fixtures", &format!("{kept}, each breaks just what it names"), &unkept);
    lines(&mut page, "requirements", "none changed", &shown(&amendments));
    impact::documents(&mut page, &turned(last, &state), &amendments);
    impact::stale(&mut page, &stale(&amendments)?);
    page.line(Ink::Faint, &format!("{:.2} s", begun.elapsed().as_secs_f64()));
    page.print()?;
    Ok((state, lint.is_empty() && unkept.is_empty()))
}

fn shown(amendments: &Amendments) -> Vec<String> {
    let entries = |what: &str, all: &[crate::edition::Entry]| {
        all.iter().map(|it| format!("{what} {}", it.id)).collect::<Vec<_>>()
    };
    let changed = amendments.changed.iter().map(|it| {
        let fields: Vec<&str> = it.fields.keys().copied().collect();
        format!("changed {}: {}", it.requirement.id, fields.join(", "))
    });
    [entries("added", &amendments.added), entries("removed", &amendments.removed), changed.collect()].concat()
}

/// The documents of both states in which other things are wrong now.
fn turned(last: &State, state: &State) -> Vec<Turned> {
    let pairs = VERSIONS.iter().flat_map(|version| state.documents.iter().map(move |it| (it, [*version; 2])));
    pairs.filter_map(|(it, versions)| between(&last.judged, &state.judged, &it.name, versions)).collect()
}

/// What there is of one sort, or that there is nothing.
fn lines(page: &mut Page, label: &str, nothing: &str, found: &[String]) {
    match found.len() {
        0 => page.line(Ink::Plain, &format!("  {label:<16} {nothing}")),
        count => page.line(Ink::Plain, &format!("  {label:<16} {count}")),
    }
    found.iter().take(MOST_LINES).for_each(|line| page.block(("", Ink::Plain), 4, line));
    if let more @ 1.. = found.len().saturating_sub(MOST_LINES) {
        page.line(Ink::Plain, &format!("    and {more} more"));
    }
}

/// The kernel's word about saved files.
struct Watch {
    directory: PathBuf,
    inotify: Inotify,
}

impl Watch {
    fn begin(directory: &Path) -> Result<Self, String> {
        let inotify =
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|e| format!("inotify: {e}"))?;
        let watch = Self { directory: directory.to_owned(), inotify };
        watch.add_all()?;
        Ok(watch)
    }

    /// Waits until a source is saved and all is quiet again; gives the names of the files.
    fn wait(&mut self) -> Result<BTreeSet<String>, String> {
        let mut saved = BTreeSet::new();
        loop {
            let timeout = if saved.is_empty() { PollTimeout::NONE } else { PollTimeout::from(QUIET) };
            let mut sources = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            match poll(&mut sources, timeout) {
                Ok(0) => {
                    // A new folder may have come with the files.
                    self.add_all()?;
                    return Ok(saved);
                }
                Ok(_) => saved.extend(self.names()?),
                Err(nix::Error::EINTR) => {}
                Err(e) => return Err(format!("poll: {e}")),
            }
        }
    }

    fn names(&self) -> Result<Vec<String>, String> {
        let events = match self.inotify.read_events() {
            Err(nix::Error::EAGAIN) => Vec::new(),
            other => other.map_err(|e| format!("inotify: {e}"))?,
        };
        let names = events.into_iter().filter_map(|it| Some(it.name?.to_string_lossy().into_owned()));
        Ok(names
            .filter(|it| !it.starts_with('.') && [".md", ".json", ".tsv"].iter().any(|end| it.ends_with(end)))
            .collect())
    }

    fn add_all(&self) -> Result<(), String> {
        FOLDERS.iter().try_for_each(|folder| self.add(&self.directory.join(folder)))
    }

    /// Watches a folder and all below it; to watch it again changes nothing.
    fn add(&self, folder: &Path) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("watch {}: {e}", folder.display());
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        self.inotify.add_watch(folder, flags).map_err(|e| failed(&e))?;
        for entry in fs::read_dir(folder).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let is_source = !matches!(entry.file_name().to_str(), Some("target" | "fuzz") | None);
            if is_source && entry.file_type().is_ok_and(|it| it.is_dir()) {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ocf_spec::Specification;

    use super::*;

    /// A few chapters' static fixtures: what is compared is the same judged whole, and step by step.
    fn edition() -> Edition {
        let mut edition = Edition::embedded();
        edition.cases.clear();
        let few = ["masked-paths", "memory", "seccomp", "features", "pids"];
        edition.static_fixtures.retain(|chapter, _| few.contains(&chapter.as_str()));
        edition
    }

    fn after(change: impl Fn(&mut Edition)) -> (State, State) {
        let begin = State::of(edition()).unwrap();
        let mut next = edition();
        change(&mut next);
        (begin.next(next.clone()).unwrap(), State::of(next).unwrap())
    }

    /// The documents in which something changed, to see that the change was one.
    fn count(of: &State) -> usize {
        turned(&State::of(edition()).unwrap(), of).len()
    }

    #[test]
    fn a_changed_schema_is_judged_step_by_step_as_it_is_whole() {
        let (steps, whole) = after(|it| {
            let schema = it.schemas.get_mut(&Kind::Config).unwrap();
            *schema.pointer_mut("/$defs/memory/$defs/bytes/minimum").unwrap() = 5.into();
            *schema.pointer_mut("/$defs/masked-paths/description").unwrap() = "Other words.".into();
        });
        assert!(count(&steps) > 0);
        assert_eq!(steps.judged, whole.judged);
    }

    #[test]
    fn a_moved_requirement_is_judged_step_by_step_as_it_is_whole() {
        let reworded = |find: &'static str, with: &'static str| {
            move |it: &mut Edition| {
                for (_, text) in &mut it.sources.chapters {
                    *text = text.replace(find, with);
                }
                it.specification = Cow::Owned(Specification::of(&it.sources).unwrap());
            }
        };
        let heading = "## masked-paths.absolute\nMUST, config, since 1.0.0";
        let (steps, whole) = after(reworded(heading, "## masked-paths.absolute\nSHOULD, config, since 1.0.1"));
        assert!(count(&steps) > 0);
        assert_eq!(steps.judged, whole.judged);
        let (steps, _) = after(reworded("Inside the container's", "In the container's"));
        assert_eq!(count(&steps), 0);
    }

    #[test]
    fn a_changed_fixture_is_judged_again_and_no_other() {
        let (steps, whole) = after(|it| {
            it.static_fixtures.get_mut("masked-paths").unwrap()["wrong"][0]["document"]["linux"]["maskedPaths"] =
                5.into();
        });
        assert_eq!(steps.judged, whole.judged);
        let last = State::of(edition()).unwrap();
        let step = Step::between(&last, &steps.edition, &steps.documents);
        assert_eq!(step.touched(&steps.documents, VERSIONS[0]).len(), 1);
    }
}

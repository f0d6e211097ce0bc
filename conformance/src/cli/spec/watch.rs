//! `ocf spec watch`: on each save of a source, what is wrong with the specification, and what the change touches.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use ocf_schema::Kind;
use ocf_spec::{Level, RequirementId, VERSIONS, Version, lint};

use super::impact::{self, counted};
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
    let directory = &arguments.directory;
    if arguments.once {
        // A checkout outside of git, or of a state that this program can't read, is held against the program.
        let last = Edition::at_revision(directory, "HEAD").unwrap_or_else(|_| Edition::embedded());
        println!("against {}", visible(&last.name));
        let (_, is_well) = round(&State::of(last)?, Edition::read(directory)?)?;
        return Ok(u8::from(!is_well));
    }
    let mut watch = Watch::begin(directory)?;
    let mut state = State::of(Edition::read(directory)?)?;
    println!("watching {}: {}; Ctrl-C ends it", visible(&directory.display().to_string()), FOLDERS.join(" "));
    loop {
        let saved = watch.wait()?;
        println!("\n{}", visible(&saved.into_iter().collect::<Vec<_>>().join(" ")));
        match Edition::read(directory).and_then(|edition| round(&state, edition)) {
            Ok((next, _)) => state = next,
            Err(why) => why.lines().for_each(|line| println!("  {}", visible(line))),
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

    /// The state after this one. Only documents are judged whose verdict can have changed.
    fn next(&self, edition: Edition) -> Result<Self, String> {
        let documents = edition.documents();
        let same_requirements = weights(&self.edition) == weights(&edition);
        let same_schema = |kind: &Kind| self.edition.schemas.get(kind) == edition.schemas.get(kind);
        let is_known = |it: &Document| self.documents.iter().any(|known| known == it);
        let changed = |it: &&Document| !same_requirements || !same_schema(&it.kind) || !is_known(it);
        let changed: Vec<&Document> = documents.iter().filter(changed).collect();
        let mut judged = self.judged.clone();
        if !changed.is_empty() {
            judged.extend(Judged::of(&edition, &changed, &VERSIONS)?);
        }
        Ok(Self { judged, documents, edition })
    }
}

/// What of requirements weighs in the validation of documents.
fn weights(of: &Edition) -> Vec<(&RequirementId, Level, Version, Option<Version>, &[String])> {
    of.specification.requirements().map(|it| (&it.id, it.level, it.since, it.until, &it.clauses[..])).collect()
}

/// Takes the step from the last state to an edition and says what it means; whether all is well.
fn round(last: &State, edition: Edition) -> Result<(State, bool), String> {
    let begun = Instant::now();
    let state = last.next(edition)?;
    let lint = complaints(&state.edition);
    let unkept = unkept(&state.edition, &state.documents, &state.judged);
    lines("lint", "nothing to complain of", &lint);
    let kept = counted(state.documents.iter().filter(|it| it.breaks.is_some()).count(), "wrong document");
    lines("static fixtures", &format!("{kept}, each breaks just what it names"), &unkept);
    let amendments = Amendments::between(&last.edition, &state.edition);
    lines("requirements", "none changed", &shown(&amendments));
    let turned = turned(last, &state);
    print!("{}", impact::documents(&turned, &amendments).trim_start_matches('\n'));
    print!("{}", impact::stale(&stale(&amendments)?).trim_start_matches('\n'));
    println!("{:.2} s", begun.elapsed().as_secs_f64());
    Ok((state, lint.is_empty() && unkept.is_empty()))
}

fn complaints(edition: &Edition) -> Vec<String> {
    let of_sentences = lint::of_sentences(&edition.specification);
    let of_coverage = lint::of_coverage(&edition.specification, &edition.sources);
    of_sentences.iter().chain(&of_coverage).map(|it| format!("spec/{it}")).collect()
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
fn lines(label: &str, nothing: &str, found: &[String]) {
    match found.len() {
        0 => println!("  {label:<16} {nothing}"),
        count => println!("  {label:<16} {count}"),
    }
    for line in found.iter().take(MOST_LINES) {
        println!("    {}", visible(line));
    }
    if let more @ 1.. = found.len().saturating_sub(MOST_LINES) {
        println!("    and {more} more");
    }
}

/// The kernel's word about saved files.
struct Watch {
    directory: PathBuf,
    inotify: Inotify,
}

impl Watch {
    fn begin(directory: &Path) -> Result<Self, String> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|e| format!("inotify: {e}"))?;
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
        Ok(names.filter(|it| !it.starts_with('.') && [".md", ".json", ".tsv"].iter().any(|end| it.ends_with(end))).collect())
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

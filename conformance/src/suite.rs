//! One run of the suite against one runtime: probe it, see that the base bundle runs, run the cases, judge.

mod blame;
pub mod engines;
mod select;
mod state;

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use ocf_spec::{RequirementId, Specification, VERSIONS, Version};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::select::{Filter, PLAIN, Shard, base, called, cases, fixtures};
use crate::adapter::Adapter;
use crate::ask;
use crate::case::{Base, Call, Case, MAIN, Step, Verb};
use crate::evidence::{Evidence, FORMAT, Header, Identity, Role};
use crate::expect;
use crate::host::{HostFacts, View};
use crate::judge::{Unusable, Verdict};
use crate::profile::Profile;
use crate::properties;
use crate::report::Stopped;
use crate::run::job::{Job, Outcome};
use crate::run::{Runner, STOP};

/// So many cases in a row at their deadline, and the run stops.
const OVERDUE_IN_A_ROW: usize = 3;

/// What is wanted of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The runtime's file.
    pub runtime: PathBuf,
    /// `--adapter`: a name or a file.
    pub adapter: Option<String>,
    /// What the cases see of the cgroups.
    pub view: View,
    /// The profile's name; the host's default when left out.
    pub profile: Option<String>,
    /// The version of the specification; the newest that the runtime claims when left out.
    pub spec: Option<Version>,
    /// Ids of requirements or cases, or chapters; everything when empty.
    pub filters: Vec<String>,
    /// Cases at the same time; by the processors when left out.
    pub jobs: Option<usize>,
    /// Which part of the cases.
    pub shard: Option<Shard>,
    /// Seconds until a call of the runtime is killed.
    pub deadline: u32,
    /// Whether a runtime that does not run the base bundle is given up at once.
    pub gate: bool,
    /// Where bundles are kept, each below the name of its case.
    pub keep: Option<PathBuf>,
    /// The seed of generated cases.
    pub seed: u64,
    /// How many cases are generated.
    pub generated: u32,
    /// Whether the run ends with the first case in which the runtime fails an expectation.
    pub fail_fast: bool,
    /// The file that runs as the supervisor, if it is not this very program.
    pub supervisor: Option<PathBuf>,
}

/// What came of a run, before it is judged.
pub struct Gathered {
    /// Of whom and where the evidence is.
    pub header: Header,
    /// The profile, narrowed to what was selected.
    pub profile: Profile,
    /// All evidence: the base first, then cases and controls by name.
    pub evidence: Vec<Evidence>,
    /// Why the runtime can't be tested at all, if so.
    pub unusable: Option<Unusable>,
    /// Why the run ended early, if it did: then it cannot be trusted as a whole.
    pub stopped: Option<Stopped>,
    /// Cases that did not run, with the reason.
    pub left_out: Vec<(String, String)>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// A case to run, by its name.
struct Planned {
    name: String,
    role: Role,
    case: Case,
    base: Base,
}

/// A runtime that was probed and can be given any case, one at a time or several at once.
pub struct Session<'a> {
    options: &'a Options,
    runner: Runner,
    runtime: PathBuf,
    /// Of whom and where the evidence is.
    pub header: Header,
    /// The stem of the base from which cases start that name none.
    pub base: String,
}

/// Runs the suite. `progress` is told of each case that is done, of how many.
///
/// # Errors
/// What makes a run impossible: no root, a runtime that isn't there, an unknown id, adapter or profile, a broken fixture.
pub fn gather(options: &Options, progress: &(dyn Fn(usize, usize, &str) + Sync)) -> Result<Gathered, String> {
    need_root()?;
    let started = Instant::now();
    let filter = Filter::parse(&options.filters)?;
    let session = Session::begin(options)?;
    let profile = filter.narrow(Profile::of_runtimes(&session.header.profile)?);
    let select::Plan { cases, left_out } = select::plan(options, &filter, &session.header, &session.base)?;
    let before = state::HostState::look();
    let base = session.one(base_case(&session.base)?);
    let unusable = if options.gate { Unusable::of(&base) } else { None };
    let mut evidence = vec![base];
    let mut stopped = None;
    if unusable.is_none() {
        let (more, why) = session.all(cases, progress);
        evidence.extend(more);
        stopped = why;
    }
    if let Some(change) = before.changed().or(session.altered()?) {
        stopped.get_or_insert(Stopped::HostChanged(change));
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Gathered { header: session.header, profile, evidence, unusable, stopped, left_out, seconds })
}

/// Says at once that root is needed.
pub fn need_root() -> Result<(), String> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err("testing a runtime takes root: it makes namespaces, mounts and cgroups (try sudo)".to_owned())
}

/// Where a runtime's file is: a path if the word has a slash, else by PATH and the system's own directories.
pub fn find_runtime(word: &str) -> Result<PathBuf, String> {
    let usable = |path: &Path| fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if word.contains('/') {
        // Links are not resolved: one file may be several runtimes, by its name.
        let whole = std::path::absolute(word).map_err(|e| format!("runtime {word}: {e}"))?;
        fs::metadata(&whole).map_err(|e| format!("runtime {word}: {e}"))?;
        return if usable(&whole) { Ok(whole) } else { Err(format!("runtime {word}: not an executable file")) };
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]).filter(|place| !place.is_empty());
    let found = places.map(|place| Path::new(place).join(word)).find(|path| usable(path));
    found.ok_or_else(|| format!("runtime {word}: no such program in PATH"))
}

impl<'a> Session<'a> {
    /// Registers the run, makes the private copy of the runtime, and asks it who it is.
    ///
    /// # Errors
    /// What makes a run impossible: no root, a runtime that can't be copied, an unknown adapter or profile.
    pub fn begin(options: &'a Options) -> Result<Self, String> {
        need_root()?;
        let started = now();
        let mut host = HostFacts::gather(options.view);
        let (adapter_name, adapter) = Adapter::choose(&options.runtime, options.adapter.as_deref())?;
        let profile_name = options.profile.clone().unwrap_or_else(|| Profile::default_name(&host).to_owned());
        let profile = Profile::of_runtimes(&profile_name)?;
        if profile.is_rootless()? {
            // Whoever calls the runtime has none, and nothing that needs one can be seen.
            host.capabilities.clear();
        }
        let base = profile.base.clone().unwrap_or_else(|| PLAIN.to_owned());
        let runner = Runner::begin(options.view)?;
        let runner = match &options.supervisor {
            Some(file) => runner.with_supervisor(file),
            None => runner,
        };
        let (runtime, sha256) = private_copy(&options.runtime, runner.directory(), adapter.copy)?;
        let name = options.runtime.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let path = options.runtime.display().to_string();
        let header = Header {
            format: FORMAT.to_owned(),
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            spec: VERSIONS[0],
            runtime: Identity { name, version: String::new(), path, sha256, adapter: adapter_name },
            adapter,
            features: None,
            host,
            profile: profile_name,
            started,
        };
        let mut session = Self { options, runner, runtime, header, base };
        let (version, features) = session.probe()?;
        let claimed = || newest_claimed(features.as_ref(), session.header.adapter.claims);
        session.header.spec = options.spec.unwrap_or_else(claimed);
        session.header.runtime.version = version;
        session.header.features = features;
        Ok(session)
    }

    /// Runs one case.
    pub fn run(&self, name: &str, role: Role, case: Case, base: Base) -> Evidence {
        self.one(Planned { name: name.to_owned(), role, case, base })
    }

    /// Writes all that a case brings, as it is before the first step, into a directory: its bundles, its hooks, and the
    /// nonces of the witnesses in them. The runtime is not called.
    pub fn stage(&self, name: &str, role: Role, case: &Case, base: &Base, directory: &Path) -> Result<(), String> {
        let job = self.job(name, role, case, base.clone());
        match self.runner.run(Job { stage: Some(directory.to_owned()), ..job }).trouble {
            Some(trouble) => Err(trouble),
            None => Ok(()),
        }
    }

    /// What of the runtime's private copy was altered since, if anything.
    fn altered(&self) -> Result<Option<String>, String> {
        let same = digest(&self.runtime)? == self.header.runtime.sha256;
        Ok((!same).then(|| "the copy of the runtime".to_owned()))
    }

    /// The version that the runtime tells, and what it says that it implements.
    fn probe(&self) -> Result<(String, Option<Value>), String> {
        let call = |name: &str, verb, arguments: &[String]| {
            Step::Call(Call {
                name: Some(name.to_owned()),
                verb,
                container: MAIN.to_owned(),
                arguments: arguments.to_vec(),
                ..Call::default()
            })
        };
        let mut steps = vec![call("version", Verb::Raw, &self.header.adapter.operations.version)];
        if self.header.adapter.operations.features.is_some() {
            steps.push(call("features", Verb::Features, &[]));
        }
        let Planned { base, .. } = base_case(&self.base)?;
        let case = Case { about: "the runtime's own words".to_owned(), steps: Some(steps), ..Case::default() };
        let case = select::called(case, &base);
        let probed = self.one(Planned { name: "probe".to_owned(), role: Role::Base, case, base });
        if let Some(trouble) = probed.trouble {
            return Err(trouble);
        }
        let words = probed.facts.pointer("/steps/version/stdout").and_then(Value::as_str).unwrap_or_default();
        let version = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let features =
            probed.succeeded("features").then(|| probed.facts.pointer("/steps/features/json").cloned()).flatten();
        Ok((version.chars().take(200).collect(), features))
    }

    fn one(&self, planned: Planned) -> Evidence {
        let Planned { name, role, case, base } = planned;
        let started = Instant::now();
        let outcome = match case.config(&base, self.header.spec) {
            Ok(_) => self.runner.run(self.job(&name, role, &case, base)),
            Err(e) => Outcome { config: None, facts: Value::Null, trouble: Some(e.to_string()), overdue: false },
        };
        Evidence {
            case: name,
            role,
            definition: case,
            config: outcome.config,
            facts: outcome.facts,
            trouble: outcome.trouble,
            blame: None,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn job(&self, name: &str, role: Role, case: &Case, base: Base) -> Job {
        // A config that can't be made raises no questions; the run says why it can't.
        let config = case.config(&base, self.header.spec).ok().flatten();
        let kept = if role == Role::Control { format!("{name}.control") } else { name.to_owned() };
        Job {
            questions: ask::questions(case, config.as_ref()),
            case: case.clone(),
            base,
            spec: self.header.spec,
            adapter: self.header.adapter.clone(),
            runtime: self.runtime.clone(),
            view: self.options.view,
            cgroup: String::new(),
            deadline: self.options.deadline,
            keep: self.options.keep.as_ref().map(|directory| directory.join(kept)),
            stage: None,
        }
    }

    /// Runs all cases, those that need the machine for themselves last; gives the evidence in the cases' order.
    fn all(
        &self,
        planned: Vec<Planned>,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> (Vec<Evidence>, Option<Stopped>) {
        let total = planned.len();
        let (alone, together): (Vec<_>, Vec<_>) = planned.into_iter().enumerate().partition(|(_, p)| p.case.alone);
        let work = Work {
            run: self,
            progress,
            total,
            done: AtomicUsize::new(0),
            overdue: AtomicUsize::new(0),
            enough: AtomicBool::new(false),
            found: Mutex::new(Vec::with_capacity(total)),
        };
        // Twice the processors: most of a case is waiting for the kernel to make and take down namespaces and cgroups.
        let jobs = self.options.jobs.unwrap_or_else(|| 2 * std::thread::available_parallelism().map_or(1, usize::from));
        work.drain(together, jobs.max(1));
        work.drain(alone, 1);
        let stopped = work.why();
        let mut found = work.found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.sort_by_key(|(number, _)| *number);
        (found.into_iter().map(|(_, evidence)| evidence).collect(), stopped)
    }
}

/// Cases that are being run by several threads.
struct Work<'a> {
    run: &'a Session<'a>,
    progress: &'a (dyn Fn(usize, usize, &str) + Sync),
    total: usize,
    done: AtomicUsize,
    overdue: AtomicUsize,
    enough: AtomicBool,
    found: Mutex<Vec<(usize, Evidence)>>,
}

impl Work<'_> {
    fn drain(&self, planned: Vec<(usize, Planned)>, threads: usize) {
        let queue = Mutex::new(VecDeque::from(planned));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((number, planned)) = self.next(&queue) {
                        self.take(number, planned);
                    }
                });
            }
        });
    }

    fn next(&self, queue: &Mutex<VecDeque<(usize, Planned)>>) -> Option<(usize, Planned)> {
        if STOP.load(Ordering::Relaxed) || self.enough.load(Ordering::Relaxed) || self.hopeless() {
            return None;
        }
        queue.lock().ok()?.pop_front()
    }

    fn take(&self, number: usize, planned: Planned) {
        let base = planned.base.clone();
        let mut evidence = self.smaller(self.run.one(planned), &base);
        evidence.blame = blame::of(self.run, &evidence, &base);
        let late = timed_out(&evidence);
        if late {
            self.overdue.fetch_add(1, Ordering::Relaxed);
        } else if !self.hopeless() {
            self.overdue.store(0, Ordering::Relaxed);
        }
        if self.run.options.fail_fast && fails(&self.run.header, &evidence) {
            self.enough.store(true, Ordering::Relaxed);
        }
        (self.progress)(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total, &evidence.case);
        if let Ok(mut found) = self.found.lock() {
            found.push((number, evidence));
        }
    }

    /// For a generated case in which the runtime fails: the evidence of the smallest one that fails the same.
    fn smaller(&self, evidence: Evidence, base: &Base) -> Evidence {
        let Some(tree) = properties::Tree::grow(&evidence.case) else { return evidence };
        let broken = failed(&self.run.header, &evidence);
        if broken.is_empty() {
            return evidence;
        }
        let mut smallest = evidence;
        tree.shrink(|case| {
            let planned =
                Planned { name: smallest.case.clone(), role: Role::Case, case: case.clone(), base: base.clone() };
            let tried = self.run.one(planned);
            let same = !failed(&self.run.header, &tried).is_disjoint(&broken);
            if same {
                smallest = tried;
            }
            same
        });
        smallest
    }

    fn hopeless(&self) -> bool {
        self.overdue.load(Ordering::Relaxed) >= OVERDUE_IN_A_ROW
    }

    fn why(&self) -> Option<Stopped> {
        if STOP.load(Ordering::Relaxed) {
            return Some(Stopped::Signal);
        }
        if self.hopeless() {
            return Some(Stopped::Deadlines(OVERDUE_IN_A_ROW));
        }
        self.enough.load(Ordering::Relaxed).then_some(Stopped::FirstFail)
    }
}

/// Whether the runtime fails an expectation in this case.
fn fails(header: &Header, evidence: &Evidence) -> bool {
    !failed(header, evidence).is_empty()
}

/// The requirements of the runtime that it fails in this case.
fn failed(header: &Header, evidence: &Evidence) -> BTreeSet<RequirementId> {
    let Ok(profile) = Profile::named(&header.profile) else { return BTreeSet::new() };
    let alone = [(evidence.clone(), expect::expectations(header, evidence))];
    let decided = crate::judge::judge(header, &alone, Specification::embedded(), &profile);
    decided.into_iter().filter(|it| it.verdict == Verdict::Fail).map(|it| it.id).collect()
}

fn timed_out(evidence: &Evidence) -> bool {
    let steps = evidence.facts.get("steps").and_then(Value::as_object);
    steps.is_some_and(|steps| steps.values().any(|step| step.get("timeout") == Some(&Value::Bool(true))))
}

/// The base that cases start from, as a case that changes nothing.
fn base_case(stem: &str) -> Result<Planned, String> {
    let base = base(stem)?;
    let case = select::called(Case { about: "the base bundle".to_owned(), ..Case::default() }, &base);
    Ok(Planned { name: format!("base/{stem}"), role: Role::Base, case, base })
}

/// The newest version of the specification that `features` claims, or the adapter's, among those that are known.
fn newest_claimed(features: Option<&Value>, adapters: Version) -> Version {
    let claimed = features.and_then(|f| f.get("ociVersionMax")).and_then(Value::as_str).and_then(|v| v.parse().ok());
    let claimed = claimed.unwrap_or(adapters);
    VERSIONS.into_iter().filter(|known| *known <= claimed).max().unwrap_or(VERSIONS[0])
}

/// Copies the runtime where only the run reads it, so that what is tested is what was hashed. Without `copy`
/// the file itself is used.
fn private_copy(file: &Path, directory: &Path, copy: bool) -> Result<(PathBuf, String), String> {
    let failed = |e: io::Error| format!("copy {}: {e}", file.display());
    let bytes = fs::read(file).map_err(failed)?;
    if !copy {
        return Ok((file.to_owned(), digest(file)?));
    }
    let place = directory.join("runtime");
    fs::create_dir_all(&place).map_err(failed)?;
    let place = place.join(file.file_name().ok_or("the runtime has no name")?);
    fs::write(&place, bytes).map_err(failed)?;
    File::open(&place).and_then(|f| f.set_permissions(fs::Permissions::from_mode(0o755))).map_err(failed)?;
    let sha256 = digest(&place)?;
    Ok((place, sha256))
}

/// The SHA-256 of a file, as hexadecimal digits.
fn digest(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|e| format!("read {}: {e}", file.display()))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The time, RFC 3339, UTC, whole seconds.
fn now() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, counting years from March so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest % 3_600 / 60, rest % 60)
}

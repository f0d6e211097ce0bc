//! The only module that starts the runtime under test, each case under a supervisor of its own.

mod action;
mod agent;
mod before;
mod bundle;
mod caller;
pub mod cgroups;
pub mod job;
mod network;
pub mod observe;
mod ordinary;
mod process;
pub mod registry;
mod sandbox;
mod scene;
pub mod stage;
pub mod supervisor;
mod watch;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::cgroups::Hierarchy;
use self::job::{Job, Outcome};
use self::registry::Registration;
use crate::host::View;

pub use self::bundle::{id, writer};
pub use self::sandbox::Places;

/// The word by which the harness starts its own file as a supervisor.
pub const SUPERVISE: &str = "__supervise";

/// Set by a signal that asks the run to stop.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Runs jobs, and takes away what they leave.
pub struct Runner {
    registration: Registration,
    hierarchies: Vec<Hierarchy>,
    own_file: PathBuf,
    next: AtomicUsize,
}

impl Runner {
    /// Registers the run.
    ///
    /// `view` is what the cases will see of the cgroups: hierarchies that none sees are left as they are.
    pub fn begin(view: View) -> Result<Self, String> {
        let hierarchies = Hierarchy::mounted().map_err(|e| format!("cgroups: {e}"))?;
        let seen = if view == View::V1 { &[][..] } else { &hierarchies[..] };
        let registration = Registration::begin(seen).map_err(|e| format!("register the run: {e}"))?;
        Ok(Self { registration, hierarchies, own_file: PathBuf::from("/proc/self/exe"), next: AtomicUsize::new(0) })
    }

    /// The same with another file as the supervisor: for tests, whose own file is none.
    #[must_use]
    pub fn with_supervisor(self, file: &Path) -> Self {
        Self { own_file: file.to_owned(), ..self }
    }

    /// A private directory that goes with the run.
    pub fn directory(&self) -> &Path {
        self.registration.directory()
    }

    /// Runs one job under a supervisor and sweeps its cgroups. The harness's own trouble comes in the outcome.
    pub fn run(&self, job: Job) -> Outcome {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let job = Job { cgroup: format!("{}.{number}", self.registration.name()), ..job };
        let cgroups: Vec<PathBuf> = self.hierarchies.iter().map(|h| h.own.join(&job.cgroup)).collect();
        let outcome = cgroups
            .iter()
            .try_for_each(|directory| self.registration.note_cgroup(directory))
            .map_err(|e| format!("register a cgroup: {e}"))
            .and_then(|()| self.supervise(&job));
        let swept = cgroups.iter().filter(|d| d.exists()).try_for_each(|d| cgroups::remove(d, Duration::from_secs(10)));
        let mut outcome = outcome.unwrap_or_else(trouble);
        if let Err(e) = swept {
            outcome.trouble.get_or_insert(e.to_string());
        }
        outcome
    }

    fn supervise(&self, job: &Job) -> Result<Outcome, String> {
        let text = serde_json::to_vec(job).map_err(|e| format!("job: {e}"))?;
        let mut child = Command::new(&self.own_file)
            .arg(SUPERVISE)
            .arg(std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("start the supervisor: {e}"))?;
        let talked = talk(&mut child, &text, patience(job));
        // The supervisor is pid 1's parent: with it everything of the case is gone.
        let _ = child.kill();
        self.hierarchies.iter().for_each(|hierarchy| cgroups::thaw(&hierarchy.own.join(&job.cgroup)));
        let status = child.wait().map_err(|e| format!("wait for the supervisor: {e}"))?;
        let answer = talked?;
        serde_json::from_slice(&answer).map_err(|e| {
            let mut words = String::new();
            let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut words));
            format!("the supervisor ended with {status} and without an outcome ({e}): {}", words.trim())
        })
    }
}

/// Hands the job over and reads the outcome, until the deadline or a signal.
fn talk(child: &mut Child, job: &[u8], patience: Duration) -> Result<Vec<u8>, String> {
    let until = Instant::now() + patience;
    let mut stdin = child.stdin.take().ok_or("the supervisor has no stdin")?;
    stdin.write_all(job).map_err(|e| format!("hand the job to the supervisor: {e}"))?;
    drop(stdin);
    let mut stdout = child.stdout.take().ok_or("the supervisor has no stdout")?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut source = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        match poll(&mut source, PollTimeout::from(100_u16)) {
            Ok(0) | Err(nix::Error::EINTR) => {}
            Err(e) => return Err(format!("poll: {e}")),
            Ok(_) => match stdout.read(&mut buffer).map_err(|e| format!("read the outcome: {e}"))? {
                0 => return Ok(answer),
                count => answer.extend_from_slice(&buffer[..count]),
            },
        }
        if STOP.load(Ordering::Relaxed) {
            return Err("the run was stopped by a signal".to_owned());
        }
        if Instant::now() > until {
            return Err(format!("the case did not end within {} s", patience.as_secs()));
        }
    }
}

/// No case may take longer than all of its steps at their deadlines, and some time for its own work.
fn patience(job: &Job) -> Duration {
    let steps: usize = job.case.steps().iter().map(|step| step.names().len()).sum();
    Duration::from_secs(u64::from(job.deadline) * (steps as u64 * 2 + 1) + 30)
}

fn trouble(why: String) -> Outcome {
    Outcome { config: None, facts: serde_json::Value::Null, trouble: Some(why), overdue: false }
}

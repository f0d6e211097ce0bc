//! The command line of the reference runtime.

use clap::{Args, Parser, Subcommand, ValueEnum};
use nix::libc;
use ocf_runtime::container::{Container, ContainerId};
use ocf_runtime::create::Request;
use ocf_runtime::error::{Doing, Error, Result};
use ocf_runtime::kill::Signal;
use ocf_runtime::{create, delete, features, kill, own_program, rootless, run, start, state};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The shortest honest Linux implementation of the OCI Runtime Specification.
#[derive(Parser)]
#[command(name = "ocf-runtime", version)]
struct CommandLine {
    /// Where containers are kept.
    #[arg(long, default_value_os_t = rootless::default_root())]
    root: PathBuf,
    /// A file to which errors are written, beside standard error.
    #[arg(long)]
    log: Option<PathBuf>,
    /// How errors are written to that file.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Accepted for callers that send it; nothing more is logged.
    #[arg(long)]
    debug: bool,
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Operation {
    /// Make a container from a bundle, and don't run its program.
    Create(Bundle),
    /// Run a created container's program.
    Start { id: String },
    /// Write a container's state to standard output.
    State { id: String },
    /// Send a signal to a container's process.
    Kill {
        id: String,
        #[arg(default_value = "TERM", allow_hyphen_values = true)]
        signal: String,
    },
    /// Remove a stopped container.
    Delete {
        /// End the container first, whatever it is doing.
        #[arg(long, short)]
        force: bool,
        id: String,
    },
    /// Create, start, wait for and delete a container.
    Run(Bundle),
    /// Write what this runtime can do to standard output.
    Features,
}

#[derive(Args)]
struct Bundle {
    /// The bundle's directory.
    #[arg(long, short, default_value = ".")]
    bundle: PathBuf,
    /// Where to write the id of the container process.
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// A UNIX socket that is to receive the terminal's master.
    #[arg(long)]
    console_socket: Option<PathBuf>,
    id: String,
}

impl Bundle {
    /// What a creation is given, in a process whose program no container can reach.
    fn sealed_request(self, root: PathBuf) -> Result<Request> {
        own_program::seal()?;
        let Bundle { bundle, pid_file, console_socket, id } = self;
        Ok(Request { root, id: id.parse()?, bundle, pid_file, console_socket })
    }
}

fn main() -> ExitCode {
    keep_descriptors_back();
    let CommandLine { root, log, log_format, operation, .. } = CommandLine::parse();
    match operation.carry_out(root) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            if let Some(path) = log {
                write_log(&path, log_format, &error);
            }
            ExitCode::FAILURE
        }
    }
}

impl Operation {
    fn carry_out(self, root: PathBuf) -> Result<u8> {
        let find = |id: &str| -> Result<Container> { Container::find(&root, &id.parse::<ContainerId>()?) };
        let name = self.to_string();
        let done = match self {
            Operation::Create(bundle) => {
                bundle.sealed_request(root).and_then(|request| create::create(&request)).map(drop)
            }
            Operation::Run(bundle) => {
                return bundle.sealed_request(root).and_then(|request| run::run(&request)).doing(|| name);
            }
            Operation::Start { id } => find(&id).and_then(|container| start::start(&container)),
            Operation::State { id } => find(&id).and_then(|container| state::state(&container)),
            Operation::Kill { id, signal } => {
                find(&id).and_then(|container| kill::kill(&container, signal.parse::<Signal>()?))
            }
            Operation::Delete { force, id } => find(&id).and_then(|container| delete::delete(&container, force)),
            Operation::Features => {
                println!("{:#}", features::features());
                Ok(())
            }
        };
        done.map(|()| 0).doing(|| name)
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operation::Create(Bundle { id, .. }) => write!(out, "create {id}"),
            Operation::Run(Bundle { id, .. }) => write!(out, "run {id}"),
            Operation::Start { id } => write!(out, "start {id}"),
            Operation::State { id } => write!(out, "state {id}"),
            Operation::Kill { id, .. } => write!(out, "kill {id}"),
            Operation::Delete { id, .. } => write!(out, "delete {id}"),
            Operation::Features => write!(out, "features"),
        }
    }
}

/// What stood open in the caller, but for the standard streams, is nobody else's business.
// [process.descriptors-standard]
fn keep_descriptors_back() {
    // SAFETY: the call marks descriptors and closes none.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

fn write_log(path: &PathBuf, format: LogFormat, error: &Error) {
    let line = match format {
        LogFormat::Text => format!("level=error msg={:?}\n", error.to_string()),
        LogFormat::Json => format!("{}\n", serde_json::json!({ "level": "error", "msg": error.to_string() })),
    };
    let file = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("write {}: {error}", path.display());
    }
}

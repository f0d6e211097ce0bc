//! Which words the program understands.

use clap::{Args, Parser, Subcommand, ValueEnum};
use ocf_runtime::error::{Error, Result};
use ocf_runtime::rootless;
use std::fmt;
use std::path::PathBuf;

/// The form in which container engines read who this is.
const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.3.0");

/// The shortest honest Linux implementation of the OCI Runtime Specification.
#[derive(Parser)]
#[command(name = "ocf-runtime", version = VERSION, disable_version_flag = true)]
pub struct CommandLine {
    /// Where containers are kept.
    #[arg(long, default_value_os_t = rootless::default_root())]
    pub root: PathBuf,
    /// A file to which errors are written, beside standard error.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// How errors are written to that file.
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Accepted for callers that send it; nothing more is logged.
    #[arg(long)]
    pub debug: bool,
    /// Refused when a container is to be made: cgroups are made by this program itself.
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Accepted for callers that send it; what this process may do is found out anyway.
    #[arg(long, value_name = "true|false|auto", num_args = 0..=1, require_equals = true)]
    pub rootless: Option<Option<String>>,
    /// Print the version.
    #[arg(long, short = 'v', action = clap::ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    pub operation: Operation,
}

/// How errors are written.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What is to be done.
#[derive(Subcommand)]
pub enum Operation {
    /// Make a container from a bundle, and don't run its program.
    Create(Bundle),
    /// Run a created container's program.
    Start { id: String },
    /// Write a container's state to standard output.
    State { id: String },
    /// Send a signal to a container's process.
    Kill {
        /// Send it to all of the container's processes, even if the first one has exited.
        #[arg(long, short)]
        all: bool,
        id: String,
        #[arg(default_value = "TERM", allow_hyphen_values = true)]
        signal: String,
    },
    /// Remove a stopped container.
    Delete {
        /// End the container first, whatever it is doing; one that isn't there is no error.
        #[arg(long, short)]
        force: bool,
        id: String,
    },
    /// Create, start, wait for and delete a container.
    Run(Bundle),
    /// Write what this runtime can do to standard output.
    Features,
    /// Stop all processes of a container where they are.
    Pause { id: String },
    /// Let the processes of a paused container go on.
    Resume { id: String },
    /// Write the ids of a container's processes to standard output.
    Ps {
        #[arg(long, short, value_enum, default_value = "table")]
        format: Format,
        id: String,
    },
    /// Write all containers to standard output.
    List {
        #[arg(long, short, value_enum, default_value = "table")]
        format: Format,
        /// Their ids alone.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Not supported.
    Checkpoint(Anything),
    /// Not supported.
    Restore(Anything),
}

/// How a list is written.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// Arguments that nothing is done with.
#[derive(Args)]
pub struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

/// What a container is made from.
#[derive(Args)]
pub struct Bundle {
    /// The bundle's directory.
    #[arg(long, short, default_value = ".")]
    pub bundle: PathBuf,
    /// Where to write the id of the container process.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// A UNIX socket that is to receive the terminal's master.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// How many descriptors from 3 up the container process gets from the caller.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub preserve_fds: u32,
    /// Accepted for callers that send it; pivot_root(2) is used all the same, which only an initial ramdisk prevents.
    #[arg(long)]
    pub no_pivot: bool,
    /// Accepted for callers that send it; no keyring is made in any case.
    #[arg(long)]
    pub no_new_keyring: bool,
    pub id: String,
}

impl CommandLine {
    /// Refuses to take the three parts of a path of systemd's for a path of the file system's.
    pub fn refuse_systemd(&self) -> Result<()> {
        let makes_cgroups = matches!(self.operation, Operation::Create(_) | Operation::Run(_));
        if self.systemd_cgroup && makes_cgroups {
            return Err(Error::new("--systemd-cgroup is not supported"));
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Create(Bundle { id, .. }) => write!(out, "create {id}"),
            Operation::Run(Bundle { id, .. }) => write!(out, "run {id}"),
            Operation::Start { id } => write!(out, "start {id}"),
            Operation::State { id } => write!(out, "state {id}"),
            Operation::Kill { id, .. } => write!(out, "kill {id}"),
            Operation::Delete { id, .. } => write!(out, "delete {id}"),
            Operation::Features => write!(out, "features"),
            Operation::Pause { id } => write!(out, "pause {id}"),
            Operation::Resume { id } => write!(out, "resume {id}"),
            Operation::Ps { id, .. } => write!(out, "ps {id}"),
            Operation::List { .. } => write!(out, "list"),
            Operation::Checkpoint(_) => write!(out, "checkpoint"),
            Operation::Restore(_) => write!(out, "restore"),
        }
    }
}

//! Which words the program understands.

use clap::{Args, Parser, Subcommand, ValueEnum};
use ocf_runtime::descriptors::Passed;
use ocf_runtime::error::{Doing, Error, Result};
use ocf_runtime::lifecycle::Alive;
use ocf_runtime::{config, rootless};
use oci_spec::runtime::Process;
use serde_json::{Value, json};
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
    Run {
        /// Return as soon as it runs.
        #[arg(long, short)]
        detach: bool,
        #[command(flatten)]
        bundle: Bundle,
    },
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
    /// Change the limits of a container.
    Update {
        /// A file with `linux.resources` as it stands in config.json, or - for standard input.
        #[arg(long, short)]
        resources: PathBuf,
        id: String,
    },
    /// Run a further program in a container.
    Exec(Program),
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

/// What the caller and a process get of each other.
#[derive(Args)]
pub struct Exchange {
    /// Where to write the id of its process.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// A UNIX socket that is to receive the terminal's master.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// How many descriptors from 3 up it gets from the caller.
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,
}

impl Exchange {
    /// Which of the caller's descriptors the process gets.
    pub fn passed(&self) -> Passed {
        Passed::with_environment(self.preserve_fds)
    }
}

/// What a container is made from.
#[derive(Args)]
pub struct Bundle {
    /// The bundle's directory.
    #[arg(long, short, default_value = ".")]
    pub bundle: PathBuf,
    #[command(flatten)]
    pub exchange: Exchange,
    /// Accepted for callers that send it; pivot_root(2) is used all the same, which only an initial ramdisk prevents.
    #[arg(long)]
    pub no_pivot: bool,
    /// Leave it the caller's session keyring, and with it the caller's keys.
    #[arg(long)]
    pub no_new_keyring: bool,
    pub id: String,
}

/// What is run in a container beside its own program.
#[derive(Args)]
pub struct Program {
    /// A file with a `process` as it stands in config.json; the program's other options are ignored then.
    #[arg(long, short)]
    pub process: Option<PathBuf>,
    /// Return as soon as the program runs.
    #[arg(long, short)]
    pub detach: bool,
    #[command(flatten)]
    pub exchange: Exchange,
    /// Give it a terminal.
    #[arg(long, short)]
    pub tty: bool,
    /// Its directory.
    #[arg(long)]
    pub cwd: Option<PathBuf>,
    /// A variable of its environment, beside those of the container's own program.
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Its user and group, as numbers.
    #[arg(long, short, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// A further group, as a number.
    #[arg(long, short = 'g', value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// A further capability, in the sets that let it take effect, but none that its own children inherit.
    #[arg(long, short, value_name = "CAP_NAME")]
    pub cap: Vec<String>,
    /// Keep it from gaining privileges.
    #[arg(long)]
    pub no_new_privs: bool,
    /// Its AppArmor profile.
    #[arg(long)]
    pub apparmor: Option<String>,
    /// Its SELinux label.
    #[arg(long)]
    pub process_label: Option<String>,
    pub id: String,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

impl Program {
    /// The program as the file describes it, or else like the container's own one but for what the options say.
    pub fn read(&self, container: &Alive) -> Result<Process> {
        if let Some(path) = &self.process {
            let text = std::fs::read(path).doing(|| format!("read {}", path.display()))?;
            let process = serde_json::from_slice(&text).doing(|| format!("parse {}", path.display()))?;
            return config::parse_process(&process).doing(|| path.display().to_string());
        }
        let mut process =
            serde_json::to_value(container.config()?.process()).doing(|| "read the container's process".into())?;
        process["args"] = json!(self.args);
        process["terminal"] = json!(self.tty);
        let mut set = |name: &str, value: Option<Value>| value.map(|value| process[name] = value);
        set("cwd", self.cwd.as_ref().map(|cwd| json!(cwd)));
        set("apparmorProfile", self.apparmor.as_ref().map(|profile| json!(profile)));
        set("selinuxLabel", self.process_label.as_ref().map(|label| json!(label)));
        set("noNewPrivileges", self.no_new_privs.then_some(json!(true)));
        if let Some(user) = &self.user {
            let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
            let number = |text: &str| text.parse::<u32>().doing(|| format!("--user {user}: read {text:?}"));
            set("user", Some(json!({ "uid": number(uid)?, "gid": number(gid)? })));
        }
        if !self.additional_gids.is_empty() {
            process["user"]["additionalGids"] = json!(self.additional_gids);
        }
        self.add_to_lists(&mut process);
        config::parse_process(&process)
    }

    fn add_to_lists(&self, process: &mut Value) {
        let name = |entry: &str| entry.split_once('=').map_or(String::new(), |(name, _)| format!("{name}="));
        let mut environment: Vec<String> = serde_json::from_value(process["env"].take()).unwrap_or_default();
        environment.retain(|entry| !self.env.iter().any(|new| entry.starts_with(&name(new))));
        environment.extend_from_slice(&self.env);
        process["env"] = json!(environment);
        for set in ["bounding", "effective", "permitted"] {
            if !self.cap.is_empty() {
                let mut names: Vec<String> =
                    serde_json::from_value(process["capabilities"][set].take()).unwrap_or_default();
                names.extend_from_slice(&self.cap);
                process["capabilities"][set] = json!(names);
            }
        }
    }
}

/// Whether the operation is one that makes a process of the container's, to be told before the command line is understood;
/// an id or a file of the same name does no harm.
pub fn makes_process() -> bool {
    std::env::args_os().skip(1).any(|word| ["create", "run", "exec"].iter().any(|operation| word == *operation))
}

impl CommandLine {
    /// Refuses to take the three parts of a path of systemd's for a path of the file system's.
    pub fn refuse_systemd(&self) -> Result<()> {
        let makes_cgroups = matches!(self.operation, Operation::Create(_) | Operation::Run { .. });
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
            Operation::Run { bundle: Bundle { id, .. }, .. } => write!(out, "run {id}"),
            Operation::Start { id } => write!(out, "start {id}"),
            Operation::State { id } => write!(out, "state {id}"),
            Operation::Kill { id, .. } => write!(out, "kill {id}"),
            Operation::Delete { id, .. } => write!(out, "delete {id}"),
            Operation::Features => write!(out, "features"),
            Operation::Pause { id } => write!(out, "pause {id}"),
            Operation::Resume { id } => write!(out, "resume {id}"),
            Operation::Ps { id, .. } => write!(out, "ps {id}"),
            Operation::List { .. } => write!(out, "list"),
            Operation::Update { id, .. } => write!(out, "update {id}"),
            Operation::Exec(Program { id, .. }) => write!(out, "exec {id}"),
            Operation::Checkpoint(_) => write!(out, "checkpoint"),
            Operation::Restore(_) => write!(out, "restore"),
        }
    }
}

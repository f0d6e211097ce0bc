//! The program over the library: one call, one operation.

mod command_line;
mod log;

use clap::Parser;
use command_line::{Bundle, CommandLine, Exchange, Format, Operation, Program};
use ocf_runtime::descriptors::Passed;
use ocf_runtime::engine::{exec, list};
use ocf_runtime::error::{Doing, Error, Result};
use ocf_runtime::lifecycle::{self, Alive, Found, Request};
use ocf_runtime::state::State;
use ocf_runtime::{config, features, own_program, run, signals, state};
use oci_spec::runtime::LinuxResources;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else, for what was done before would be done twice.
    let sealed = if command_line::makes_process() { own_program::seal() } else { Ok(()) };
    let command_line = CommandLine::parse();
    let refused = sealed.and_then(|()| command_line.refuse_systemd());
    let CommandLine { root, log, log_format, operation, .. } = command_line;
    let name = operation.to_string();
    // Not to be taken for the status of the program that it was to run.
    let failure = if matches!(operation, Operation::Exec(_)) { ExitCode::from(255) } else { ExitCode::FAILURE };
    match refused.and_then(|()| operation.carry_out(root)).doing(|| name) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            if let Some(path) = log {
                log::write(&path, log_format, &error);
            }
            failure
        }
    }
}

impl Operation {
    fn carry_out(self, root: PathBuf) -> Result<u8> {
        self.passed().close_others();
        signals::await_children().doing(|| "await children".into())?;
        let find = |id: &str| -> Result<Found> { lifecycle::find(&root, &id.parse()?) };
        match self {
            Operation::Create(bundle) => bundle.request(root).and_then(|request| lifecycle::create(&request)).map(drop),
            Operation::Run { detach: true, bundle } => {
                bundle.request(root).and_then(|request| run::start(&request)).map(drop)
            }
            Operation::Run { detach: false, bundle } => {
                return bundle.request(root).and_then(|request| run::run(&request));
            }
            Operation::Start { id } => find(&id)?.created()?.start().map(drop).map_err(Error::from),
            Operation::State { id } => print_state(&find(&id)?.state()?),
            Operation::Kill { all: false, id, signal } => find(&id)?.alive()?.kill(signal.parse()?),
            Operation::Kill { all: true, id, signal } => find(&id)?.kill_all(signal.parse()?),
            Operation::Delete { force: false, id } => find(&id)?.stopped()?.delete(),
            Operation::Delete { force: true, id } => lifecycle::remove(&root, &id.parse()?),
            Operation::Features => {
                println!("{:#}", features::features());
                Ok(())
            }
            Operation::Pause { id } => find(&id)?.running()?.pause().map(drop),
            Operation::Resume { id } => find(&id)?.paused()?.resume().map(drop),
            Operation::Ps { format, id } => print_processes(&find(&id)?.processes()?, format),
            Operation::List { format, quiet } => print_list(&root, format, quiet),
            Operation::Update { resources, id } => find(&id)?.alive()?.update(&read_resources(&resources)?),
            Operation::Exec(program) => return exec_in(&find(&program.id)?.alive()?, &program),
            Operation::Checkpoint(_) | Operation::Restore(_) => Err(Error::new("it is not supported")),
        }
        .map(|()| 0)
    }

    fn passed(&self) -> Passed {
        match self {
            Operation::Create(bundle) | Operation::Run { bundle, .. } => bundle.exchange.passed(),
            Operation::Exec(program) => program.exchange.passed(),
            _ => Passed::default(),
        }
    }
}

impl Bundle {
    /// What a creation is given.
    fn request(self, root: PathBuf) -> Result<Request> {
        let Bundle { bundle, exchange, no_new_keyring: keeps_keyring, id, .. } = self;
        let passed = exchange.passed();
        let Exchange { pid_file, console_socket, .. } = exchange;
        Ok(Request { root, id: id.parse()?, bundle, pid_file, console_socket, passed, keeps_keyring })
    }
}

/// The program's exit status, or 0 if nobody waits for it.
fn exec_in(container: &Alive, program: &Program) -> Result<u8> {
    let process = program.read(container)?;
    let Exchange { pid_file, console_socket, .. } = &program.exchange;
    let (pid_file, console_socket) = (pid_file.clone(), console_socket.clone());
    let passed = program.exchange.passed();
    let executed = container.exec(&exec::Request { process, pid_file, console_socket, passed })?;
    if program.detach { Ok(0) } else { executed.wait() }
}

fn read_resources(path: &Path) -> Result<LinuxResources> {
    let stdin = || std::io::read_to_string(std::io::stdin());
    let text = if path == Path::new("-") { stdin() } else { std::fs::read_to_string(path) };
    let text = text.doing(|| format!("read {}", path.display()))?;
    config::parse_resources(&text).doing(|| path.display().to_string())
}

// [state.returned] [command-line.state]
fn print_state(state: &State) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(state).doing(|| "encode the state".into())?);
    Ok(())
}

fn print_processes(pids: &[i32], format: Format) -> Result<()> {
    if format == Format::Json {
        println!("{}", serde_json::json!(pids));
        return Ok(());
    }
    println!("{:>8}  PROGRAM", "PID");
    for pid in pids {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        println!("{pid:>8}  {}", name.trim_end());
    }
    Ok(())
}

fn print_list(root: &Path, format: Format, quiet: bool) -> Result<()> {
    let states = list::list(root)?;
    if quiet {
        states.iter().for_each(|state| println!("{}", state.id));
    } else if format == Format::Json {
        println!("{}", serde_json::to_string(&states).doing(|| "encode the list".into())?);
    } else {
        println!("{:<40} {:>8} {:<8} BUNDLE", "ID", "PID", "STATUS");
        for State { id, pid, status, bundle, .. } in states {
            println!("{id:<40} {:>8} {:<8} {}", pid.unwrap_or(0), state::name(status), bundle.display());
        }
    }
    Ok(())
}

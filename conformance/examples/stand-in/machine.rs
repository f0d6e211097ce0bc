//! The lifecycle without a flaw: which calls are errors, what the state says. What a container is made of is another's.

use std::fs;
use std::process::ExitCode;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::Failure;
use crate::call::Call;
use crate::container::{Container, Status};

/// What stands behind a container's state.
pub trait Body {
    /// Makes what create makes; gives its process's pid.
    fn make(&self, call: &Call, container: &mut Container, config: &Value) -> Result<i32, Failure>;
    /// Lets the program run.
    fn start(&self, call: &Call, container: &Container) -> Result<(), Failure>;
    /// Sends a signal; gives whether the process ends by it, as far as that is known.
    fn signal(&self, container: &Container, signal: Signal) -> Result<bool, Failure>;
    /// Whether the process has ended by itself.
    fn has_ended(&self, container: &Container) -> bool;
    /// Takes away what [`Body::make`] made.
    fn remove(&self, container: &Container) -> Result<(), Failure>;
}

/// No body at all: a container is a file, and its pid is that of a process which certainly lives.
pub struct Nothing;

impl Body for Nothing {
    fn make(&self, _: &Call, _: &mut Container, _: &Value) -> Result<i32, Failure> {
        Ok(1)
    }

    fn start(&self, _: &Call, _: &Container) -> Result<(), Failure> {
        Ok(())
    }

    fn signal(&self, _: &Container, signal: Signal) -> Result<bool, Failure> {
        Ok(matches!(signal, Signal::SIGKILL | Signal::SIGTERM))
    }

    fn has_ended(&self, _: &Container) -> bool {
        false
    }

    fn remove(&self, _: &Container) -> Result<(), Failure> {
        Ok(())
    }
}

/// Does what a call asks for, if the container's status allows it. There is no `run`, which nobody needs.
pub fn act(call: &Call, body: &dyn Body) -> Result<ExitCode, Failure> {
    match call.verb.as_str() {
        "create" => create(call, body)?,
        "start" => start(call, body)?,
        "state" => println!("{}", existing(call, body)?.state()),
        "kill" => kill(call, body)?,
        "delete" => delete(call, body)?,
        "features" => println!("{}", json!({ "ociVersionMin": "1.0.0", "ociVersionMax": "1.3.0" })),
        "--version" => println!("stand-in 0"),
        other => return Err(format!("{other:?} is no operation")),
    }
    Ok(ExitCode::SUCCESS)
}

fn create(call: &Call, body: &dyn Body) -> Result<(), Failure> {
    let mut container = Container::reserve(call)?;
    let made = fill(call, &mut container, body);
    if made.is_err() {
        container.forget(call)?;
    }
    made
}

fn fill(call: &Call, container: &mut Container, body: &dyn Body) -> Result<(), Failure> {
    let file = container.bundle.join("config.json");
    let text = fs::read(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
    let config: Value = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    container.annotations = config.get("annotations").cloned().unwrap_or_else(|| json!({}));
    container.pid = body.make(call, container, &config)?;
    if let Some(file) = &call.pid_file {
        fs::write(file, container.pid.to_string()).map_err(|e| format!("write {}: {e}", file.display()))?;
    }
    container.store(call)
}

fn start(call: &Call, body: &dyn Body) -> Result<(), Failure> {
    let mut container = in_status(call, body, &[Status::Created])?;
    body.start(call, &container)?;
    container.status = Status::Running;
    container.store(call)
}

fn kill(call: &Call, body: &dyn Body) -> Result<(), Failure> {
    let signal = signal(call.arguments.get(1).map_or("TERM", String::as_str))?;
    let mut container = in_status(call, body, &[Status::Created, Status::Running])?;
    if body.signal(&container, signal)? {
        container.status = Status::Stopped;
    }
    container.store(call)
}

fn delete(call: &Call, body: &dyn Body) -> Result<(), Failure> {
    let any = [Status::Created, Status::Running, Status::Stopped];
    let container = in_status(call, body, if call.force { &any } else { &any[2..] })?;
    if container.status != Status::Stopped {
        body.signal(&container, Signal::SIGKILL)?;
    }
    body.remove(&container)?;
    container.forget(call)
}

fn in_status(call: &Call, body: &dyn Body, wanted: &[Status]) -> Result<Container, Failure> {
    let container = existing(call, body)?;
    if wanted.contains(&container.status) {
        return Ok(container);
    }
    Err(format!("{} {}: it is {:?}", call.verb, container.id, container.status))
}

fn existing(call: &Call, body: &dyn Body) -> Result<Container, Failure> {
    let mut container = Container::load(call)?;
    if body.has_ended(&container) {
        container.status = Status::Stopped;
    }
    Ok(container)
}

fn signal(told: &str) -> Result<Signal, Failure> {
    let by_number = told.parse().ok().and_then(|number: i32| Signal::try_from(number).ok());
    let name = if told.starts_with("SIG") { told.to_owned() } else { format!("SIG{told}") };
    by_number.or_else(|| name.parse().ok()).ok_or_else(|| format!("{told:?} is no signal"))
}

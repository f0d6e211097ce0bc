//! The lifecycle as types: what can't be done with a container in its state, its type has no method for.
//!
//! A type is what the calling process knows. Somebody else may have been quicker, so each operation asks again, under the
//! container's lock, and is an error then. Processes are forked, so an operation is called while no other thread runs;
//! and a program that makes containers or executes in them begins with [`own_program::seal`](crate::own_program::seal).
//!
//! ```no_run
//! use ocf_runtime::lifecycle::{self, Request};
//! # fn main() -> ocf_runtime::error::Result<()> {
//! ocf_runtime::own_program::seal()?;
//! let created = lifecycle::create(&Request::new("/run/example", "c1".parse()?, "/bundles/one"))?;
//! let running = created.start()?;
//! let stopped = running.wait()?;
//! println!("exit status {:?}", stopped.exit_status());
//! stopped.delete()?;
//! # Ok(())
//! # }
//! ```
//!
//! A container that is not created cannot be started:
//!
//! ```compile_fail,E0599
//! # fn start_again(running: ocf_runtime::lifecycle::Running) {
//! running.start();
//! # }
//! ```

use crate::container::{Container, ContainerId, Process};
use crate::engine::exec::{self, Executed};
use crate::engine::{pause, processes, update};
use crate::error::{Error, Result};
use crate::kill::{self, Signal};
use crate::state::{self, State, Status};
use crate::{create, delete, run, start};
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxResources, Spec};
use std::path::Path;

pub use crate::create::Request;

/// Creates a container: everything but the user's program.
///
/// # Errors
/// It can't be made as described; then nothing of it remains.
pub fn create(request: &Request) -> Result<Created> {
    create::create(request).map(|container| Created(Alive(container)))
}

/// Finds a container below `root`.
///
/// # Errors
/// There is none of that id.
pub fn find(root: &Path, id: &ContainerId) -> Result<Found> {
    let container = Container::find(root, id)?;
    let status = container.state()?.status;
    Ok(match status {
        Status::Creating => Found::Creating(Creating(container)),
        Status::Created => Found::Created(Created(Alive(container))),
        Status::Running => Found::Running(Running(Alive(container))),
        Status::Paused => Found::Paused(Paused(Alive(container))),
        Status::Stopped => Found::Stopped(Stopped { container, exit_status: None }),
    })
}

/// Ends whatever there is of a container, be it half made or half removed, and removes it; nothing is no error.
///
/// # Errors
/// Something can't be removed.
pub fn remove(root: &Path, id: &ContainerId) -> Result<()> {
    delete::force(root, id)
}

/// A container in the state that it was found in.
#[derive(Debug)]
pub enum Found {
    /// Its create operation has not ended.
    Creating(Creating),
    /// Its program has not been executed.
    Created(Created),
    /// Its program runs.
    Running(Running),
    /// Its program would run, but a freezer holds it.
    Paused(Paused),
    /// Its process has exited.
    Stopped(Stopped),
}

/// A container whose create operation has not ended.
#[derive(Debug)]
pub struct Creating(Container);

/// A container that waits for its start.
#[derive(Debug)]
pub struct Created(Alive);

/// A container whose program runs.
#[derive(Debug)]
pub struct Running(Alive);

/// A container whose processes stand still.
#[derive(Debug)]
pub struct Paused(Alive);

/// A container that has a process, and what can be done with it whether that is the user's program yet or not.
#[derive(Debug)]
pub struct Alive(Container);

/// A container whose process has exited.
#[derive(Debug)]
pub struct Stopped {
    container: Container,
    exit_status: Option<u8>,
}

/// Why a container was not started, and what is left of it.
#[derive(Debug)]
pub struct StartError {
    /// Why.
    pub error: Error,
    /// The container, which still waits for its start; none if it is gone, as a hook's failure demands.
    pub created: Option<Created>,
}

impl From<StartError> for Error {
    fn from(failed: StartError) -> Self {
        failed.error
    }
}

impl Created {
    /// Runs the user's program.
    ///
    /// # Errors
    /// The program can't be executed, and the container waits on; or a hook fails, and the container is gone.
    pub fn start(self) -> Result<Running, StartError> {
        match start::start(&self.0.0) {
            Ok(()) => Ok(Running(self.0)),
            Err(error) => {
                let created = self.0.0.state().is_ok_and(|state| state.status == Status::Created);
                Err(StartError { error, created: created.then_some(self) })
            }
        }
    }

    /// What can be done with its process.
    pub fn alive(&self) -> &Alive {
        &self.0
    }
}

impl Running {
    /// Waits for the exit of the container process, be it a child of the calling process or not.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn wait(self) -> Result<Stopped> {
        self.ended(run::await_end)
    }

    /// As [`Running::wait`], for a child, to which the signals are passed on that come to the calling process meanwhile.
    ///
    /// # Errors
    /// It is no child of the calling process.
    pub fn attend(self) -> Result<Stopped> {
        self.ended(|process| run::wait(Pid::from_raw(process.pid)).map(Some))
    }

    fn ended(self, wait: impl FnOnce(Process) -> Result<Option<u8>>) -> Result<Stopped> {
        let container = self.0.0;
        let exit_status = container.record()?.process.map_or(Ok(None), wait)?;
        Ok(Stopped { container, exit_status })
    }

    /// Stops all of its processes where they are.
    ///
    /// # Errors
    /// It has no freezer, or doesn't freeze; then it runs on.
    pub fn pause(self) -> Result<Paused> {
        pause::pause(&self.0.0).map(|()| Paused(self.0))
    }

    /// What can be done with its process.
    pub fn alive(&self) -> &Alive {
        &self.0
    }
}

impl Paused {
    /// Lets it run on.
    ///
    /// # Errors
    /// Something else holds it, too.
    pub fn resume(self) -> Result<Running> {
        pause::resume(&self.0.0).map(|()| Running(self.0))
    }

    /// What can be done with its process.
    pub fn alive(&self) -> &Alive {
        &self.0
    }
}

impl Alive {
    /// Sends a signal to the container process.
    ///
    /// # Errors
    /// It has exited.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        kill::kill(&self.0, signal)
    }

    /// Runs a further program in the container.
    ///
    /// # Errors
    /// It can't be run as described; or the container is paused.
    pub fn exec(&self, request: &exec::Request) -> Result<Executed> {
        exec::exec(&self.0, request)
    }

    /// Sets the limits that `limits` names, and leaves the others.
    ///
    /// # Errors
    /// Names the limit that can't be set.
    pub fn update(&self, limits: &LinuxResources) -> Result<()> {
        update::update(&self.0, limits)
    }

    /// The config that the container was created from.
    ///
    /// # Errors
    /// It can't be read.
    pub fn config(&self) -> Result<Spec> {
        self.0.config()
    }

    /// The state at this moment.
    ///
    /// # Errors
    /// It was deleted.
    pub fn state(&self) -> Result<State> {
        self.0.state()
    }
}

impl Stopped {
    /// How the container process ended, 128 and its number for a signal; none if whoever asks was not its parent.
    pub fn exit_status(&self) -> Option<u8> {
        self.exit_status
    }

    /// Removes all that was made for the container.
    ///
    /// # Errors
    /// Something can't be removed.
    pub fn delete(self) -> Result<()> {
        delete::delete(&self.container, false)
    }
}

impl Found {
    /// The container, if it waits for its start.
    ///
    /// # Errors
    /// It doesn't.
    pub fn created(self) -> Result<Created> {
        match self {
            Found::Created(created) => Ok(created),
            other => Err(other.refuse("created")),
        }
    }

    /// The container, if it runs.
    ///
    /// # Errors
    /// It doesn't.
    pub fn running(self) -> Result<Running> {
        match self {
            Found::Running(running) => Ok(running),
            other => Err(other.refuse("running")),
        }
    }

    /// The container, if it is paused.
    ///
    /// # Errors
    /// It isn't.
    pub fn paused(self) -> Result<Paused> {
        match self {
            Found::Paused(paused) => Ok(paused),
            other => Err(other.refuse("paused")),
        }
    }

    /// The container, if it is stopped.
    ///
    /// # Errors
    /// It isn't.
    pub fn stopped(self) -> Result<Stopped> {
        match self {
            Found::Stopped(stopped) => Ok(stopped),
            other => Err(other.refuse("stopped")),
        }
    }

    /// The container, if it has a process.
    ///
    /// # Errors
    /// It has none yet, or none any more.
    pub fn alive(self) -> Result<Alive> {
        match self {
            Found::Created(Created(alive)) | Found::Running(Running(alive)) | Found::Paused(Paused(alive)) => Ok(alive),
            other => Err(Error::new(format!("it is {}, neither created nor running", other.status()))),
        }
    }

    /// The state at this moment.
    ///
    /// # Errors
    /// It was deleted.
    pub fn state(&self) -> Result<State> {
        self.container().state()
    }

    /// The ids of all of its processes.
    ///
    /// # Errors
    /// It was deleted.
    pub fn processes(&self) -> Result<Vec<i32>> {
        processes::processes(self.container())
    }

    /// Sends a signal to all of its processes, be the first one alive or not.
    ///
    /// # Errors
    /// One can't be signalled.
    pub fn kill_all(&self, signal: Signal) -> Result<()> {
        processes::kill_all(self.container(), signal)
    }

    fn refuse(&self, wanted: &str) -> Error {
        Error::new(format!("it is {}, not {wanted}", self.status()))
    }

    fn status(&self) -> &'static str {
        state::name(match self {
            Found::Creating(_) => Status::Creating,
            Found::Created(_) => Status::Created,
            Found::Running(_) => Status::Running,
            Found::Paused(_) => Status::Paused,
            Found::Stopped(_) => Status::Stopped,
        })
    }

    fn container(&self) -> &Container {
        match self {
            Found::Creating(Creating(container)) | Found::Stopped(Stopped { container, .. }) => container,
            Found::Created(Created(alive)) | Found::Running(Running(alive)) | Found::Paused(Paused(alive)) => &alive.0,
        }
    }
}

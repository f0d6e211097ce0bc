//! A container that is a changed root and nothing else: no namespace, no cgroup, no limit, no user.
//!
//! It makes the config's bind mounts, too, in the caller's own mount namespace: without its journal, the witness
//! inside would be dumb, and what it could say is what has to be found wanting.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, chdir, chroot, execv, fork, mkfifo};
use serde_json::Value;

use crate::Failure;
use crate::call::Call;
use crate::container::{Container, directory};
use crate::machine::Body;

/// What is changed is the root, and with it what is executed.
pub struct Chrooted;

impl Body for Chrooted {
    fn make(&self, call: &Call, container: &mut Container, config: &Value) -> Result<i32, Failure> {
        let root = root(container, config)?;
        let made =
            bind_all(&root, config, &mut container.mounts).and_then(|()| launch(call, container, &root, config, "/"));
        if made.is_err() {
            unmount_all(&container.mounts)?;
        }
        made
    }

    fn start(&self, call: &Call, container: &Container) -> Result<(), Failure> {
        let gate = gate(call, container)?;
        // Without waiting for a reader: if nobody is there, the process has ended.
        let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&gate);
        opened.and_then(|mut gate| gate.write_all(b"!")).map_err(|e| format!("open {}: {e}", gate.display()))
    }

    fn signal(&self, container: &Container, signal: Signal) -> Result<bool, Failure> {
        kill(Pid::from_raw(container.pid), signal).map_err(|e| format!("signal {signal} to {}: {e}", container.pid))?;
        Ok(false)
    }

    fn has_ended(&self, container: &Container) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", container.pid)).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !state.is_some_and(|state| state != 'Z' && state != 'X')
    }

    fn remove(&self, container: &Container) -> Result<(), Failure> {
        unmount_all(&container.mounts)
    }
}

/// The container's root file system.
pub fn root(container: &Container, config: &Value) -> Result<PathBuf, Failure> {
    let root = config.pointer("/root/path").and_then(Value::as_str).ok_or("root.path is missing")?;
    Ok(container.bundle.join(root))
}

/// Forks the process that becomes the program in `directory`, as it is called from the new root.
pub fn launch(
    call: &Call,
    container: &Container,
    root: &Path,
    config: &Value,
    directory: &str,
) -> Result<i32, Failure> {
    let gate = gate(call, container)?;
    mkfifo(&gate, Mode::S_IRWXU).map_err(|e| format!("make {}: {e}", gate.display()))?;
    wait_in_child(&gate, root, config, directory)
}

/// The FIFO behind which the program waits for start.
fn gate(call: &Call, container: &Container) -> Result<PathBuf, Failure> {
    Ok(directory(call, &container.id)?.join("gate"))
}

/// Makes the config's bind mounts at paths that are there.
pub fn bind_all(root: &Path, config: &Value, done: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in config.get("mounts").and_then(Value::as_array).into_iter().flatten() {
        let options: Vec<_> = entry["options"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let recursive = options.contains(&"rbind");
        let (Some(source), Some(destination)) = (entry["source"].as_str(), entry["destination"].as_str()) else {
            continue;
        };
        if !recursive && !options.contains(&"bind") {
            continue;
        }
        let point = root.join(destination.trim_start_matches('/'));
        let flags = MsFlags::MS_BIND | if recursive { MsFlags::MS_REC } else { MsFlags::empty() };
        mount(Some(source), &point, None::<&str>, flags, None::<&str>)
            .map_err(|e| format!("bind {source} on {}: {e}", point.display()))?;
        done.push(point);
    }
    Ok(())
}

fn unmount_all(mounts: &[PathBuf]) -> Result<(), Failure> {
    for point in mounts.iter().rev() {
        umount2(point, MntFlags::MNT_DETACH).map_err(|e| format!("unmount {}: {e}", point.display()))?;
    }
    Ok(())
}

/// Forks the process that becomes the program when something comes through the gate.
fn wait_in_child(gate: &Path, root: &Path, config: &Value, directory: &str) -> Result<i32, Failure> {
    let arguments = config.pointer("/process/args").and_then(Value::as_array).into_iter().flatten();
    let arguments: Vec<_> = arguments.filter_map(|word| CString::new(word.as_str()?).ok()).collect();
    let program = arguments.first().ok_or("process.args is missing")?;
    // For both directions, so that it opens at once, and is open when create has returned.
    let opened = OpenOptions::new().read(true).write(true).open(gate);
    let opened = opened.map_err(|e| format!("open {}: {e}", gate.display()))?;
    // SAFETY: this program has one thread; the child goes on as an ordinary program.
    match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
        ForkResult::Parent { child } => Ok(child.as_raw()),
        ForkResult::Child => {
            let why = become_program(opened, root, program, &arguments, directory);
            eprintln!("{}: {why}", Path::new(std::ffi::OsStr::from_bytes(program.as_bytes())).display());
            std::process::exit(127);
        }
    }
}

/// Returns only what went wrong.
fn become_program(mut gate: File, root: &Path, program: &CString, arguments: &[CString], directory: &str) -> String {
    if let Err(e) = gate.read_exact(&mut [0]) {
        return format!("wait at the gate: {e}");
    }
    let entered = chroot(root).and_then(|()| chdir(directory)).and_then(|()| execv(program, arguments));
    match entered {
        Ok(never) => match never {},
        Err(e) => e.to_string(),
    }
}

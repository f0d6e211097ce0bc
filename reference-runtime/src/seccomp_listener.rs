//! How the descriptor from which a filter's notifications are received comes to whoever listens at `listenerPath`.
//!
//! The container process can't send it: each call that it makes is subject to the filter, and may itself wait for an
//! answer. So the thread that is to execute the program installs the filter and then waits without a system call, while
//! a second one, to which the filter doesn't apply, gives the descriptor to the start operation, over a socket in the
//! container's directory. The start operation sends it on.

use crate::container::Container;
use crate::error::{Doing, Error, Result};
use crate::seccomp;
use crate::state::State;
use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use oci_spec::runtime::{LinuxSeccomp, Spec};
use serde::Serialize;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// The socket's name in the container's directory.
const SOCKET: &str = "listener";

/// Refuses a listener that nobody would get, and metadata for nobody.
///
/// # Errors
/// Names the property.
pub fn check(seccomp: &LinuxSeccomp) -> Result<()> {
    let metadata = seccomp.listener_metadata().as_ref().is_some_and(|text| !text.is_empty());
    match path(seccomp) {
        Some(_) => Ok(()),
        // [seccomp.listener-metadata-without-path]
        None if metadata => Err(Error::new("linux.seccomp.listenerMetadata needs listenerPath")),
        // [seccomp.notify-without-listener]
        None if seccomp::notifies(seccomp) => Err(Error::new("linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath")),
        None => Ok(()),
    }
}

fn path(seccomp: &LinuxSeccomp) -> Option<&Path> {
    seccomp.listener_path().as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// The place of the socket at which the container process waits for the start operation.
pub fn socket(container: &Container) -> PathBuf {
    container.file(SOCKET)
}

/// Makes a socket at which a process waits for whoever passes its listener on.
///
/// # Errors
/// It can't be made.
pub fn listen(path: &Path) -> Result<UnixListener> {
    at(path, UnixListener::bind).doing(|| format!("make {}", path.display()))
}

fn connect(path: &Path) -> std::io::Result<UnixStream> {
    at(path, UnixStream::connect)
}

/// Names a socket by its directory's descriptor, for its address has room for 107 bytes.
fn at<T>(path: &Path, act: impl FnOnce(PathBuf) -> std::io::Result<T>) -> std::io::Result<T> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(parent)?;
    act(Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(path.file_name().unwrap_or_default()))
}

/// What the other thread is to know.
const PENDING: RawFd = -1;
const FAILED: RawFd = -2;
const DONE: RawFd = -3;

/// Installs a filter by `install`, which returns its listener, and returns once the start operation has sent that on; if
/// it can't, the process ends.
///
/// # Errors
/// The filter can't be installed, and isn't.
pub fn hand_over(socket: &UnixListener, install: impl FnOnce() -> nix::Result<RawFd>) -> Result<()> {
    let peer = latest(socket).doing(|| "hear of the start operation".into())?;
    let progress = Arc::new(AtomicI32::new(PENDING));
    let theirs = Arc::clone(&progress);
    let helper = std::thread::Builder::new().spawn(move || give(peer, &theirs)).doing(|| "begin a thread".into())?;
    match install() {
        Ok(fd) => {
            progress.store(fd, Ordering::Release);
            while progress.load(Ordering::Acquire) != DONE {
                std::hint::spin_loop();
            }
            // Giving their memory back might take a system call.
            std::mem::forget((helper, progress));
            Ok(())
        }
        Err(errno) => {
            progress.store(FAILED, Ordering::Release);
            let _ = helper.join();
            Err(errno).doing(|| "install linux.seccomp".into())
        }
    }
}

/// The connection of this start operation. Others before it were killed.
fn latest(socket: &UnixListener) -> std::io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    let mut last = socket.accept()?.0;
    while let Ok((next, _)) = socket.accept() {
        last = next;
    }
    last.set_nonblocking(false).map(|()| last)
}

fn give(mut peer: UnixStream, progress: &AtomicI32) {
    let fd = loop {
        match progress.load(Ordering::Acquire) {
            PENDING => std::thread::yield_now(),
            FAILED => return,
            fd => break fd,
        }
    };
    let sent = send(&peer, fd, b"f").and_then(|()| peer.read_exact(&mut [0]));
    if sent.is_err() {
        // SAFETY: _exit(2) has no preconditions.
        unsafe { libc::_exit(1) }
    }
    progress.store(DONE, Ordering::Release);
}

/// Sends all of `bytes`, and the descriptor with the first of them.
// [seccomp.state-descriptors] [seccomp.state-descriptors-first] [seccomp.state-several-messages]
fn send(mut socket: &UnixStream, fd: RawFd, bytes: &[u8]) -> std::io::Result<()> {
    let fds = [fd];
    let message = [ControlMessage::ScmRights(&fds)];
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], &message, MsgFlags::MSG_NOSIGNAL, None)?;
    socket.write_all(&bytes[sent..])
}

/// The descriptor that comes, or none if the other end closes first.
fn receive(socket: &UnixStream) -> nix::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    Ok(message.cmsgs()?.find_map(|message| match message {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        ControlMessageOwned::ScmRights(fds) => fds.first().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }),
        _ => None,
    }))
}

/// Both connections of a start operation: to whoever gets the listener, and to the container process.
#[derive(Debug)]
pub struct Agent {
    listener: UnixStream,
    container: UnixStream,
    metadata: Option<String>,
}

/// What is sent with the listener. // [seccomp.state-json]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState<'a> {
    oci_version: &'a str, // [seccomp.state-version]
    fds: [&'a str; 1],    // [seccomp.state-descriptor-names]
    pid: Option<i32>,     // [seccomp.state-pid]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>, // [seccomp.listener-metadata] [seccomp.state-metadata]
    state: &'a State,     // [seccomp.state-of-container]
}

impl Agent {
    /// Connects to both, if the container's filter has a listener, before the container process is told anything.
    ///
    /// # Errors
    /// Nobody listens.
    // [seccomp.listener-told] [seccomp.listener-failure-refused] [seccomp.listener-ignored]
    pub fn reach(container: &Container) -> Result<Option<Self>> {
        let socket = socket(container);
        if socket.exists() { Agent::connect(&container.config()?, &socket) } else { Ok(None) }
    }

    /// As [`Agent::reach`], where the process waits at `socket`.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(spec: &Spec, socket: &Path) -> Result<Option<Self>> {
        let Some((seccomp, path)) = seccomp::of(spec).and_then(|seccomp| Some((seccomp, path(seccomp)?))) else {
            return Ok(None);
        };
        let listener = connect(path).doing(|| format!("connect to linux.seccomp.listenerPath {}", path.display()))?;
        let container = connect(socket).doing(|| "reach the container process".into())?;
        Ok(Some(Agent { listener, container, metadata: seccomp.listener_metadata().clone() }))
    }

    /// Waits until the filter is installed, passes the listener on, and lets the container process go on. That the
    /// filter was not installed is no error here: the container process says so itself.
    ///
    /// # Errors
    /// The listener can't be sent; then the container process ends.
    // [seccomp.listener-one-state] [seccomp.listener-not-reused] [seccomp.listener-closed] [seccomp.listener-descriptor]
    pub fn introduce(self, pid: Option<i32>, state: &State) -> Result<()> {
        let Some(fd) = receive(&self.container).doing(|| "get linux.seccomp's listener".into())? else { return Ok(()) };
        let state = ContainerProcessState {
            oci_version: &state.oci_version,
            fds: ["seccompFd"], // [seccomp.listener-descriptor-name]
            pid,
            metadata: self.metadata.as_deref(),
            state,
        };
        let text = serde_json::to_vec(&state).doing(|| "encode the container process state".into())?;
        send(&self.listener, fd.as_raw_fd(), &text).doing(|| "send linux.seccomp's listener".into())?;
        drop(self.listener);
        (&self.container).write_all(b"g").doing(|| "tell the container process".into())
    }
}

//! The pseudo-terminal of the container process, whose master goes to whoever listens on the console socket.

use crate::error::{Doing, Error, Result};
use crate::mounts::Place;
use crate::path_in_root::{Kind, fd_path};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::{Mode, fstat, makedev};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown};
use oci_spec::runtime::Process;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The file system of terminals, as of linux/magic.h.
const DEVPTS: FsType = FsType(0x1cd1);

/// Whether a process is to have a terminal.
pub fn wanted(process: Option<&Process>) -> bool {
    process.and_then(Process::terminal).unwrap_or(false)
}

/// Connects to the console socket, if a terminal is asked for.
///
/// # Errors
/// There is a socket without a terminal, or the other way round, or nobody listens.
pub fn connect(process: Option<&Process>, socket: Option<&Path>) -> Result<Option<UnixStream>> {
    match (wanted(process), socket) {
        (false, None) => Ok(None),
        (true, Some(path)) => {
            UnixStream::connect(path).map(Some).doing(|| format!("connect to the console socket {}", path.display()))
        }
        (true, None) => Err(Error::new("process.terminal needs the option --console-socket")),
        (false, Some(_)) => Err(Error::new("--console-socket needs process.terminal")),
    }
}

/// Makes the terminal in the container's devpts, shows it as /dev/console, and sends its master away.
///
/// # Errors
/// Names the step.
// [process.terminal-true] [command-line.console-socket]
pub fn make(process: &Process, place: &Place, socket: &UnixStream) -> Result<OwnedFd> {
    let ptmx = place.root.find(Path::new("/dev/pts/ptmx"), OFlag::O_PATH).doing(|| "find /dev/pts/ptmx".into())?;
    let terminal = Terminal::open(&ptmx)?;
    show_console(place, &terminal.inner).doing(|| "mount the terminal on /dev/console".into())?;
    terminal.send(socket)?;
    terminal.into_inner_end(process)
}

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    inner: OwnedFd,
}

impl Terminal {
    /// A new one of the devpts in which `ptmx`, a place, stands.
    ///
    /// # Errors
    /// It stands in something else, or can't be opened.
    pub fn open(ptmx: &OwnedFd) -> Result<Self> {
        // Anything else could do anything when it is opened.
        let is_devpts = fstatfs(ptmx).is_ok_and(|facts| facts.filesystem_type() == DEVPTS);
        if !is_devpts || fstat(ptmx).doing(|| "look at /dev/pts/ptmx".into())?.st_rdev != makedev(5, 2) {
            return Err(Error::new("/dev/pts/ptmx is another file"));
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = open(&fd_path(ptmx), flags, Mode::empty()).doing(|| "open /dev/pts/ptmx".into())?;
        let inner = peer(&master).doing(|| "open the terminal".into())?;
        Ok(Terminal { master, inner })
    }

    /// Sends the master to whoever listens.
    ///
    /// # Errors
    /// Nobody takes it.
    pub fn send(&self, socket: &UnixStream) -> Result<()> {
        let (fds, path) = ([self.master.as_raw_fd()], [IoSlice::new(b"/dev/ptmx")]);
        sendmsg::<()>(socket.as_raw_fd(), &path, &[ControlMessage::ScmRights(&fds)], MsgFlags::empty(), None)
            .map(drop)
            .doing(|| "send the terminal's master".into())
    }

    /// Gives the inner end the size and the user that `process` asks for; the master is closed.
    ///
    /// # Errors
    /// Names the step.
    pub fn into_inner_end(self, process: &Process) -> Result<OwnedFd> {
        let user = process.user();
        fchown(&self.inner, Some(Uid::from_raw(user.uid())), Some(Gid::from_raw(user.gid())))
            .doing(|| "give the terminal to the user".into())?;
        set_size(process, &self.inner)?;
        Ok(self.inner)
    }
}

fn peer(master: &OwnedFd) -> nix::Result<OwnedFd> {
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) })?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes the flags of open(2) by value.
    let fd = Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// [process.console-height] [process.console-width]
fn set_size(process: &Process, terminal: &OwnedFd) -> Result<()> {
    let Some(size) = process.console_size() else { return Ok(()) };
    let what = || format!("give the terminal {} rows and {} columns", size.height(), size.width());
    let (ws_row, ws_col) = (u16::try_from(size.height()).doing(what)?, u16::try_from(size.width()).doing(what)?);
    let size = libc::winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one struct winsize.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }).map(drop).doing(what)
}

// [devices.default-console]
fn show_console(place: &Place, terminal: &OwnedFd) -> Result<()> {
    let target = place.root.find_or_make(Path::new("/dev/console"), Kind::File)?;
    place.show(terminal, &target)
}

/// Makes the terminal the controlling one of this session, and the three standard streams.
///
/// # Errors
/// Names the step.
pub fn take(terminal: &OwnedFd) -> Result<()> {
    // SAFETY: TIOCSCTTY takes a number: 0 steals the terminal from nobody.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .doing(|| "take control of the terminal".into())?;
    dup2_stdin(terminal)
        .and_then(|()| dup2_stdout(terminal))
        .and_then(|()| dup2_stderr(terminal))
        .doing(|| "make the terminal the standard streams".into())
}

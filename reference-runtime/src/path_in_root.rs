//! Paths inside the container's root file system, resolved so that no symbolic link leads out of it.

use crate::channel::{Channel, Made, Message};
use crate::error::{Doing, Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat, mknodat};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Symbolic links that may follow one another on the way to a place, as many as the kernel allows.
const LINKS: usize = 40;

/// The container's root directory, and whom to tell what was made in it.
#[derive(Debug)]
pub struct RootDirectory<'a> {
    directory: OwnedFd,
    channel: &'a Channel,
}

/// What to make where nothing is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// An empty regular file.
    File,
}

impl<'a> RootDirectory<'a> {
    /// Takes the directory at `path`, as the calling process sees it, for the root.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(path: &Path, channel: &'a Channel) -> Result<Self> {
        let directory = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .doing(|| format!("open {}", path.display()))?;
        Ok(RootDirectory { directory, channel })
    }

    /// The path of the root itself for calls that take no descriptor.
    pub fn path(&self) -> PathBuf {
        fd_path(&self.directory)
    }

    /// Opens what stands at `path` as the container would find it.
    // [mounts.destination-inside]
    pub fn find(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&self.directory, path, how)
    }

    /// Opens, as a place, what stands at `path`; makes it and the directories that lead there if nothing does.
    ///
    /// # Errors
    /// Something on the way is no directory, or can't be made.
    pub fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd> {
        self.place(path, kind, LINKS).doing(|| format!("make the place {}", path.display()))
    }

    fn place(&self, path: &Path, kind: Kind, links: usize) -> Result<OwnedFd> {
        match self.find(path, OFlag::O_PATH) {
            Err(Errno::ENOENT) => {}
            found => return found.doing(|| format!("open {}", path.display())),
        }
        let (parent, name) = self.parent(path, links)?;
        let made = match kind {
            Kind::Directory => mkdirat(&parent, name, Mode::from_bits_truncate(0o755)),
            Kind::File => mknodat(&parent, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0),
        };
        match (made, links) {
            // Only a symbolic link that leads to nothing both stands there and can't be opened.
            (Err(Errno::EEXIST), 1..) => {
                let target = readlinkat(&parent, name).doing(|| format!("read the link {}", path.display()))?;
                self.place(&self.target(path, &target), kind, links - 1)
            }
            (made, _) => {
                made.doing(|| format!("make {}", path.display()))?;
                self.announce(&parent, name)
            }
        }
    }

    /// The directory above `path`, made if need be, and the last name of `path`.
    fn parent<'p>(&self, path: &'p Path, links: usize) -> Result<(OwnedFd, &'p OsStr)> {
        let name = path.file_name().ok_or_else(|| Error::new(format!("{} ends in no name", path.display())))?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("/"));
        Ok((self.place(above, Kind::Directory, links)?, name))
    }

    fn target(&self, link: &Path, target: &OsString) -> PathBuf {
        link.parent().unwrap_or(Path::new("/")).join(target)
    }

    /// Makes the file `path` by `make`, which is called with the directory above it and its name.
    ///
    /// # Errors
    /// The directory can't be made, or `make` fails.
    pub fn make(&self, path: &Path, make: impl FnOnce(&OwnedFd, &OsStr) -> nix::Result<()>) -> Result<OwnedFd> {
        let (parent, name) = self.parent(path, LINKS)?;
        make(&parent, name).doing(|| format!("make {}", path.display()))?;
        self.announce(&parent, name)
    }

    /// Tells the creating process what was made, so that delete can take it away again.
    // [delete.removes-created-resources] [errors.environment-unchanged]
    fn announce(&self, parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let what = || format!("open {}, just made", name.display());
        let made = openat(parent, name, flags, Mode::empty()).doing(what)?;
        let stat = fstat(&made).doing(what)?;
        let path = real_path(parent)?.join(name);
        self.channel.send(&Message::Made(Made { path, device: stat.st_dev, inode: stat.st_ino }))?;
        Ok(made)
    }

    /// Tells the creating process what was mounted.
    pub(crate) fn announce_mount(&self, place: &OwnedFd) -> Result<()> {
        self.channel.send(&Message::Mounted(real_path(place)?))
    }
}

/// A path that leads to what `fd` is open on, for calls that take no descriptor.
pub fn fd_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// The path of what `fd` is open on, as the calling process sees it.
fn real_path(fd: &OwnedFd) -> Result<PathBuf> {
    nix::fcntl::readlink(&fd_path(fd)).map(PathBuf::from).doing(|| "read the path of a descriptor".into())
}

/// Removes what was made in the root file system, the last first, where it still stands as it was made.
///
/// A directory that was filled, a file that was written, and anything put in their place stays.
pub fn unmake(made: &[Made]) {
    for made in made.iter().rev() {
        // Nothing is owed for what is gone or has changed hands, so a failure is no error.
        let _ = remove(made);
    }
}

fn remove(made: &Made) -> nix::Result<()> {
    let (Some(above), Some(name)) = (made.path.parent(), made.path.file_name()) else { return Ok(()) };
    // A container may have put a link to elsewhere on the way: none is followed.
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let above = openat2(nix::fcntl::AT_FDCWD, above, how)?;
    let stat = nix::sys::stat::fstatat(&above, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let same = (stat.st_dev, stat.st_ino) == (made.device, made.inode);
    let written = kind == SFlag::S_IFREG && stat.st_size != 0;
    match (same && !written, kind == SFlag::S_IFDIR) {
        (true, true) => nix::unistd::unlinkat(&above, name, nix::unistd::UnlinkatFlags::RemoveDir),
        (true, false) => nix::unistd::unlinkat(&above, name, nix::unistd::UnlinkatFlags::NoRemoveDir),
        (false, _) => Ok(()),
    }
}

//! Paths inside the container's root file system, resolved so that no symbolic link leads out of it.

use crate::error::{Doing, Error, Result};
use crate::made::{Identity, Note, Notes, mount_id};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat, mknodat};
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Symbolic links that may follow one another on the way to a place, as many as the kernel allows.
const LINKS: usize = 40;

/// Attempts at a lookup that others disturb: far more than a busy machine takes, and few enough to end soon where
/// somebody renames without end to hold it up.
const ATTEMPTS: usize = 1000;

/// Opens `path` below `directory`, which the lookup doesn't leave: `resolve` holds RESOLVE_IN_ROOT or RESOLVE_BENEATH.
///
/// # Errors
/// Those of openat2(2). EAGAIN, which it gives for any rename or mount on the machine that may have moved a `..` or a
/// link of the path meanwhile, is one only if it comes [`ATTEMPTS`] times in a row.
pub fn open_scoped(directory: impl AsFd, path: &Path, flags: OFlag, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    let mut opened = Err(Errno::EAGAIN);
    for _ in 0..ATTEMPTS {
        opened = openat2(&directory, path, how);
        if !matches!(opened, Err(Errno::EAGAIN)) {
            break;
        }
    }
    opened
}

/// The container's root directory, and where to note what is made in it.
#[derive(Debug)]
pub struct RootDirectory<'a> {
    directory: OwnedFd,
    notes: &'a Notes,
    /// Devices, as of stat(2), of file systems that end with the container.
    passing: RefCell<HashSet<u64>>,
}

impl AsRef<OwnedFd> for RootDirectory<'_> {
    fn as_ref(&self) -> &OwnedFd {
        &self.directory
    }
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
    pub fn open(path: &Path, notes: &'a Notes) -> Result<Self> {
        let directory = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .doing(|| format!("open {}", path.display()))?;
        Ok(RootDirectory { directory, notes, passing: RefCell::default() })
    }

    /// Whether `place` is the root itself, and not the same directory seen through another mount.
    pub fn is(&self, place: &OwnedFd) -> nix::Result<bool> {
        let same = Identity::from(fstat(place)?) == Identity::from(fstat(&self.directory)?);
        Ok(same && mount_id(place)? == mount_id(&self.directory)?)
    }

    /// Opens what stands at `path` as the container would find it.
    // [mounts.destination-inside]
    pub fn find(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        open_scoped(&self.directory, path, flags, ResolveFlag::RESOLVE_IN_ROOT)
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
        if links == 0 {
            return Err(Error::new(format!("too many links on the way to {}", path.display())));
        }
        // A link that leads to nothing: what it leads to is made.
        if let Ok(target) = readlinkat(&parent, name) {
            return self.place(&self.target(path, &target), kind, links - 1);
        }
        let made = self.make_at(&parent, name, |parent, name| match kind {
            Kind::Directory => mkdirat(parent, name, Mode::from_bits_truncate(0o755)),
            Kind::File => mknodat(parent, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0),
        });
        match made.doing(|| format!("make {}", path.display()))? {
            Some(made) => Ok(made),
            // Somebody else was quicker.
            None => self.place(path, kind, links - 1),
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
        let made = self
            .make_at(&parent, name, make)
            .and_then(|made| made.ok_or_else(|| Error::new(Errno::EEXIST.to_string())));
        made.doing(|| format!("make {}", path.display()))
    }

    /// Makes something, so that delete can take it away again; nothing, if something stands there.
    // [delete.removes-created-resources] [errors.environment-unchanged]
    fn make_at(
        &self,
        parent: &OwnedFd,
        name: &OsStr,
        make: impl FnOnce(&OwnedFd, &OsStr) -> nix::Result<()>,
    ) -> Result<Option<OwnedFd>> {
        let what = || format!("note {}", name.display());
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let above = fstat(parent).doing(what)?;
        if self.passing.borrow().contains(&above.st_dev) {
            return match make(parent, name) {
                Err(Errno::EEXIST) => Ok(None),
                made => made.and_then(|()| openat(parent, name, flags, Mode::empty())).map(Some).doing(what),
            };
        }
        let path = real_path(parent)?.join(name);
        self.notes.add(&Note::Making { path: path.clone(), above: above.into() })?;
        match make(parent, name) {
            Err(Errno::EEXIST) => return self.notes.add(&Note::Foreign { path }).map(|()| None),
            made => made.map_err(|errno| Error::new(errno.to_string()))?,
        }
        let made = openat(parent, name, flags, Mode::empty()).doing(what)?;
        self.notes.add(&Note::Made { path, identity: fstat(&made).doing(what)?.into() })?;
        Ok(Some(made))
    }

    /// Takes nothing down that is made on the file system of `directory`, which ends with the container.
    ///
    /// # Errors
    /// It can't be looked at.
    pub(crate) fn forget_on(&self, directory: &OwnedFd) -> Result<()> {
        let device = fstat(directory).doing(|| "look at a new file system".into())?.st_dev;
        self.passing.borrow_mut().insert(device);
        Ok(())
    }

    /// Notes that the root is mounted on itself next.
    pub(crate) fn note_mount_on_itself(&self) -> Result<()> {
        self.notes.mounting(&self.directory)
    }

    /// Notes that something is mounted on `place` next.
    pub(crate) fn note_mount(&self, place: &OwnedFd) -> Result<()> {
        self.notes.mounting(place)
    }
}

/// A path that leads to what `fd` is open on, for calls that take no descriptor.
pub fn fd_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// The path of what `fd` is open on, as the calling process sees it.
pub(crate) fn real_path(fd: &OwnedFd) -> Result<PathBuf> {
    nix::fcntl::readlink(&fd_path(fd)).map(PathBuf::from).doing(|| "read the path of a descriptor".into())
}

#[cfg(test)]
mod tests {
    use super::{OFlag, ResolveFlag, open_scoped};
    use std::fs::{self, File};
    use std::path::Path;

    #[test]
    fn a_lookup_is_not_given_up_when_others_rename() {
        let directory = std::env::temp_dir().join(format!("ocf-runtime-renames-{}", std::process::id()));
        let (one, other) = (directory.join("one"), directory.join("other"));
        fs::create_dir_all(&one).unwrap();
        let root = File::open(&directory).unwrap();
        let up_and_down = "one/../".repeat(3);

        let results = std::thread::scope(|scope| {
            let renaming = scope.spawn(|| {
                File::create(&other).unwrap();
                for _ in 0..10_000 {
                    fs::rename(&other, directory.join("third")).unwrap();
                    fs::rename(directory.join("third"), &other).unwrap();
                }
            });
            let open = || open_scoped(&root, Path::new(&up_and_down), OFlag::O_PATH, ResolveFlag::RESOLVE_IN_ROOT);
            std::iter::repeat_with(|| open().map(drop)).take_while(|_| !renaming.is_finished()).collect::<Vec<_>>()
        });
        fs::remove_dir_all(&directory).unwrap();

        assert!(results.iter().all(Result::is_ok), "{:?}", results.iter().find(|result| result.is_err()));
    }
}

//! The mounts beyond the root file system.

use crate::birth::Arrival;
use crate::error::{Doing, Error, Result};
use crate::id_mapped_mounts::{self, Prepared};
use crate::mount_options::{self, Attributes, Options};
use crate::path_in_root::{Kind, RootDirectory, fd_path, open_scoped, real_path};
use crate::{cgroup_mount, copy_up, mount_label, version};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag, open};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, fstat};
use oci_spec::runtime::{Mount, Spec};
use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What a program on Linux expects, with the options that harm nobody. // [mounts.default-proc] [mounts.default-sys]
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("/proc", "proc", "nosuid,noexec,nodev"),
    ("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
    ("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"), // [mounts.default-dev-pts]
    ("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"),          // [mounts.default-dev-shm]
];

/// Where mounts are made: the container's root, and the facts that a mount depends on.
#[derive(Debug)]
pub struct Place<'a> {
    /// The container's root directory.
    pub root: &'a RootDirectory<'a>,
    /// The bundle's directory, from which relative sources are taken.
    pub bundle: &'a Path,
    /// Whether the mounts outlive the container's mount namespace, so that delete has to remove them.
    pub shared: bool,
    /// The id-mapped mounts that were made outside.
    pub prepared: &'a [Prepared],
    /// The container's cgroup in each mounted hierarchy.
    pub cgroups: &'a [crate::cgroups::Membership],
    /// From when on this process is in them.
    pub arrival: &'a Arrival<'a>,
    /// Whether the container has a cgroup namespace of its own.
    pub cgroup_namespace: bool,
    /// The mounted procfs and sysfs, and where the config wants them.
    pub views: RefCell<Vec<(PathBuf, OwnedFd)>>,
    /// The SELinux context of new file systems.
    pub label: Option<&'a str>,
}

/// Refuses options that are known and can't be applied.
///
/// # Errors
/// Names the destination and the option.
pub fn check(spec: &Spec) -> Result<()> {
    for entry in spec.mounts().as_deref().unwrap_or_default() {
        let what = || format!("mounts: {}", entry.destination().display());
        let options = options(entry);
        // [mounts.destination-relative-refused]
        if entry.destination().is_relative() && !version::is_at_least(spec.version(), 2) {
            return Err(Error::new(format!("in ociVersion {} it has to be absolute", spec.version()))).doing(what);
        }
        if options.bind.is_some() && entry.source().is_none() {
            return Err(Error::new("a bind mount needs a source")).doing(what);
        }
        if options.bind.is_none() && !options.remount() && entry.typ().is_none() {
            return Err(Error::new("it has neither a type nor the option bind")).doing(what);
        }
        id_mapped_mounts::check(spec, entry).doing(what)?;
    }
    Ok(())
}

/// Makes all mounts of the config, in their order, and then the expected ones that it leaves out.
///
/// # Errors
/// Names the mount that failed.
// [mounts.order]
pub fn apply(spec: &Spec, place: &Place) -> Result<()> {
    let entries = spec.mounts().as_deref().unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        let prepared = place.prepared.iter().find(|(of, _)| *of == index).map(|(_, tree)| tree);
        place.make(entry, prepared).doing(|| describe(entry))?;
    }
    for (destination, typ, options) in DEFAULTS {
        if !entries.iter().any(|entry| is_at(entry, destination)) {
            place.make_expected(destination, typ, options)?;
        }
    }
    Ok(())
}

fn is_at(entry: &Mount, destination: &str) -> bool {
    Path::new("/").join(entry.destination()).components().eq(Path::new(destination).components())
}

fn describe(entry: &Mount) -> String {
    let what = entry.source().as_deref().or(entry.typ().as_ref().map(Path::new)).unwrap_or(Path::new("nothing"));
    format!("mount {} on {}", what.display(), entry.destination().display())
}

impl Place<'_> {
    fn make(&self, entry: &Mount, prepared: Option<&OwnedFd>) -> Result<()> {
        let options = options(entry);
        let destination = destination(entry);
        let mounted = if options.remount() {
            self.remount(&destination, &options)?
        } else if options.bind.is_some() {
            self.bind(entry, &destination, &options, prepared)?
        } else if entry.typ().as_deref() == Some("cgroup") {
            cgroup_mount::make(self, &destination, &options)?
        } else {
            self.mount_new(entry, &destination, &options)?
        };
        set_attributes(&mounted, options.recursive, libc::AT_RECURSIVE)?;
        set_propagation(&mounted, &options.propagation)?;
        self.remember(destination, mounted)
    }

    // [mounts.option-bind] [mounts.option-rbind] [mounts.type-of-bind-mount] [mounts.source-relative]
    fn bind(
        &self,
        entry: &Mount,
        destination: &Path,
        options: &Options,
        prepared: Option<&OwnedFd>,
    ) -> Result<OwnedFd> {
        let source = self.bundle.join(entry.source().as_deref().unwrap_or(Path::new("")));
        let tree = match prepared {
            Some(tree) => tree.try_clone().doing(|| "duplicate a descriptor".into())?,
            None => open_tree(&source, options.bind == Some(true))?,
        };
        let facts = fstat(&tree).doing(|| format!("look at {}", source.display()))?;
        let is_directory = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
        let target = self.target(destination, if is_directory { Kind::Directory } else { Kind::File })?;
        set_attributes(&tree, options.own, 0)?;
        self.attach(&tree, &target)?;
        if prepared.is_some() {
            // A copy that was made outside hasn't been cut off from the mounts that the source's mount shares with.
            set_propagation(&tree, &[MsFlags::MS_SLAVE | MsFlags::MS_REC])?;
        }
        Ok(tree)
    }

    // [mounts.type-applied] [mounts.source-of-file-system]
    fn mount_new(&self, entry: &Mount, destination: &Path, options: &Options) -> Result<OwnedFd> {
        let target = self.target(destination, Kind::Directory)?;
        let typ = entry.typ().as_deref();
        let source = entry.source().as_deref().or(typ.map(Path::new));
        let data = mount_label::add(self.label, typ, &options.data);
        let mounted = self.mount(source, &target, typ, MsFlags::from_bits_retain(options.flags), &data);
        let mounted = match self.label {
            Some(label) => mounted.doing(|| format!("with linux.mountLabel {label:?}"))?,
            None => mounted?,
        };
        if options.copy_up {
            // [mounts.option-tmpcopyup]
            copy_up::copy(&target, &mounted)?;
        }
        Ok(mounted)
    }

    // [mounts.option-remount]
    fn remount(&self, destination: &Path, options: &Options) -> Result<OwnedFd> {
        let target = self.find(destination)?;
        let bind = if options.bind.is_some() { MsFlags::MS_BIND } else { MsFlags::empty() };
        let flags = MsFlags::from_bits_retain(options.flags) | bind;
        nix_mount(None, &fd_path(&target), None, flags, &options.data).map(|()| target)
    }

    /// Mounts a new file system on `target`; the answer is open on its root.
    ///
    /// Somebody else may change the root file system meanwhile, so what was mounted is never looked for by its path.
    pub(crate) fn mount(
        &self,
        source: Option<&Path>,
        target: &OwnedFd,
        typ: Option<&str>,
        flags: MsFlags,
        data: &str,
    ) -> Result<OwnedFd> {
        if self.shared {
            self.announce(target)?;
            nix_mount(source, &fd_path(target), typ, flags, data)?;
            return open_place(&real_path(target)?);
        }
        // Nothing tells which mount mount(2) made but its place: a place of the runtime's own, and from there to `target`.
        nix_mount(source, self.bundle, typ, flags, data)?;
        let moved = open_place(self.bundle).and_then(|mounted| attach(&mounted, target).map(|()| mounted));
        let mounted = moved.inspect_err(|_| _ = umount2(self.bundle, MntFlags::MNT_DETACH))?;
        if typ == Some("tmpfs") {
            self.root.forget_on(&mounted)?;
        }
        Ok(mounted)
    }

    /// Shows what `source` is open on at `target`, too.
    pub(crate) fn show(&self, source: &OwnedFd, target: &OwnedFd) -> Result<()> {
        self.attach(&open_tree(&fd_path(source), false)?, target)
    }

    /// Puts a detached mount on `target` and, if the mount will outlive the container, notes it.
    pub(crate) fn attach(&self, tree: &OwnedFd, target: &OwnedFd) -> Result<()> {
        self.announce(target)?;
        attach(tree, target)
    }

    fn announce(&self, target: &OwnedFd) -> Result<()> {
        if self.shared { self.root.note_mount(target) } else { Ok(()) }
    }

    // [mounts.destination-relative] [mounts.destination-missing]
    fn target(&self, destination: &Path, kind: Kind) -> Result<OwnedFd> {
        let target = self.root.find_or_make(destination, kind)?;
        // What is mounted over the root is out of reach for all that follows, also for masks.
        if self.root.is(&target).doing(|| format!("look at {}", destination.display()))? {
            return Err(Error::new(format!("{} is the root itself", destination.display())));
        }
        Ok(target)
    }

    /// What stands at `destination` now, which is the root of the mount that was made there last.
    pub(crate) fn find(&self, destination: &Path) -> Result<OwnedFd> {
        self.root.find(destination, OFlag::O_PATH).doing(|| format!("open {}", destination.display()))
    }

    /// Keeps hold of a view of the kernel, so that its masks come to lie on it and on nothing that takes its place.
    fn remember(&self, destination: PathBuf, mounted: OwnedFd) -> Result<()> {
        use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs};
        let typ = fstatfs(&mounted).doing(|| format!("look at {}", destination.display()))?.filesystem_type();
        let mut views = self.views.borrow_mut();
        views.retain(|(at, _)| !at.starts_with(&destination));
        if [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&typ) {
            views.push((destination, mounted));
        }
        Ok(())
    }

    /// Opens what stands at `path`; if that is below a view of the kernel, then in this very mount.
    pub(crate) fn find_to_restrict(&self, path: &Path) -> nix::Result<OwnedFd> {
        let views = self.views.borrow();
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let below = views.iter().rev().find_map(|(at, view)| Some((view, path.strip_prefix(at).ok()?)));
        match below {
            Some((view, rest)) if !climbs => {
                let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
                open_scoped(view, &Path::new(".").join(rest), OFlag::O_PATH, resolve)
            }
            _ => self.root.find(path, OFlag::O_PATH),
        }
    }

    /// Makes a mount that the config leaves out; one that can't be made is no error, only a SHOULD.
    fn make_expected(&self, destination: &str, typ: &str, options: &str) -> Result<()> {
        let path = PathBuf::from(destination);
        if self.has_type(&path, typ) {
            return Ok(());
        }
        let options = options.split(',').map(str::to_owned).collect::<Vec<_>>();
        let options = mount_options::parse(&options);
        let made = self.target(&path, Kind::Directory).and_then(|target| {
            self.mount(
                Some(Path::new(typ)),
                &target,
                Some(typ),
                MsFlags::from_bits_retain(options.flags),
                &mount_label::add(self.label, Some(typ), &options.data),
            )
        });
        if let Err(error) = made.and_then(|mounted| self.remember(path, mounted)) {
            crate::error::warn(format!("mount {typ} on {destination}: {error}"));
        }
        Ok(())
    }

    /// Whether a file system of this type stands there already, for instance by a bind mount of /dev.
    fn has_type(&self, path: &Path, typ: &str) -> bool {
        use nix::sys::statfs::{PROC_SUPER_MAGIC, SYSFS_MAGIC, TMPFS_MAGIC, fstatfs};
        const DEVPTS: nix::sys::statfs::FsType = nix::sys::statfs::FsType(0x1cd1);
        let found = self.find(path).ok().and_then(|fd| fstatfs(&fd).ok()).map(|facts| facts.filesystem_type());
        match typ {
            "proc" => found == Some(PROC_SUPER_MAGIC),
            "sysfs" => found == Some(SYSFS_MAGIC),
            "devpts" => found == Some(DEVPTS),
            _ => found == Some(TMPFS_MAGIC) && self.is_mount(path),
        }
    }

    /// Whether `path` is itself a mount, and no directory on the mount above it.
    fn is_mount(&self, path: &Path) -> bool {
        let device =
            |path: &Path| self.find(path).ok().and_then(|fd| nix::sys::stat::fstat(&fd).ok()).map(|stat| stat.st_dev);
        path.parent().is_some_and(|above| device(above) != device(path))
    }
}

fn options(entry: &Mount) -> Options {
    mount_options::parse(entry.options().as_deref().unwrap_or_default())
}

fn destination(entry: &Mount) -> PathBuf {
    Path::new("/").join(entry.destination())
}

fn open_place(path: &Path) -> Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("open {}", path.display()))
}

/// A copy of the mount at `path`, detached from everything.
pub(crate) fn open_tree(path: &Path, recursive: bool) -> Result<OwnedFd> {
    let what = || format!("copy the mount of {}", path.display());
    let name = CString::new(path.as_os_str().as_bytes()).doing(what)?;
    let depth = if recursive { libc::AT_RECURSIVE.cast_unsigned() } else { 0 };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | depth;
    // SAFETY: the path ends in a null byte and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, AT_FDCWD.as_raw_fd(), name.as_ptr(), flags) };
    let fd = i32::try_from(Errno::result(fd).doing(what)?).doing(what)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// move_mount(2) of what `tree` is open on to what `target` is open on. // [mounts.id-mapping-by-mount-setattr]
fn attach(tree: &OwnedFd, target: &OwnedFd) -> Result<()> {
    let empty = CString::default();
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (from, to) = (tree.as_raw_fd(), target.as_raw_fd());
    // SAFETY: both paths are an empty string that outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_move_mount, from, empty.as_ptr(), to, empty.as_ptr(), flags) };
    Errno::result(result).map(drop).doing(|| "put the mount in its place".into())
}

pub(crate) fn set_attributes(mounted: &OwnedFd, attributes: Attributes, depth: i32) -> Result<()> {
    if attributes.is_empty() {
        return Ok(());
    }
    mount_setattr(mounted, attributes, None, depth).doing(|| "set its attributes".into())
}

fn set_propagation(mounted: &OwnedFd, kinds: &[MsFlags]) -> Result<()> {
    let set = |kind: &MsFlags| nix_mount(None, &fd_path(mounted), None, *kind, "");
    kinds.iter().try_for_each(set).doing(|| "set its propagation".into())
}

/// mount(2), whose errors name neither what nor where: the caller does.
pub(crate) fn nix_mount(
    source: Option<&Path>,
    target: &Path,
    typ: Option<&str>,
    flags: MsFlags,
    data: &str,
) -> Result<()> {
    let data = (!data.is_empty()).then_some(data);
    mount(source, target, typ, flags, data).map_err(|errno| Error::new(errno.to_string()))
}

/// mount_setattr(2) on the mount that `fd` is open on; with a user namespace its owners are mapped as there.
pub(crate) fn mount_setattr(
    fd: &OwnedFd,
    attributes: Attributes,
    user_namespace: Option<&OwnedFd>,
    depth: i32,
) -> nix::Result<()> {
    let userns_fd = user_namespace.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned()));
    let id_map = if user_namespace.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let request =
        libc::mount_attr { attr_set: attributes.set | id_map, attr_clr: attributes.clear, propagation: 0, userns_fd };
    let empty = CString::default();
    // SAFETY: both pointers lead to values that outlive the call, and the size is that of the second.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            empty.as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    };
    nix::errno::Errno::result(result).map(drop)
}

//! The mounts beyond the root file system.

use crate::error::{Doing, Error, Result};
use crate::id_mapped_mounts::{self, Prepared};
use crate::mount_options::{self, Attributes, Options};
use crate::path_in_root::{Kind, RootDirectory, fd_path};
use crate::{cgroup_mount, copy_up};
use nix::fcntl::OFlag;
use nix::libc;
use nix::mount::{MsFlags, mount};
use oci_spec::runtime::{Mount, Spec};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

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
    /// Whether the container has a cgroup namespace of its own.
    pub cgroup_namespace: bool,
}

/// Refuses options that are known and can't be applied.
///
/// # Errors
/// Names the destination and the option.
pub fn check(spec: &Spec) -> Result<()> {
    for entry in spec.mounts().as_deref().unwrap_or_default() {
        let what = || format!("mounts: {}", entry.destination().display());
        let options = options(entry);
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
        if options.remount() {
            self.remount(&destination, &options)?;
        } else if let Some(recursive) = options.bind {
            self.bind(entry, &destination, recursive, prepared)?;
            self.set_attributes(&destination, options.own, 0)?;
        } else if entry.typ().as_deref() == Some("cgroup") {
            cgroup_mount::make(self, &destination, &options)?;
        } else {
            self.mount_new(entry, &destination, &options)?;
        }
        self.set_attributes(&destination, options.recursive, libc::AT_RECURSIVE)?;
        self.set_propagation(&destination, &options.propagation)
    }

    // [mounts.option-bind] [mounts.option-rbind] [mounts.type-of-bind-mount] [mounts.source-relative]
    fn bind(&self, entry: &Mount, destination: &Path, recursive: bool, prepared: Option<&OwnedFd>) -> Result<()> {
        let source = self.bundle.join(entry.source().as_deref().unwrap_or(Path::new("")));
        let is_directory = std::fs::metadata(&source).doing(|| format!("find {}", source.display()))?.is_dir();
        let target = self.target(destination, if is_directory { Kind::Directory } else { Kind::File })?;
        let depth = if recursive { MsFlags::MS_REC } else { MsFlags::empty() };
        if let Some(tree) = prepared {
            self.announce(&target)?;
            id_mapped_mounts::attach(tree, &target)?;
            // A copy that was made outside hasn't been cut off from the mounts that the source's mount shares with.
            return self.set_propagation(destination, &[MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        }
        self.mount(Some(&source), &target, None, MsFlags::MS_BIND | depth, "")
    }

    // [mounts.type-applied] [mounts.source-of-file-system]
    fn mount_new(&self, entry: &Mount, destination: &Path, options: &Options) -> Result<()> {
        let target = self.target(destination, Kind::Directory)?;
        let typ = entry.typ().as_deref();
        let source = entry.source().as_deref().or(typ.map(Path::new));
        let before = options.copy_up.then(|| self.find(destination)).transpose()?;
        self.mount(source, &target, typ, MsFlags::from_bits_retain(options.flags), &options.data)?;
        match before {
            // [mounts.option-tmpcopyup]
            Some(before) => copy_up::copy(&fd_path(&before), &fd_path(&self.find(destination)?)),
            None => Ok(()),
        }
    }

    // [mounts.option-remount]
    fn remount(&self, destination: &Path, options: &Options) -> Result<()> {
        let target = self.find(destination)?;
        let bind = if options.bind.is_some() { MsFlags::MS_BIND } else { MsFlags::empty() };
        let flags = MsFlags::from_bits_retain(options.flags) | bind;
        nix_mount(None, &fd_path(&target), None, flags, &options.data)
    }

    /// Mounts something on `target` and, if the mount will outlive the container, notes it.
    pub(crate) fn mount(
        &self,
        source: Option<&Path>,
        target: &OwnedFd,
        typ: Option<&str>,
        flags: MsFlags,
        data: &str,
    ) -> Result<()> {
        self.announce(target)?;
        nix_mount(source, &fd_path(target), typ, flags, data)
    }

    fn announce(&self, target: &OwnedFd) -> Result<()> {
        if self.shared { self.root.note_mount(target) } else { Ok(()) }
    }

    // [mounts.destination-relative] [mounts.destination-missing]
    fn target(&self, destination: &Path, kind: Kind) -> Result<OwnedFd> {
        self.root.find_or_make(destination, kind)
    }

    /// What stands at `destination` now, which is the root of the mount that was made there last.
    pub(crate) fn find(&self, destination: &Path) -> Result<OwnedFd> {
        self.root.find(destination, OFlag::O_PATH).doing(|| format!("open {}", destination.display()))
    }

    pub(crate) fn set_attributes(&self, destination: &Path, attributes: Attributes, depth: i32) -> Result<()> {
        if attributes.is_empty() {
            return Ok(());
        }
        mount_setattr(&self.find(destination)?, attributes, None, depth)
            .doing(|| format!("set the attributes of {}", destination.display()))
    }

    fn set_propagation(&self, destination: &Path, kinds: &[MsFlags]) -> Result<()> {
        for kind in kinds {
            let mounted = self.find(destination)?;
            nix_mount(None, &fd_path(&mounted), None, *kind, "")
                .doing(|| format!("set the propagation of {}", destination.display()))?;
        }
        Ok(())
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
                &options.data,
            )
        });
        if let Err(error) = made {
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

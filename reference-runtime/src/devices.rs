//! Device nodes inside the container, configured and by default, and the symbolic links beside them.
//! Which accesses the cgroup allows stands in `device_rules`.

use crate::device_rules;
use crate::error::{Doing, Error, Result};
use crate::mounts::{Place, open_tree};
use crate::path_in_root::{Kind, RootDirectory, fd_path};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, readlinkat};
use nix::libc::dev_t;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat, makedev, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType as Type, Spec};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The devices that every container has: path, major, minor.
// [devices.default-null] [devices.default-zero] [devices.default-full] [devices.default-random]
// [devices.default-urandom] [devices.default-tty]
const DEFAULTS: [(&str, u64, u64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

// [devices.link-fd] [devices.link-stdin] [devices.link-stdout] [devices.link-stderr]
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// One device node or FIFO, as it is to be.
struct Node<'a> {
    path: &'a Path,
    kind: SFlag,
    device: dev_t,
    mode: Mode,
    owner: (u32, u32),
}

/// Refuses devices that can't be made, and rules that can't be read.
///
/// # Errors
/// Names the device.
pub fn check(spec: &Spec) -> Result<()> {
    for device in configured(spec) {
        if device.path().is_relative() {
            return Err(Error::new(format!("linux.devices: {} is not absolute", device.path().display())));
        }
        let _kind = kind(device)?;
        // [devices.numbers-required]
        if device.typ() != Type::P && (u32::try_from(device.major()).is_err() || u32::try_from(device.minor()).is_err())
        {
            return Err(Error::new(format!("linux.devices: {} has no usable numbers", device.path().display())));
        }
    }
    device_rules::check(spec)
}

/// Makes the configured devices, the default ones and the links.
///
/// # Errors
/// Names the device or link.
pub fn apply(spec: &Spec, place: &Place) -> Result<()> {
    for device in configured(spec) {
        let node = node(device)?;
        supply(&node, place, false).doing(|| format!("make the device {}", node.path.display()))?;
    }
    for (path, major, minor) in DEFAULTS {
        let path = Path::new(path);
        let mode = Mode::from_bits_truncate(0o666);
        let node = Node { path, kind: SFlag::S_IFCHR, device: makedev(major, minor), mode, owner: (0, 0) };
        // A configured device of the same path is this one already, or was refused.
        if !configured(spec).iter().any(|device| device.path() == path) {
            supply(&node, place, true).doing(|| format!("make the device {}", path.display()))?;
        }
    }
    supply_ptmx(place).doing(|| "make /dev/ptmx".into())?;
    LINKS.iter().try_for_each(|(target, link)| make_link(target, link, place.root))
}

fn configured(spec: &Spec) -> &[LinuxDevice] {
    spec.linux().as_ref().and_then(|linux| linux.devices().as_deref()).unwrap_or_default()
}

fn node(device: &LinuxDevice) -> Result<Node<'_>> {
    let (major, minor) = (device.major().cast_unsigned(), device.minor().cast_unsigned());
    let kind = kind(device)?;
    Ok(Node {
        path: device.path(),
        kind,
        device: if kind == SFlag::S_IFIFO { 0 } else { makedev(major, minor) },
        mode: Mode::from_bits_truncate(device.file_mode().unwrap_or(0o666)),
        owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
    })
}

// [devices.type-applied]
fn kind(device: &LinuxDevice) -> Result<SFlag> {
    match device.typ() {
        Type::C | Type::U => Ok(SFlag::S_IFCHR),
        Type::B => Ok(SFlag::S_IFBLK),
        Type::P => Ok(SFlag::S_IFIFO),
        Type::A => Err(Error::new(format!("linux.devices: {} can't be of the type a", device.path().display()))),
    }
}

/// Sees to it that the node's path leads to the node.
fn supply(node: &Node, place: &Place, default: bool) -> Result<()> {
    match place.root.find(node.path, OFlag::O_PATH) {
        Err(Errno::ENOENT) => make(node, place),
        Err(errno) => Err(errno).doing(|| "look for it".into()),
        Ok(found) if node.is(&fstat(&found).doing(|| "look at it".into())?) => Ok(()),
        // A default device has to be supplied; what stands in its place is covered and stays as it is.
        Ok(found) if default => bind(node, &found, place),
        // [devices.other-file-refused]
        Ok(_) => Err(Error::new("another file stands there")),
    }
}

impl Node<'_> {
    fn is(&self, stat: &FileStat) -> bool {
        let same_kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == self.kind;
        same_kind && (self.kind == SFlag::S_IFIFO || stat.st_rdev == self.device)
    }
}

fn make(node: &Node, place: &Place) -> Result<()> {
    let made = place.root.make(node.path, |parent, name| mknodat(parent, name, node.kind, node.mode, node.device));
    match made {
        Ok(made) => dress(node, &made),
        // In a user namespace nobody can make nodes, but one of the runtime's can be shown. // [devices.any-means]
        Err(error) => {
            let target = place.root.find_or_make(node.path, Kind::File)?;
            bind(node, &target, place).map_err(|_| error)
        }
    }
}

// [devices.file-mode-applied] [devices.uid-applied] [devices.gid-applied]
fn dress(node: &Node, made: &OwnedFd) -> Result<()> {
    // Whoever changes the root file system meanwhile may have put another file there.
    if !node.is(&fstat(made).doing(|| "look at it".into())?) {
        return Err(Error::new("another file came to stand there"));
    }
    let path = fd_path(made);
    let (uid, gid) = (Uid::from_raw(node.owner.0), Gid::from_raw(node.owner.1));
    fchownat(AT_FDCWD, &path, Some(uid), Some(gid), nix::fcntl::AtFlags::empty()).doing(|| "set its owner".into())?;
    fchmodat(AT_FDCWD, &path, node.mode, FchmodatFlags::FollowSymlink).doing(|| "set its mode".into())
}

/// Shows the runtime's own node of the same path, if it is the same device.
fn bind(node: &Node, target: &OwnedFd, place: &Place) -> Result<()> {
    let own = open_tree(node.path, false)?;
    if !node.is(&fstat(&own).doing(|| "look at the runtime's own".into())?) {
        return Err(Error::new("the runtime's own is another device"));
    }
    place.attach(&own, target)
}

/// `/dev/ptmx` leads to the container's own devpts. // [devices.default-ptmx]
fn supply_ptmx(place: &Place) -> Result<()> {
    let (path, target) = (Path::new("/dev/ptmx"), Path::new("pts/ptmx"));
    match link(path, place.root)? {
        Link::Missing => place.root.make(path, |parent, name| symlinkat(target, parent, name)).map(drop),
        Link::To(found) if found == target || found == Path::new("/dev/pts/ptmx") => Ok(()),
        Link::To(_) => Err(Error::new("it leads elsewhere")),
        Link::File => {
            let own =
                place.root.find(Path::new("/dev/pts/ptmx"), OFlag::O_PATH).doing(|| "open /dev/pts/ptmx".into())?;
            let file = place.find(path)?;
            place.show(&own, &file)
        }
    }
}

fn make_link(target: &str, path: &str, root: &RootDirectory) -> Result<()> {
    let what = || format!("link {path} to {target}");
    // The text asks for a link only if there is something to link to; the numbers stand below a directory that is
    // there for every process, also for this one, though another process's are asked for.
    if root.find(Path::new("/proc/self"), OFlag::O_PATH).is_err() {
        return Ok(());
    }
    match link(Path::new(path), root).doing(what)? {
        Link::Missing => {
            root.make(Path::new(path), |parent, name| symlinkat(target, parent, name)).map(drop).doing(what)
        }
        Link::To(found) if found == Path::new(target) => Ok(()),
        _ => Err(Error::new("another file stands there")).doing(what),
    }
}

enum Link {
    Missing,
    To(PathBuf),
    File,
}

/// What stands at `path` itself, if that is a link.
fn link(path: &Path, root: &RootDirectory) -> Result<Link> {
    match root.find(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(Link::Missing),
        Err(errno) => Err(errno).doing(|| "look for it".into()),
        Ok(found) => match readlinkat(&found, "") {
            Ok(target) => Ok(Link::To(target.into())),
            Err(_) => Ok(Link::File),
        },
    }
}

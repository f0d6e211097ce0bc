//! Copies what a directory held into the tmpfs that is mounted over it (the option `tmpcopyup`).

use crate::error::{Doing, Result};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// Copies the contents of the directory `from` into the directory `to`: files, links and directories.
///
/// # Errors
/// Names the file that can't be copied.
// [mounts.option-tmpcopyup]
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).doing(|| format!("list {}", from.display()))? {
        let entry = entry.doing(|| format!("list {}", from.display()))?;
        copy_one(&entry.path(), &to.join(entry.file_name())).doing(|| format!("copy {}", entry.path().display()))?;
    }
    Ok(())
}

fn copy_one(from: &Path, to: &Path) -> Result<()> {
    let facts = fs::symlink_metadata(from).doing(|| "look at it".into())?;
    if facts.is_symlink() {
        let target = fs::read_link(from).doing(|| "read the link".into())?;
        symlink(target, to).doing(|| "make the link".into())?;
        return lchown(to, Some(facts.uid()), Some(facts.gid())).doing(|| "set its owner".into());
    }
    if facts.is_dir() {
        fs::create_dir(to).doing(|| "make the directory".into())?;
        copy(from, to)?;
    } else if facts.is_file() {
        fs::copy(from, to).doing(|| "copy its bytes".into())?;
    } else {
        make_node(&facts, to)?;
    }
    lchown(to, Some(facts.uid()), Some(facts.gid())).doing(|| "set its owner".into())?;
    fs::set_permissions(to, fs::Permissions::from_mode(facts.mode())).doing(|| "set its mode".into())
}

fn make_node(facts: &Metadata, to: &Path) -> Result<()> {
    use nix::sys::stat::{Mode, SFlag, mknod};
    let kind = SFlag::from_bits_truncate(facts.mode()) & SFlag::S_IFMT;
    mknod(to, kind, Mode::from_bits_truncate(facts.mode()), facts.rdev()).doing(|| "make the node".into())
}

//! Copies all that a case brings, as it is before the first deed, so that it can be done again without the harness.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, mknod};

use super::sandbox::Places;
use crate::witness::Nonce;

/// The file that says whose nonce is whose: `{WRITER: NONCE}`.
pub const NONCES: &str = "nonces.json";

/// Copies the bundles of these containers and the hooks into `to`, and writes down the nonces.
pub fn copy(
    places: &Places,
    containers: &[String],
    writers: &BTreeMap<Nonce, String>,
    to: &Path,
) -> Result<(), String> {
    let bundles = containers.iter().map(|container| Places::bundle(container));
    for from in bundles.chain([places.hooks.clone()]) {
        let Some(name) = from.file_name() else { continue };
        tree(&from, &to.join(name)).map_err(|e| format!("copy {} to {}: {e}", from.display(), to.display()))?;
    }
    let nonces: BTreeMap<&str, String> =
        writers.iter().map(|(nonce, writer)| (writer.as_str(), nonce.to_string())).collect();
    let text = serde_json::to_string(&nonces).map_err(|e| e.to_string())?;
    let file = to.join(NONCES);
    fs::write(&file, text).map_err(|e| format!("write {}: {e}", file.display()))
}

/// Copies a file of any kind with its owner and mode, and what is in it.
fn tree(from: &Path, to: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(from)?;
    let kind = facts.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(facts.uid()), Some(facts.gid()));
    }
    if kind.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        let node = match kind {
            it if it.is_block_device() => SFlag::S_IFBLK,
            it if it.is_fifo() => SFlag::S_IFIFO,
            _ => SFlag::S_IFCHR,
        };
        mknod(to, node, Mode::from_bits_truncate(0o600), facts.rdev())?;
    }
    lchown(to, Some(facts.uid()), Some(facts.gid()))?;
    // After the owner, whose change takes set-user-ID bits away.
    fs::set_permissions(to, fs::Permissions::from_mode(facts.mode() & 0o7777))
}

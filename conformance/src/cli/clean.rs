//! `ocf clean`.

use crate::run::registry;
use crate::suite::need_root;

/// Sweeps, and says what was found.
pub fn run() -> Result<u8, String> {
    need_root()?;
    let swept = registry::sweep().map_err(|e| format!("clean: {e}"))?;
    println!(
        "{} killed run(s) swept, {} cgroup(s) removed, {} run(s) alive and left alone",
        swept.runs, swept.cgroups, swept.alive
    );
    Ok(0)
}

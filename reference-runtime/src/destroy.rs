//! Undoes what a creation has made, and nothing else.

use crate::container::Record;
use crate::error::Result;
use crate::{cgroups, intel_rdt, made};
use std::path::Path;

/// Ends what still runs of the container, and removes what was made, also what is noted at `notes`.
///
/// # Errors
/// Names what can't be removed.
// [delete.removes-created-resources] [delete.leaves-other-resources]
pub fn destroy(record: &Record, notes: &Path) -> Result<()> {
    // A frozen process doesn't die before it is thawed.
    cgroups::thaw_all(&record.cgroups);
    if let Some(process) = record.process {
        process.end()?;
    }
    if record.cgroups.is_uncertain() {
        // Then whoever is left in them is none of the container's.
        made::await_makers(notes)?;
    }
    cgroups::remove(&record.cgroups)?;
    intel_rdt::remove(&record.rdt, record.created)?;
    made::undo(notes, record.mount_namespace.as_deref())
}

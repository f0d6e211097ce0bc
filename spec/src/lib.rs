//! Every requirement of the OCI Runtime Specification, 1.0.0 to 1.3.0, as data with an id.
//!
//! The source is `chapters/<chapter>.md`, one file for each noun of the format or operation on a
//! container. [`Specification::embedded`] is the parsed whole; who asks for few things asks
//! [`requirement`], or [`Bindings`]. Upstream's text stays the authority: [`upstream`] holds the
//! anchors that tie a requirement to its clauses.
//!
//! # The grammar of a chapter file
//!
//! A file is read line by line; a line that does not fit is an error that names file and line.
//!
//! ```text
//! # hostname
//!
//! One or two sentences that introduce the chapter; they may take several lines.
//!
//! ## hostname.applied
//! MUST, runtime, since 1.0.0, config.md#configHostname, ledger CFG-123 CFG-124, property hostname
//! Inside the container's UTS namespace the host name is `hostname`.
//! Until: 1.2.0
//! Needs: cgroup=v2, controller:memory, kernel>=5.12
//! Reading: the text is unclear at this point; how we read it, and why.
//! Not checked: why nobody can observe it.
//! Draft
//! ```
//!
//! 1. The first line is `# ` and the file's stem. Then an empty line, the introduction, an empty
//!    line, and the requirements, each parted from the next by an empty line. Within a requirement
//!    there is none, and every part of it takes exactly one line, however long.
//! 2. `## chapter.name`: both parts are kebab-case, start with a letter, and no word of them is a
//!    number. The chapter is the file's stem, and an id stands once in the whole specification.
//! 3. The fields, parted by a comma and a space, in this order:
//!    * the level: `MUST`, `MUST NOT`, `SHOULD`, `SHOULD NOT` or `MAY`;
//!    * who owes it: `runtime`, `config` (its author), `caller` or `converter` (who makes a bundle
//!      from an image);
//!    * `since` and the first released version in which it holds;
//!    * the source: `file.md#anchor` with a file and an anchor that `upstream.tsv` knows, or `ours`;
//!    * optionally `ledger` and the ids of the clauses that it carries, parted by a space;
//!    * optionally `property` and the leaf properties for Linux, as `properties.tsv` names them,
//!      whose effect it decides, parted by a space.
//! 4. The sentence: one obligation, ending in a full stop. It says what is so when the obligation is
//!    met, whatever its level; at level `MAY` it says what is allowed.
//! 5. Optional lines, each at most once and in this order:
//!    * `Until:` the first released version in which it no longer holds, later than `since`;
//!    * `Replaced by:`, directly after it, what holds in its place from that version on: ids, parted by a space;
//!    * `Needs:` the facts of a host without which it can't be decided, parted by a comma and a
//!      space, of the closed list `cgroup=v1`, `cgroup=v2`, `controller:NAME`, `kernel>=X.Y`, `kernel<X.Y`,
//!      `lsm:NAME`, `resctrl`, `hugepages`, `numa`, `compat`, `cap:NAME`, `userns`, `timens`, `cgroupns`;
//!    * `Reading:` how an unclear text is read, and why;
//!    * `Not checked:` the reason;
//!    * `Draft`, alone: it is kept out of every verdict.

mod binding;
mod chapters;
pub mod coverage;
mod error;
mod grammar;
pub mod lint;
mod requirement;
mod sources;
mod specification;
pub mod upstream;
mod version;

pub use binding::{Binding, Bindings};
pub use chapters::CHAPTERS;
pub use error::SpecError;
pub use grammar::parse_chapter;
pub use requirement::{Chapter, InvalidId, Level, Party, Requirement, RequirementId, Source, UnknownWord};
pub use sources::Sources;
pub use specification::{Specification, edits, requirement};
pub use version::{InvalidVersion, VERSIONS, Version, VersionRange};

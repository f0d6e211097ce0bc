//! The shortest honest Linux implementation of the OCI Runtime Specification 1.0.0 to 1.3.0.
//!
//! [`lifecycle`] is what a program uses, as `ocf-runtime` does: a container in a state has the operations of that state.
//! Behind it stands one file an operation: [`create`], [`start`], [`state`], [`kill`], [`delete`], [`run`], [`features`];
//! one file a chapter of the config; and in [`engine`] what only container engines ask. [`init`] is the container process
//! and reads as the lifecycle. Comments such as `[hooks.listed-order]` name the requirement that a line fulfils.

#![cfg(target_os = "linux")]

pub mod birth;
pub mod block_io;
pub mod capabilities;
mod cgroup_mount;
pub mod cgroup_owner;
pub mod cgroups;
pub mod channel;
pub mod config;
pub mod container;
mod copy_up;
pub mod cpu;
pub mod create;
pub mod delete;
pub mod descriptors;
pub mod destroy;
mod device_program;
pub mod device_rules;
pub mod devices;
pub mod engine;
pub mod error;
pub mod features;
pub mod hooks;
pub mod hostname;
pub mod hugepage_limits;
pub mod id_mapped_mounts;
pub mod init;
pub mod intel_rdt;
pub mod keyring;
pub mod kill;
pub mod lifecycle;
pub mod lsm;
pub mod made;
pub mod masked_paths;
pub mod memory;
pub mod memory_policy;
mod mount_label;
pub mod mount_options;
pub mod mounts;
pub mod namespaces;
pub mod net_devices;
mod netlink;
pub mod network;
pub mod own_program;
pub mod path_in_root;
pub mod personality;
pub mod pids;
pub mod process;
mod procfs;
pub mod rdma;
pub mod readonly_paths;
pub mod resources;
pub mod rlimits;
pub mod root;
pub mod rootless;
pub mod run;
pub mod scheduling;
pub mod seccomp;
mod seccomp_listener;
pub mod seccomp_program;
pub mod signals;
pub mod start;
pub mod state;
pub mod sysctl;
pub mod terminal;
pub mod unified;
pub mod user;
pub mod version;

//! What a Linux security module confines the container process with: an AppArmor profile, an SELinux context.

use crate::error::{Doing, Error, Result};
use crate::procfs;
use oci_spec::runtime::{Process, Spec};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What is to be in force from the next execution on, and the files through which the modules are told.
#[derive(Debug)]
pub struct Labels(Vec<(File, String)>);

/// Refuses labels of a module that this kernel doesn't have.
///
/// # Errors
/// Names the property and the label.
// [create.unappliable-property-error]
pub fn check(spec: &Spec) -> Result<()> {
    let process = spec.process().as_ref();
    let mount_label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_ref());
    for (property, label, module, here) in [
        ("process.apparmorProfile", process.and_then(apparmor), "AppArmor", has_apparmor as fn() -> bool),
        ("process.selinuxLabel", process.and_then(selinux), "SELinux", has_selinux),
        ("linux.mountLabel", given(mount_label), "SELinux", has_selinux),
    ] {
        if let Some(label) = label.filter(|_| !here()) {
            return Err(Error::new(format!("{property}: {label:?} can't be applied, for this kernel has no {module}")));
        }
    }
    Ok(())
}

fn apparmor(process: &Process) -> Option<&str> {
    given(process.apparmor_profile().as_ref())
}

fn selinux(process: &Process) -> Option<&str> {
    given(process.selinux_label().as_ref())
}

fn given(label: Option<&String>) -> Option<&str> {
    label.map(String::as_str).filter(|label| !label.is_empty())
}

fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
}

fn has_selinux() -> bool {
    // It makes its own file system known only if it is in force.
    fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\tselinuxfs\n"))
}

impl Labels {
    /// Opens, for the calling process, what its labels are written to, as long as /proc is not the container's.
    ///
    /// # Errors
    /// procfs has no such file.
    pub fn open(process: &Process) -> Result<Self> {
        match apparmor(process).or(selinux(process)) {
            Some(_) => Labels::open_in(&procfs::open_root()?, process),
            None => Ok(Labels(Vec::new())),
        }
    }

    /// As [`Labels::open`], in a procfs whose root is open already.
    ///
    /// # Errors
    /// As for [`Labels::open`].
    pub fn open_in(proc: &OwnedFd, process: &Process) -> Result<Self> {
        let open = |path: &str| procfs::open_file_in(proc, Path::new(path));
        let mut labels = Vec::new();
        // [process.apparmor-profile]
        if let Some(profile) = apparmor(process) {
            // Before Linux 5.8 all modules shared one file.
            let file = open("thread-self/attr/apparmor/exec");
            labels.push((file.or_else(|_| open("thread-self/attr/exec"))?, format!("exec {profile}")));
        }
        // [process.selinux-label]
        if let Some(label) = selinux(process) {
            labels.push((open("thread-self/attr/exec")?, label.to_owned()));
        }
        Ok(Labels(labels))
    }

    /// Sets the labels for the next execution.
    ///
    /// # Errors
    /// The module doesn't know the label, or denies it.
    pub fn set(&self) -> Result<()> {
        for (mut file, label) in self.0.iter().map(|(file, label)| (file, label)) {
            // In one call, for each is taken for a whole.
            let what = || format!("set the label {label:?}");
            if file.write(label.as_bytes()).doing(what)? != label.len() {
                return Err(Error::new("only a part was taken")).doing(what);
            }
        }
        Ok(())
    }
}

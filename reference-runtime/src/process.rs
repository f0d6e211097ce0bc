//! The program that the container runs, and what it finds at its first instruction.

use crate::descriptors::Passed;
use crate::error::{Doing, Error, Result};
use crate::lsm::Labels;
use crate::seccomp::Filter;
use crate::{capabilities, memory_policy, personality, procfs, rlimits, scheduling, seccomp, signals, user};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{AccessFlags, Pid, access, chdir, getcwd};
use oci_spec::runtime::{Process, Spec};
use std::convert::Infallible;
use std::ffi::CString;
use std::path::Path;

/// Where a program is looked for if the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Refuses a process that no program could be run for.
///
/// # Errors
/// Names the property.
pub fn check(process: &Process) -> Result<()> {
    // [process.args-required]
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return Err(Error::new("process.args needs an entry"));
    }
    // [process.cwd-absolute]
    if process.cwd().is_relative() {
        return Err(Error::new(format!("process.cwd: {} is not absolute", process.cwd().display())));
    }
    if let Some(value) = process.oom_score_adj().filter(|value| !(-1000..=1000).contains(value)) {
        return Err(Error::new(format!("process.oomScoreAdj: {value} is not from -1000 to 1000")));
    }
    user::check(process)?;
    Program::of(process, Passed::default()).map(drop)
}

/// Sets the score by which the kernel chooses whom to kill. // [process.oom-score-adj-set] [process.oom-score-adj-unset]
///
/// # Errors
/// The kernel refuses, for instance to lower it without CAP_SYS_RESOURCE.
pub fn set_oom_score(process: &Process, pid: Pid) -> Result<()> {
    match process.oom_score_adj() {
        Some(value) => procfs::write(format!("{pid}/oom_score_adj"), &value.to_string())
            .doing(|| format!("set process.oomScoreAdj to {value}")),
        None => Ok(()),
    }
}

/// Makes the calling process what the config says, and gives the program that is left to execute.
///
/// # Errors
/// Names the property.
pub fn prepare(spec: &Spec, process: &Process, labels: &Labels, passed: Passed) -> Result<Program> {
    labels.set()?;
    personality::apply(spec)?;
    memory_policy::apply(spec)?;
    apply(process, seccomp::needs_privilege(spec))?;
    Program::of(process, passed)
}

/// Makes the calling process what `process` says, all but its program and its terminal. If it is `filtered`, it keeps what
/// it needs to install the filter, which is lost with the execution of the program.
///
/// # Errors
/// Names the property.
// [create.process-properties-early]
fn apply(process: &Process, filtered: bool) -> Result<()> {
    // [process.cwd-applied]
    let what = || format!("enter process.cwd {}", process.cwd().display());
    chdir(process.cwd()).doing(what)?;
    // It must be below the root: a link of procfs may lead anywhere that a descriptor is open on.
    getcwd().doing(what)?;
    rlimits::apply(process)?;
    scheduling::apply(process)?;
    // The bounding set can be cut only with CAP_SETPCAP, the ids be set only with CAP_SETUID and CAP_SETGID; only then
    // may the rest of the capabilities go.
    capabilities::bound(process)?;
    user::apply(process)?;
    capabilities::apply(process, filtered)?;
    // [process.no-new-privileges-true] [process.no-new-privileges-false]
    if process.no_new_privileges() == Some(true) {
        nix::sys::prctl::set_no_new_privs().doing(|| "set noNewPrivileges".into())?;
    }
    Ok(())
}

/// What execve(2) is to be given.
#[derive(Debug)]
pub struct Program {
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    passed: Passed,
    /// The filter under which it is executed.
    pub filter: Option<Filter>,
}

impl Program {
    /// The program that `process` describes, which gets the descriptors `passed` as well.
    ///
    /// # Errors
    /// A string has a null byte in it.
    pub fn of(process: &Process, passed: Passed) -> Result<Self> {
        let strings = |list: Option<&[String]>| -> Result<Vec<CString>> {
            let string = |text: &String| CString::new(text.as_str()).doing(|| format!("pass {text:?} on"));
            list.unwrap_or_default().iter().map(string).collect()
        };
        let arguments = strings(process.args().as_deref())?; // [process.args-applied]
        let mut environment = strings(process.env().as_deref())?; // [process.env-applied] [process.env-not-inherited]
        environment.append(&mut strings(Some(&passed.environment(process.env().as_deref().unwrap_or_default())))?);
        let name = process.args().as_ref().and_then(|args| args.first()).map_or("", String::as_str);
        let search = process.env().iter().flatten().find_map(|entry| entry.strip_prefix("PATH="));
        let candidates = strings(Some(&candidates(name, search.unwrap_or(DEFAULT_PATH))))?;
        Ok(Program { candidates, arguments, environment, passed, filter: None })
    }

    /// Looks for the program, so that create can already say that there is none. // [create.early-validation]
    ///
    /// # Errors
    /// Nothing executable stands where it is looked for.
    pub fn look_for(&self) -> Result<()> {
        let is_file = |path: &CString| path.to_str().is_ok_and(|path| Path::new(path).is_file());
        let is_allowed = |path: &CString| access(path.as_c_str(), AccessFlags::X_OK).is_ok();
        if self.candidates.iter().any(|path| is_file(path) && is_allowed(path)) {
            return Ok(());
        }
        let name = &self.arguments[0];
        if self.candidates.iter().any(|path| access(path.as_c_str(), AccessFlags::F_OK).is_ok()) {
            return Err(Error::new(format!("permission denied to execute {name:?} in the container")));
        }
        // Engines know what happened by these words.
        Err(Error::new(format!("executable file not found in the container: {name:?}")))
    }

    /// Executes it in place of the calling process. // [start.runs-program]
    ///
    /// # Errors
    /// None of the files can be executed; the process is as before.
    pub fn execute(&self) -> Result<Infallible> {
        signals::reset().doing(|| "reset signals".into())?;
        self.passed.let_go()?;
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let mut last = Errno::ENOENT;
        // From here on only execve(2) is called, for the filter may have no other call made.
        self.filter.as_ref().map_or(Ok(()), Filter::enforce)?;
        for candidate in &self.candidates {
            // SAFETY: each array ends with a null pointer, and all that is pointed to lives as long as self.
            unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            let errno = Errno::last();
            // As execvp(3): a file that isn't there or isn't allowed is passed over, any other trouble ends the search.
            match errno {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => last = errno,
                other => return Err(other).doing(|| format!("execute {candidate:?}")),
            }
        }
        Err(last).doing(|| format!("execute {:?}", self.arguments[0]))
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

// [process.args-path] [process.args-search]
fn candidates(name: &str, search: &str) -> Vec<String> {
    if name.contains('/') || name.is_empty() {
        return vec![name.to_owned()];
    }
    let place =
        |directory: &str| if directory.is_empty() { format!("./{name}") } else { format!("{directory}/{name}") };
    search.split(':').map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn only_a_bare_name_is_searched_for() {
        assert_eq!(candidates("bin/x", "/a:/b"), ["bin/x"]);
        assert_eq!(candidates("x", "/a::/b"), ["/a/x", "./x", "/b/x"]);
    }
}

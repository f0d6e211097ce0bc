//! The limits of `linux.resources`: each chapter says what its properties become, here that is checked and written.

use crate::cgroups::{self, Membership};
use crate::device_rules::Restriction;
use crate::error::{Doing, Error, Result};
use crate::{block_io, cpu, hugepage_limits, memory, network, pids, rdma, unified};
use oci_spec::runtime::LinuxResources;
use serde_json::Value;
use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// What a chapter's properties become.
type Chapter = fn(&LinuxResources) -> Result<Vec<Setting>>;

/// Every chapter that sets limits. The files that the config itself names come last, and so decide.
// [unified.overlapping-value]
const CHAPTERS: [Chapter; 8] = [
    memory::settings,
    cpu::settings,
    block_io::settings,
    hugepage_limits::settings,
    network::settings,
    rdma::settings,
    pids::settings,
    unified::settings,
];

/// A property's value, and what it becomes on either version of cgroups.
#[derive(Debug)]
pub struct Setting {
    /// The property and its value, for errors.
    what: String,
    /// The controller that has to be enabled; empty for files that every cgroup has.
    controller: String,
    v1: Form,
    v2: Form,
    needless: bool,
    doubtful: bool,
}

/// Text for a file of the cgroup, and further ones for kernels that lack the files before it; or why there is none.
type Form = Result<Vec<(String, String)>, &'static str>;

/// An error about a property of `linux.resources` whose value can't be meant.
pub fn invalid(name: impl Display, value: impl Display, why: &str) -> Error {
    Error::new(format!("linux.resources.{name}: {value} {why}"))
}

/// When a limit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the container process is there, which is born under the limit.
    Birth,
    /// Once the runtime needs nothing in the container any more that the limit could take from it.
    End,
}

impl Setting {
    /// The property `name` of `linux.resources`, which needs `controller`; so far it can be had on neither version.
    pub fn new(name: impl Display, value: impl Display, controller: impl Into<String>) -> Self {
        Setting {
            what: format!("linux.resources.{name}: {value}"),
            controller: controller.into(),
            v1: Err("cgroup v1 has nothing like it"),
            v2: Err("cgroup v2 has nothing like it"),
            needless: false,
            doubtful: false,
        }
    }

    /// What is written on v1; said again, what is written if the kernel lacks the files before.
    pub fn v1(mut self, file: impl Into<String>, value: impl Display) -> Self {
        add(&mut self.v1, file.into(), value.to_string());
        self
    }

    /// As [`Setting::v1`], on v2.
    pub fn v2(mut self, file: impl Into<String>, value: impl Display) -> Self {
        add(&mut self.v2, file.into(), value.to_string());
        self
    }

    /// The file and value of both versions.
    pub fn both(self, file: &str, value: impl Display) -> Self {
        let value = value.to_string();
        self.v1(file, &value).v2(file, value)
    }

    /// Another setting's file holds this value too on v2.
    pub fn nothing_on_v2(mut self) -> Self {
        self.v2 = Ok(Vec::new());
        self
    }

    /// Why it can't be had on v2.
    pub fn refused_on_v2(mut self, why: &'static str) -> Self {
        self.v2 = Err(why);
        self
    }

    /// Whether it asks for what is so anyway, where the kernel can't be told.
    pub fn needless(self, needless: bool) -> Self {
        Setting { needless, ..self }
    }

    /// A limit that some kernels pass over without an error.
    pub fn doubtful(self) -> Self {
        Setting { doubtful: true, ..self }
    }

    fn moment(&self) -> Moment {
        // What the cgroup's own files can do, as freezing it, doesn't end with limits.
        if self.controller == "pids" || self.controller.is_empty() { Moment::End } else { Moment::Birth }
    }

    fn controller_on_v2(&self) -> &str {
        if self.controller == "blkio" { "io" } else { &self.controller }
    }

    fn form(&self, member: &Membership) -> &Form {
        if member.hierarchy.is_unified() { &self.v2 } else { &self.v1 }
    }

    fn write(&self, member: &Membership) -> Result<()> {
        let Ok(form) = self.form(member) else { return Ok(()) };
        for (index, (file, text)) in form.iter().enumerate() {
            let path = member.directory.join(file);
            let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| {
                // The kernel takes one line at a time, and an empty one, but no write of nothing.
                let mut lines = if text.is_empty() { "\n" } else { text }.split_inclusive('\n');
                lines.try_for_each(|line| file.write_all(line.as_bytes()))
            });
            match written {
                Err(error) if error.kind() == ErrorKind::NotFound && index + 1 < form.len() => {}
                Err(error) if error.kind() == ErrorKind::NotFound && self.needless => return Ok(()),
                written => {
                    written.doing(|| format!("write {text} to {}", path.display()))?;
                    return if self.doubtful { check_kept(&path, text) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }
}

/// Checks that the kernel keeps a limit that it took.
fn check_kept(path: &Path, limit: &str) -> Result<()> {
    let shown = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
    match (limit.parse::<u64>(), shown.trim().parse::<u64>()) {
        (Ok(limit), Ok(shown)) if shown > limit => {
            Err(Error::new(format!("the kernel passes over what is written to {}", path.display())))
        }
        _ => Ok(()),
    }
}

fn add(form: &mut Form, file: String, value: String) {
    match form {
        Ok(form) => form.push((file, value)),
        Err(_) => *form = Ok(vec![(file, value)]),
    }
}

/// The container's cgroups, and the controllers that its cgroup of v2 can have.
struct Cgroups<'a> {
    memberships: &'a [Membership],
    available: String,
}

impl<'a> Cgroups<'a> {
    fn of(memberships: &'a [Membership]) -> Self {
        let unified = memberships.iter().find(|member| member.hierarchy.is_unified());
        let file = unified.map(|member| member.hierarchy.mountpoint.join("cgroup.controllers"));
        let available = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        Cgroups { memberships, available }
    }

    /// The cgroup that the setting is for; none if there is no need of one.
    // [unified.missing-controller-refused] [network.class-id-unsupported-refused] [network.priorities-unsupported-refused]
    fn place(&self, setting: &Setting) -> Result<Option<&'a Membership>> {
        let controller = setting.controller.as_str();
        let is_unified = |member: &&Membership| member.hierarchy.is_unified();
        let member = match &setting.v1 {
            Ok(_) => cgroups::find(controller, self.memberships),
            Err(_) => self.memberships.iter().find(is_unified),
        };
        let why = match member {
            None => format!("no cgroup hierarchy with the controller {controller} is mounted"),
            Some(member) => match setting.form(member) {
                Err(why) => (*why).to_owned(),
                Ok(_) if is_unified(&member) && !self.has(setting.controller_on_v2()) => {
                    format!("cgroup v2 has no controller {} here", setting.controller_on_v2())
                }
                Ok(_) => return Ok(Some(member)),
            },
        };
        if setting.needless { Ok(None) } else { Err(Error::new(why)).doing(|| setting.what.clone()) }
    }

    fn has(&self, controller: &str) -> bool {
        controller.is_empty() || self.available.split_ascii_whitespace().any(|name| name == controller)
    }
}

/// Refuses values without a meaning, and what these cgroups can't have.
///
/// # Errors
/// Names the property and its value.
// [errors.unsupported-value] [create.early-validation]
pub fn check(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let cgroups = Cgroups::of(memberships);
    settings(resources)?.iter().try_for_each(|setting| cgroups.place(setting).map(drop))
}

/// Sets the limits whose moment it is; those on devices are apart.
///
/// # Errors
/// Names the property and its value.
pub fn set(resources: &LinuxResources, memberships: &[Membership], moment: Moment) -> Result<()> {
    memory::check_usage(resources, memberships)?;
    let settings = settings(resources)?;
    let cgroups = Cgroups::of(memberships);
    let (mut enabled, mut refused) = (Vec::new(), Vec::new());
    for setting in settings.iter().filter(|setting| setting.moment() == moment) {
        let Some(member) = cgroups.place(setting)? else { continue };
        let controller = setting.controller_on_v2();
        // [unified.controllers-enabled]
        if member.hierarchy.is_unified() && !controller.is_empty() && !enabled.contains(&controller) {
            cgroups::enable(controller, member).doing(|| setting.what.clone())?;
            enabled.push(controller);
        }
        // Some limits bound each other, and which has to come first depends on those that there are: so what is
        // refused gets its turn again after the rest.
        if setting.write(member).is_err() {
            refused.push((setting, member));
        }
    }
    refused.iter().try_for_each(|(setting, member)| setting.write(member).doing(|| setting.what.clone()))
}

/// Sets all that `resources` asks for in the cgroups of an existing container.
///
/// # Errors
/// Names the property and its value.
pub fn update(resources: &LinuxResources, memberships: &[Membership]) -> Result<()> {
    let resources = &cpu::with_present_quota(resources.clone(), memberships);
    check(resources, memberships)?;
    set(resources, memberships, Moment::Birth)?;
    set(resources, memberships, Moment::End)?;
    Restriction::prepare(resources.devices().as_deref().unwrap_or_default(), memberships)?.replace()
}

fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let chapters = CHAPTERS.iter().map(|settings| settings(resources));
    Ok(chapters.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Says what is left out or spelt so that the parser would take it for something else.
pub fn normalise(resources: &mut Value, version: &str) {
    hugepage_limits::respell(resources);
    pids::drop_unset(resources, version);
}

#[cfg(test)]
pub mod table {
    //! What properties become, for the tables of values in the chapters' tests.

    use super::{Form, Setting, settings};
    use crate::error::{Error, Result};
    use serde_json::Value;

    /// One version of cgroups.
    #[derive(Debug, Clone, Copy)]
    pub struct Version(fn(&Setting) -> &Form);

    /// Version 1.
    pub const V1: Version = Version(|setting| &setting.v1);
    /// Version 2.
    pub const V2: Version = Version(|setting| &setting.v2);

    /// What is written for `resources` on one version: files and values, alternatives with an `or`.
    pub fn on(version: Version, mut resources: Value) -> Result<Vec<String>> {
        super::normalise(&mut resources, "1.3.0");
        let mut lines = Vec::new();
        for setting in settings(&serde_json::from_value(resources).unwrap())? {
            match version.0(&setting) {
                Ok(form) => lines.extend(
                    form.iter()
                        .enumerate()
                        .map(|(index, (file, value))| format!("{}{file} {value}", if index > 0 { "or " } else { "" })),
                ),
                Err(_) if setting.needless => {}
                Err(why) => return Err(Error::new(format!("{}: {why}", setting.what))),
            }
        }
        Ok(lines)
    }

    /// Checks what is written on both versions.
    pub fn is(resources: Value, v1: &[&str], v2: &[&str]) {
        assert_eq!(on(V1, resources.clone()).unwrap(), v1);
        assert_eq!(on(V2, resources).unwrap(), v2);
    }

    /// Checks that a version can't have it, and that the error begins so.
    pub fn refused(version: Version, resources: Value, beginning: &str) {
        let error = on(version, resources).unwrap_err().to_string();
        assert!(error.starts_with(beginning), "{error}");
    }
}

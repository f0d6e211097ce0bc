//! The list of device accesses that the container's cgroup allows: written to the devices controller of cgroup v1, or
//! loaded as an eBPF program on v2.

use crate::cgroups::{Membership, write};
use crate::device_program::Program;
use crate::error::{Doing, Error, Result};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType as Type, Spec};
use std::fmt;
use std::fs::File;

/// One rule about one kind of device, ready for either version of cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether the accesses are allowed.
    pub allow: bool,
    /// Whether the rule is about block devices, and not about character devices.
    pub block: bool,
    /// The major number, or any.
    pub major: Option<u32>,
    /// The minor number, or any.
    pub minor: Option<u32>,
    /// Which accesses: the sum of `MAKE`, `READ` and `WRITE`.
    pub access: u8,
}

/// Making a node, as in BPF_DEVCG_ACC_MKNOD.
pub const MAKE: u8 = 1;
/// Opening for reading.
pub const READ: u8 = 2;
/// Opening for writing.
pub const WRITE: u8 = 4;
pub(crate) const ALL: u8 = MAKE | READ | WRITE;

/// The character devices that every container can use: the default ones, its terminals and /dev/ptmx.
const DEFAULTS: [(u32, Option<u32>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

/// What is being done, for errors.
const DOING: &str = "restrict the devices";

/// Refuses rules that can't be read.
///
/// # Errors
/// Names the rule's number.
pub fn check(spec: &Spec) -> Result<()> {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    read(resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default()).map(drop)
}

/// Rules that are ready to be put in force for a container's cgroup.
#[derive(Debug, Default)]
pub struct Restriction<'a>(Option<Form<'a>>);

/// What they are, by the version of cgroups.
#[derive(Debug)]
enum Form<'a> {
    V1(List, &'a Membership),
    V2(Program, File),
}

impl<'a> Restriction<'a> {
    /// Makes the rules ready; on v2 the kernel checks them here, which takes most of the time.
    ///
    /// # Errors
    /// They can't be expressed or loaded here.
    // [devices.rules-in-order]
    pub fn prepare(rules: &[LinuxDeviceCgroup], memberships: &'a [Membership]) -> Result<Self> {
        let rules = read(rules)?;
        if rules.is_empty() {
            return Ok(Restriction(None));
        }
        let v1 = memberships.iter().find(|member| member.hierarchy.names.iter().any(|name| name == "devices"));
        let form = match v1.or_else(|| memberships.iter().find(|member| member.hierarchy.is_unified())) {
            Some(member) => Form::of(&with_defaults(&rules), member),
            None => Err(Error::new("no cgroup hierarchy that could is mounted")),
        };
        form.map(|form| Restriction(Some(form))).doing(|| DOING.into())
    }

    /// Puts the rules in force.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn enforce(&self) -> Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(Form::V1(list, member)) => list.write(member),
            Some(Form::V2(program, cgroup)) => program.attach(cgroup),
        }
        .doing(|| DOING.into())
    }

    /// Puts the rules in force in the place of others of the kind, if there are rules.
    ///
    /// # Errors
    /// As for [`Restriction::enforce`].
    pub fn replace(&self) -> Result<()> {
        match &self.0 {
            Some(Form::V2(program, cgroup)) => program.replace(cgroup).doing(|| DOING.into()),
            // A list of v1 begins anew by itself.
            _ => self.enforce(),
        }
    }
}

impl<'a> Form<'a> {
    fn of(rules: &[Rule], member: &'a Membership) -> Result<Self> {
        if !member.hierarchy.is_unified() {
            return List::of(rules).map(|list| Form::V1(list, member));
        }
        let cgroup = File::open(&member.directory).doing(|| format!("open {}", member.directory.display()))?;
        Program::load(rules).map(|program| Form::V2(program, cgroup))
    }
}

/// Takes every rule apart into rules about one kind of device each.
fn read(rules: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>> {
    let mut read = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let parts = read_one(rule).doing(|| format!("linux.resources.devices[{index}]"))?;
        read.extend(parts);
    }
    Ok(read)
}

// [devices.rule-type] [devices.rule-major] [devices.rule-minor] [devices.rule-access]
fn read_one(rule: &LinuxDeviceCgroup) -> Result<Vec<Rule>> {
    let kinds: &[bool] = match rule.typ() {
        None | Some(Type::A) => &[true, false],
        Some(Type::C) => &[false],
        Some(Type::B) => &[true],
        Some(other) => return Err(Error::new(format!("type: {} is none of a rule", other.as_str()))),
    };
    // A negative number is commonly written for any.
    let number = |name, number: Option<i64>| {
        let number = number.filter(|number| *number >= 0);
        number.map(|number| u32::try_from(number).doing(|| format!("{name}: {number}"))).transpose()
    };
    let (allow, major, minor) = (rule.allow(), number("major", rule.major())?, number("minor", rule.minor())?);
    let access = read_access(rule.access().as_deref())?;
    Ok(kinds.iter().map(|block| Rule { allow, block: *block, major, minor, access }).collect())
}

fn read_access(letters: Option<&str>) -> Result<u8> {
    letters.filter(|letters| !letters.is_empty()).unwrap_or("rwm").chars().try_fold(0, |access, letter| match letter {
        'r' => Ok(access | READ),
        'w' => Ok(access | WRITE),
        'm' => Ok(access | MAKE),
        _ => Err(Error::new(format!("access: {letter} is none"))),
    })
}

/// A rule that denies the use of everything is meant to make room for others, and not to take the default devices
/// away, which the container has to have: they are allowed again right after it.
fn with_defaults(rules: &[Rule]) -> Vec<Rule> {
    let mut all = Vec::new();
    for rule in rules {
        all.push(*rule);
        let is_general = !rule.allow && !rule.block && rule.major.is_none() && rule.minor.is_none();
        if is_general && rule.access & (READ | WRITE) != 0 {
            all.extend(DEFAULTS.map(|(major, minor)| Rule { allow: true, major: Some(major), minor, ..*rule }));
        }
    }
    all
}

impl Rule {
    /// Whether every access that `other` is about is one that this rule is about too, letters aside.
    fn covers(&self, other: &Rule) -> bool {
        self.block == other.block
            && (self.major.is_none() || self.major == other.major)
            && (self.minor.is_none() || self.minor == other.minor)
    }

    /// Whether `earlier` never decides, for this rule comes after it.
    pub(crate) fn replaces(&self, earlier: &Rule) -> bool {
        self.covers(earlier) && earlier.access & !self.access == 0
    }

    fn overlaps(&self, other: &Rule) -> bool {
        let meet = |one: Option<u32>, other: Option<u32>| one.is_none() || other.is_none() || one == other;
        self.block == other.block && meet(self.major, other.major) && meet(self.minor, other.minor)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
        let letters = [(READ, "r"), (WRITE, "w"), (MAKE, "m")];
        let access: String =
            letters.iter().filter(|(bit, _)| self.access & bit != 0).map(|(_, letter)| *letter).collect();
        let kind = if self.block { 'b' } else { 'c' };
        write!(out, "{kind} {}:{} {access}", number(self.major), number(self.minor))
    }
}

/// What the devices controller of v1 can express: all or nothing, and exceptions from it, whose order means nothing.
#[derive(Debug, PartialEq)]
struct List {
    /// What holds without an exception; none if no rule spoke of all devices, and the parent's list goes on to hold.
    all: Option<bool>,
    /// The accesses for which the opposite holds.
    exceptions: Vec<Rule>,
}

impl List {
    /// The list that means what the rules mean in their order.
    ///
    /// A rule takes out what earlier exceptions say about its devices. Where one of these says more, the list would
    /// need an exception from an exception, which the controller doesn't have.
    fn of(rules: &[Rule]) -> Result<Self> {
        let all = |block| Rule { allow: true, block, major: None, minor: None, access: ALL };
        let each = List { all: Some(false), exceptions: vec![all(false), all(true)] };
        // What has no exceptions yet may have some if each kind of device is an exception itself.
        let list = List { all: None, exceptions: Vec::new() }.with(rules);
        list.or_else(|error| each.with(rules).map_err(|_| error))
    }

    fn with(self, rules: &[Rule]) -> Result<Self> {
        let mut list = self;
        let mut rules = rules.iter().peekable();
        while let Some(rule) = rules.next() {
            let is_all = |rule: &Rule| rule.major.is_none() && rule.minor.is_none() && rule.access == ALL;
            let pair =
                rules.peek().is_some_and(|next| is_all(next) && next.allow == rule.allow && next.block != rule.block);
            if is_all(rule) && pair {
                rules.next();
                list = List { all: Some(rule.allow), exceptions: Vec::new() };
            } else {
                list.add(*rule)?;
            }
        }
        Ok(list)
    }

    fn add(&mut self, rule: Rule) -> Result<()> {
        // Without a rule about all devices what isn't denied is allowed, as far as the parent allows it.
        if rule.allow != self.all.unwrap_or(true) {
            self.except(rule);
            return Ok(());
        }
        for exception in &mut self.exceptions {
            if rule.covers(exception) {
                exception.access &= !rule.access;
            } else if rule.overlaps(exception) && exception.access & rule.access != 0 {
                return Err(Error::new(format!("cgroup v1 can't express {rule} after {exception}")));
            }
        }
        self.exceptions.retain(|exception| exception.access != 0);
        Ok(())
    }

    /// The kernel wants one exception with all letters of an access, so where two meet there is one with those of both.
    fn except(&mut self, rule: Rule) {
        let both = |other: &Rule| Rule {
            major: other.major.or(rule.major),
            minor: other.minor.or(rule.minor),
            access: other.access | rule.access,
            ..rule
        };
        let meetings = self.exceptions.iter().filter(|other| rule.overlaps(other)).map(both);
        let mut new: Vec<Rule> = meetings.filter(|both| both.access != rule.access).collect();
        self.exceptions.retain(|other| !rule.covers(other));
        if !new.iter().any(|both| both.covers(&rule)) {
            new.push(rule);
        }
        self.exceptions.append(&mut new);
    }

    // [devices.rule-allows] [devices.rule-denies]
    fn write(&self, member: &Membership) -> Result<()> {
        match self.all {
            Some(true) => write(member, "devices.allow", "a")?,
            Some(false) => write(member, "devices.deny", "a")?,
            None => {}
        }
        let file = if self.all.unwrap_or(true) { "devices.deny" } else { "devices.allow" };
        self.exceptions.iter().try_for_each(|exception| write(member, file, exception))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: serde_json::Value) -> Vec<Rule> {
        read(&serde_json::from_value::<Vec<LinuxDeviceCgroup>>(json).unwrap()).unwrap()
    }

    fn list(json: serde_json::Value) -> Result<Vec<String>> {
        List::of(&rules(json)).map(|list| list.exceptions.iter().map(Rule::to_string).collect())
    }

    #[test]
    fn a_general_denial_leaves_the_default_devices() {
        let denied = with_defaults(&rules(serde_json::json!([{ "allow": false, "access": "rwm" }])));
        assert_eq!(denied.len(), 2 + DEFAULTS.len());
        assert_eq!(List::of(&denied).unwrap().all, Some(false));
        let specific = serde_json::json!([{ "allow": false, "type": "c", "major": 1, "minor": 7, "access": "rwm" }]);
        assert_eq!(with_defaults(&rules(specific)).len(), 1);
        for (kind, access) in [("b", "rwm"), ("c", "m")] {
            let other = serde_json::json!([{ "allow": false, "type": kind, "access": access }]);
            assert_eq!(with_defaults(&rules(other)).len(), 1, "it takes no default device away");
        }
    }

    #[test]
    fn a_kind_of_device_can_have_exceptions() {
        let characters = rules(serde_json::json!([{ "allow": false, "type": "c", "access": "w" }]));
        let list = List::of(&with_defaults(&characters)).unwrap();
        assert_eq!(list.all, Some(false));
        let lines: Vec<String> = list.exceptions.iter().map(Rule::to_string).collect();
        assert_eq!(lines[..3], ["c *:* rm", "b *:* rwm", "c 1:3 rwm"]);
        let denied = rules(serde_json::json!([{ "allow": false, "type": "c", "access": "m" }]));
        let list = List::of(&with_defaults(&denied)).unwrap();
        assert_eq!((list.all, list.exceptions.len()), (None, 1), "the parent's list goes on to hold");
    }

    #[test]
    fn what_is_no_rule_is_refused_by_name() {
        for (rule, beginning) in [
            (serde_json::json!({ "allow": true, "type": "u" }), "linux.resources.devices[0]: type: u "),
            (
                serde_json::json!({ "allow": true, "major": 4_294_967_296_i64 }),
                "linux.resources.devices[0]: major: 4294967296",
            ),
            (serde_json::json!({ "allow": true, "access": "rx" }), "linux.resources.devices[0]: access: x "),
        ] {
            let rule = serde_json::from_value(rule).unwrap();
            let error = read(&[rule]).unwrap_err().to_string();
            assert!(error.starts_with(beginning), "{error}");
        }
    }

    #[test]
    fn later_rules_decide() {
        let denied = serde_json::json!([
            { "allow": false },
            { "allow": true, "type": "c", "major": 10, "access": "rw" },
            { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw" },
            { "allow": false, "type": "c", "major": 1, "access": "w" },
        ]);
        assert_eq!(list(denied).unwrap(), ["c 10:* rw", "c 1:3 r"]);
    }

    #[test]
    fn one_exception_has_all_letters() {
        let allow = |minor: Option<i64>, access| serde_json::json!({ "allow": true, "type": "c", "major": 10, "minor": minor, "access": access });
        let (part, whole) = (allow(Some(5), "w"), allow(None, "r"));
        let rules = |first: &serde_json::Value, second: &serde_json::Value| {
            list(serde_json::json!([{ "allow": false }, first, second])).unwrap()
        };
        assert_eq!(rules(&part, &whole), ["c 10:5 rw", "c 10:* r"]);
        assert_eq!(rules(&whole, &part), ["c 10:* r", "c 10:5 rw"]);
        assert_eq!(rules(&allow(None, "rw"), &part), ["c 10:* rw", "c 10:5 rw"]);
        let minor = serde_json::json!({ "allow": true, "type": "c", "minor": 5, "access": "w" });
        assert_eq!(rules(&whole, &minor), ["c 10:* r", "c 10:5 rw", "c *:5 w"]);
    }

    #[test]
    fn an_exception_from_an_exception_is_refused() {
        let hole = serde_json::json!([
            { "allow": false },
            { "allow": true, "type": "c", "major": 10, "access": "rw" },
            { "allow": false, "type": "c", "major": 10, "minor": 229, "access": "w" },
        ]);
        list(hole).unwrap_err();
    }
}

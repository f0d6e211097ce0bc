//! The filter of system calls, and what it says of a call: a reading of the text alone, whatever runtimes make of it.

use serde_json::Value;

use super::{Offence, objects, strings, text, typed};
use crate::case::Syscall;

#[path = "../../witness/calls.rs"]
mod calls;

/// The architectures of seccomp.h, without `SCMP_ARCH_`.
const ARCHITECTURES: &str = "X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 \
    MIPSEL64N32 PARISC PARISC64 PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB";
/// The flags of seccomp(2) that a config may list, without `SECCOMP_FILTER_FLAG_`.
const FLAGS: &str = "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV";

/// `linux.seccomp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What becomes of calls that no entry matches.
    pub default: Decision,
    /// The entries of `syscalls`, in their order.
    pub entries: Vec<Entry>,
    /// `architectures`, if it is set.
    pub architectures: Option<Vec<String>>,
    /// `flags`.
    pub flags: Vec<String>,
    /// `listenerPath`.
    pub listener: Option<String>,
    /// `listenerMetadata`.
    pub metadata: Option<String>,
}

/// An entry of `linux.seccomp.syscalls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    names: Vec<String>,
    decision: Decision,
    comparisons: Vec<Comparison>,
}

/// An action, and the number that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The action.
    pub action: Action,
    /// `errnoRet` or `defaultErrnoRet`.
    pub number: Option<u64>,
}

/// `SCMP_ACT_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "seccomp.h's names")]
pub enum Action {
    Allow,
    Errno,
    Kill,
    KillProcess,
    KillThread,
    Log,
    Notify,
    Trace,
    Trap,
}

/// An entry of `args`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which argument, from 0.
    pub index: usize,
    /// What it is compared with; for a masked comparison the mask.
    pub value: u64,
    value_two: Option<u64>,
    operator: Operator,
}

/// `SCMP_CMP_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "seccomp.h's names")]
pub enum Operator {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    MaskedEq,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// An entry that matches it decides, by its place in the list.
    Entry(usize, Decision),
    /// No entry matches.
    Default(Decision),
    /// The text leaves it open, by this requirement.
    Open(&'static str),
}

/// A wrong reading of a filter. A call of which it makes something else than the right one shows the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misreading {
    /// Only the first name of an entry counts.
    FirstName,
    /// Only the first entry that names the call counts.
    FirstEntry,
    /// Only the last entry that names the call counts.
    LastEntry,
    /// One comparison of an entry that holds is enough.
    AnyComparison,
    /// Arguments are counted from 1.
    IndexFromOne,
    /// Arguments and values have 32 bits.
    HalfWidth,
    /// Mask and value of a masked comparison are taken for each other.
    MaskLast,
    /// A comparison by this operator holds where it does not, and the other way round.
    Negated(Operator),
}

impl Misreading {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::FirstName,
            Self::FirstEntry,
            Self::LastEntry,
            Self::AnyComparison,
            Self::IndexFromOne,
            Self::HalfWidth,
            Self::MaskLast,
        ];
        plain.into_iter().chain(Operator::ALL.into_iter().map(Self::Negated))
    }
}

/// The view.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    let Some(seccomp) = typed(config, "/linux/seccomp", "an object", |it| it.is_object().then_some(it))? else {
        return Ok(None);
    };
    let at = |name: &str| format!("/linux/seccomp/{name}");
    let string = |name: &str| typed(config, &at(name), "a string", Value::as_str);
    let list = |name: &str| typed(config, &at(name), "an array of strings", strings);
    let Some(default) = string("defaultAction")? else {
        return Err(Offence::authors("linux.seccomp lacks defaultAction"));
    };
    let number = typed(config, &at("defaultErrnoRet"), "an integer that is not negative", Value::as_u64)?;
    let default = decision(default, number, "seccomp.default-errno-refused")?;
    let entries = objects(config, &at("syscalls"))?.unwrap_or_default();
    let entries = (0..entries.len()).map(|number| entry(seccomp, number)).collect::<Result<Vec<_>, _>>()?;
    let (architectures, flags) = (list("architectures")?, list("flags")?);
    for (prefix, names, known) in
        [("SCMP_ARCH_", &architectures, ARCHITECTURES), ("SECCOMP_FILTER_FLAG_", &flags, FLAGS)]
    {
        known_only(names.as_deref().unwrap_or_default(), prefix, known)?;
    }
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    Ok(Some(View {
        default,
        entries,
        architectures: architectures.map(owned),
        flags: flags.map(owned).unwrap_or_default(),
        listener: string("listenerPath")?.map(str::to_owned),
        metadata: string("listenerMetadata")?.map(str::to_owned),
    }))
}

/// What seccomp.h or seccomp(2) defines and runtimes need not take is held against the author only.
fn known_only(names: &[&str], prefix: &str, known: &str) -> Result<(), Offence> {
    for name in names {
        let rest = name.strip_prefix(prefix).unwrap_or_default();
        if matches!(rest, "NATIVE" | "NEW_LISTENER" | "TSYNC_ESRCH") {
            return Err(Offence::authors(format!("{name} is in no list of the text")));
        }
        if !known.split(' ').any(|it| it == rest) {
            return Err(Offence::refused("errors.invalid-value", format!("{name} is no value of linux.seccomp")));
        }
    }
    Ok(())
}

fn entry(seccomp: &Value, number: usize) -> Result<Entry, Offence> {
    let at = |name: &str| format!("/syscalls/{number}/{name}");
    let lacks = |name: &str| Offence::authors(format!("linux.seccomp.syscalls[{number}] lacks {name}"));
    let names = typed(seccomp, &at("names"), "an array of strings", strings)?.ok_or_else(|| lacks("names"))?;
    if names.is_empty() {
        return Err(lacks("a name"));
    }
    let action = typed(seccomp, &at("action"), "a string", Value::as_str)?.ok_or_else(|| lacks("action"))?;
    let errno = typed(seccomp, &at("errnoRet"), "an integer that is not negative", Value::as_u64)?;
    let comparisons = objects(seccomp, &at("args"))?.unwrap_or_default();
    let comparisons = (0..comparisons.len()).map(|place| comparison(seccomp, &at(&format!("args/{place}"))));
    Ok(Entry {
        names: names.into_iter().map(str::to_owned).collect(),
        decision: decision(action, errno, "seccomp.errno-refused")?,
        comparisons: comparisons.collect::<Result<_, _>>()?,
    })
}

fn comparison(seccomp: &Value, place: &str) -> Result<Comparison, Offence> {
    let lacks = |name: &str| Offence::authors(format!("{place} lacks {name}"));
    let number =
        |name: &str| typed(seccomp, &format!("{place}/{name}"), "an unsigned integer of 64 bits", Value::as_u64);
    let index = number("index")?.ok_or_else(|| lacks("index"))?;
    let operator = text(seccomp, &format!("{place}/op")).ok_or_else(|| lacks("op"))?;
    let index = usize::try_from(index).ok().filter(|index| *index < 6);
    Ok(Comparison {
        index: index.ok_or_else(|| Offence::authors("a system call has six arguments"))?,
        value: number("value")?.ok_or_else(|| lacks("value"))?,
        value_two: number("valueTwo")?,
        operator: Operator::of(operator).ok_or_else(|| {
            Offence::refused("errors.invalid-value", format!("{operator} is no operator of linux.seccomp"))
        })?,
    })
}

fn decision(action: &str, number: Option<u64>, refusal: &'static str) -> Result<Decision, Offence> {
    let action = Action::of(action)
        .ok_or_else(|| Offence::refused("errors.invalid-value", format!("{action} is no action of linux.seccomp")))?;
    if number.is_some() && !matches!(action, Action::Errno | Action::Trace) {
        return Err(Offence::refused(refusal, format!("{action:?} takes no number")));
    }
    Ok(Decision { action, number })
}

impl Action {
    fn of(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("SCMP_ACT_")? {
            "ALLOW" => Self::Allow,
            "ERRNO" => Self::Errno,
            "KILL" => Self::Kill,
            "KILL_PROCESS" => Self::KillProcess,
            "KILL_THREAD" => Self::KillThread,
            "LOG" => Self::Log,
            "NOTIFY" => Self::Notify,
            "TRACE" => Self::Trace,
            "TRAP" => Self::Trap,
            _ => return None,
        })
    }
}

impl Operator {
    const ALL: [Self; 7] = [Self::Ne, Self::Lt, Self::Le, Self::Eq, Self::Ge, Self::Gt, Self::MaskedEq];

    fn of(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("SCMP_CMP_")? {
            "NE" => Self::Ne,
            "LT" => Self::Lt,
            "LE" => Self::Le,
            "EQ" => Self::Eq,
            "GE" => Self::Ge,
            "GT" => Self::Gt,
            "MASKED_EQ" => Self::MaskedEq,
            _ => return None,
        })
    }
}

impl View {
    /// Whether some call is to be answered by whoever listens.
    pub fn notifies(&self) -> bool {
        self.decisions().any(|it| it.action == Action::Notify)
    }

    /// What every entry decides, and the default.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> {
        self.entries.iter().map(|entry| entry.decision).chain([self.default])
    }

    /// Whether the filter is said to be for this machine's own architecture; without a list it is.
    pub fn is_native(&self, machine: &str) -> bool {
        let own = match machine {
            "x86_64" => "SCMP_ARCH_X86_64",
            "aarch64" => "SCMP_ARCH_AARCH64",
            _ => return self.architectures.is_none(),
        };
        self.architectures.as_ref().is_none_or(|all| all.iter().any(|it| it == own))
    }

    /// Whether the filter is for the machine's 32-bit architecture as well; none where a program can't tell.
    pub fn is_foreign(&self, machine: &str) -> Option<bool> {
        let lists = |all: &Vec<String>| all.iter().any(|it| it == "SCMP_ARCH_X86");
        (machine == "x86_64").then(|| self.architectures.as_ref().is_some_and(lists))
    }

    /// What the filter says of a call by the machine's own convention.
    pub fn ruling(&self, call: &Syscall) -> Ruling {
        self.read(call, None)
    }

    /// What it says by a wrong reading.
    pub fn misread(&self, call: &Syscall, misreading: Misreading) -> Ruling {
        self.read(call, Some(misreading))
    }

    /// Arguments with which a call lies at the edges of what is compared: each at, just below and just above the value,
    /// and with another upper half.
    pub fn edges(&self, name: &str) -> Vec<Syscall> {
        let naming = self.entries.iter().filter(|entry| entry.names.iter().any(|it| it == name));
        let mut calls = Vec::new();
        for entry in naming {
            let meant = entry.comparisons.iter().fold(vec![0; 6], |mut args, it| {
                args[it.index] = it.value_two.unwrap_or(it.value);
                args
            });
            calls.push(Syscall::new(name, meant.clone()));
            for it in &entry.comparisons {
                let value = meant[it.index];
                for near in [value.wrapping_sub(1), value.wrapping_add(1), value ^ 1 << 32] {
                    let mut args = meant.clone();
                    args[it.index] = near;
                    calls.push(Syscall::new(name, args));
                }
            }
        }
        calls
    }

    /// The entry's comparisons; for a law that asks how it came to its decision.
    pub fn is_bare(&self, entry: usize) -> bool {
        self.entries[entry].comparisons.is_empty()
    }

    fn read(&self, call: &Syscall, misreading: Option<Misreading>) -> Ruling {
        let mut naming: Vec<_> =
            self.entries.iter().enumerate().filter(|(_, entry)| entry.names(&call.call, misreading)).collect();
        match misreading {
            Some(Misreading::FirstEntry) => naming.truncate(1),
            Some(Misreading::LastEntry) => naming = naming.pop().into_iter().collect(),
            _ => {}
        }
        let mut decided: Option<Ruling> = None;
        for (place, entry) in naming {
            match (entry.matches(call, misreading), decided) {
                (Err(open), _) => return Ruling::Open(open),
                (Ok(false), _) => {}
                (Ok(true), None) => decided = Some(Ruling::Entry(place, entry.decision)),
                (Ok(true), Some(Ruling::Entry(_, earlier))) if earlier == entry.decision => {}
                (Ok(true), Some(_)) => return Ruling::Open("seccomp.entries-that-disagree"),
            }
        }
        decided.unwrap_or_else(|| self.default_of(call))
    }

    /// The default action; open for a call that has a greater number than each that is named.
    fn default_of(&self, call: &Syscall) -> Ruling {
        let named = self.entries.iter().flat_map(|entry| &entry.names).filter_map(|name| calls::number(name));
        let is_later = calls::number(&call.call).is_none_or(|own| named.max().is_none_or(|last| own > last));
        if is_later { Ruling::Open("seccomp.later-calls") } else { Ruling::Default(self.default) }
    }
}

impl Entry {
    fn names(&self, call: &str, misreading: Option<Misreading>) -> bool {
        let count = if misreading == Some(Misreading::FirstName) { 1 } else { self.names.len() };
        self.names[..count].iter().any(|name| name == call)
    }

    /// Whether it matches; the requirement by which that is open, if it is.
    fn matches(&self, call: &Syscall, misreading: Option<Misreading>) -> Result<bool, &'static str> {
        if self.comparisons.iter().any(|it| it.operator == Operator::MaskedEq && it.value_two.is_none()) {
            return Err("seccomp.masked-equal-without-value-two");
        }
        let hold: Vec<_> = self.comparisons.iter().map(|it| it.holds(call, misreading)).collect();
        let (all, any) = (hold.iter().all(|it| *it), hold.iter().any(|it| *it));
        let twice = |it: &Comparison| self.comparisons.iter().filter(|other| other.index == it.index).count() > 1;
        if self.comparisons.iter().any(twice) && any && !all {
            return Err("seccomp.same-argument-twice");
        }
        Ok(if misreading == Some(Misreading::AnyComparison) { any || hold.is_empty() } else { all })
    }
}

impl Comparison {
    fn holds(&self, call: &Syscall, misreading: Option<Misreading>) -> bool {
        let index =
            if misreading == Some(Misreading::IndexFromOne) { self.index.checked_sub(1) } else { Some(self.index) };
        let argument = index.and_then(|index| call.args.get(index)).copied().unwrap_or(0);
        let whole = if misreading == Some(Misreading::HalfWidth) { u64::from(u32::MAX) } else { u64::MAX };
        let (argument, value) = (argument & whole, self.value & whole);
        let two = self.value_two.unwrap_or(0) & whole;
        let (mask, wanted) = if misreading == Some(Misreading::MaskLast) { (two, value) } else { (value, two) };
        let holds = match self.operator {
            Operator::Ne => argument != value,
            Operator::Lt => argument < value,
            Operator::Le => argument <= value,
            Operator::Eq => argument == value,
            Operator::Ge => argument >= value,
            Operator::Gt => argument > value,
            Operator::MaskedEq => argument & mask == wanted,
        };
        holds != (misreading == Some(Misreading::Negated(self.operator)))
    }
}

/// The number of a call on the machine on which this program runs; none if it has none, or if it is not known here.
pub fn number(call: &str) -> Option<i64> {
    calls::number(call)
}

/// The same by the convention of the machine's 32-bit architecture.
pub fn foreign_number(call: &str) -> Option<i64> {
    calls::foreign_number(call)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(syscalls: Value) -> View {
        let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls });
        view(&json!({ "linux": { "seccomp": seccomp } })).unwrap().unwrap()
    }

    fn decides(syscalls: Value, args: [u64; 6]) -> bool {
        matches!(filter(syscalls).ruling(&Syscall::new("getppid", args)), Ruling::Entry(0, _))
    }

    fn entry(args: Value) -> Value {
        json!([{ "names": ["sysinfo", "getppid", "statx"], "action": "SCMP_ACT_ERRNO", "args": args }])
    }

    #[test]
    fn operators_hold_for_64_bits() {
        let value = 5_u64 << 32 | 7;
        let table = [
            ("NE", [true, false, true]),
            ("LT", [true, false, false]),
            ("LE", [true, true, false]),
            ("EQ", [false, true, false]),
            ("GE", [false, true, true]),
            ("GT", [false, false, true]),
        ];
        for (operator, wanted) in table {
            let one = entry(json!([{ "index": 2, "value": value, "op": format!("SCMP_CMP_{operator}") }]));
            for (near, wanted) in [value - 1, value, value + (1 << 32)].into_iter().zip(wanted) {
                assert_eq!(decides(one.clone(), [0, 0, near, 0, 0, 0]), wanted, "{operator} {near}");
            }
        }
    }

    #[test]
    fn the_mask_comes_first() {
        let one = entry(json!([{ "index": 0, "value": 0xf0, "valueTwo": 0x30, "op": "SCMP_CMP_MASKED_EQ" }]));
        assert!(decides(one.clone(), [0xff3f, 0, 0, 0, 0, 0]));
        assert!(!decides(one, [0x70, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn what_the_text_leaves_open_is_open() {
        let open = |syscalls: Value, args: [u64; 6]| filter(syscalls).ruling(&Syscall::new("getppid", args));
        let twice =
            json!([{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 2, "op": "SCMP_CMP_EQ" }]);
        let call = [1, 0, 0, 0, 0, 0];
        assert_eq!(open(entry(twice), call), Ruling::Open("seccomp.same-argument-twice"));
        let named = |action: &str| json!({ "names": ["getppid"], "action": action });
        let disagree = json!([named("SCMP_ACT_KILL"), named("SCMP_ACT_ERRNO")]);
        assert_eq!(open(disagree, call), Ruling::Open("seccomp.entries-that-disagree"));
        let lower = json!([{ "names": ["read"], "action": "SCMP_ACT_ERRNO" }]);
        assert_eq!(open(lower, call), Ruling::Open("seccomp.later-calls"));
    }

    #[test]
    fn a_misreading_shows_in_a_call_that_it_gets_wrong() {
        let one = filter(entry(json!([{ "index": 1, "value": 3, "op": "SCMP_CMP_EQ" }])));
        let call = Syscall::new("getppid", [0, 3, 0, 0, 0, 0]);
        let shows: Vec<_> = Misreading::all().filter(|it| one.misread(&call, *it) != one.ruling(&call)).collect();
        let expected = [Misreading::FirstName, Misreading::IndexFromOne, Misreading::Negated(Operator::Eq)];
        assert_eq!(shows, expected);
    }

    #[test]
    fn a_number_beside_another_action_is_refused() {
        let seccomp = json!({ "defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1 });
        let offence = view(&json!({ "linux": { "seccomp": seccomp } })).unwrap_err();
        assert_eq!(offence.refusal, Some("seccomp.default-errno-refused"));
    }
}

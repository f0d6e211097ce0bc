//! The program that decides on system calls: classic BPF over struct seccomp_data, as seccomp(2) takes it.
//!
//! libseccomp knows each call's number on each architecture, and more is not asked of it: of several entries that compare
//! arguments of one call its own programs let some match that don't, and others not that do; and they take a hundred
//! times as long to make.

use crate::error::{Doing, Error, Result};
use crate::seccomp::ARCHITECTURES;
use libseccomp::{ScmpArch, ScmpSyscall};
use nix::libc;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator as Operator,
};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

/// One instruction, as struct sock_filter in linux/filter.h: operation, jumps if it holds and if not, and value.
type Instruction = (u16, u8, u8, u32);

// The few operations that are needed; each name is that of linux/bpf_common.h.
const LD_W_ABS: u16 = 0x20;
const AND_K: u16 = 0x54;
const JA: u16 = 0x05;
const JEQ_K: u16 = 0x15;
const JGT_K: u16 = 0x25;
const JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

// Where struct seccomp_data has its parts, in bytes.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// From this number on the calls of x86-64's kernel are those of x32.
const X32: u32 = 0x4000_0000;

/// What becomes of calls by the convention of another architecture. // [seccomp.architecture-unlisted]
const UNLISTED: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Calls that are newer than Debian's libseccomp, by their numbers, which are the same everywhere.
const LATER: (i32, &str) = (
    448,
    "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait \
     futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat \
     listxattrat removexattrat open_tree_attr file_getattr file_setattr",
);

/// Calls that x86 first had through socketcall(2) and ipc(2) alone, by their later numbers. To ask libseccomp for the name of
/// each number takes longer than all the rest.
const DIRECT_ON_X86: [(u32, &str); 4] = [
    (337, "recvmmsg"),
    (345, "sendmmsg"),
    (
        359,
        "socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg \
         recvfrom recvmsg shutdown",
    ),
    (393, "semget semctl shmget shmctl shmat shmdt msgget msgsnd msgrcv msgctl"),
];

/// What becomes of one call: the action of the first rule whose comparisons hold, else the last one.
#[derive(Clone)]
struct Decision {
    rules: Vec<(Vec<LinuxSeccompArg>, u32)>,
    otherwise: u32,
    /// Whether no entry without comparisons has been met.
    open: bool,
}

/// Decisions in the order of calls' numbers, each from one on and up to the next.
type Ranges = Vec<(u32, Decision)>;

impl Decision {
    fn new(otherwise: u32) -> Self {
        Decision { rules: Vec::new(), otherwise, open: true }
    }

    // [seccomp.several-entries] [seccomp.entries-that-disagree]
    fn add(&mut self, args: Vec<LinuxSeccompArg>, action: u32) {
        match (self.open, args.is_empty()) {
            (false, _) => {}
            (true, false) => self.rules.push((args, action)),
            (true, true) => (self.otherwise, self.open) = (action, false),
        }
    }

    /// Without the rules that make no difference.
    fn reduced(mut self) -> Self {
        while self.rules.pop_if(|(_, action)| *action == self.otherwise).is_some() {}
        self
    }
}

/// Makes the program, as an array of struct sock_filter.
///
/// # Errors
/// It becomes longer than Linux takes.
pub fn compile(seccomp: &LinuxSeccomp) -> Result<Vec<u8>> {
    let mut program = vec![(LD_W_ABS, 0, 0, ARCHITECTURE)];
    for (token, interface) in interfaces(seccomp)? {
        let mut ranges: Ranges = interface.into_values().flatten().collect();
        ranges.dedup_by(|(_, next), (_, one)| next.rules == one.rules && next.otherwise == one.otherwise);
        let tree = tree(&ranges);
        program.extend([(JEQ_K, 1, 0, token), (JA, 0, 0, length(&tree) + 1), (LD_W_ABS, 0, 0, NUMBER)]);
        program.extend(tree);
    }
    program.push((RET_K, 0, 0, UNLISTED));
    if program.len() > libc::BPF_MAXINSNS as usize {
        let length = program.len();
        return Err(Error::new(format!("its {length} instructions are more than Linux takes, {}", libc::BPF_MAXINSNS)));
    }
    let bytes = |(code, yes, no, value): Instruction| {
        let ([c0, c1], [v0, v1, v2, v3]) = (code.to_ne_bytes(), value.to_ne_bytes());
        [c0, c1, yes, no, v0, v1, v2, v3]
    };
    Ok(program.into_iter().flat_map(bytes).collect())
}

/// The decisions of each kernel interface, by its token in linux/audit.h and by the first of an architecture's numbers.
// [seccomp.native-calls] [seccomp.architecture-listed]
fn interfaces(seccomp: &LinuxSeccomp) -> Result<BTreeMap<u32, BTreeMap<u32, Ranges>>> {
    let mut interfaces: BTreeMap<u32, BTreeMap<u32, Ranges>> = BTreeMap::new();
    for arch in [Arch::ScmpArchNative].iter().chain(seccomp.architectures().iter().flatten()) {
        let arch = if *arch == Arch::ScmpArchNative { native()? } else { *arch };
        let (token, first) = match arch {
            Arch::ScmpArchX32 => (Arch::ScmpArchX86_64 as u32, X32),
            other => (other as u32, 0),
        };
        interfaces.entry(token).or_default().insert(first, ranges(seccomp, arch, first)?);
    }
    if let Some(both) = interfaces.get_mut(&(Arch::ScmpArchX86_64 as u32)) {
        for first in [0, X32] {
            both.entry(first).or_insert_with(|| vec![(first, Decision::new(UNLISTED))]);
        }
    }
    Ok(interfaces)
}

/// The architecture that this program is made for.
fn native() -> Result<Arch> {
    let is_native = |name: &String| name.parse().is_ok_and(|arch: ScmpArch| arch == ScmpArch::native());
    let name = ARCHITECTURES.split(' ').map(|name| format!("SCMP_ARCH_{name}")).find(is_native);
    name.and_then(|name| name.parse().ok()).ok_or_else(|| Error::new("libseccomp doesn't know this architecture"))
}

/// The decisions about one architecture's calls, whose numbers begin with `first`.
fn ranges(seccomp: &LinuxSeccomp, arch: Arch, first: u32) -> Result<Ranges> {
    let calls = Calls::of(arch)?;
    // [seccomp.default-action-applied] [seccomp.default-errno-code] [seccomp.default-errno-left-out]
    let default = Decision::new(seccomp.default_action().as_u32(seccomp.default_errno_ret()));
    let mut decisions: BTreeMap<u32, Decision> = BTreeMap::new();
    for entry in seccomp.syscalls().iter().flatten() {
        // [seccomp.errno-code] [seccomp.errno-left-out] [seccomp.trace-code] [seccomp.trace-code-left-out]
        let action = entry.action().as_u32(entry.errno_ret());
        let args = entry.args().as_deref().unwrap_or_default();
        // [seccomp.every-name]
        for (number, args) in entry.names().iter().flat_map(|name| calls.of_name(name, args)) {
            decisions.entry(number).or_insert_with(|| default.clone()).add(args, action);
        }
    }
    let mut ranges = vec![(first, default.clone())];
    for (number, decision) in decisions {
        ranges.pop_if(|(from, _)| *from == number);
        ranges.extend([(number, decision.reduced()), (number + 1, default.clone())]);
    }
    Ok(ranges)
}

/// What one architecture calls its calls.
struct Calls {
    arch: ScmpArch,
    /// The numbers of calls for which libseccomp gives none, because they can also be made through another one.
    direct: OnceCell<HashMap<String, u32>>,
}

impl Calls {
    fn of(arch: Arch) -> Result<Self> {
        let arch = arch.to_string().parse().doing(|| format!("read {arch}"))?;
        Ok(Calls { arch, direct: OnceCell::new() })
    }

    /// The numbers of the calls that a name stands for, and with which comparisons.
    // [seccomp.unknown-name]
    fn of_name(&self, name: &str, args: &[LinuxSeccompArg]) -> Vec<(u32, Vec<LinuxSeccompArg>)> {
        match self.number(name) {
            Some(multiplexed @ (-120..=-101 | -224..=-201)) => self.of_multiplexed(name, multiplexed, args),
            Some(number) => u32::try_from(number).map(|number| (number, args.to_vec())).into_iter().collect(),
            None => self.later(name).map(|number| (number, args.to_vec())).into_iter().collect(),
        }
    }

    fn number(&self, name: &str) -> Option<i32> {
        ScmpSyscall::from_name_by_arch(name, self.arch).ok().map(ScmpSyscall::as_raw_syscall)
    }

    /// A call that is also made through socketcall(2) or ipc(2), whose first argument tells which one is meant, and whose
    /// others lie where no filter sees them.
    fn of_multiplexed(&self, name: &str, pseudo: i32, args: &[LinuxSeccompArg]) -> Vec<(u32, Vec<LinuxSeccompArg>)> {
        let direct =
            self.direct.get_or_init(|| if self.arch == ScmpArch::X86 { direct_on_x86() } else { self.looked_up() });
        let mut calls: Vec<_> = direct.get(name).map(|number| (*number, args.to_vec())).into_iter().collect();
        let through = ScmpSyscall::from_name_by_arch_rewrite(name, self.arch).ok().map(ScmpSyscall::as_raw_syscall);
        let which =
            LinuxSeccompArgBuilder::default().value(pseudo.unsigned_abs() % 100).op(Operator::ScmpCmpEq).build();
        if let (true, Some(number @ 0..), Ok(which)) = (args.is_empty(), through, which) {
            calls.push((number.cast_unsigned(), vec![which]));
        }
        calls
    }

    fn looked_up(&self) -> HashMap<String, u32> {
        let numbers = self.offset()..self.offset() + LATER.0;
        let call = |number| ScmpSyscall::from_raw_syscall(number).get_name_by_arch(self.arch).ok();
        numbers.filter_map(|number| Some((call(number)?, number.cast_unsigned()))).collect()
    }

    fn later(&self, name: &str) -> Option<u32> {
        let index = LATER.1.split(' ').position(|later| later == name)?;
        u32::try_from(self.offset() + LATER.0 + i32::try_from(index).ok()?).ok()
    }

    /// What this architecture adds to the numbers that are otherwise the same everywhere.
    fn offset(&self) -> i32 {
        self.number("pidfd_send_signal").map_or(0, |number| number - 424)
    }
}

fn direct_on_x86() -> HashMap<String, u32> {
    let numbered = |(first, names): (u32, &'static str)| names.split(' ').map(str::to_owned).zip(first..);
    DIRECT_ON_X86.into_iter().flat_map(numbered).collect()
}

/// A search for the call's number, which is loaded.
fn tree(ranges: &[(u32, Decision)]) -> Vec<Instruction> {
    match ranges {
        [] => Vec::new(),
        [(_, decision)] => leaf(decision),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let below = tree(low);
            let mut tree = match u8::try_from(below.len()) {
                Ok(length) => vec![(JGE_K, length, 0, high[0].0)],
                Err(_) => vec![(JGE_K, 0, 1, high[0].0), (JA, 0, 0, length(&below))],
            };
            tree.extend(below);
            tree.extend(self::tree(high));
            tree
        }
    }
}

/// What decides on one call: each rule, and if none holds the last word.
fn leaf(decision: &Decision) -> Vec<Instruction> {
    let mut leaf: Vec<Instruction> = decision.rules.iter().flat_map(|(args, action)| rule(args, *action)).collect();
    leaf.push((RET_K, 0, 0, decision.otherwise));
    leaf
}

/// An action, unless an argument fails: of the comparisons of one argument one is enough.
// [seccomp.every-argument] [seccomp.same-argument-twice] [seccomp.argument-index]
fn rule(args: &[LinuxSeccompArg], action: u32) -> Vec<Instruction> {
    // From its end to its beginning, for then it is known how far to jump.
    let mut rule = vec![(RET_K, 0, 0, action)];
    for index in (0..6).rev() {
        let passed = rule.len();
        for arg in args.iter().filter(|arg| arg.index() == index) {
            let end = rule.len();
            let fail = if end == passed { end } else { 0 };
            rule.splice(0..0, comparison(arg, end - passed, fail));
        }
    }
    rule
}

/// Where an instruction of a comparison leads.
enum To {
    Next,
    Pass,
    Fail,
}

/// A comparison, which leads this many instructions past its end if it holds, and if it fails.
// [seccomp.argument-width] [seccomp.not-equal] [seccomp.less] [seccomp.less-or-equal] [seccomp.equal]
// [seccomp.greater-or-equal] [seccomp.greater] [seccomp.masked-equal] [seccomp.masked-equal-without-value-two]
fn comparison(arg: &LinuxSeccompArg, pass: usize, fail: usize) -> Vec<Instruction> {
    use To::{Fail, Next, Pass};
    let offset = ARGUMENTS + 8 * arg.index() as u32;
    let (high, low) = if cfg!(target_endian = "big") { (offset, offset + 4) } else { (offset + 4, offset) };
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let (upper, lower) = halves(arg.value());
    let load = |offset| (LD_W_ABS, Next, Next, offset);
    let ordered = |last| {
        vec![load(high), (JGT_K, Pass, Next, upper), (JEQ_K, Next, Fail, upper), load(low), (last, Pass, Fail, lower)]
    };
    let equal = |mask: u64, value: u64| {
        let ((upper_mask, lower_mask), (upper, lower)) = (halves(mask), halves(value));
        let and = |mask| (AND_K, Next, Next, mask);
        let first = [load(high), and(upper_mask), (JEQ_K, Next, Fail, upper)];
        first.into_iter().chain([load(low), and(lower_mask), (JEQ_K, Pass, Fail, lower)]).collect()
    };
    let (code, negated): (Vec<(u16, To, To, u32)>, bool) = match arg.op() {
        Operator::ScmpCmpEq => (equal(u64::MAX, arg.value()), false),
        Operator::ScmpCmpNe => (equal(u64::MAX, arg.value()), true),
        Operator::ScmpCmpMaskedEq => (equal(arg.value(), arg.value_two().unwrap_or(0)), false),
        Operator::ScmpCmpGe => (ordered(JGE_K), false),
        Operator::ScmpCmpLt => (ordered(JGE_K), true),
        Operator::ScmpCmpGt => (ordered(JGT_K), false),
        Operator::ScmpCmpLe => (ordered(JGT_K), true),
    };
    let (pass, fail) = if negated { (fail, pass) } else { (pass, fail) };
    let length = code.len();
    let far = |at: usize, to| match to {
        Next => 0,
        Pass => (length - 1 - at + pass) as u8,
        Fail => (length - 1 - at + fail) as u8,
    };
    let placed = |(at, (code, yes, no, value))| (code, far(at, yes), far(at, no), value);
    code.into_iter().enumerate().map(placed).collect()
}

fn length(code: &[Instruction]) -> u32 {
    u32::try_from(code.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direct_numbers_of_x86_are_those_of_libseccomp() {
        let calls = Calls { arch: ScmpArch::X86, direct: OnceCell::new() };
        let is_multiplexed = |name: &String| calls.number(name).is_some_and(|number| number < 0);
        let looked_up: BTreeMap<_, _> =
            calls.looked_up().into_iter().filter(|(name, _)| is_multiplexed(name)).collect();
        assert_eq!(looked_up, direct_on_x86().into_iter().collect());
    }
}

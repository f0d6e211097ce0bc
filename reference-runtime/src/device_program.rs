//! The eBPF program that decides on device accesses on cgroup v2.

use crate::device_rules::{ALL, Rule};
use crate::error::{Doing, Result};
use nix::errno::Errno;
use nix::libc;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// One instruction, as struct bpf_insn in linux/bpf.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Instruction {
    code: u8,
    /// Source register in the upper half, destination register in the lower.
    registers: u8,
    offset: i16,
    immediate: i32,
}

// The few operations that are needed; each name is that of linux/bpf.h and linux/bpf_common.h, in lower case.
const LDX_W: u8 = 0x61;
const MOV64_X: u8 = 0xbf;
const MOV64_K: u8 = 0xb7;
const AND32_K: u8 = 0x54;
const RSH32_K: u8 = 0x74;
const JNE_K: u8 = 0x56;
const JEQ_K: u8 = 0x16;
const EXIT: u8 = 0x95;

// Registers: the result, the context, then our own.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const PENDING: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// By what name the kernel knows our programs.
const NAME: &[u8; 16] = b"ocf_devices\0\0\0\0\0";

/// How many programs of one cgroup are looked at; the kernel has no more than 64.
const MOST: usize = 64;

/// A program that the kernel has checked and taken.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    /// Loads a program that means the rules.
    ///
    /// # Errors
    /// bpf(2) refuses.
    pub fn load(rules: &[Rule]) -> Result<Self> {
        load(&program(rules)).map(Program).doing(|| "load the program".into())
    }

    /// Attaches it to the cgroup, beside what is attached above it.
    ///
    /// # Errors
    /// bpf(2) refuses.
    pub fn attach(&self, cgroup: &File) -> Result<()> {
        let (cgroup, program) = (cgroup.as_raw_fd().cast_unsigned(), self.0.as_raw_fd().cast_unsigned());
        let mut attributes = [cgroup, program, ATTACH_CGROUP_DEVICE, ALLOW_MULTI];
        bpf(PROG_ATTACH, &mut attributes).doing(|| "attach the program".into()).map(drop)
    }

    /// As [`Program::attach`], in the place of a program that was attached so before.
    ///
    /// # Errors
    /// bpf(2) refuses.
    pub fn replace(&self, cgroup: &File) -> Result<()> {
        let former = attached(cgroup).doing(|| "look for the former program".into())?;
        // In this order nothing is allowed meanwhile that either denies.
        self.attach(cgroup)?;
        former.iter().try_for_each(|program| detach(program, cgroup)).doing(|| "detach the former program".into())
    }
}

/// Our own programs that are attached to this very cgroup.
fn attached(cgroup: &File) -> nix::Result<Vec<OwnedFd>> {
    #[repr(C)]
    struct Query {
        target: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        ids: u64,
        count: u32,
        padding: u32,
    }
    let mut ids = [0_u32; MOST];
    let mut query = Query {
        target: cgroup.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: MOST as u32,
        padding: 0,
    };
    bpf(PROG_QUERY, &mut query)?;
    let programs = ids[..(query.count as usize).min(MOST)].iter().map(|id| by_id(*id));
    let mut own = Vec::new();
    for program in programs {
        // One that is gone meanwhile needs no detaching.
        if let Ok(program) = program
            && name(&program)? == *NAME
        {
            own.push(program);
        }
    }
    Ok(own)
}

fn by_id(id: u32) -> nix::Result<OwnedFd> {
    let fd = i32::try_from(bpf(PROG_GET_FD_BY_ID, &mut [id, 0, 0])?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn name(program: &OwnedFd) -> nix::Result<[u8; 16]> {
    /// The beginning of struct bpf_prog_info, of which only the name is of interest.
    #[repr(C)]
    struct Information {
        before: [u64; 8],
        name: [u8; 16],
    }
    #[repr(C)]
    struct Attributes {
        fd: u32,
        length: u32,
        information: u64,
    }
    let mut information = Information { before: [0; 8], name: [0; 16] };
    let mut attributes = Attributes {
        fd: program.as_raw_fd().cast_unsigned(),
        length: size_of::<Information>() as u32,
        information: (&raw mut information).expose_provenance() as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(information.name)
}

fn detach(program: &OwnedFd, cgroup: &File) -> nix::Result<()> {
    let (cgroup, program) = (cgroup.as_raw_fd().cast_unsigned(), program.as_raw_fd().cast_unsigned());
    bpf(PROG_DETACH, &mut [cgroup, program, ATTACH_CGROUP_DEVICE, 0]).map(drop)
}

/// For each access the last rule about it decides, and if there is none it is allowed. So the rules are tried from the
/// last to the first: one that denies a pending access ends it, one that allows some takes them out of the pending ones.
fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        // access_type holds the kind of device in its lower half and the accesses in its upper half.
        instruction(LDX_W, KIND, CONTEXT, 0, 0),
        instruction(MOV64_X, PENDING, KIND, 0, 0),
        instruction(AND32_K, KIND, 0, 0, 0xffff),
        instruction(RSH32_K, PENDING, 0, 0, 16),
        instruction(LDX_W, MAJOR, CONTEXT, 4, 0),
        instruction(LDX_W, MINOR, CONTEXT, 8, 0),
    ];
    // Each instruction less is one less for the kernel to check.
    let decides = |(index, rule): &(usize, &Rule)| !rules[index + 1..].iter().any(|later| later.replaces(rule));
    rules.iter().enumerate().filter(decides).rev().for_each(|(_, rule)| program.extend(block(*rule)));
    program.extend(end_with(1));
    program
}

fn block(rule: Rule) -> Vec<Instruction> {
    let access = i32::from(rule.access);
    let body = if rule.allow && rule.access == ALL {
        // Nothing can be pending any more, which the kernel need not find out each time that it checks the program.
        end_with(1).to_vec()
    } else if rule.allow {
        // Take the allowed accesses out; with none left the access as a whole is allowed.
        let mut body = vec![instruction(AND32_K, PENDING, 0, 0, !access), instruction(JNE_K, PENDING, 0, 2, 0)];
        body.extend(end_with(1));
        body
    } else {
        let mut body = vec![
            instruction(MOV64_X, RESULT, PENDING, 0, 0),
            instruction(AND32_K, RESULT, 0, 0, access),
            instruction(JEQ_K, RESULT, 0, 2, 0),
        ];
        body.extend(end_with(0));
        body
    };
    let kind = if rule.block { BLOCK } else { CHARACTER };
    let mut tests = vec![(KIND, kind)];
    tests.extend(rule.major.map(|major| (MAJOR, major.cast_signed())));
    tests.extend(rule.minor.map(|minor| (MINOR, minor.cast_signed())));
    // A test that fails leads past the tests after it and past the body.
    let past = |index: usize| i16::try_from(tests.len() - index - 1 + body.len()).unwrap_or(i16::MAX);
    let tests = tests
        .iter()
        .enumerate()
        .map(|(index, (register, value))| instruction(JNE_K, *register, 0, past(index), *value));
    tests.collect::<Vec<_>>().into_iter().chain(body).collect()
}

fn end_with(result: i32) -> [Instruction; 2] {
    [instruction(MOV64_K, RESULT, 0, 0, result), instruction(EXIT, 0, 0, 0, 0)]
}

fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: source << 4 | destination, offset, immediate }
}

fn load(program: &[Instruction]) -> nix::Result<OwnedFd> {
    let license = c"Apache-2.0";
    #[repr(C)]
    struct Attributes {
        typ: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
    }
    let mut attributes = Attributes {
        typ: TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        instructions: program.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *NAME,
    };
    let fd = i32::try_from(bpf(PROG_LOAD, &mut attributes)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> nix::Result<libc::c_long> {
    // SAFETY: the attributes are as long as is said, and the addresses in them are of values that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    Errno::result(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_rules::{MAKE, READ, WRITE};

    /// Executes a program for one access, as the kernel would.
    fn decide(program: &[Instruction], kind: i32, access: u8, major: i32, minor: i32) -> bool {
        let context = [kind | i32::from(access) << 16, major, minor];
        let (mut registers, mut at) = ([0_i64; 6], 0_usize);
        loop {
            let Instruction { code, registers: names, offset, immediate } = program[at];
            let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
            let number = registers[to] as u32;
            let mut jump = |condition| {
                if condition {
                    at += usize::try_from(offset).unwrap()
                }
            };
            match code {
                LDX_W => registers[to] = i64::from(context[usize::try_from(offset).unwrap() / 4]),
                MOV64_X => registers[to] = registers[from],
                MOV64_K => registers[to] = i64::from(immediate),
                AND32_K => registers[to] = i64::from(number & immediate.cast_unsigned()),
                RSH32_K => registers[to] = i64::from(number >> immediate),
                JNE_K => jump(number != immediate.cast_unsigned()),
                JEQ_K => jump(number == immediate.cast_unsigned()),
                EXIT => return registers[0] == 1,
                other => panic!("unknown operation {other:#x}"),
            }
            at += 1;
        }
    }

    fn rule(allow: bool, major: Option<u32>, minor: Option<u32>, access: u8) -> Rule {
        Rule { allow, block: false, major, minor, access }
    }

    #[test]
    fn a_rule_that_never_decides_is_left_out() {
        let all = MAKE | READ | WRITE;
        let (any, one) = (rule(false, None, None, all), rule(true, Some(1), Some(3), all));
        let part = rule(true, Some(1), Some(3), READ);
        assert_eq!(program(&[one, any, one, one]), program(&[any, one]));
        assert_eq!(program(&[any, part, one]), program(&[any, one]));
        assert_ne!(program(&[any, one, part]), program(&[any, one]));
        let other = Rule { block: true, ..any };
        assert_ne!(program(&[any, other]), program(&[other]));
    }

    #[test]
    fn the_last_rule_about_an_access_decides() {
        let all = MAKE | READ | WRITE;
        let program = program(&[
            rule(false, None, None, all),
            rule(true, Some(10), None, READ | WRITE),
            rule(false, Some(10), Some(229), WRITE),
            rule(true, Some(1), Some(3), all),
        ]);
        let character = |access, major, minor| decide(&program, CHARACTER, access, major, minor);
        assert!(character(READ | WRITE, 10, 1));
        assert!(!character(MAKE, 10, 1));
        assert!(character(READ, 10, 229));
        assert!(!character(READ | WRITE, 10, 229));
        assert!(character(all, 1, 3));
        assert!(!character(READ, 1, 4));
        assert!(decide(&program, BLOCK, all, 8, 0), "no rule speaks of block devices");
    }
}

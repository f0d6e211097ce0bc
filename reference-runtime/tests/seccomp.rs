//! What becomes of system calls.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use libseccomp::{ScmpArch, ScmpNotifReq, ScmpNotifResp, ScmpNotifRespFlags, ScmpSyscall};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::{Arch, LinuxSeccomp};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// A program as the kernel gets it, and the architecture that the tests run on.
struct Program {
    instructions: Vec<(u16, usize, usize, u32)>,
    native: u32,
}

impl Program {
    fn of(seccomp: Value) -> Self {
        let seccomp: LinuxSeccomp = serde_json::from_value(seccomp).unwrap();
        let bytes = ocf_runtime::seccomp_program::compile(&seccomp).unwrap();
        let instructions = bytes.chunks_exact(8).map(|bytes| {
            let half = u16::from_ne_bytes([bytes[0], bytes[1]]);
            (half, bytes[2].into(), bytes[3].into(), u32::from_ne_bytes(bytes[4..].try_into().unwrap()))
        });
        Program { instructions: instructions.collect(), native: native() as u32 }
    }

    /// Executes the program for one call, as the kernel would.
    fn decide(&self, call: i32, args: [u64; 6]) -> u32 {
        let mut data = [call.to_ne_bytes(), self.native.to_ne_bytes(), [0; 4], [0; 4]].concat();
        data.extend(args.iter().flat_map(|arg| arg.to_ne_bytes()));
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let (code, yes, no, value) = self.instructions[at];
            at += 1;
            let mut jump = |condition| at += if condition { yes } else { no };
            match code {
                0x20 => {
                    let offset = value as usize;
                    accumulator = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap());
                }
                0x54 => accumulator &= value,
                0x05 => at += value as usize,
                0x15 => jump(accumulator == value),
                0x25 => jump(accumulator > value),
                0x35 => jump(accumulator >= value),
                0x45 => jump(accumulator & value != 0),
                0x06 => return value,
                other => panic!("unknown operation {other:#x}"),
            }
        }
    }

    fn call(&self, name: &str, args: [u64; 6]) -> u32 {
        self.decide(number(name), args)
    }
}

fn number(name: &str) -> i32 {
    ScmpSyscall::from_name(name).unwrap().as_raw_syscall()
}

fn native() -> Arch {
    let features = ocf_runtime::features::features();
    let names = features["linux"]["seccomp"]["archs"].as_array().unwrap();
    let same = |name: &&Value| name.as_str().unwrap().parse::<ScmpArch>().unwrap() == ScmpArch::native();
    serde_json::from_value(names.iter().find(same).unwrap().clone()).unwrap()
}

/// The names of all calls of this architecture.
fn names() -> BTreeMap<i32, String> {
    let name = |number| Some((number, ScmpSyscall::from_raw_syscall(number).get_name().ok()?));
    (0..1000).filter_map(name).collect()
}

#[test]
fn each_action_is_its_own() {
    let listed = |action: &str, number: Value| {
        let mut entry = json!({ "names": ["getsid"], "action": action });
        if !number.is_null() {
            entry["errnoRet"] = number;
        }
        Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry] })).call("getsid", [0; 6])
    };
    assert_eq!(listed("SCMP_ACT_KILL", Value::Null), KILL_THREAD);
    assert_eq!(listed("SCMP_ACT_KILL_THREAD", Value::Null), KILL_THREAD);
    assert_eq!(listed("SCMP_ACT_KILL_PROCESS", Value::Null), KILL_PROCESS);
    assert_eq!(listed("SCMP_ACT_TRAP", Value::Null), TRAP);
    assert_eq!(listed("SCMP_ACT_ERRNO", Value::Null), ERRNO | 1);
    assert_eq!(listed("SCMP_ACT_ERRNO", json!(0)), ERRNO);
    assert_eq!(listed("SCMP_ACT_ERRNO", json!(4095)), ERRNO | 4095);
    assert_eq!(listed("SCMP_ACT_TRACE", Value::Null), TRACE | 1);
    assert_eq!(listed("SCMP_ACT_TRACE", json!(65535)), TRACE | 65535);
    assert_eq!(listed("SCMP_ACT_LOG", Value::Null), LOG);
    assert_eq!(listed("SCMP_ACT_NOTIFY", Value::Null), NOTIFY);
    assert_eq!(listed("SCMP_ACT_ALLOW", Value::Null), ALLOW);
}

#[test]
fn every_call_is_decided() {
    // Half of the calls, in no order that a tree or a list could be right by chance with.
    let chosen = |number: &i32| number.wrapping_mul(0x1e37_79b1) & 0x100 != 0;
    let all = names();
    let (listed, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.clone().into_iter().partition(|(number, _)| chosen(number));
    assert!(listed.len() > 100 && others.len() > 100, "{} {}", listed.len(), others.len());
    let names: Vec<&String> = listed.values().collect();
    let program = Program::of(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 77,
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "syscalls": [{ "names": names, "action": "SCMP_ACT_ALLOW" }, { "names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77 }],
    }));
    for number in 0..1000 {
        let expected = if listed.contains_key(&number) { ALLOW } else { ERRNO | 77 };
        assert_eq!(program.decide(number, [0; 6]), expected, "{number} {:?}", all.get(&number));
    }
}

#[test]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), ignore = "no second architecture is known here")]
fn other_architectures_calls_have_other_numbers() {
    let (foreign, name) = match native() {
        Arch::ScmpArchX86_64 => (Arch::ScmpArchX86, "SCMP_ARCH_X86"),
        Arch::ScmpArchAarch64 => (Arch::ScmpArchArm, "SCMP_ARCH_ARM"),
        other => panic!("no second architecture is known for {other}"),
    };
    let filter = |architectures: Value| {
        let mut program = Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures,
            "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_ERRNO" }] }));
        assert_eq!(program.call("getsid", [0; 6]), ERRNO | 1);
        program.native = foreign as u32;
        let number = ScmpSyscall::from_name_by_arch("getsid", name.parse().unwrap()).unwrap().as_raw_syscall();
        (program.decide(number, [0; 6]), program.call("getsid", [0; 6]))
    };
    assert_eq!(filter(json!([name])), (ERRNO | 1, ALLOW));
    assert_eq!(filter(json!([])), (KILL_PROCESS, KILL_PROCESS));
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "this architecture's programs know no such calls")]
fn calls_that_are_made_through_another_are_decided_there_too() {
    let mut program = Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{ "names": ["socket", "shmat"], "action": "SCMP_ACT_ERRNO" }] }));
    program.native = Arch::ScmpArchX86 as u32;
    let (socket, shmat, socketcall, ipc) = (359, 397, 102, 117);
    let decide = |number, first| program.decide(number, [first, 0, 0, 0, 0, 0]);
    assert_eq!([decide(socket, 0), decide(shmat, 0), decide(socketcall, 1), decide(ipc, 21)], [ERRNO | 1; 4]);
    assert_eq!([decide(socketcall, 2), decide(ipc, 22), decide(socket + 1, 0)], [ALLOW; 3]);
}

#[test]
fn calls_newer_than_libseccomp_are_known() {
    let program = Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mseal", "file_setattr"], "action": "SCMP_ACT_ERRNO" }] }));
    let offset = number("pidfd_send_signal") - 424;
    assert_eq!(
        [462, 469, 461, 463].map(|number| program.decide(offset + number, [0; 6]) == ALLOW),
        [false, false, true, true]
    );
}

#[test]
fn unknown_names_and_architectures_are_passed_over() {
    let program = Program::of(json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_SHEB", "SCMP_ARCH_M68K", "SCMP_ARCH_LOONGARCH64"],
        "syscalls": [{ "names": ["no_such_call", "getsid", ""], "action": "SCMP_ACT_ERRNO" }],
    }));
    assert_eq!(program.call("getsid", [0; 6]), ERRNO | 1);
    assert_eq!(program.call("getpgid", [0; 6]), ALLOW);
}

const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

type Comparison = fn(u64, u64) -> bool;
type MaskedComparison = fn(u64, u64, u64) -> bool;

#[test]
fn comparisons_are_of_64_unsigned_bits() {
    let operators: [(&str, Comparison); 6] = [
        ("NE", |arg, value| arg != value),
        ("LT", |arg, value| arg < value),
        ("LE", |arg, value| arg <= value),
        ("EQ", |arg, value| arg == value),
        ("GE", |arg, value| arg >= value),
        ("GT", |arg, value| arg > value),
    ];
    for (index, (operator, holds)) in operators.iter().enumerate() {
        for value in EDGES {
            let program = compared(json!([{ "index": index, "value": value, "op": format!("SCMP_CMP_{operator}") }]));
            for arg in EDGES {
                let mut args = [7; 6];
                args[index] = arg;
                assert_eq!(program(args), holds(arg, value), "{arg:#x} {operator} {value:#x}");
            }
        }
    }
}

/// Whether an entry with these `args` matches a call.
fn compared(args: Value) -> impl Fn([u64; 6]) -> bool {
    let program = Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_ERRNO", "args": args }] }));
    move |args| program.call("getsid", args) != ALLOW
}

#[test]
fn masked_comparisons_have_the_mask_first() {
    for mask in EDGES {
        for wanted in [Some(0), Some(1), Some(0x1_0000_0000), Some(u64::MAX), None] {
            let mut comparison = json!({ "index": 3, "value": mask, "op": "SCMP_CMP_MASKED_EQ" });
            if let Some(wanted) = wanted {
                comparison["valueTwo"] = json!(wanted);
            }
            let matches = compared(json!([comparison]));
            for arg in EDGES {
                let expected = arg & mask == wanted.unwrap_or(0);
                assert_eq!(matches([0, 0, 0, arg, 0, 0]), expected, "{arg:#x} & {mask:#x} == {wanted:?}");
            }
        }
    }
}

#[test]
fn all_arguments_have_to_match_and_one_entry_is_enough() {
    let equal = |index, value| json!({ "index": index, "value": value, "op": "SCMP_CMP_EQ" });
    let both = compared(json!([equal(0, 1), equal(5, 2)]));
    assert_eq!([both([1, 0, 0, 0, 0, 2]), both([1, 0, 0, 0, 0, 0]), both([0, 0, 0, 0, 0, 2])], [true, false, false]);
    // Of comparisons of one argument, one; and then each of the others.
    let either = compared(json!([equal(0, 1), equal(0, 2), equal(5, 3)]));
    let seen = [[1, 3], [2, 3], [3, 3], [1, 1], [2, 2]].map(|[first, last]| either([first, 0, 0, 0, 0, last]));
    assert_eq!(seen, [true, true, false, false, false]);
    let entry = |value| json!({ "names": ["getsid"], "action": "SCMP_ACT_ERRNO", "args": [equal(0, value)] });
    let program = Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry(4), entry(1), entry(9)] }));
    let seen = [1, 4, 9, 5].map(|first| program.call("getsid", [first, 0, 0, 0, 0, 0]) != ALLOW);
    assert_eq!(seen, [true, true, true, false]);
}

/// Perl that makes a call and gives its result, or the error's number with a minus in front.
const CALL: &str = "sub call { my $r = syscall(shift, @_); $r == -1 ? -($!+0) : $r }";

/// The config of a container in which perl executes `script`, filtered by `seccomp`.
fn config(sandbox: &Sandbox, script: &str, seccomp: Value) -> Value {
    let mut config = sandbox.config("");
    config["process"]["args"] =
        json!(["/usr/bin/perl", "-e", format!("open(STDOUT,'>/out/result');$|=1;{CALL};{script}")]);
    config["linux"]["seccomp"] = seccomp;
    config
}

/// Runs it, and gives what the script printed.
fn run(sandbox: &Sandbox, script: &str, seccomp: Value) -> String {
    sandbox.live(&config(sandbox, script, seccomp));
    sandbox.out("result")
}

#[test]
fn actions_take_effect() {
    sandboxed(|sandbox| {
        let entries = [
            ("SCMP_ACT_ERRNO", libc::SYS_getsid, "getsid"),
            ("SCMP_ACT_TRACE", libc::SYS_getpgid, "getpgid"),
            ("SCMP_ACT_LOG", libc::SYS_sched_get_priority_max, "sched_get_priority_max"),
            ("SCMP_ACT_ALLOW", libc::SYS_sched_get_priority_min, "sched_get_priority_min"),
            ("SCMP_ACT_TRAP", libc::SYS_getpriority, "getpriority"),
            ("SCMP_ACT_KILL", libc::SYS_sysinfo, "sysinfo"),
            ("SCMP_ACT_KILL_THREAD", libc::SYS_sched_getparam, "sched_getparam"),
            ("SCMP_ACT_KILL_PROCESS", libc::SYS_mincore, "mincore"),
        ];
        let syscalls = entries.iter().map(|(action, _, name)| json!({ "names": [name], "action": action }));
        let numbers = entries.map(|(_, number, _)| number.to_string()).join(",");
        // A child makes each call: it exits with the result, or is ended by a signal.
        let script = format!(
            "for my $n ({numbers}) {{ if (!fork) {{ my $r = call($n, 1, 0, 0); print \"$r\\n\"; exit }} wait; \
             print 'signal ', $? & 127, \"\\n\" if $?; }}"
        );
        let seccomp = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls.collect::<Vec<_>>() });
        let (killed, nobody) = (format!("signal {}", libc::SIGSYS), format!("-{}", libc::ENOSYS));
        let expected = ["-1", &nobody, "99", "1", &killed, &killed, &killed, &killed];
        assert_eq!(run(sandbox, &script, seccomp).lines().collect::<Vec<_>>(), expected);
    });
}

#[test]
fn numbers_and_arguments_take_effect() {
    sandboxed(|sandbox| {
        let all = names();
        let allowed: Vec<&String> =
            all.values().filter(|name| !["getsid", "getpgid", "times"].contains(&name.as_str())).collect();
        let wide = json!({ "index": 0, "value": 0x1_0000_0005_u64, "op": "SCMP_CMP_EQ" });
        let seccomp = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 77,
            "syscalls": [
                { "names": allowed, "action": "SCMP_ACT_ALLOW" },
                { "names": ["getpgid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 78, "args": [wide] },
                { "names": ["times"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0 },
            ],
        });
        let (getsid, getpgid, times) = (libc::SYS_getsid, libc::SYS_getpgid, libc::SYS_times);
        let script = format!(
            "print join(' ', call({getsid}), call({getpgid}, 5), call({getpgid}, 0x100000005), call({times}, 0))"
        );
        assert_eq!(run(sandbox, &script, seccomp), "-77 -77 -78 0");
    });
}

#[test]
fn nothing_but_the_execution_is_subject_to_it() {
    sandboxed(|sandbox| {
        // What the runtime itself calls for a process with less privileges, and what speaks of its state.
        let names = [
            "capset",
            "prctl",
            "setresuid",
            "setresgid",
            "setgroups",
            "seccomp",
            "chdir",
            "sendmsg",
            "sendto",
            "write",
            "writev",
            "umask",
            "sched_yield",
            "futex",
            "close_range",
            "setsid",
            "fork",
            "vfork",
            "wait4",
        ];
        let status = |sandbox: &Sandbox, filtered: bool, no_new_privileges: bool, uid: u32| {
            let mut config = config(sandbox, "", Value::Null);
            config["process"]["args"] = json!(["/bin/cp", "/proc/self/status", "/open/status"]);
            config["process"]["user"] = json!({ "uid": uid, "gid": uid });
            config["process"]["noNewPrivileges"] = json!(no_new_privileges);
            config["process"]["capabilities"] = json!({ "bounding": ["CAP_CHOWN", "CAP_KILL"],
                "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"] });
            let open = sandbox.path("open");
            let _ = fs::create_dir(&open);
            fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
            let mount = json!({ "destination": "/open", "source": open, "options": ["bind"] });
            config["mounts"].as_array_mut().unwrap().push(mount);
            if filtered {
                let killed = names.iter().filter(|name| **name != "write");
                config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{ "names": killed.collect::<Vec<_>>(), "action": "SCMP_ACT_KILL_PROCESS" }] });
            }
            sandbox.live(&config);
            let text = fs::read_to_string(open.join("status")).unwrap();
            fs::remove_file(open.join("status")).unwrap();
            let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
            (line("Seccomp:"), ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:"].map(line))
        };
        for (no_new_privileges, uid) in [(false, 0), (true, 0), (false, 1000), (true, 1000)] {
            let (mode, without) = status(sandbox, false, no_new_privileges, uid);
            assert_eq!(mode, "Seccomp:\t0");
            assert_eq!(status(sandbox, true, no_new_privileges, uid), ("Seccomp:\t2".to_owned(), without));
        }
    });
}

#[test]
fn hooks_are_not_subject_to_it_and_a_failed_start_can_be_tried_again() {
    sandboxed(|sandbox| {
        let call =
            |file: &str| format!("open(STDOUT,'>>/out/{file}');{CALL};print call({}, 0) > 0, ';'", libc::SYS_getsid);
        let mut config = config(
            sandbox,
            "",
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_ERRNO" }] }),
        );
        config["process"]["args"] = json!(["/out/program"]);
        let hook = json!({ "path": "/usr/bin/perl", "args": ["perl", "-e", call("hook")] });
        config["hooks"] = json!({ "startContainer": [hook] });
        sandbox.create(&config);
        assert!(sandbox.refused(&["start", "c1"]).contains("/out/program"));
        let program = sandbox.path("out/program");
        fs::write(&program, format!("#!/usr/bin/perl\n{}", call("result"))).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        // Before the first try there was no filter, and before the second one it was in force already.
        assert_eq!((sandbox.out("hook").as_str(), sandbox.out("result").as_str()), ("1;;", ";"));
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn flags_are_passed_on() {
    sandboxed(|sandbox| {
        let script = "open(F,'/proc/self/status');print grep {/^Speculation_Store_Bypass/} <F>";
        let plain = run(sandbox, script, Value::Null);
        for flag in ocf_runtime::features::features()["linux"]["seccomp"]["supportedFlags"].as_array().unwrap() {
            let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": [flag], "syscalls": [
                { "names": ["getsid"], "action": "SCMP_ACT_ERRNO" }] });
            let result = run(sandbox, &format!("{script}; print call({})", libc::SYS_getsid), filter);
            let without = result.strip_suffix("-1").unwrap();
            if flag == "SECCOMP_FILTER_FLAG_SPEC_ALLOW" {
                assert_eq!(without, plain);
            }
        }
    });
}

/// What whoever listens hears over one connection, up to its end: the text, and the descriptor of its first bytes.
fn hear(listener: &UnixListener) -> (Value, OwnedFd) {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    use std::os::fd::FromRawFd;
    // A container that failed never connects.
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    let heard = wait_until(|| {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    assert!(heard, "nobody connected");
    let (mut connection, _) = accepted.unwrap();
    connection.set_nonblocking(false).unwrap();
    let mut text = vec![0; 16];
    let mut buffers = [std::io::IoSliceMut::new(&mut text)];
    let mut space = nix::cmsg_space!([i32; 4]);
    let message = recvmsg::<()>(connection.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::empty()).unwrap();
    let fds: Vec<i32> = message
        .cmsgs()
        .unwrap()
        .flat_map(|message| match message {
            ControlMessageOwned::ScmRights(fds) => fds,
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(message.bytes, 16);
    connection.read_to_end(&mut text).unwrap();
    assert_eq!(fds.len(), 1);
    // SAFETY: the descriptor has just been received, and nobody else knows it.
    (serde_json::from_slice(&text).unwrap(), unsafe { OwnedFd::from_raw_fd(fds[0]) })
}

/// Answers calls until nobody is left who could make one: `number` with the answer, others by letting them be made.
fn answer(notifications: BorrowedFd, number: i64, answer: i64) -> usize {
    let mut answered = 0;
    loop {
        let mut fds = [PollFd::new(notifications, PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
        if !fds[0].revents().unwrap().contains(PollFlags::POLLIN) {
            return answered;
        }
        let Ok(call) = ScmpNotifReq::receive(notifications.as_raw_fd()) else { continue };
        let response = if i64::from(call.data.syscall.as_raw_syscall()) == number {
            ScmpNotifResp::new_val(call.id, answer, ScmpNotifRespFlags::empty())
        } else {
            ScmpNotifResp::new_continue(call.id, ScmpNotifRespFlags::empty())
        };
        answered += usize::from(response.respond(notifications.as_raw_fd()).is_ok());
    }
}

/// A container whose calls are answered, and what whoever answers them was told.
fn answered(sandbox: &Sandbox, filter: Value) -> (Value, String, usize) {
    let socket = sandbox.path("agent");
    let mut filter = filter;
    filter["listenerPath"] = json!(socket);
    let script = format!("print call({}, 5)", libc::SYS_getsid);
    let mut config = config(sandbox, &script, filter);
    config["annotations"] = json!({ "long": "x".repeat(300_000) });
    sandbox.bundle(&config);
    let listener = UnixListener::bind(&socket).unwrap();
    let (told, count) = std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            let (told, notifications) = hear(&listener);
            (told, answer(notifications.as_fd(), libc::SYS_getsid, 4242))
        });
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        agent.join().unwrap()
    });
    let pid = told["pid"].clone();
    assert!(pid.as_i64().unwrap() > 1, "{pid}");
    sandbox.must(&["delete", "c1"]);
    fs::remove_file(&socket).unwrap();
    (told, sandbox.out("result"), count)
}

#[test]
fn notifications_go_to_whoever_listens() {
    sandboxed(|sandbox| {
        let (told, result, count) = answered(
            sandbox,
            json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "what it is",
            "flags": ocf_runtime::features::features()["linux"]["seccomp"]["supportedFlags"],
            "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_NOTIFY" }] }),
        );
        assert_eq!((result.as_str(), count), ("4242", 1));
        assert_eq!(told["ociVersion"], "1.3.0");
        assert_eq!(told["fds"], json!(["seccompFd"]));
        assert_eq!(told["metadata"], "what it is");
        let state = &told["state"];
        assert_eq!((&state["id"], &state["pid"], &state["status"]), (&json!("c1"), &told["pid"], &json!("created")));
        assert_eq!(state["bundle"], json!(sandbox.path("bundle")));
        assert_eq!(state["annotations"]["long"].as_str().unwrap().len(), 300_000);
    });
}

#[test]
fn each_call_may_be_one_to_be_answered() {
    sandboxed(|sandbox| {
        let (told, result, count) = answered(sandbox, json!({ "defaultAction": "SCMP_ACT_NOTIFY" }));
        assert_eq!((result.as_str(), told.get("metadata")), ("4242", None));
        assert!(count > 20, "{count}");
    });
}

#[test]
fn a_further_program_has_a_listener_of_its_own() {
    sandboxed(|sandbox| {
        let socket = sandbox.path("agent");
        let filter = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket,
            "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_NOTIFY" }] });
        let mut config = config(sandbox, "", filter);
        config["process"]["args"] = json!(["/bin/sleep", "1000"]);
        sandbox.bundle(&config);
        let listener = UnixListener::bind(&socket).unwrap();
        let program = format!("{CALL}; print call({}, 5), ' ', $$", libc::SYS_getsid);
        std::thread::scope(|scope| {
            let agent = scope.spawn(|| {
                let first = hear(&listener);
                let (told, notifications) = hear(&listener);
                assert_eq!(answer(notifications.as_fd(), libc::SYS_getsid, 4242), 1);
                (first.0, told)
            });
            sandbox.create(&config);
            sandbox.must(&["start", "c1"]);
            let said = sandbox.must(&["exec", "c1", "/usr/bin/perl", "-e", &program]).stdout;
            assert!(said.starts_with("4242 "), "{said}");
            let (first, told) = agent.join().unwrap();
            assert_eq!((&told["state"]["pid"], &told["state"]["status"]), (&first["pid"], &json!("running")));
            assert!(told["pid"].as_i64().unwrap() > first["pid"].as_i64().unwrap(), "{told}");
        });
        fs::remove_file(&socket).unwrap();
        assert!(sandbox.refused(&["exec", "c1", "/bin/true"]).contains("listenerPath"));
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

#[test]
fn without_anybody_who_listens_a_start_fails_and_can_be_tried_again() {
    sandboxed(|sandbox| {
        let socket = sandbox.path("agent");
        let config = config(
            sandbox,
            &format!("print call({})", libc::SYS_getsid),
            json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket,
            "syscalls": [{ "names": ["getsid"], "action": "SCMP_ACT_NOTIFY" }] }),
        );
        sandbox.create(&config);
        assert!(sandbox.refused(&["start", "c1"]).contains("listenerPath"));
        assert_eq!(sandbox.status(), "created");
        let listener = UnixListener::bind(&socket).unwrap();
        sandbox.must(&["start", "c1"]);
        assert_eq!(answer(hear(&listener).1.as_fd(), libc::SYS_getsid, 7), 1);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        assert_eq!(sandbox.out("result"), "7");
        sandbox.must(&["delete", "c1"]);
    });
}

#[test]
fn a_listener_that_nothing_is_sent_to_is_ignored() {
    sandboxed(|sandbox| {
        let filter =
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nobody/here", "listenerMetadata": "x" });
        assert_eq!(run(sandbox, "print 'ran'", filter), "ran");
    });
}

#[test]
fn what_no_filter_can_be_made_of_is_refused_by_name() {
    sandboxed(|sandbox| {
        let entry = |change: Value| {
            let mut entry = json!({ "names": ["getsid"], "action": "SCMP_ACT_ALLOW" });
            entry.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry] })
        };
        let arg = |arg: Value| entry(json!({ "args": [arg] }));
        let cases = [
            (json!({}), "linux.seccomp.defaultAction is required"),
            (json!({ "defaultAction": "SCMP_ACT_NONE" }), "SCMP_ACT_NONE"),
            (json!({ "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1 }), "linux.seccomp.defaultErrnoRet"),
            (json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096 }), "4096"),
            (json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1 }), "-1"),
            (json!({ "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_NONE"] }), "SCMP_ARCH_NONE"),
            (json!({ "defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_NONE"] }), "FLAG_NONE"),
            (json!({ "defaultAction": "SCMP_ACT_ERRNO", "listenerMetadata": "x" }), "linux.seccomp.listenerMetadata"),
            (json!({ "defaultAction": "SCMP_ACT_NOTIFY" }), "listenerPath"),
            (entry(json!({ "names": [] })), "linux.seccomp.syscalls[0]: names"),
            (entry(json!({ "names": null })), "linux.seccomp.syscalls[].names is required"),
            (entry(json!({ "action": null })), "linux.seccomp.syscalls[].action is required"),
            (entry(json!({ "errnoRet": 0 })), "linux.seccomp.syscalls[0]: errnoRet"),
            (entry(json!({ "action": "SCMP_ACT_TRACE", "errnoRet": 65536 })), "65536"),
            (arg(json!({ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" })), "no argument 6"),
            (arg(json!({ "index": 0, "op": "SCMP_CMP_EQ" })), "linux.seccomp.syscalls[].args[].value is required"),
            (arg(json!({ "index": 0, "value": -1, "op": "SCMP_CMP_EQ" })), "-1"),
            (arg(json!({ "index": 0, "value": 0, "op": "SCMP_CMP_NONE" })), "SCMP_CMP_NONE"),
        ];
        for (seccomp, named) in cases {
            let error = sandbox.create_refused(&config(sandbox, "", seccomp));
            assert!(error.contains(named), "{named}: {error}");
        }
    });
}

#[test]
fn features_name_what_is_recognized() {
    let features = ocf_runtime::features::features();
    let seccomp = &features["linux"]["seccomp"];
    assert_eq!(seccomp["enabled"], true);
    let list = |name: &str| seccomp[name].as_array().unwrap().clone();
    assert_eq!(["actions", "operators", "archs", "knownFlags"].map(|name| list(name).len()), [9, 7, 23, 4]);
    let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": list("archs"), "flags": list("knownFlags"),
        "syscalls": list("actions").iter().zip(list("operators").iter().cycle()).map(|(action, operator)| json!({
            "names": ["getsid"], "action": action, "args": [{ "index": 0, "value": 1, "op": operator }] })).collect::<Vec<_>>() });
    Program::of(filter);
    assert!(list("supportedFlags").iter().all(|flag| list("knownFlags").contains(flag)));
}

/// Entries with many comparisons each, against what the words say of them: one that matches decides, the first of several.
#[test]
fn entries_that_overlap_are_told_apart() {
    let operators: [(&str, MaskedComparison); 7] = [
        ("NE", |arg, value, _| arg != value),
        ("LT", |arg, value, _| arg < value),
        ("LE", |arg, value, _| arg <= value),
        ("EQ", |arg, value, _| arg == value),
        ("GE", |arg, value, _| arg >= value),
        ("GT", |arg, value, _| arg > value),
        ("MASKED_EQ", |arg, mask, value| arg & mask == value),
    ];
    let mut seed = 88_172_645_463_325_252_u64;
    let mut below = move |limit: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize % limit
    };
    for _ in 0..100 {
        let mut entries = Vec::new();
        for _ in 0..=below(4) {
            let mut comparison =
                |index| (index, below(operators.len()), EDGES[below(EDGES.len())], EDGES[below(EDGES.len())]);
            let args: Vec<_> = (0..3).map(&mut comparison).collect();
            entries.push(args.into_iter().filter(|_| below(2) == 0).collect::<Vec<_>>());
        }
        let json = |(index, operator, value, second): &(usize, usize, u64, u64)| json!({ "index": index, "op": format!("SCMP_CMP_{}", operators[*operator].0), "value": value, "valueTwo": second });
        let syscalls = entries.iter().zip(10..).map(|(args, errno)| {
            json!({ "names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno,
                "args": args.iter().map(json).collect::<Vec<_>>() })
        });
        let program =
            Program::of(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls.collect::<Vec<_>>() }));
        for number in 0..EDGES.len().pow(3) {
            let arg = |place: u32| EDGES[number / EDGES.len().pow(place) % EDGES.len()];
            let args = [arg(0), arg(1), arg(2), 0, 0, 0];
            let holds = |(index, operator, value, second): &(usize, usize, u64, u64)| {
                operators[*operator].1(args[*index], *value, *second)
            };
            let first = entries.iter().zip(10..).find(|(entry, _)| entry.iter().all(holds));
            let expected = first.map_or(ALLOW, |(_, errno)| ERRNO | errno);
            assert_eq!(program.call("getsid", args), expected, "{args:x?} {entries:x?}");
        }
    }
}

//! The witness itself, run natively: outside a container, but as it is.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{ffi, fs};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, getgroups, getuid};
use serde_json::{Value, json};

use super::*;
use crate::evidence::COMPLETE;
use crate::journal::{append, facts, labels, parse};
use crate::mountinfo;

/// How long the slowest machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a journal, in which copies of the witness run.
struct Stage {
    directory: PathBuf,
    journal: File,
    nonce: Nonce,
    writers: BTreeMap<Nonce, String>,
    changed: Inotify,
}

impl Stage {
    fn new() -> Self {
        let nonce = Nonce::fresh().unwrap();
        let directory = std::env::temp_dir().join(format!("ocf-witness-{nonce}"));
        fs::create_dir(&directory).unwrap();
        let path = directory.join("journal");
        let journal = OpenOptions::new().read(true).append(true).create_new(true).open(&path).unwrap();
        let changed = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
        changed.add_watch(&path, AddWatchFlags::IN_MODIFY).unwrap();
        let writers = BTreeMap::from([(nonce.clone(), "process".to_owned())]);
        Self { directory, journal, nonce, writers, changed }
    }

    fn journal(&self) -> Journal {
        Journal::Path(self.directory.join("journal"))
    }

    fn command(&self, instructions: Vec<Instruction>) -> Command {
        self.command_with(self.journal(), instructions)
    }

    fn command_with(&self, journal: Journal, instructions: Vec<Instruction>) -> Command {
        let program = Program { nonce: self.nonce.clone(), writer: "process".to_owned(), journal, instructions };
        Command::new(self.executable(&copy(&program).unwrap()))
    }

    /// An executable file, written by cp: another test's child could keep a file of ours open for writing, and
    /// then it can't be executed.
    fn executable(&self, bytes: &[u8]) -> PathBuf {
        let (data, program) = (self.directory.join("data"), self.directory.join("program"));
        fs::write(&data, bytes).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new("cp").arg("-p").arg(&data).arg(&program).status().unwrap().success());
        program
    }

    /// Runs the instructions to their end, with status 0.
    fn run(&self, instructions: Vec<Instruction>) {
        let status = self.command(instructions).stdin(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.text());
    }

    fn text(&self) -> String {
        fs::read_to_string(self.directory.join("journal")).unwrap()
    }

    fn parsed(&self) -> crate::journal::Journal {
        parse(&fs::read(self.directory.join("journal")).unwrap(), &self.writers).unwrap()
    }

    fn labels(&self) -> Value {
        labels(&self.parsed().entries)
    }

    /// The facts of a moment, which has to be complete.
    fn facts(&self, moment: &str) -> Value {
        let facts = facts(&self.parsed().entries, "process", moment);
        assert_eq!(facts[crate::journal::REPORTED], true, "{moment}: {}", self.text());
        facts
    }

    /// The answer to one question.
    fn answer(&self, what: Try) -> Value {
        let question = Question { name: "an/s~wer".to_owned(), what, at: None };
        fs::write(self.directory.join("journal"), "").unwrap();
        self.run(vec![Instruction::from(&question), Instruction::done("start")]);
        let mut answer = self.facts("start")["an/s~wer"].clone();
        // A refusal is told to be the whole answer.
        if let Some(fields) = answer.as_object_mut().filter(|fields| fields.contains_key("error") && fields.len() == 2)
        {
            fields.remove(COMPLETE);
        }
        answer
    }

    fn order(&self, instruction: Instruction) {
        append(&self.journal, &order_record(&self.nonce, &instruction)).unwrap();
    }

    /// Waits until the journal has a label so often.
    fn wait(&self, label: &str, times: usize) {
        let until = Instant::now() + PATIENCE;
        while self.labels()[label].as_array().map_or(0, Vec::len) < times {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{label} did not come: {}", self.text());
            let mut sources = [PollFd::new(std::os::fd::AsFd::as_fd(&self.changed), PollFlags::POLLIN)];
            if poll(&mut sources, PollTimeout::try_from(left).unwrap()).unwrap() > 0 {
                self.changed.read_events().unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// A child that dies with its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn end(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn words_are_encoded() {
    assert_eq!(encode(b"/a-Z0.9_:=,@+"), "/a-Z0.9_:=,@+");
    assert_eq!(encode("a b%\n\"é".as_bytes()), "a%20b%25%0A%22%C3%A9");
    assert_eq!(encode(b""), "%");
}

#[test]
fn the_program_text_is_a_line_an_instruction() {
    let program = Program {
        nonce: Nonce("0123456789abcdef".to_owned()),
        writer: "hook:poststop/0".to_owned(),
        journal: Journal::Path("/a b/journal".into()),
        instructions: vec![Instruction::report("after start"), Instruction::exit(3)],
    };
    let text =
        "nonce 0123456789abcdef\nwriter hook:poststop/0\njournal file /a%20b/journal\nreport after%20start\nexit 3\n";
    assert_eq!(program.text(), text);
    let text = Program { journal: Journal::Fd(1), ..program }.text();
    assert!(text.contains("\njournal fd 1\n"), "{text}");
}

#[test]
fn a_question_has_its_fields_in_order() {
    let what = Try::Syscall(Syscall::new("getcwd", [0, u64::MAX]));
    let instruction = Instruction::of_order(&Order::Ask { name: "é".to_owned(), what }, "step 1");
    assert_eq!(instruction.to_string(), "ask step%201 %C3%A9 syscall getcwd 0 18446744073709551615");
    let what = Try::Write { path: "/x".to_owned(), text: String::new() };
    assert_eq!(Instruction::ask("a", "b", &what).to_string(), "ask a b write /x %");
}

#[test]
fn an_order_is_a_record_to_a_nonce() {
    let nonce = Nonce("0123456789abcdef".to_owned());
    let record = order_record(&nonce, &Instruction::handle("SIGTERM"));
    assert_eq!(record, r#"{"to":"0123456789abcdef","order":"handle SIGTERM"}"#);
}

#[test]
fn nonces_are_new_and_of_one_form() {
    let (one, other) = (Nonce::fresh().unwrap(), Nonce::fresh().unwrap());
    assert_ne!(one, other);
    assert!(one.0.len() == 16 && one.0.bytes().all(|digit| digit.is_ascii_hexdigit()), "{one}");
}

#[test]
fn a_text_longer_than_the_slot_is_an_error() {
    let program = |length| Program {
        nonce: Nonce("0123456789abcdef".to_owned()),
        writer: "w".to_owned(),
        journal: Journal::Fd(1),
        instructions: vec![Instruction::report(&"m".repeat(length))],
    };
    let room = SLOT - HEAD - (program(1).text().len() - 1);
    assert_eq!(copy(&program(room)).map(|bytes| bytes.len()), Ok(PROGRAM.len()));
    assert_eq!(copy(&program(room + 1)), Err(TooLong(SLOT - HEAD + 1)));
}

#[test]
fn a_copy_without_a_program_ends_with_71() {
    let stage = Stage::new();
    let status = Command::new(stage.executable(PROGRAM)).status().unwrap();
    assert_eq!(status.code(), Some(71));
}

#[test]
fn without_its_journal_it_ends_with_72() {
    let stage = Stage::new();
    let mut command = stage.command_with(Journal::Path("/nowhere/journal".into()), vec![]);
    assert_eq!(command.status().unwrap().code(), Some(72));
    let mut command = stage.command_with(Journal::Fd(9), vec![]);
    assert_eq!(command.status().unwrap().code(), Some(72));
}

#[test]
fn a_record_that_is_cut_ends_it_with_73() {
    let stage = Stage::new();
    let mut command = stage.command(vec![]);
    // SAFETY: only calls that signal-safety(7) allows.
    unsafe {
        command.pre_exec(|| {
            let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
            sigaction(Signal::SIGXFSZ, &ignore)?;
            Ok(setrlimit(Resource::RLIMIT_FSIZE, 10, 10)?)
        });
    }
    assert_eq!(command.status().unwrap().code(), Some(73));
    assert_eq!(stage.text().len(), 10);
}

#[test]
fn what_it_does_not_know_is_trouble() {
    for words in [&["dance"][..], &["ask", "m", "n", "sing", "/x"], &["ask", "m", "n", "read"], &["exit", "256"]] {
        let stage = Stage::new();
        let instruction = Instruction(words.join(" "));
        let status = stage.command(vec![instruction, Instruction::exit(0)]).status().unwrap();
        assert_eq!(status.code(), Some(74), "{words:?}");
        assert_eq!(stage.labels()["process trouble"], json!([1]), "{words:?}");
    }
}

#[test]
fn the_report_says_what_the_caller_set() {
    let stage = Stage::new();
    let mut command =
        stage.command(vec![Instruction::report("start"), Instruction::done("start"), Instruction::exit(7)]);
    command.arg0("zero").args(["one", "", "zwei ü"]).arg(ffi::OsStr::from_bytes(b"\xff"));
    command.env_clear().env("B", "2").env("A", "\"1\"\n").current_dir("/proc");
    // SAFETY: only calls that signal-safety(7) allows.
    unsafe {
        command.pre_exec(|| {
            umask(Mode::from_bits_truncate(0o027));
            setrlimit(Resource::RLIMIT_NOFILE, 300, 301)?;
            let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
            sigaction(Signal::SIGUSR2, &ignore)?;
            SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP]).thread_block()?;
            // The child's own, which std made of /dev/null.
            nix::libc::close(0);
            nix::libc::dup2(2, 77);
            Ok(())
        });
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let facts = stage.facts("start");
    assert_eq!((&facts["pid"], &facts["ppid"]), (&json!(pid), &json!(std::process::id())));
    assert_eq!(facts["args"], json!(["zero", "one", "", "zwei ü", { "hex": "ff" }]));
    assert_eq!(facts["env"], json!(["A=\"1\"\n", "B=2"]));
    assert_eq!(facts["cwd"], "/proc");
    assert_eq!(facts["umask"], 0o027);
    assert_eq!(facts["limits"]["RLIMIT_NOFILE"], json!({ "soft": 300, "hard": 301 }));
    assert_eq!(facts["limits"].as_object().unwrap().len(), 16 + 1);
    assert_eq!(facts["signals"]["blocked"], json!(["SIGHUP", "SIGTERM"]));
    let ignored = facts["signals"]["ignored"].as_array().unwrap();
    assert!(ignored.contains(&json!("SIGUSR2")), "{ignored:?}");
    let descriptors = facts["descriptors"].as_object().unwrap();
    assert_eq!(descriptors.get("0"), None, "closed, and it stays closed");
    assert_eq!(descriptors["1"]["type"], "character");
    assert_eq!(descriptors["1"]["rdev"], json!([1, 3]));
    assert_eq!(descriptors["1"]["flags"], json!(["O_WRONLY"]));
    assert_eq!(descriptors["2"]["ino"], descriptors["77"]["ino"]);
    assert_eq!(descriptors["$complete"], true);
    assert_eq!(facts.get("terminal"), None);
    assert_eq!(stage.labels()["process exiting"].as_array().map(Vec::len), Some(1));
}

#[test]
fn no_descriptor_is_missed_without_proc() {
    let stage = Stage::new();
    let mut command = stage.command(vec![Instruction::report("start"), Instruction::done("start")]);
    // SAFETY: only system calls.
    unsafe {
        command.pre_exec(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            mount(Some("tmpfs"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
            // What whoever runs the tests has left open stays outside.
            nix::libc::close_range(3, nix::libc::c_uint::MAX, nix::libc::CLOSE_RANGE_CLOEXEC as nix::libc::c_int);
            // Of a place without permission to read it, which poll(2) passes over.
            let place = open("/", OFlag::O_PATH, Mode::empty())?;
            nix::libc::dup2(place.as_raw_fd(), 777);
            drop(place);
            nix::libc::dup2(2, 1023);
            Ok(())
        });
    }
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{}", stage.text());
    let facts = stage.facts("start");
    let descriptors = facts["descriptors"].as_object().unwrap();
    assert_eq!(descriptors.keys().collect::<Vec<_>>(), ["$complete", "0", "1", "1023", "2", "777"]);
}

#[test]
fn the_report_says_what_the_host_says() {
    let stage = Stage::new();
    stage.run(vec![Instruction::report("start"), Instruction::done("start")]);
    let facts = stage.facts("start");
    let uid = getuid().as_raw();
    assert_eq!(facts["uid"], json!({ "real": uid, "effective": uid, "saved": uid }));
    let mut groups: Vec<u32> = getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
    groups.sort_unstable();
    assert_eq!(facts["groups"], json!(groups));
    for (fact, file) in [("cgroup", "cgroup"), ("uid-map", "uid_map"), ("timens-offsets", "timens_offsets")] {
        assert_eq!(facts[fact], fs::read_to_string(format!("/proc/self/{file}")).unwrap());
    }
    for namespace in ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"] {
        let inode = fs::metadata(format!("/proc/self/ns/{namespace}")).unwrap().ino();
        assert_eq!(facts["namespaces"][namespace], inode, "{namespace}");
    }
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(facts["mounts"], mountinfo::facts(&mountinfo));
    assert_eq!(facts["mount-points"], mountinfo::points(&mountinfo));
    let names = nix::sys::utsname::uname().unwrap();
    assert_eq!(facts["hostname"], names.nodename().to_str().unwrap());
    let root = fs::metadata("/").unwrap();
    assert_eq!(facts["root"]["ino"], root.ino());
    assert_eq!(facts["devices"]["/dev/null"]["rdev"], json!([1, 3]));
    assert_eq!(facts["devices"]["/dev/null"]["type"], "character");
    assert_eq!(facts["interfaces"]["lo"]["hardware"], "00:00:00:00:00:00");
    assert_eq!(facts["interfaces"]["$complete"], true);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for (set, line) in [("effective", "CapEff:\t"), ("bounding", "CapBnd:\t"), ("ambient", "CapAmb:\t")] {
        let bits = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        let bits = u64::from_str_radix(bits, 16).unwrap();
        assert_eq!(facts["capabilities"][set].as_array().unwrap().len(), bits.count_ones() as usize, "{set}");
        assert_eq!(
            facts["capabilities"][set].as_array().unwrap().contains(&json!("CAP_CHOWN")),
            bits & 1 == 1,
            "{set}"
        );
    }
    assert_eq!(facts["scheduler"]["policy"], "SCHED_OTHER");
    assert!(!facts["affinity"].as_array().unwrap().is_empty());
}

#[test]
fn long_facts_come_in_pieces() {
    let stage = Stage::new();
    let long = "\"é\\\u{1}".repeat(5000);
    let mut command = stage.command(vec![Instruction::report("start"), Instruction::done("start")]);
    command.args((0..500).map(|number| format!("argument {number}"))).env_clear().env("LONG", &long);
    command.env("RAW", ffi::OsStr::from_bytes(&[0xff; 9000]));
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    let facts = stage.facts("start");
    assert_eq!(facts["args"][500], "argument 499");
    assert_eq!(facts["env"], json!([format!("LONG={long}"), { "hex": format!("5241573d{}", "ff".repeat(9000)) }]));
    assert!(stage.text().lines().all(|line| line.len() < crate::journal::RECORD));
    assert!(stage.text().lines().any(|line| line.len() > crate::journal::RECORD - 20), "records are filled");
    assert_eq!(stage.parsed().foreign, b"");
}

#[test]
fn questions_about_files() {
    let stage = Stage::new();
    fs::write(stage.path("text"), "ü\n").unwrap();
    fs::write(stage.path("raw"), b"\xfe\x00").unwrap();
    std::os::unix::fs::symlink("text", stage.path("link")).unwrap();
    nix::unistd::mkfifo(Path::new(&stage.path("fifo")), Mode::S_IRWXU).unwrap();
    let no = |error: &str| json!({ "error": error });
    assert_eq!(stage.answer(Try::Read(stage.path("text"))), json!({ "bytes": "ü\n" }));
    assert_eq!(stage.answer(Try::Read(stage.path("raw"))), json!({ "hex": "fe00" }));
    assert_eq!(stage.answer(Try::Read(stage.path("fifo"))), json!({ "bytes": "" }));
    assert_eq!(stage.answer(Try::Read(stage.path(""))), no("EISDIR"));
    assert_eq!(stage.answer(Try::Read(String::new())), no("ENOENT"));
    let zeros = stage.answer(Try::Read("/dev/zero".to_owned()));
    assert_eq!(zeros["bytes"].as_str().map(str::len), Some(64 * 1024));
    let write = |path: String, text: &str| stage.answer(Try::Write { path, text: text.to_owned() });
    assert_eq!(write(stage.path("text"), "ä b"), json!({ "written": 4 }));
    assert_eq!(fs::read_to_string(stage.path("text")).unwrap(), "ä b");
    assert_eq!(write(stage.path("none"), "x"), no("ENOENT"));
    assert_eq!(write(stage.path("fifo"), "x"), no("ENXIO"));
    assert_eq!(write("/dev/full".to_owned(), "x"), no("ENOSPC"));
    assert_eq!(stage.answer(Try::Make(stage.path("new"))), json!({ "made": true }));
    assert!(!Path::new(&stage.path("new")).exists());
    assert_eq!(stage.answer(Try::Make(stage.path("text"))), no("EEXIST"));
    assert_eq!(stage.answer(Try::Make("/proc/new".to_owned())), no("ENOENT"));
    let link = stage.answer(Try::Stat(stage.path("link")));
    assert_eq!((&link["type"], &link["target"], &link["size"]), (&json!("symlink"), &json!("text"), &json!(4)));
    let file = stage.answer(Try::Follow(stage.path("link")));
    let own = fs::metadata(stage.path("text")).unwrap();
    assert_eq!(
        (&file["type"], &file["ino"], &file["mode"]),
        (&json!("file"), &json!(own.ino()), &json!(own.mode() & 0o7777))
    );
    assert_eq!(file.get("target"), None);
    let entries = &stage.answer(Try::List(stage.path("")))["entries"];
    assert_eq!(entries["link"], json!({ "type": "symlink" }));
    assert_eq!(entries["fifo"], json!({ "type": "fifo" }));
    // link, fifo, text, raw, journal, data, program, and the mark.
    assert_eq!((entries.as_object().map(serde_json::Map::len), &entries["$complete"]), (Some(8), &json!(true)));
    let open = |path: String, mode: &str| stage.answer(Try::Open { path, mode: mode.to_owned() });
    assert_eq!(open(stage.path("text"), "rw"), json!({ "opened": true }));
    assert_eq!(open(stage.path(""), "w"), no("EISDIR"));
    assert_eq!(open(stage.path("fifo"), "w"), no("ENXIO"));
}

#[test]
fn questions_about_nodes_file_systems_and_attributes() {
    let stage = Stage::new();
    let node = |kind: &str| Try::Mknod { path: stage.path("node"), r#type: kind.to_owned(), major: 1, minor: 3 };
    assert_eq!(stage.answer(node("p")), json!({ "made": true }));
    assert!(!Path::new(&stage.path("node")).exists());
    let device = stage.answer(node("c"));
    assert!([json!({ "made": true }), json!({ "error": "EPERM" })].contains(&device), "{device}");
    let proc = stage.answer(Try::Statfs("/proc".to_owned()));
    assert_eq!(proc["type"], "proc");
    let flags =
        fs::read_to_string("/proc/self/mountinfo").map(|text| mountinfo::facts(&text)["/proc"]["options"].clone());
    let told = |flag: &str| proc["flags"].as_array().unwrap().contains(&json!(flag));
    for flag in ["ro", "nosuid", "nodev", "noexec", "relatime"] {
        assert_eq!(told(flag), flags.as_ref().unwrap().as_array().unwrap().contains(&json!(flag)), "{flag}");
    }
    let xattr = Try::Xattr { path: stage.path("journal"), name: "user.none".to_owned() };
    let answer = stage.answer(xattr);
    assert!([json!({ "error": "ENODATA" }), json!({ "error": "EOPNOTSUPP" })].contains(&answer), "{answer}");
}

#[test]
fn questions_that_could_hurt() {
    let stage = Stage::new();
    let exec = |args: &[&str]| stage.answer(Try::Exec(args.iter().map(|arg| (*arg).to_owned()).collect()));
    assert_eq!(exec(&["/bin/sh", "-c", "exit $((20 + $#))", "sh", "", "b"]), json!({ "exit": 22 }));
    assert_eq!(exec(&["/bin/sh", "-c", "kill -USR1 $$"]), json!({ "signal": "SIGUSR1" }));
    assert_eq!(exec(&["/nowhere"]), json!({ "error": "ENOENT" }));
    let call = |call: &str, args: &[u64]| stage.answer(Try::Syscall(Syscall::new(call, args)));
    assert_eq!(call("umask", &[0o077])["returned"].as_i64().map(|mask| mask & !0o777), Some(0));
    assert_eq!(call("close", &[u64::from(u32::MAX)]), json!({ "error": "EBADF" }));
    // lseek: the offset comes back whole, so 64 bits went in.
    assert_eq!(call("getcwd", &[1 << 40, 4096]), json!({ "error": "EFAULT" }));
    assert_eq!(call("pread64", &[0, 0, 0, 1 << 63]), json!({ "error": "EINVAL" }));
    assert_eq!(call("pread64", &[0, 0, 0, 1 << 62]), json!({ "returned": 0 }));
    assert_eq!(call("5000", &[]), json!({ "error": "ENOSYS" }));
    assert_eq!(call("exit", &[5]), json!({ "exit": 5 }));
    assert_eq!(call("nonsense", &[]), json!({ "$unreadable": "no such call on this architecture" }));
    let fork = json!({ "returned": 0 });
    assert_ne!(call("clone", &[17, 0, 0, 0, 0]), fork, "the parent speaks, not the child");
    assert_eq!(stage.answer(Try::Touch(8)), json!({ "touched": 8 }));
    assert_eq!(stage.answer(Try::Touch(u32::MAX)), json!({ "error": "ENOMEM" }));
    assert_eq!(stage.answer(Try::Fork(3)), json!({ "$complete": true, "forked": 3 }));
    let kill = |pid, signal| stage.answer(Try::Kill { pid, signal });
    assert_eq!(kill(std::process::id() as i32, 0), json!({ "sent": true }));
    assert_eq!(kill(i32::MAX, 0), json!({ "error": "ESRCH" }));
}

#[test]
fn a_call_is_made_in_other_ways() {
    let stage = Stage::new();
    let call = |name: &str| Syscall::new(name, []);
    let answer = |what: Try| {
        let mut answer = stage.answer(what);
        answer.as_object_mut().unwrap().remove(COMPLETE);
        answer
    };
    assert_eq!(answer(Try::Trapped(call("sched_yield"))), json!({ "returned": 0 }));
    assert_eq!(answer(Try::Traced(call("sched_yield"))), json!({}), "no filter tells of it");
    assert_eq!(answer(Try::Threads(call("sched_yield"))), json!({ "returned": 0 }));
    assert_eq!(answer(Try::Threads(call("exit"))), json!({ "ended": true }));
    assert_eq!(answer(Try::Threads(call("exit_group"))), json!({ "exit": 0 }));
    let interrupted = answer(Try::Interrupted(call("sched_yield")));
    assert_eq!(interrupted, json!({ "returned": 0, "signalled": false }));
    let foreign = answer(Try::Foreign(call("sched_yield")));
    let possible = [json!({ "returned": 0 }), json!({ "signal": "SIGSEGV" }), json!({ "error": "ENOSYS" })];
    assert!(possible.contains(&foreign) || foreign.get("$unreadable").is_some(), "{foreign}");
    let policy = stage.answer(Try::MemoryPolicy {});
    assert!(policy.get("$unreadable").is_some() || policy["nodes"].is_array(), "{policy}");
}

#[test]
fn a_question_that_never_ends_is_given_up() {
    let stage = Stage::new();
    let answer = stage.answer(Try::Syscall(Syscall::new("ppoll", [0; 5])));
    assert_eq!(answer, json!({ "$unreadable": "deadline" }));
}

#[test]
fn standard_input_is_a_fact() {
    let stdin = |stdin: Stdio, text: &[u8]| {
        let stage = Stage::new();
        let mut command = stage.command(vec![Instruction::stdin(), Instruction::done("hook")]);
        let mut child = command.stdin(stdin).spawn().unwrap();
        if let Some(mut pipe) = child.stdin.take() {
            // It may stop reading before all is written.
            _ = pipe.write_all(text);
        }
        assert!(child.wait().unwrap().success());
        stage.facts("hook")["stdin"].clone()
    };
    assert_eq!(stdin(Stdio::piped(), b"{\"id\": \"x\"}"), "{\"id\": \"x\"}");
    assert_eq!(stdin(Stdio::null(), b""), "");
    let most = "x".repeat(64 * 1024);
    assert_eq!(stdin(Stdio::piped(), most.as_bytes()), most);
    assert_eq!(stdin(Stdio::piped(), format!("{most}x").as_bytes()), json!({ "$unreadable": "EFBIG" }));
}

#[test]
fn a_closed_standard_input_is_unreadable() {
    let stage = Stage::new();
    let mut command = stage.command(vec![Instruction::stdin(), Instruction::done("hook")]);
    // SAFETY: one call that signal-safety(7) allows.
    unsafe {
        command.pre_exec(|| {
            nix::libc::close(0);
            Ok(())
        });
    }
    assert!(command.status().unwrap().success());
    assert_eq!(stage.facts("hook")["stdin"], json!({ "$unreadable": "EBADF" }));
}

#[test]
fn the_journal_takes_no_standard_descriptor_however_few_there_may_be() {
    let stage = Stage::new();
    let mut command = stage.command(vec![Instruction::stdin(), Instruction::done("hook")]);
    // SAFETY: only calls that signal-safety(7) allows.
    unsafe {
        command.pre_exec(|| {
            nix::libc::close(0);
            Ok(setrlimit(Resource::RLIMIT_NOFILE, 6, 6)?)
        });
    }
    assert!(command.status().unwrap().success());
    assert_eq!(stage.facts("hook")["stdin"], json!({ "$unreadable": "EBADF" }));
}

#[test]
fn it_holds_until_it_is_released() {
    let stage = Stage::new();
    let child = Running::start(&mut stage.command(vec![Instruction::hold(), Instruction::exit(3)]));
    stage.wait("process holding", 1);
    // For somebody else; and then behind a stranger's half line.
    let other = order_record(&Nonce("0123456789abcdef".to_owned()), &Instruction::exit(9));
    append(&stage.journal, &other).unwrap();
    (&stage.journal).write_all(b"half a line ").unwrap();
    stage.order(Instruction::ask("held", "pid", &Try::Kill { pid: std::process::id() as i32, signal: 0 }));
    stage.order(Instruction::done("held"));
    stage.wait("process reported held", 1);
    assert_eq!(stage.facts("held")["pid"], json!({ "sent": true }));
    assert_eq!(stage.labels().get("process released"), None);
    stage.order(Instruction::release());
    assert_eq!(child.end().code(), Some(3));
    let labels = stage.labels();
    assert!(labels["process released"][0].as_u64() < labels["process exiting"][0].as_u64(), "{labels}");
}

#[test]
fn it_serves_handles_signals_and_exits() {
    let stage = Stage::new();
    let instructions = vec![Instruction::report("start"), Instruction::done("start"), Instruction::serve()];
    let child = Running::start(&mut stage.command(instructions));
    let pid = Pid::from_raw(child.0.id() as i32);
    stage.order(Instruction::handle("SIGUSR1"));
    stage.wait("process handling SIGUSR1", 1);
    kill(pid, Signal::SIGUSR1).unwrap();
    stage.wait("process signal SIGUSR1", 1);
    kill(pid, Signal::SIGUSR1).unwrap();
    stage.wait("process signal SIGUSR1", 2);
    stage.order(Instruction::spawn());
    stage.wait("process spawned", 1);
    let spawned = stage.parsed().entries.into_iter().find_map(|entry| match entry.event {
        crate::journal::Event::Spawned { pid } => Some(Pid::from_raw(pid)),
        _ => None,
    });
    kill(spawned.unwrap(), Signal::SIGKILL).unwrap();
    stage.order(Instruction::report("later"));
    stage.order(Instruction::done("later"));
    stage.wait("process reported later", 1);
    // Neither the journal nor its watch is among them.
    assert_eq!(stage.facts("later")["descriptors"], stage.facts("start")["descriptors"]);
    stage.order(Instruction::exit(255));
    assert_eq!(child.end().code(), Some(255));
}

#[test]
fn a_second_process_follows_no_orders_that_the_first_was_given() {
    let stage = Stage::new();
    let mut command = stage.command(vec![Instruction::serve()]);
    // Before anybody runs: for the first who comes.
    stage.order(Instruction::exit(5));
    assert_eq!(Running::start(&mut command).end().code(), Some(5));
    let child = Running::start(&mut command);
    stage.wait("process ran", 2);
    stage.order(Instruction::exit(6));
    assert_eq!(child.end().code(), Some(6));
}

#[test]
fn standard_output_can_be_the_journal() {
    let stage = Stage::new();
    let mut command = stage.command_with(
        Journal::Fd(1),
        vec![Instruction::report("start"), Instruction::done("start"), Instruction::serve()],
    );
    (&stage.journal).write_all(b"the runtime says ").unwrap();
    let child = Running::start(command.stdout(stage.journal.try_clone().unwrap()));
    stage.wait("process reported start", 1);
    let descriptors = &stage.facts("start")["descriptors"];
    assert_eq!(descriptors["1"]["ino"], stage.journal.metadata().unwrap().ino());
    assert_eq!(descriptors["1"]["flags"], json!(["O_RDWR", "O_APPEND"]));
    stage.order(Instruction::exit(0));
    assert_eq!(child.end().code(), Some(0));
    assert_eq!(stage.parsed().foreign, b"the runtime says ");
}

#[test]
fn a_journal_that_can_not_be_read_gives_no_orders() {
    let stage = Stage::new();
    let mut command = stage.command_with(Journal::Fd(1), vec![Instruction::serve()]);
    let blind = OpenOptions::new().append(true).open(stage.path("journal")).unwrap();
    assert_eq!(Running::start(command.stdout(blind)).end().code(), Some(74));
    assert_eq!(stage.labels()["process trouble"].as_array().map(Vec::len), Some(1));
}

#[test]
fn it_dies_by_a_signal() {
    for (name, number) in [("SIGTERM", 15), ("SIGKILL", 9), ("SIGSEGV", 11), ("SIGRTMIN+1", 35)] {
        let stage = Stage::new();
        let mut command = stage.command(vec![Instruction::abort(name), Instruction::exit(0)]);
        // SAFETY: one call that signal-safety(7) allows.
        unsafe { command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)) };
        assert_eq!(command.status().unwrap().signal(), Some(number), "{name}");
    }
}

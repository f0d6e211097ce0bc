//! The facts of a report: everything that a process can tell of itself without being asked.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::value::{Value, pointer};
use crate::{Witness, credentials, descriptors, files, kernel, network, orders, scheduling, signals};

const PR_GET_DUMPABLE: i32 = 3;
const PR_GET_SECCOMP: i32 = 21;
const PR_GET_SECUREBITS: i32 = 27;
const PR_GET_TIMERSLACK: i32 = 30;
const PR_GET_NO_NEW_PRIVS: i32 = 39;
const PR_GET_SPECULATION_CTRL: i32 = 52;
const PR_SPEC_STORE_BYPASS: u64 = 0;
/// The bits of a personality that are its domain; the others are flags.
const EXECUTION_DOMAIN: i32 = 0xff;

/// Limits by number (getrlimit(2)).
const LIMITS: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

type Look = fn() -> io::Result<Value>;

/// Every fact that needs nothing but a look, by its name.
const FACTS: &[(&str, Look)] = &[
    ("pid", || kernel::pid().map(Value::from)),
    ("ppid", || kernel::parent().map(Value::from)),
    ("pgid", || kernel::group().map(Value::from)),
    ("sid", || kernel::session().map(Value::from)),
    ("uid", || credentials::ids(kernel::users())),
    ("gid", || credentials::ids(kernel::primary_groups())),
    ("groups", credentials::groups),
    ("capabilities", credentials::capabilities),
    ("no-new-privileges", || kernel::process_option(PR_GET_NO_NEW_PRIVS, 0, 0).map(|set| Value::Bool(set != 0))),
    ("seccomp", || kernel::process_option(PR_GET_SECCOMP, 0, 0).map(Value::from)),
    ("limits", limits),
    ("umask", || kernel::creation_mask().map(Value::from)),
    ("oom-score-adj", oom_score_adj),
    ("hostname", || kernel::host_names().map(|[host, _]| Value::bytes(&host))),
    ("domainname", || kernel::host_names().map(|[_, domain]| Value::bytes(&domain))),
    ("cwd", || kernel::working_directory().map(|path| Value::bytes(&path))),
    ("signals", signals::masks),
    ("namespaces", namespaces),
    ("mountinfo", || files::kernel_text("/proc/self/mountinfo")),
    ("devices", files::devices),
    ("affinity", || kernel::processors().map(|all| Value::List(all.into_iter().map(Value::from).collect()))),
    ("memory-nodes", scheduling::memory_nodes),
    ("scheduler", scheduling::scheduler),
    ("io-priority", scheduling::io_priority),
    ("personality", || kernel::persona().map(Value::from)),
    ("execution-domain", || kernel::persona().map(|persona| Value::from(persona & EXECUTION_DOMAIN))),
    ("machine", || kernel::machine().map(|machine| Value::bytes(&machine))),
    ("memory-policy", scheduling::memory_policy),
    ("speculation", || kernel::process_option(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0).map(Value::from)),
    ("cgroup", || files::kernel_text("/proc/self/cgroup")),
    ("uid-map", || files::kernel_text("/proc/self/uid_map")),
    ("gid-map", || files::kernel_text("/proc/self/gid_map")),
    ("timens-offsets", || files::kernel_text("/proc/self/timens_offsets")),
    ("root", root),
    ("interfaces", network::interfaces),
    ("session-keyring", || kernel::session_keyring().map(Value::from)),
    ("securebits", || kernel::process_option(PR_GET_SECUREBITS, 0, 0).map(Value::from)),
    ("timer-slack", || kernel::process_option(PR_GET_TIMERSLACK, 0, 0).map(Value::from)),
    ("controlling-terminal", controlling_terminal),
    ("dumpable", || kernel::process_option(PR_GET_DUMPABLE, 0, 0).map(Value::from)),
];

/// Sends all facts of this process to the journal, as facts of `moment`.
pub fn report(witness: &mut Witness, moment: &str) {
    let own = [witness.journal.number(), orders::watch_number()];
    let descriptors = witness.start.descriptors.take().unwrap_or_else(|| Value::from(descriptors::all(&own)));
    let list = |texts: &[Vec<u8>]| Value::List(texts.iter().map(|text| Value::bytes(text)).collect());
    let (args, environment) = (list(&witness.start.args), list(&witness.start.environment));
    let journal = &mut witness.journal;
    journal.fact(moment, "/descriptors", &descriptors);
    journal.fact(moment, "/args", &args);
    journal.fact(moment, "/env", &environment);
    for (name, look) in FACTS {
        journal.fact(moment, &pointer(name), &Value::from(look()));
    }
    // Without a terminal there is no such fact.
    if let Some(terminal) = terminal().transpose() {
        journal.fact(moment, "/terminal", &Value::from(terminal));
    }
}

fn limits() -> io::Result<Value> {
    let limit = |resource| {
        let limit = kernel::limit(resource)?;
        Ok(Value::object([("soft", Value::from(limit.soft)), ("hard", Value::from(limit.hard))]))
    };
    let named = (0..).zip(LIMITS).map(|(resource, name)| (name.to_owned(), Value::from(limit(resource))));
    Ok(Value::complete(named.collect()))
}

fn oom_score_adj() -> io::Result<Value> {
    let text = files::read("/proc/self/oom_score_adj", 64)?;
    let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<i32>().ok());
    number.map(Value::from).ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))
}

/// The device number of the session's terminal, 0 for none: the seventh field of /proc/self/stat (proc(5)).
fn controlling_terminal() -> io::Result<Value> {
    let text = files::read("/proc/self/stat", 4096)?;
    let number = std::str::from_utf8(&text).ok().and_then(|text| {
        // The name may hold anything but its end; from there the state is the third field.
        let (_, rest) = text.rsplit_once(')')?;
        rest.split_whitespace().nth(4)?.parse::<i32>().ok()
    });
    number.map(Value::from).ok_or_else(|| io::Error::from_raw_os_error(kernel::EINVAL))
}

/// Inode numbers, which name a namespace among all that live.
fn namespaces() -> io::Result<Value> {
    let inode = |name| fs::metadata(format!("/proc/self/ns/{name}")).map(|facts| Value::from(facts.ino()));
    Ok(Value::object(
        ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"].map(|name| (name, Value::from(inode(name)))),
    ))
}

fn root() -> io::Result<Value> {
    let facts = fs::metadata("/")?;
    Ok(Value::object([("dev", files::device(facts.dev())), ("ino", Value::from(facts.ino()))]))
}

fn terminal() -> io::Result<Option<Value>> {
    if !kernel::is_terminal(0)? {
        return Ok(None);
    }
    let [rows, columns] = kernel::window_size(0)?;
    Ok(Some(Value::object([("rows", Value::from(rows)), ("columns", Value::from(columns))])))
}

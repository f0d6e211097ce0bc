//! Arguments, environment, cwd, user, capabilities and limits, in any combination that is valid and that a
//! caller without `CAP_SYS_RESOURCE` may ask for; and that caller's own state, none of which may show.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::BoxedStrategy;
use serde_json::{Value, json};

use crate::case::{Caller, Capabilities, Case, Stdio};

/// Directories that the base's root file system has.
const DIRECTORIES: [&str; 3] = ["/", "/tmp", "/etc"];

/// Capabilities that any root has.
const CAPABILITIES: [&str; 8] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Resources, each with a hard limit that lies below what a caller usually has, and a soft limit that a
/// static program lives with.
const LIMITS: [(&str, u64, u64); 4] =
    [("RLIMIT_NOFILE", 64, 1024), ("RLIMIT_CORE", 0, 0), ("RLIMIT_STACK", 1 << 20, 8 << 20), ("RLIMIT_CPU", 60, 3600)];

/// Valid cases that differ from the base in `process` alone.
pub fn cases() -> BoxedStrategy<Case> {
    let arguments = vec(word(), 0..4);
    let environment = btree_map("[A-Z][A-Z_]{0,7}", word(), 0..4);
    let parts = (
        arguments,
        environment,
        select(&DIRECTORIES[..]),
        user(),
        capabilities(),
        limits(),
        any::<bool>(),
        0..1000_i32,
        caller(),
    );
    parts
        .prop_map(|(arguments, environment, cwd, user, capabilities, limits, nnp, badness, caller)| {
            let process = json!({
                "args": std::iter::once("/witness".to_owned()).chain(arguments).collect::<Vec<_>>(),
                "env": environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
                "cwd": cwd,
                "user": user,
                "capabilities": capabilities,
                "rlimits": limits,
                "noNewPrivileges": nnp,
                "oomScoreAdj": badness,
            });
            let config = Some(json!({ "process": process }));
            Case { about: "any process of any caller".to_owned(), config, caller, ..Case::default() }
        })
        .boxed()
}

/// A caller that differs from the plain one in what a process hands on to its children, and of which the config says
/// what becomes of it, or the caller's own state has to.
fn caller() -> impl Strategy<Value = Caller> {
    let signals = || subsequence(vec!["SIGHUP", "SIGINT", "SIGPIPE", "SIGTERM", "SIGUSR1", "SIGURG"], 0..=3);
    let names = |chosen: Vec<&str>| chosen.into_iter().map(str::to_owned).collect();
    let stream = || select(vec![None, Some(Stdio::Pipe), Some(Stdio::Closed)]);
    let umask = proptest::option::of(select(vec!["000", "027", "077"]));
    let inheritable = subsequence(CAPABILITIES.to_vec(), 0..=2);
    let nice = proptest::option::of(1..10_i32);
    (umask, signals(), signals(), nice, any::<bool>(), inheritable, stream(), stream()).prop_map(
        move |(umask, blocked, ignored, nice, no_new_privileges, inheritable, stdin, stderr)| Caller {
            umask: umask.map(str::to_owned),
            blocked: names(blocked),
            ignored: names(ignored),
            nice,
            no_new_privileges,
            capabilities: Capabilities {
                inheritable: inheritable.into_iter().map(str::to_owned).collect(),
                ..Capabilities::default()
            },
            stdin,
            stderr,
            ..Caller::default()
        },
    )
}

/// Text as arguments and variables have it: spaces, quotes, other scripts, nothing at all. Never a placeholder.
fn word() -> impl Strategy<Value = String> {
    "[ -#%-~äλ字]{0,10}"
}

fn user() -> impl Strategy<Value = Value> {
    let id = || select(vec![0_u32, 1, 1000, 65_534]);
    (id(), id(), subsequence(vec![5_u32, 20, 1001, 60_000], 0..=3), proptest::option::of(0..0o1000_u32)).prop_map(
        |(uid, gid, groups, umask)| {
            let mut user = json!({ "uid": uid, "gid": gid, "additionalGids": groups });
            if let Some(umask) = umask {
                user["umask"] = json!(umask);
            }
            user
        },
    )
}

/// Sets as the kernel wants them: what is effective or ambient is permitted, what is ambient is inheritable,
/// and what is permitted lies in the bounding set.
fn capabilities() -> impl Strategy<Value = Value> {
    let which = || proptest::collection::vec(any::<bool>(), CAPABILITIES.len());
    (which(), which(), which()).prop_map(|(bounding, inheritable, ambient)| {
        let names = |chosen: &dyn Fn(usize) -> bool| -> Vec<&str> {
            CAPABILITIES.iter().enumerate().filter(|(n, _)| chosen(*n)).map(|(_, name)| *name).collect()
        };
        let in_both = |n: usize| bounding[n] && inheritable[n];
        json!({
            "bounding": names(&|n| bounding[n]),
            "permitted": names(&|n| bounding[n]),
            "effective": names(&|n| bounding[n]),
            "inheritable": names(&in_both),
            "ambient": names(&|n| in_both(n) && ambient[n]),
        })
    })
}

fn limits() -> impl Strategy<Value = Value> {
    let one = |(name, least, most): (&'static str, u64, u64)| {
        (least..=most)
            .prop_flat_map(move |hard| (least..=hard, Just(hard)))
            .prop_map(move |(soft, hard)| (name, soft, hard))
    };
    let all: Vec<_> = LIMITS.into_iter().map(|limit| proptest::option::of(one(limit))).collect();
    all.prop_map(|chosen| {
        let limits: BTreeMap<_, _> =
            chosen.into_iter().flatten().map(|(name, soft, hard)| (name, (soft, hard))).collect();
        json!(
            limits
                .into_iter()
                .map(|(name, (soft, hard))| json!({ "type": name, "soft": soft, "hard": hard }))
                .collect::<Vec<_>>()
        )
    })
}

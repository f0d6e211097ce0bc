//! The one list of chapters. A file in `chapters/` that is not listed here fails a test.

/// Name and text of the chapter of this name.
macro_rules! chapter {
    ($name:literal) => {
        ($name, include_str!(concat!("../chapters/", $name, ".md")))
    };
}

/// Name and text of every chapter, in the order in which a reader meets them.
pub const CHAPTERS: &[(&str, &str)] = &[
    chapter!("lifecycle"),
    chapter!("state"),
    chapter!("create"),
    chapter!("start"),
    chapter!("kill"),
    chapter!("delete"),
    chapter!("errors"),
    chapter!("command-line"),
    chapter!("hardening"),
    chapter!("bundle"),
    chapter!("conversion"),
    chapter!("version"),
    chapter!("root"),
    chapter!("process"),
    chapter!("user"),
    chapter!("capabilities"),
    chapter!("rlimits"),
    chapter!("hostname"),
    chapter!("mounts"),
    chapter!("masked-paths"),
    chapter!("readonly-paths"),
    chapter!("namespaces"),
    chapter!("cgroups"),
    chapter!("memory"),
    chapter!("cpu"),
    chapter!("pids"),
    chapter!("block-io"),
    chapter!("hugepage-limits"),
    chapter!("network"),
    chapter!("rdma"),
    chapter!("unified"),
    chapter!("devices"),
    chapter!("net-devices"),
    chapter!("intel-rdt"),
    chapter!("memory-policy"),
    chapter!("sysctl"),
    chapter!("personality"),
    chapter!("seccomp"),
    chapter!("hooks"),
    chapter!("annotations"),
    chapter!("platforms"),
    chapter!("windows"),
    chapter!("solaris"),
    chapter!("vm"),
    chapter!("zos"),
    chapter!("freebsd"),
    chapter!("features"),
    chapter!("features-linux"),
];

//! The container's cgroups, their limits, and devices.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::trials::{skip, tests};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

tests![
    limits_of_memory_are_set,
    limits_of_processors_are_set,
    sets_of_processors_are_set,
    limits_of_tasks_are_set,
    rates_of_block_devices_are_set,
    weights_of_block_devices_are_set,
    limits_of_huge_pages_are_set,
    classes_of_packets_are_set_on_v1_alone,
    priorities_of_packets_are_set_on_v1_alone,
    unknown_rdma_devices_are_refused,
    files_of_v2_are_written_by_name,
    files_of_controllers_are_written_by_name,
    each_line_of_a_file_by_name_is_written_by_itself,
    a_file_by_name_comes_before_the_property_of_the_same,
    the_process_is_in_the_configured_cgroup_everywhere,
    a_cgroup_of_others_survives,
    a_container_is_killed_beyond_its_memory,
    the_cgroup_mount_shows_the_containers_own,
    the_cgroup_is_handed_over_on_pure_v2_alone,
    default_devices_and_links_are_there,
    configured_devices_are_made_as_described,
    device_rules_are_enforced,
    without_resctrl_a_share_of_the_cache_is_refused,
    limits_of_memory_that_bound_each_other_are_raised_and_lowered,
    limits_of_processors_that_bound_each_other_are_raised_and_lowered,
    new_rules_of_devices_come_in_the_place_of_the_former,
    a_limit_below_the_usage_is_refused_if_that_is_to_be_checked,
];

/// The directory of `controller`'s hierarchy, and whether it is one of v1; none if no hierarchy here has it.
fn hierarchy(controller: &str) -> Option<(PathBuf, bool)> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join(controller).join("cgroup.procs").exists() {
        return Some((root.join(controller), true));
    }
    let unified = if root.join("cgroup.controllers").exists() { root.to_owned() } else { root.join("unified") };
    let controllers = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|name| name == controller).then_some((unified, false))
}

/// A controller, resources, and lines that its files then show on v1 and on v2; none where it has to be refused.
type Row<'a> = (&'a str, Value, Lines<'a>, Lines<'a>);
type Lines<'a> = Option<&'a [&'a str]>;

/// A row about one chapter of the resources.
fn row<'a>(controller: &'a str, chapter: &str, value: Value, v1: Lines<'a>, v2: Lines<'a>) -> Row<'a> {
    (controller, json!({ chapter: value }), v1, v2)
}

/// Checks for each row the files of a created container's cgroup.
fn check(sandbox: &Sandbox, rows: &[Row]) {
    for (controller, resources, v1, v2) in rows {
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/made/here");
        config["linux"]["resources"] = resources.clone();
        let found = hierarchy(controller);
        let expected = found.as_ref().and_then(|(_, is_v1)| if *is_v1 { *v1 } else { *v2 });
        let (Some((directory, _)), Some(expected)) = (&found, expected) else {
            if found.is_none() && v1.or(*v2).is_some() {
                skip(&format!("no hierarchy here has {controller}, so what needs it is only refused"));
            }
            // What can't be applied is refused by name, and not ignored.
            let chapter = resources.as_object().unwrap().keys().next().unwrap();
            let error = sandbox.create_refused(&config);
            assert!(error.contains(&format!("linux.resources.{chapter}")), "{error}");
            continue;
        };
        sandbox.create(&config);
        for line in expected {
            let (file, line) = line.split_once(' ').unwrap();
            let text = fs::read_to_string(directory.join("made/here").join(file)).unwrap();
            assert!(text.lines().any(|found| found.trim() == line), "{resources}: {file} has no {line}: {text}");
        }
        sandbox.must(&["delete", "--force", "c1"]);
        assert!(!directory.join("made").exists(), "a cgroup was left behind");
    }
}

/// The greatest limit that v1 shows, for whole pages: there is none.
const MOST: &str = "9223372036854771712";

fn limits_of_memory_are_set() {
    sandboxed(|sandbox| {
        let without = |file| format!("{file} {MOST}");
        let without =
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"].map(without);
        let without: Vec<&str> = without.iter().map(String::as_str).collect();
        check(
            sandbox,
            &[
                row(
                    "memory",
                    "memory",
                    json!({ "limit": 67_108_864, "swap": 134_217_728, "reservation": 33_554_432 }),
                    Some(&[
                        "memory.limit_in_bytes 67108864",
                        "memory.memsw.limit_in_bytes 134217728",
                        "memory.soft_limit_in_bytes 33554432",
                    ]),
                    Some(&["memory.max 67108864", "memory.swap.max 67108864", "memory.low 33554432"]),
                ),
                row(
                    "memory",
                    "memory",
                    json!({ "limit": 67_108_864, "swap": 67_108_864, "checkBeforeUpdate": true }),
                    Some(&["memory.memsw.limit_in_bytes 67108864"]),
                    Some(&["memory.max 67108864", "memory.swap.max 0"]),
                ),
                row("memory", "memory", json!({ "swappiness": 7 }), Some(&["memory.swappiness 7"]), None),
                row(
                    "memory",
                    "memory",
                    json!({ "disableOOMKiller": true }),
                    Some(&["memory.oom_control oom_kill_disable 1"]),
                    None,
                ),
                row(
                    "memory",
                    "memory",
                    json!({ "kernelTCP": 8_388_608 }),
                    Some(&["memory.kmem.tcp.limit_in_bytes 8388608"]),
                    None,
                ),
                row("memory", "memory", json!({ "useHierarchy": false }), None, None),
                row("memory", "memory", json!({ "swap": 8_388_608 }), None, None),
                row("memory", "memory", json!({ "limit": 8_388_608, "swap": 4_194_304 }), None, None),
                row("memory", "memory", json!({ "swappiness": 101 }), None, None),
                row("memory", "memory", json!({ "limit": -2 }), None, None),
            ],
        );
        // What asks for nothing has to be refused nowhere.
        if hierarchy("memory").is_some() {
            check(
                sandbox,
                &[
                    row(
                        "memory",
                        "memory",
                        json!({ "limit": -1, "swap": -1, "reservation": -1, "kernel": -1, "kernelTCP": -1 }),
                        Some(&without),
                        Some(&["memory.max max", "memory.swap.max max", "memory.low 0"]),
                    ),
                    row(
                        "memory",
                        "memory",
                        json!({ "limit": 0, "swap": 0, "disableOOMKiller": false, "useHierarchy": true }),
                        Some(&["memory.use_hierarchy 1", "memory.oom_control oom_kill_disable 0"]),
                        Some(&[]),
                    ),
                ],
            );
        }
    });
}

fn limits_of_processors_are_set() {
    sandboxed(|sandbox| {
        check(
            sandbox,
            &[
                row(
                    "cpu",
                    "cpu",
                    json!({ "shares": 512, "quota": 50_000, "period": 200_000, "burst": 20_000 }),
                    Some(&[
                        "cpu.shares 512",
                        "cpu.cfs_quota_us 50000",
                        "cpu.cfs_period_us 200000",
                        "cpu.cfs_burst_us 20000",
                    ]),
                    Some(&["cpu.weight 59", "cpu.max 50000 200000", "cpu.max.burst 20000"]),
                ),
                row(
                    "cpu",
                    "cpu",
                    json!({ "period": 50_000 }),
                    Some(&["cpu.cfs_period_us 50000"]),
                    Some(&["cpu.max max 50000"]),
                ),
                row("cpu", "cpu", json!({ "idle": 1 }), Some(&["cpu.idle 1"]), Some(&["cpu.idle 1"])),
                row("cpu", "cpu", json!({ "realtimePeriod": 500_000 }), Some(&["cpu.rt_period_us 500000"]), None),
                row("cpu", "cpu", json!({ "quota": 50_000, "burst": 50_001 }), None, None),
                row("cpu", "cpu", json!({ "quota": 999 }), None, None),
                row("cpu", "cpu", json!({ "idle": 2 }), None, None),
            ],
        );
        // What asks for nothing has to be refused nowhere.
        if hierarchy("cpu").is_some() {
            check(
                sandbox,
                &[row(
                    "cpu",
                    "cpu",
                    json!({ "shares": 0, "quota": -1, "period": 0, "burst": 0, "idle": 0, "realtimeRuntime": 0, "realtimePeriod": 0 }),
                    Some(&["cpu.shares 1024", "cpu.cfs_quota_us -1", "cpu.cfs_period_us 100000", "cpu.idle 0"]),
                    Some(&["cpu.weight 100", "cpu.max max 100000", "cpu.idle 0"]),
                )],
            );
        }
    });
}

fn sets_of_processors_are_set() {
    sandboxed(|sandbox| {
        let sets = ["cpuset.cpus 0", "cpuset.mems 0"];
        check(
            sandbox,
            &[
                ("cpuset", json!({ "cpu": { "cpus": "0", "mems": "0" } }), Some(&sets), Some(&sets)),
                ("cpuset", json!({ "cpu": { "cpus": "1-0" } }), None, None),
            ],
        );
    });
}

fn limits_of_tasks_are_set() {
    sandboxed(|sandbox| {
        let row =
            |limit: i64, line: &'static [&str]| ("pids", json!({ "pids": { "limit": limit } }), Some(line), Some(line));
        check(sandbox, &[row(5, &["pids.max 5"]), row(0, &["pids.max 0"])]);
        // What asks for nothing has to be refused nowhere.
        if hierarchy("pids").is_some() {
            check(sandbox, &[row(-1, &["pids.max max"])]);
        }
    });
}

/// The numbers of a block device of this machine.
fn block_device() -> Option<(i64, i64)> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let numbers = devices.filter_map(|entry| fs::read_to_string(entry.path().join("dev")).ok()).next()?;
    let (major, minor) = numbers.trim().split_once(':')?;
    Some((major.parse().unwrap(), minor.parse().unwrap()))
}

fn rates_of_block_devices_are_set() {
    sandboxed(|sandbox| {
        // On v1 it is called otherwise.
        let controller = if hierarchy("blkio").is_some() { "blkio" } else { "io" };
        let absent = json!([{ "major": 240, "minor": 77, "rate": 600 }]);
        check(
            sandbox,
            &[
                row(controller, "blockIO", json!({ "throttleReadBpsDevice": absent }), None, None),
                row(controller, "blockIO", json!({ "leafWeight": 10 }), None, None),
                row(controller, "blockIO", json!({ "weightDevice": [{ "major": 8, "minor": 0 }] }), None, None),
            ],
        );
        let Some((major, minor)) = block_device() else { return skip("there is no block device") };
        let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
        let all = json!({
            "weight": 0, "throttleReadBpsDevice": rate(600_000), "throttleWriteBpsDevice": rate(700_000),
            "throttleReadIOPSDevice": rate(80), "throttleWriteIOPSDevice": rate(90),
        });
        let lists = [("read_bps", 600_000), ("write_bps", 700_000), ("read_iops", 80), ("write_iops", 90)];
        let v1 = lists.map(|(list, rate)| format!("blkio.throttle.{list}_device {major}:{minor} {rate}"));
        let v2 = format!("io.max {major}:{minor} rbps=600000 wbps=700000 riops=80 wiops=90");
        let none = json!({ "throttleReadBpsDevice": rate(0) });
        check(
            sandbox,
            &[
                row(controller, "blockIO", all, Some(&v1.each_ref().map(String::as_str)), Some(&[&v2])),
                row(controller, "blockIO", none, Some(&[]), Some(&[])),
            ],
        );
    });
}

fn weights_of_block_devices_are_set() {
    sandboxed(|sandbox| {
        let Some((directory, is_v1)) = hierarchy("io").or_else(|| hierarchy("blkio")) else {
            return skip("no hierarchy here has io or blkio");
        };
        if !is_v1 {
            fs::write(directory.join("cgroup.subtree_control"), "+io").unwrap();
        }
        fs::create_dir(directory.join("probe")).unwrap();
        let has = |file: &&str| directory.join("probe").join(file).exists();
        let files = if is_v1 { ["blkio.weight", "blkio.bfq.weight"] } else { ["io.bfq.weight", "io.weight"] };
        let file = files.into_iter().find(has);
        fs::remove_dir(directory.join("probe")).unwrap();
        let expected = match file {
            Some("io.weight") => Some("io.weight default 4950".to_owned()),
            Some(file @ "io.bfq.weight") => Some(format!("{file} default 500")),
            file => file.map(|file| format!("{file} 500")),
        };
        if expected.is_none() {
            skip("this kernel knows no weights of block devices, so they are only refused");
        }
        let lines: Option<Vec<&str>> = expected.as_ref().map(|line| vec![line.as_str()]);
        let controller = if is_v1 { "blkio" } else { "io" };
        check(sandbox, &[(controller, json!({ "blockIO": { "weight": 500 } }), lines.as_deref(), lines.as_deref())]);
    });
}

fn limits_of_huge_pages_are_set() {
    sandboxed(|sandbox| {
        check(
            sandbox,
            &[
                row(
                    "hugetlb",
                    "hugepageLimits",
                    json!([{ "pageSize": "2MB", "limit": 5_000_000 }]),
                    Some(&["hugetlb.2MB.limit_in_bytes 4194304", "hugetlb.2MB.rsvd.limit_in_bytes 4194304"]),
                    Some(&["hugetlb.2MB.max 4194304", "hugetlb.2MB.rsvd.max 4194304"]),
                ),
                row(
                    "hugetlb",
                    "hugepageLimits",
                    json!([{ "pageSize": "2MB", "limit": u64::MAX }]),
                    Some(&["hugetlb.2MB.limit_in_bytes 9223372036852678656"]),
                    Some(&["hugetlb.2MB.max max"]),
                ),
                row("hugetlb", "hugepageLimits", json!([{ "pageSize": "3MB", "limit": 0 }]), None, None),
                row("hugetlb", "hugepageLimits", json!([{ "pageSize": "2M", "limit": 0 }]), None, None),
            ],
        );
    });
}

fn classes_of_packets_are_set_on_v1_alone() {
    sandboxed(|sandbox| {
        let class = json!({ "network": { "classID": 1_048_577 } });
        check(sandbox, &[("net_cls", class, Some(&["net_cls.classid 1048577"]), None)]);
    });
}

fn priorities_of_packets_are_set_on_v1_alone() {
    sandboxed(|sandbox| {
        let priorities = json!({ "network": { "priorities": [{ "name": "lo", "priority": 500 }] } });
        let unknown = json!({ "network": { "priorities": [{ "name": "no-such", "priority": 500 }] } });
        check(
            sandbox,
            &[("net_prio", priorities, Some(&["net_prio.ifpriomap lo 500"]), None), ("net_prio", unknown, None, None)],
        );
    });
}

fn unknown_rdma_devices_are_refused() {
    sandboxed(|sandbox| check(sandbox, &[("rdma", json!({ "rdma": { "no-such": { "hcaHandles": 3 } } }), None, None)]));
}

fn files_of_v2_are_written_by_name() {
    sandboxed(|sandbox| {
        let root = Path::new("/sys/fs/cgroup");
        if ![root, &root.join("unified")].iter().any(|path| path.join("cgroup.controllers").exists()) {
            skip("without cgroup v2 files can't be written by name, only refused");
            return check(sandbox, &[("v2", json!({ "unified": { "cgroup.max.depth": "3" } }), None, None)]);
        }
        // cgroup.* is there without a controller.
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/made/here");
        config["linux"]["resources"] = json!({ "unified": { "cgroup.max.depth": "3" } });
        sandbox.create(&config);
        let unified = if root.join("cgroup.controllers").exists() { root.to_owned() } else { root.join("unified") };
        assert_eq!(fs::read_to_string(unified.join("made/here/cgroup.max.depth")).unwrap(), "3\n");
        sandbox.must(&["delete", "--force", "c1"]);
        check(
            sandbox,
            &[
                row("cgroup", "unified", json!({ "cgroup.no-such": "1" }), None, None),
                row("no-such", "unified", json!({ "no-such.max": "1" }), None, None),
                row("cgroup", "unified", json!({ "../cgroup.max.depth": "1" }), None, None),
            ],
        );
    });
}

fn files_of_controllers_are_written_by_name() {
    sandboxed(|sandbox| {
        let hugetlb = json!({ "hugetlb.2MB.max": "4194304", "cgroup.max.descendants": "5" });
        check(
            sandbox,
            &[
                row(
                    "hugetlb",
                    "unified",
                    hugetlb,
                    None,
                    Some(&["hugetlb.2MB.max 4194304", "cgroup.max.descendants 5"]),
                ),
                row("hugetlb", "unified", json!({ "hugetlb.no-such": "1" }), None, None),
            ],
        );
    });
}

fn each_line_of_a_file_by_name_is_written_by_itself() {
    sandboxed(|sandbox| {
        if let (Some((_, false)), Some((major, minor))) = (hierarchy("io"), block_device()) {
            let lines = format!("{major}:{minor} rbps=2097152\n{major}:{minor} wiops=120\n");
            let expected = format!("io.max {major}:{minor} rbps=2097152 wbps=max riops=max wiops=120");
            check(sandbox, &[row("io", "unified", json!({ "io.max": lines }), None, Some(&[&expected]))]);
        } else {
            skip("io isn't on cgroup v2, or there is no block device");
        }
    });
}

fn a_file_by_name_comes_before_the_property_of_the_same() {
    sandboxed(|sandbox| {
        if hierarchy("memory").is_some_and(|(_, is_v1)| !is_v1) {
            let both = json!({ "memory": { "limit": 67_108_864 }, "unified": { "memory.max": "32M" } });
            check(sandbox, &[("memory", both, None, Some(&["memory.max 33554432"]))]);
        } else {
            skip("memory isn't on cgroup v2, so its files are only refused");
            check(sandbox, &[row("no-such", "unified", json!({ "memory.max": "32M" }), None, None)]);
        }
    });
}

fn the_process_is_in_the_configured_cgroup_everywhere() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/a/b");
        sandbox.create(&config);
        let pid = sandbox.state()["pid"].to_string();
        let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for line in fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next().unwrap(), fields.next().unwrap());
            let typ = if names.is_empty() { " - cgroup2 " } else { " - cgroup " };
            if mounted.lines().any(|mount| mount.contains(typ) && mount.ends_with(names)) {
                assert_eq!(path, "/a/b", "{names}");
            }
        }
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

fn a_cgroup_of_others_survives() {
    sandboxed(|sandbox| {
        let mut directory = ["pids", "."].iter().map(|name| Path::new("/sys/fs/cgroup").join(name));
        let directory = directory.find(|path| path.join("cgroup.procs").exists()).unwrap();
        fs::create_dir(directory.join("others")).unwrap();
        let mut config = sandbox.config("true");
        config["linux"]["cgroupsPath"] = json!("/others/ours");
        sandbox.live(&config);
        assert!(directory.join("others").exists());
        config["linux"]["cgroupsPath"] = json!("/others");
        sandbox.live(&config);
        assert!(directory.join("others").exists());
        fs::remove_dir(directory.join("others")).unwrap();
    });
}

fn a_container_is_killed_beyond_its_memory() {
    sandboxed(|sandbox| {
        if hierarchy("memory").is_none() {
            return;
        }
        let mut config = sandbox.config("");
        config["process"]["args"] = json!(["/usr/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]);
        config["linux"]["resources"] = json!({ "memory": { "limit": 16_777_216 } });
        sandbox.bundle(&config);
        let mut run = sandbox.runtime();
        let status = run.args(["run", "--bundle"]).arg(sandbox.path("bundle")).arg("c1").status().unwrap();
        assert_eq!(status.code(), Some(128 + 9));
    });
}

fn the_cgroup_mount_shows_the_containers_own() {
    sandboxed(|sandbox| {
        for namespace in [true, false] {
            let mut config = sandbox.config(
                "cat $(find /sys/fs/cgroup -name cgroup.procs) >/out/result; \
                mkdir /sys/fs/cgroup/x 2>/dev/null && echo writable >>/out/result; exit 0",
            );
            config["mounts"].as_array_mut().unwrap().extend([
                json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
                json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"] }),
            ]);
            if !namespace {
                config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "cgroup");
            }
            sandbox.live(&config);
            let pids: Vec<String> = sandbox.out("result").lines().map(str::to_owned).collect();
            // In each hierarchy there is the shell, pid 1, and the program that looks.
            assert!(
                !pids.is_empty()
                    && pids.len().is_multiple_of(2)
                    && pids.iter().filter(|pid| *pid == "1").count() == pids.len() / 2,
                "{pids:?}"
            );
        }
        assert!(wait_until(|| !Path::new("/sys/fs/cgroup/unified/x").exists()));
    });
}

fn the_cgroup_is_handed_over_on_pure_v2_alone() {
    sandboxed(|sandbox| {
        let pure = Path::new("/sys/fs/cgroup/cgroup.procs").exists();
        let hierarchy = if pure { PathBuf::from("/sys/fs/cgroup") } else { hierarchy("pids").unwrap().0 };
        for (options, asked) in [(&["ro"][..], false), (&[], true)] {
            let mut config = sandbox.config("true");
            config["linux"]["cgroupsPath"] = json!("/handed");
            config["process"]["user"]["uid"] = json!(1234);
            config["mounts"].as_array_mut().unwrap().extend([
                json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }),
                json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options }),
            ]);
            sandbox.create(&config);
            let owner = |file: &str| fs::metadata(hierarchy.join("handed").join(file)).unwrap().uid();
            let expected = if pure && asked { 1234 } else { 0 };
            assert_eq!([owner(""), owner("cgroup.procs")], [expected; 2], "{options:?}");
            assert!(!pure || owner("cgroup.events") == 0, "a file that isn't delegated was handed over");
            sandbox.must(&["delete", "--force", "c1"]);
        }
    });
}

fn default_devices_and_links_are_there() {
    sandboxed(|sandbox| {
        let script = "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done; \
            for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo >/dev/null";
        let expected = "/dev/null character special file 1:3 666\n/dev/zero character special file 1:5 666\n\
            /dev/full character special file 1:7 666\n/dev/random character special file 1:8 666\n\
            /dev/urandom character special file 1:9 666\n/dev/tty character special file 5:0 666\n\
            /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n";
        assert_eq!(sandbox.run(script, |_| {}), expected);
        // Also where /dev is a directory of the root file system, which is left as it was.
        sandbox.bundle(&sandbox.config(""));
        fs::create_dir(sandbox.path("bundle/rootfs/dev")).unwrap();
        fs::write(sandbox.path("bundle/rootfs/dev/null"), "a file of the image\n").unwrap();
        let result = sandbox.run(script, |config| {
            config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
        });
        assert_eq!(result, expected);
        let kept = sandbox.path("bundle/rootfs/dev/null");
        assert_eq!(fs::read_to_string(kept).unwrap(), "a file of the image\n");
    });
}

fn configured_devices_are_made_as_described() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        config["linux"]["devices"] = json!([
            { "path": "/dev/own", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8 },
            { "path": "/elsewhere/block", "type": "b", "major": 7, "minor": 200 },
            { "path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5 },
            { "path": "/dev/fifo", "type": "p", "fileMode": 0o600 },
            { "path": "/dev/null", "type": "c", "major": 1, "minor": 3 },
        ]);
        sandbox.create(&config);
        let root = PathBuf::from(format!("/proc/{}/root", sandbox.state()["pid"]));
        let own = fs::metadata(root.join("dev/own")).unwrap();
        assert!(own.file_type().is_char_device());
        assert_eq!((own.rdev(), own.permissions().mode() & 0o7777, own.uid(), own.gid()), (1 << 8 | 3, 0o640, 7, 8));
        let block = fs::metadata(root.join("elsewhere/block")).unwrap();
        assert!(block.file_type().is_block_device());
        assert!(fs::metadata(root.join("dev/unbuffered")).unwrap().file_type().is_char_device());
        assert!(fs::metadata(root.join("dev/fifo")).unwrap().file_type().is_fifo());
        sandbox.must(&["delete", "--force", "c1"]);
        assert!(!sandbox.path("bundle/rootfs/elsewhere").exists());
    });
}

fn device_rules_are_enforced() {
    sandboxed(|sandbox| {
        let script = "for d in null zero mem0; do dd if=/dev/$d of=/dev/null count=1 2>/dev/null && echo $d; done; \
            mknod /made c 1 5 2>/dev/null && echo made && rm /made; (: <>/dev/zero) 2>/dev/null && echo both; \
            (echo x >/dev/mem0) 2>/dev/null && echo written; exit 0";
        let with = |rules: serde_json::Value| {
            sandbox.run(script, |config| {
                config["linux"]["devices"] =
                    json!([{ "path": "/dev/mem0", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666 }]);
                config["linux"]["resources"] = json!({ "devices": rules });
                config["process"]["capabilities"] = json!({ "bounding": ["CAP_MKNOD", "CAP_DAC_OVERRIDE"] });
            })
        };
        // 1:11 is /dev/kmsg, which anybody can be denied and root can read; non-blocking reads end with a record.
        assert_eq!(with(json!([{ "allow": false, "access": "rwm" }])), "null\nzero\nmade\nboth\n");
        assert_eq!(with(json!([{ "allow": false, "type": "c" }])), "null\nzero\nmade\nboth\n");
        let write = json!([{ "allow": false, "access": "rwm" }, { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" }]);
        assert_eq!(with(write), "null\nzero\nmade\nboth\nwritten\n");
        let without = |access| json!({ "allow": false, "type": "c", "major": 1, "minor": 5, "access": access });
        assert_eq!(with(json!([{ "allow": false }, without("rwm")])), "null\n");
        assert_eq!(with(json!([{ "allow": false }, without("w")])), "null\nzero\nmade\n");
        // Two rules allow together what neither does alone.
        let halves = json!([
            { "allow": false }, without("rwm"), { "allow": true, "type": "c", "minor": 5, "access": "r" },
            { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "w" },
        ]);
        assert_eq!(with(halves), "null\nzero\nboth\n");
    });
}

fn without_resctrl_a_share_of_the_cache_is_refused() {
    sandboxed(|sandbox| {
        if fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
            return skip("resctrl is mounted here");
        }
        let mut config = sandbox.config("true");
        config["linux"]["intelRdt"] = json!({ "closID": "gold" });
        assert!(sandbox.create_refused(&config).ends_with("linux.intelRdt: no resctrl file system is mounted"));
    });
}

/// Changes the limits of `c1`.
fn update(sandbox: &Sandbox, limits: &Value) -> sandbox::Called {
    fs::write(sandbox.path("limits"), limits.to_string()).unwrap();
    sandbox.call(&["update", "--resources", sandbox.path("limits").to_str().unwrap(), "c1"])
}

/// A change of limits, and what a file of the cgroup then holds on v1 and on v2.
type Step = (Value, &'static str, &'static str);

/// Changes the limits of a created container step by step.
fn update_in_steps(sandbox: &Sandbox, controller: &str, steps: &[Step]) {
    let Some((directory, is_v1)) = hierarchy(controller) else {
        return skip(&format!("no hierarchy here has {controller}"));
    };
    let mut config = sandbox.config("true");
    config["linux"]["cgroupsPath"] = json!("/made");
    sandbox.create(&config);
    for (limits, v1, v2) in steps {
        let called = update(sandbox, limits);
        assert!(called.ok, "{limits}: {}", called.stderr);
        let (file, line) = if is_v1 { v1 } else { v2 }.split_once(' ').unwrap();
        assert_eq!(fs::read_to_string(directory.join("made").join(file)).unwrap().trim(), line, "{limits}: {file}");
    }
    sandbox.must(&["delete", "--force", "c1"]);
}

fn limits_of_memory_that_bound_each_other_are_raised_and_lowered() {
    sandboxed(|sandbox| {
        let both = |bytes: u64| json!({ "memory": { "limit": bytes, "swap": bytes } });
        let steps = [
            (both(67_108_864), "memory.memsw.limit_in_bytes 67108864", "memory.max 67108864"),
            (both(134_217_728), "memory.memsw.limit_in_bytes 134217728", "memory.max 134217728"),
            (both(33_554_432), "memory.limit_in_bytes 33554432", "memory.max 33554432"),
            (both(0), "memory.limit_in_bytes 33554432", "memory.max 33554432"),
        ];
        update_in_steps(sandbox, "memory", &steps);
    });
}

fn limits_of_processors_that_bound_each_other_are_raised_and_lowered() {
    sandboxed(|sandbox| {
        let time = |quota, burst| json!({ "cpu": { "quota": quota, "burst": burst } });
        let steps = [
            (time(50_000, 40_000), "cpu.cfs_burst_us 40000", "cpu.max.burst 40000"),
            (time(10_000, 5000), "cpu.cfs_quota_us 10000", "cpu.max.burst 5000"),
            (time(90_000, 80_000), "cpu.cfs_burst_us 80000", "cpu.max.burst 80000"),
            (json!({ "cpu": { "period": 200_000 } }), "cpu.cfs_quota_us 90000", "cpu.max 90000 200000"),
            (json!({ "cpu": { "shares": 512, "idle": 1 } }), "cpu.idle 1", "cpu.idle 1"),
            (json!({ "cpu": { "shares": 512, "idle": 0 } }), "cpu.shares 512", "cpu.weight 59"),
        ];
        update_in_steps(sandbox, "cpu", &steps);
    });
}

fn new_rules_of_devices_come_in_the_place_of_the_former() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("exec sleep 1000");
        let kmsg = json!({ "path": "/dev/mem0", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666 });
        let (none, one) = (json!({ "allow": false }), json!({ "allow": true, "type": "c", "major": 1, "minor": 11 }));
        config["linux"]["devices"] = json!([kmsg]);
        config["linux"]["resources"] = json!({ "devices": [none] });
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        let opens = || sandbox.call(&["exec", "c1", "/bin/sh", "-c", ": >/dev/mem0"]).ok;
        assert!(!opens());
        for (rules, allowed) in [(json!([none, one]), true), (json!([none]), false), (json!([none, one]), true)] {
            let called = update(sandbox, &json!({ "devices": rules }));
            assert!(called.ok, "{}", called.stderr);
            assert_eq!(opens(), allowed, "{rules}");
        }
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

fn a_limit_below_the_usage_is_refused_if_that_is_to_be_checked() {
    sandboxed(|sandbox| {
        if hierarchy("memory").is_none() {
            return skip("no hierarchy here has memory");
        }
        let script =
            "held=$(head -c 6000000 /dev/zero | tr '\\0' x); echo holding >/out/result; sleep 1000; echo $held";
        let mut config = sandbox.config(script);
        config["linux"]["resources"] = json!({ "memory": { "limit": 67_108_864 } });
        sandbox.create(&config);
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| fs::read_to_string(sandbox.path("out/result")).is_ok_and(|text| text == "holding\n")));
        let called = update(sandbox, &json!({ "memory": { "limit": 4_194_304, "checkBeforeUpdate": true } }));
        assert!(!called.ok && called.stderr.contains("linux.resources.memory.limit: 4194304"), "{}", called.stderr);
        assert_eq!(sandbox.status(), "running");
        sandbox.must(&["delete", "--force", "c1"]);
    });
}

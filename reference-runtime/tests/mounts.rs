//! The root file system, the mounts on it, and the paths that are masked or read-only.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use nix::mount::{MsFlags, mount};
use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn add(config: &mut Value, entry: Value) {
    config["mounts"].as_array_mut().unwrap().push(entry);
}

/// The line of the container's mountinfo about the mount at `/x`, with the options given to a new tmpfs there.
fn tmpfs(sandbox: &Sandbox, options: &[&str]) -> String {
    sandbox.run("grep ' /x ' /proc/self/mountinfo", |config| {
        add(config, json!({ "destination": "/x", "type": "tmpfs", "source": "name", "options": options }));
    })
}

#[test]
fn options_of_a_new_file_system_are_applied() {
    sandboxed(|sandbox| {
        let own = |line: &str| line.split(' ').nth(5).unwrap().to_owned();
        let superblock = |line: &str| line.trim().rsplit(' ').next().unwrap().to_owned();
        let plain = tmpfs(sandbox, &["defaults"]);
        assert_eq!((own(&plain).as_str(), superblock(&plain).as_str()), ("rw,relatime", "rw"));
        assert!(plain.contains(" - tmpfs name "), "{plain}");
        for (options, expected) in [
            (&["ro"][..], "ro,relatime"),
            (&["ro", "rw"], "rw,relatime"),
            (&["nosuid", "nodev", "noexec"], "rw,nosuid,nodev,noexec,relatime"),
            (&["nosuid", "suid", "nodev", "dev", "noexec", "exec"], "rw,relatime"),
            (&["noatime"], "rw,noatime"),
            (&["noatime", "atime"], "rw,relatime"),
            (&["strictatime"], "rw"),
            (&["strictatime", "nostrictatime"], "rw,relatime"),
            (&["nodiratime"], "rw,nodiratime,relatime"),
            (&["nosymfollow"], "rw,relatime,nosymfollow"),
        ] {
            assert_eq!(own(&tmpfs(sandbox, options)), expected, "{options:?}");
        }
        for (options, expected) in [
            (&["sync"][..], "rw,sync"),
            (&["sync", "async"], "rw"),
            (&["dirsync"], "rw,dirsync"),
            (&["lazytime"], "rw,lazytime"),
            (&["mode=700", "size=64k"], "rw,size=64k,mode=700"),
        ] {
            assert_eq!(superblock(&tmpfs(sandbox, options)), expected, "{options:?}");
        }
    });
}

#[test]
fn a_bad_option_of_a_file_system_is_refused() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("true");
        add(&mut config, json!({ "destination": "/x", "type": "tmpfs", "source": "t", "options": ["nonsense"] }));
        assert!(sandbox.create_refused(&config).contains("mount t on /x: EINVAL"));
    });
}

/// Makes a directory with a file, a link and a mount below it, for binding.
fn make_source(sandbox: &Sandbox) -> String {
    let source = sandbox.path("source");
    fs::create_dir_all(source.join("below")).unwrap();
    fs::write(source.join("file"), "bound\n").unwrap();
    mount(Some("t"), &source, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::create_dir(source.join("below")).unwrap();
    fs::write(source.join("file"), "bound\n").unwrap();
    mount(Some("t"), &source.join("below"), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::write(source.join("below/deep"), "").unwrap();
    source.to_str().unwrap().to_owned()
}

fn bound(sandbox: &Sandbox, source: &str, options: &[&str]) -> Vec<(String, String)> {
    let script = "sed -n 's/^[0-9]* [0-9]* [0-9:]* [^ ]* \\(\\/x[^ ]*\\) \\([^ ]*\\) \\(.*\\)- .*/\\1 \\2 \\3/p' /proc/self/mountinfo";
    let result = sandbox.run(script, |config| {
        add(config, json!({ "destination": "/x", "source": source, "options": options }));
    });
    result
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(path, rest)| (path.to_owned(), rest.trim().to_owned()))
        .collect()
}

#[test]
fn options_of_a_bind_mount_are_applied() {
    sandboxed(|sandbox| {
        let source = make_source(sandbox);
        let one = |options: &[&str]| {
            let found = bound(sandbox, &source, options);
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].1.clone()
        };
        assert_eq!(one(&["bind"]), "rw,relatime");
        assert_eq!(one(&["bind", "ro", "nosuid", "noatime"]), "ro,nosuid,noatime");
        let two = |options: &[&str]| {
            let found = bound(sandbox, &source, options);
            assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/x", "/x/below"]);
            [found[0].1.clone(), found[1].1.clone()]
        };
        assert_eq!(two(&["rbind", "ro"]), ["ro,relatime", "rw,relatime"]);
        for (option, expected) in [
            ("rro", "ro,relatime"),
            ("rnosuid", "rw,nosuid,relatime"),
            ("rnodev", "rw,nodev,relatime"),
            ("rnoexec", "rw,noexec,relatime"),
            ("rnoatime", "rw,noatime"),
            ("rstrictatime", "rw"),
            ("rnodiratime", "rw,nodiratime,relatime"),
            ("rnosymfollow", "rw,relatime,nosymfollow"),
        ] {
            assert_eq!(two(&["rbind", option]), [expected, expected], "{option}");
        }
        assert_eq!(
            two(&["rbind", "rro", "rrw", "rnosuid", "rsuid", "rnoatime", "ratime"]),
            ["rw,relatime", "rw,relatime"]
        );
    });
}

#[test]
fn propagation_types_are_applied() {
    sandboxed(|sandbox| {
        let source = make_source(sandbox);
        let types = |options: &[&str]| {
            let found = bound(sandbox, &source, options);
            let kind = |(_, rest): &(String, String)| {
                let tag = rest.split(' ').nth(1).unwrap_or("private");
                tag.split(':').next().unwrap().to_owned()
            };
            found.iter().map(kind).collect::<Vec<_>>()
        };
        mount(None::<&str>, source.as_str(), None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>).unwrap();
        assert_eq!(types(&["bind", "private"]), ["private"]);
        assert_eq!(types(&["bind", "slave"]), ["master"]);
        assert_eq!(types(&["bind", "shared"])[0], "shared");
        assert_eq!(types(&["bind", "unbindable"]), ["unbindable"]);
        assert_eq!(types(&["rbind", "rprivate"]), ["private", "private"]);
        assert_eq!(types(&["rbind", "rslave"]), ["master", "master"]);
        assert_eq!(types(&["rbind", "rshared"]), ["shared", "shared"]);
        assert_eq!(types(&["rbind", "runbindable"]), ["unbindable", "unbindable"]);
        // Made after the container, such a mount is seen inside only through a slave.
        for (kind, seen) in [("rslave", true), ("rprivate", false)] {
            let mut config = sandbox.config("until [ -e /out/go ]; do sleep 0.01; done; ls /x/late >/out/late 2>&1");
            add(&mut config, json!({ "destination": "/x", "source": source, "options": ["rbind", kind] }));
            fs::create_dir_all(Path::new(&source).join("late")).unwrap();
            sandbox.create(&config);
            sandbox.must(&["start", "c1"]);
            let late = Path::new(&source).join("late");
            mount(Some("t"), &late, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            fs::write(late.join("arrived"), "").unwrap();
            fs::write(sandbox.path("out/go"), "").unwrap();
            assert!(wait_until(|| sandbox.status() == "stopped"));
            sandbox.must(&["delete", "c1"]);
            assert_eq!(sandbox.out("late").contains("arrived"), seen, "{kind}");
            nix::mount::umount(&late).unwrap();
            fs::remove_file(sandbox.path("out/go")).unwrap();
        }
    });
}

#[test]
fn the_propagation_of_the_root_is_applied() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(""));
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>).unwrap();
        for (kind, expected) in
            [("private", ""), ("slave", "master"), ("shared", "shared"), ("unbindable", "unbindable")]
        {
            let script = "sed -n 's/^[0-9]* [0-9]* [0-9:]* [^ ]* \\/ [^ ]* \\(.*\\)- .*/\\1/p' /proc/self/mountinfo";
            let tags = sandbox.run(script, |config| config["linux"]["rootfsPropagation"] = json!(kind));
            assert!(
                tags.trim().starts_with(expected) && tags.trim().is_empty() == expected.is_empty(),
                "{kind}: {tags}"
            );
            if let Some(group) = tags.trim().strip_prefix("shared:") {
                let own = fs::read_to_string("/proc/self/mountinfo").unwrap();
                assert!(!own.contains(&format!("shared:{group} ")), "the group is the host's");
            }
        }
    });
}

#[test]
fn sources_and_destinations_are_found() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(""));
        fs::write(sandbox.path("bundle/file"), "a file\n").unwrap();
        let result =
            sandbox.run("cat /made/on/the/way; cat /marker; grep -c ' /relative ' /proc/self/mountinfo", |config| {
                add(
                    config,
                    json!({ "destination": "/made/on/the/way", "source": "file", "type": "none", "options": ["bind"] }),
                );
                add(
                    config,
                    json!({ "destination": "/marker", "source": "file", "type": "tmpfs", "options": ["bind"] }),
                );
                add(config, json!({ "destination": "relative", "type": "tmpfs", "source": "t" }));
            });
        assert_eq!(result, "a file\na file\n1\n");
        assert_eq!(fs::read_to_string(sandbox.path("bundle/rootfs/marker")).unwrap(), "visible\n");
    });
}

#[test]
fn links_in_the_root_file_system_lead_nowhere_else() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("{ ls /x /dangling/deep; ls -d /real/y/z /gone/deep; } >/out/result 2>&1");
        let outside = sandbox.path("outside");
        fs::create_dir(&outside).unwrap();
        sandbox.bundle(&config);
        let rootfs = sandbox.path("bundle/rootfs");
        std::os::unix::fs::symlink(&outside, rootfs.join("x")).unwrap();
        std::os::unix::fs::symlink("../../../../../../real", rootfs.join("link")).unwrap();
        std::os::unix::fs::symlink("/gone", rootfs.join("dangling")).unwrap();
        fs::create_dir(rootfs.join("real")).unwrap();
        add(&mut config, json!({ "destination": "/x/inside", "type": "tmpfs", "source": "t" }));
        add(&mut config, json!({ "destination": "/link/y/z", "type": "tmpfs", "source": "t" }));
        add(&mut config, json!({ "destination": "/dangling/deep", "type": "tmpfs", "source": "t" }));
        sandbox.live(&config);
        let result = sandbox.out("result");
        assert!(
            result.contains("inside") && result.contains("/real/y/z\n") && result.contains("/gone/deep\n"),
            "{result}"
        );
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        let left: Vec<_> = fs::read_dir(&rootfs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 5, "{left:?}");
    });
}

#[test]
fn a_linked_dev_is_filled_where_the_link_leads_inside() {
    sandboxed(|sandbox| {
        let mut config = sandbox.config("ls /elsewhere >/out/result");
        config["mounts"].as_array_mut().unwrap().retain(|entry| entry["destination"] != "/dev");
        sandbox.bundle(&config);
        let marker = sandbox.path("marker-directory");
        fs::create_dir(&marker).unwrap();
        std::os::unix::fs::symlink("/elsewhere", sandbox.path("bundle/rootfs/dev")).unwrap();
        fs::create_dir(sandbox.path("bundle/rootfs/elsewhere")).unwrap();
        sandbox.live(&config);
        assert!(sandbox.out("result").contains("null\n"), "{}", sandbox.out("result"));
        assert_eq!(fs::read_dir(sandbox.path("bundle/rootfs/elsewhere")).unwrap().count(), 0, "nodes were left behind");
    });
}

#[test]
fn owners_are_mapped_on_id_mapped_mounts() {
    sandboxed(|sandbox| {
        let source = make_source(sandbox);
        for below in ["", "below"] {
            std::os::unix::fs::chown(Path::new(&source).join(below), Some(3), Some(4)).unwrap();
        }
        let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
        for (option, below) in [("idmap", "3 4"), ("ridmap", "1003 1004")] {
            let result = sandbox.run("stat -c '%u %g' /x /x/below", |config| {
                add(
                    config,
                    json!({ "destination": "/x", "source": source, "options": ["rbind", option],
                    "uidMappings": mappings, "gidMappings": mappings }),
                );
            });
            assert_eq!(result, format!("1003 1004\n{below}\n"), "{option}");
        }
        // Without mappings of its own, those of the container's user namespace, in which they cancel out.
        let result = sandbox.run("stat -c '%u %g' /x; cat /proc/self/uid_map | tr -s ' '", |config| {
            config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
            let map =
                json!([{ "containerID": 0, "hostID": 0, "size": 3 }, { "containerID": 3, "hostID": 5000, "size": 10 }]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
            add(config, json!({ "destination": "/x", "source": source, "options": ["bind", "idmap"] }));
        });
        assert_eq!(result, "3 4\n 0 0 3\n 3 5000 10\n");
        let mut config = sandbox.config("true");
        add(&mut config, json!({ "destination": "/x", "source": source, "options": ["bind", "idmap"] }));
        assert!(sandbox.create_refused(&config).contains("needs mappings"));
    });
}

#[test]
fn remount_changes_the_mount_that_is_there() {
    sandboxed(|sandbox| {
        let result = sandbox.run("grep ' /x ' /proc/self/mountinfo | cut -d' ' -f6", |config| {
            add(config, json!({ "destination": "/x", "type": "tmpfs", "source": "t" }));
            add(
                config,
                json!({ "destination": "/x", "type": "tmpfs", "source": "t", "options": ["remount", "nosuid", "ro"] }),
            );
        });
        assert_eq!(result, "ro,nosuid,relatime\n");
    });
}

#[test]
fn tmpcopyup_brings_along_what_was_there() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(""));
        let directory = sandbox.path("bundle/rootfs/x");
        fs::create_dir_all(directory.join("sub")).unwrap();
        fs::write(directory.join("sub/file"), "copied\n").unwrap();
        std::os::unix::fs::symlink("sub/file", directory.join("link")).unwrap();
        let result = sandbox.run("cat /x/link; echo changed >/x/sub/file; stat -fc %T /x", |config| {
            add(config, json!({ "destination": "/x", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"] }));
        });
        assert_eq!(result, "copied\ntmpfs\n");
        assert_eq!(fs::read_to_string(directory.join("sub/file")).unwrap(), "copied\n");
    });
}

#[test]
fn expected_file_systems_are_there() {
    sandboxed(|sandbox| {
        let result = sandbox.run(
            "for at in /proc /sys /dev/pts /dev/shm; do stat -fc %T $at; done; ls -l /dev/ptmx | sed 's/.* //'",
            |_| {},
        );
        assert_eq!(result, "proc\nsysfs\ndevpts\ntmpfs\npts/ptmx\n");
    });
}

#[test]
fn a_read_only_root_is_read_only() {
    sandboxed(|sandbox| {
        let script = "(echo >/new) 2>/dev/null && echo written || echo refused; echo >/dev/shm/new && echo written";
        assert_eq!(sandbox.run(script, |config| config["root"]["readonly"] = json!(true)), "refused\nwritten\n");
        let result = sandbox.run(&format!("{script}; rm /new"), |_| {});
        assert_eq!(result, "written\nwritten\n");
    });
}

#[test]
fn masked_and_read_only_paths() {
    sandboxed(|sandbox| {
        sandbox.bundle(&sandbox.config(""));
        let rootfs = sandbox.path("bundle/rootfs");
        for directory in ["secret", "fixed/sub"] {
            fs::create_dir_all(rootfs.join(directory)).unwrap();
            fs::write(rootfs.join(directory).join("file"), "content\n").unwrap();
        }
        let script = "cat /marker; ls /secret; cat /secret/file 2>/dev/null || echo unreachable; cat /proc/version; \
            for at in /fixed/new /fixed/sub/file /proc/sys/kernel/hostname; do (: >>$at) 2>/dev/null && echo $at; done; \
            cat /fixed/sub/file";
        let result = sandbox.run(script, |config| {
            config["linux"]["maskedPaths"] = json!(["/marker", "/secret", "/proc/version", "/no/such"]);
            config["linux"]["readonlyPaths"] = json!(["/fixed", "/proc/sys", "/no/such"]);
        });
        assert_eq!(result, "unreachable\ncontent\n");
    });
}

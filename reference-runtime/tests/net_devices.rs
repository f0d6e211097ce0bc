//! Network devices that are moved into the container, of a private network namespace that stands for the host's.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod sandbox;

use sandbox::{Sandbox, sandboxed, wait_until};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn exists(name: &str) -> bool {
    std::path::Path::new("/proc/sys/net/ipv4/conf").join(name).exists()
}

/// A device with addresses of both families, permanent and not, global and not.
fn make_device(name: &str) {
    ip(&format!("link add {name} type veth"));
    ip(&format!("link set {name} address 02:00:00:00:00:01 mtu 1400 up"));
    ip(&format!("addr add 192.0.2.1/24 brd 192.0.2.255 dev {name}"));
    ip(&format!("addr add 192.0.2.7/24 dev {name}"));
    ip(&format!("addr add 198.51.100.1/24 valid_lft 1000 preferred_lft 1000 dev {name}"));
    ip(&format!("addr add 2001:db8::1/64 nodad dev {name}"));
}

/// The addresses of global scope of a device, as the lines of `ip -o addr` begin.
fn addresses(listing: &str) -> Vec<String> {
    let global = listing.lines().filter(|line| line.contains("scope global"));
    global.map(|line| line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ")).collect()
}

const KEPT: [&str; 3] = ["inet 192.0.2.1/24", "inet 192.0.2.7/24", "inet6 2001:db8::1/64"];

fn with_devices(sandbox: &Sandbox, script: &str, devices: Value) -> Value {
    let mut config = sandbox.config(script);
    config["linux"]["netDevices"] = devices;
    config
}

#[test]
fn devices_are_moved_with_their_addresses_and_set_up() {
    sandboxed(|sandbox| {
        make_device("ocf0");
        ip("link add ocf1 type veth");
        let script =
            "{ ip -o link; ip -o addr show dev inner; cat /proc/sys/net/ipv4/conf/inner/rp_filter; } >/out/result 2>&1";
        let mut config = with_devices(sandbox, script, json!({ "ocf0": { "name": "inner" }, "ocf1": {} }));
        config["linux"]["sysctl"] = json!({ "net.ipv4.conf.inner.rp_filter": "2" });
        sandbox.create(&config);
        assert!(!exists("ocf0") && !exists("ocf1"), "they are still outside");
        sandbox.must(&["start", "c1"]);
        assert!(wait_until(|| sandbox.status() == "stopped"));
        sandbox.must(&["delete", "c1"]);
        let result = sandbox.out("result");
        assert_eq!(addresses(&result), KEPT, "{result}");
        let link = |name: &str| result.lines().find(|line| line.contains(&format!(" {name}@"))).unwrap().to_owned();
        assert!(link("inner").contains("mtu 1400") && link("inner").contains("02:00:00:00:00:01"), "{result}");
        assert!(link("inner").contains(",UP") && link("ocf1").contains(",UP"), "{result}");
        assert!(result.ends_with("\n2\n"), "{result}");
    });
}

#[test]
fn a_template_gets_a_number_that_is_free() {
    sandboxed(|sandbox| {
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link add in0 type veth && ip link add ocf1 type veth && echo ready && exec sleep 1000",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line).unwrap();
        let path = format!("/proc/{}/ns/net", holder.id());
        let join = |config: &mut Value| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|entry| entry["type"] != "network");
            namespaces.push(json!({ "type": "network", "path": path }));
        };
        make_device("ocf0");
        ip("link add ocf1 type veth");
        ip("link add ocf2 type veth");
        // One name is taken already, one will be by the first, and one device has to lose its name on the way.
        let devices = json!({ "ocf0": { "name": "in%d" }, "ocf1": { "name": "in%d" }, "ocf2": {} });
        let mut config = with_devices(sandbox, "true", devices);
        join(&mut config);
        sandbox.live(&config);
        // They stay in the namespace, which somebody else holds.
        let inside = Command::new("nsenter").args([&format!("--net={path}"), "ip", "-o", "addr"]).output().unwrap();
        let inside = String::from_utf8(inside.stdout).unwrap();
        assert!(["in0", "in1", "in2", "ocf1", "ocf2"].iter().all(|name| exists_in(&path, name)), "{inside}");
        let of_first: Vec<&str> = inside.lines().filter(|line| line.contains(" in1 ")).collect();
        assert_eq!(addresses(&of_first.join("\n")), KEPT, "{inside}");
        // A name that is taken is refused, and everything is as before.
        ip("link add ocf1 type veth");
        make_device("ocf0");
        let mut config = with_devices(sandbox, "true", json!({ "ocf0": {}, "ocf1": {} }));
        join(&mut config);
        let error = sandbox.create_refused(&config);
        assert!(error.contains("linux.netDevices.ocf1") && error.contains("already"), "{error}");
        let listing = ip("-o addr show dev ocf0");
        assert_eq!(addresses(&listing), KEPT);
        assert!(!exists_in(&path, "ocf0"));
        holder.kill().unwrap();
        holder.wait().unwrap();
    });
}

fn exists_in(namespace: &str, device: &str) -> bool {
    let mut command = Command::new("nsenter");
    command.args([&format!("--net={namespace}"), "ip", "link", "show", device]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn a_failed_creation_gives_devices_back() {
    sandboxed(|sandbox| {
        make_device("ocf0");
        ip("link add ocf1 type veth");
        let mut config = with_devices(sandbox, "true", json!({ "ocf0": { "name": "inner" }, "ocf1": {} }));
        config["hooks"] = json!({ "createRuntime": [{ "path": "/bin/false" }] });
        sandbox.create_refused(&config);
        let listing = ip("-o link");
        let of = |name: &str| listing.lines().find(|line| line.contains(&format!(" {name}@"))).unwrap();
        assert!(of("ocf0").contains(",UP") && of("ocf0").contains("mtu 1400"), "{listing}");
        assert!(!of("ocf1").contains(",UP"), "{listing}");
        assert_eq!(addresses(&ip("-o addr show dev ocf0")), KEPT);
    });
}

#[test]
fn what_cannot_be_moved_is_refused_by_name() {
    sandboxed(|sandbox| {
        make_device("ocf0");
        ip("link add ocf1 type veth");
        let refused = |devices: Value| sandbox.create_refused(&with_devices(sandbox, "true", devices));
        assert!(refused(json!({ "nosuch": {} })).contains("linux.netDevices.nosuch"));
        assert!(refused(json!({ "ocf0": { "name": "lo" } })).contains("linux.netDevices.ocf0"));
        let error = refused(json!({ "lo": { "name": "lo9" } }));
        assert!(error.contains("linux.netDevices.lo") && !error.contains("warning"), "{error}");
        assert!(refused(json!({ "ocf0": { "name": "a/b" } })).contains("a/b"));
        assert!(refused(json!({ "ocf0": { "name": "much-too-long-name" } })).contains("much-too-long-name"));
        assert!(refused(json!({ "ocf0": { "name": "x" }, "ocf1": { "name": "x" } })).contains("another device"));
        let mut config = with_devices(sandbox, "true", json!({ "ocf0": {} }));
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "network");
        assert!(sandbox.create_refused(&config).contains("network"));
        assert!(exists("ocf0") && exists("ocf1"));
    });
}

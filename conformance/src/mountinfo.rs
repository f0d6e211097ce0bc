//! Mounts as the kernel lists them in /proc/PID/mountinfo (proc_pid_mountinfo(5)).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::evidence::COMPLETE;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount's id.
    pub id: u32,
    /// The id of the mount on which it lies.
    pub parent: u32,
    /// Which directory of its file system is mounted.
    pub root: String,
    /// Where, as the process sees it.
    pub point: String,
    /// Options of the mount: `ro`, `nosuid`, `relatime` …
    pub options: Vec<String>,
    /// `shared`, `slave`, `unbindable`; `private` alone if it is none of them.
    pub propagation: Vec<String>,
    /// The file system's type.
    pub kind: String,
    /// The source; may be empty.
    pub source: String,
    /// Options of the file system.
    pub super_options: Vec<String>,
}

/// The mounts in the kernel's order; a line that the kernel can't have written is left out.
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

/// The mounts by mount point, the topmost at each; a complete listing if every line could be read.
///
/// `{id, parent, root, type, source, options, super-options, propagation, order}`, `order` counted from 0.
pub fn facts(text: &str) -> Value {
    let mounts = parse(text);
    let mut fields = Map::new();
    for (point, order) in topmost(&mounts) {
        fields.insert(point.to_owned(), mount_facts(&mounts[order], order));
    }
    if mounts.len() == text.lines().count() {
        fields.insert(COMPLETE.to_owned(), json!(true));
    }
    Value::Object(fields)
}

/// Where the mounts are, in the kernel's order, each as often as something is mounted there.
pub fn points(text: &str) -> Value {
    parse(text).into_iter().map(|mount| mount.point).collect()
}

fn mount_facts(mount: &Mount, order: usize) -> Value {
    json!({
        "id": mount.id,
        "parent": mount.parent,
        "root": mount.root,
        "type": mount.kind,
        "source": mount.source,
        "options": mount.options,
        "super-options": mount.super_options,
        "propagation": mount.propagation,
        "order": order,
    })
}

/// The place in the list of the mount that hides all others at its point: the one on which none of them
/// lies, and the last of those.
fn topmost(mounts: &[Mount]) -> BTreeMap<&str, usize> {
    let covered: Vec<(u32, &str)> = mounts.iter().map(|mount| (mount.parent, mount.point.as_str())).collect();
    let is_covered = |mount: &Mount| mount.parent != mount.id && covered.contains(&(mount.id, mount.point.as_str()));
    let mut top = BTreeMap::new();
    for (order, mount) in mounts.iter().enumerate() {
        if !is_covered(mount) || !top.contains_key(mount.point.as_str()) {
            top.insert(mount.point.as_str(), order);
        }
    }
    top
}

fn mount(line: &str) -> Option<Mount> {
    let (own, file_system) = line.split_once(" - ")?;
    let mut own = own.split(' ');
    let id = own.next()?.parse().ok()?;
    let parent = own.next()?.parse().ok()?;
    let _device = own.next()?.split_once(':')?;
    let root = unescape(own.next()?);
    let point = unescape(own.next()?);
    let options = options(own.next()?);
    let propagation = propagation(own);
    let [kind, source, super_options] = file_system.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
    let (kind, source, super_options) = (unescape(kind), unescape(source), self::options(super_options));
    Some(Mount { id, parent, root, point, options, propagation, kind, source, super_options })
}

fn propagation<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let word = |tag: &str| match tag.split(':').next() {
        Some("shared") => Some("shared"),
        Some("master") => Some("slave"),
        Some("unbindable") => Some("unbindable"),
        // propagate_from only says more about a slave; proc(5) reserves the rest.
        _ => None,
    };
    let words: Vec<String> = tags.filter_map(word).map(str::to_owned).collect();
    if words.is_empty() { vec!["private".to_owned()] } else { words }
}

/// Options between commas, but for commas in quotation marks: a security context has some of its own.
fn options(text: &str) -> Vec<String> {
    let mut quoted = false;
    let comma = |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    };
    text.split(comma).map(unescape).collect()
}

/// Puts back what the kernel writes as a backslash and three octal digits: blanks and backslashes.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_every_field() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 propagate_from:3 shared:7 - ext3 /dev/my\134root rw,errors=continue";
        let [mount] = &parse(line)[..] else { panic!("not one mount") };
        assert_eq!((mount.id, mount.parent, mount.root.as_str(), mount.point.as_str()), (36, 35, "/mnt1", "/mnt 2"));
        assert_eq!(mount.options, ["rw", "noatime"]);
        assert_eq!(mount.propagation, ["slave", "shared"]);
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext3", r"/dev/my\root"));
        assert_eq!(mount.super_options, ["rw", "errors=continue"]);
    }

    #[test]
    fn a_mount_without_tags_is_private_and_a_source_may_be_empty() {
        let [mount] = &parse("1 0 0:5 / /tmp ro - tmpfs  rw,size=1k")[..] else { panic!("not one mount") };
        assert_eq!(mount.propagation, ["private"]);
        assert_eq!(
            (mount.source.as_str(), &mount.super_options[..]),
            ("", &["rw".to_owned(), "size=1k".to_owned()][..])
        );
        assert_eq!(parse("1 0 0:5 / /tmp ro unbindable - tmpfs x rw")[0].propagation, ["unbindable"]);
    }

    #[test]
    fn a_quoted_context_is_one_option() {
        let line = r#"1 0 0:5 / / rw - tmpfs x rw,context="u:r:t:s0:c1,c2",inode64"#;
        assert_eq!(parse(line)[0].super_options, ["rw", r#"context="u:r:t:s0:c1,c2""#, "inode64"]);
    }

    #[test]
    fn the_topmost_mount_wins_whatever_the_order() {
        // 3 lies on 2, which lies on 1; listed out of order.
        let text = "3 2 0:3 / /m rw - tmpfs top rw\n1 9 0:1 / /m rw - tmpfs low rw\n2 1 0:2 / /m rw - tmpfs mid rw\n9 9 0:9 / / rw - ext4 root rw\n";
        let facts = facts(text);
        assert_eq!(facts["/m"]["source"], "top");
        assert_eq!(facts["/m"]["order"], 0);
        assert_eq!(facts["/"]["source"], "root");
        assert_eq!(facts[COMPLETE], true);
        assert_eq!(points(text), json!(["/m", "/m", "/m", "/"]));
    }

    #[test]
    fn what_the_kernel_did_not_write_makes_the_listing_incomplete() {
        for line in [
            "",
            "x",
            " - ",
            "1 2 3 4 5 6 - a b",
            "1 2 0:1 / /p rw - tmpfs",
            "99999999999 1 0:1 / / rw - a b c",
            "\u{fffd}",
        ] {
            let text = format!("1 0 0:5 / /tmp ro - tmpfs t rw\n{line}\n");
            let facts = facts(&text);
            assert_eq!((facts[COMPLETE].is_null(), &facts["/tmp"]["source"]), (true, &json!("t")), "{line:?}");
        }
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(unescape(r"a\04"), r"a\04");
        assert_eq!(unescape(r"a\999"), r"a\999");
        assert_eq!(unescape("a\\"), "a\\");
        assert_eq!(unescape("ü\\303\\274\\é"), "üü\\é");
        assert_eq!(unescape(r"\377"), "\u{fffd}");
    }

    #[test]
    fn the_mounts_of_this_process_are_all_read() {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let facts = facts(&text);
        assert_eq!(facts[COMPLETE], true);
        assert_eq!(facts["/proc"]["type"], "proc");
    }
}

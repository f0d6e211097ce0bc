//! The strings that `mounts[].options` may hold, one row each, and what they ask of mount(2) and mount_setattr(2).

use nix::libc;
use nix::mount::MsFlags as Ms;

/// What the options of one entry ask for together.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Options {
    /// `Some(true)` for `rbind`, `Some(false)` for `bind`.
    pub bind: Option<bool>,
    /// `Some(true)` for `ridmap`, `Some(false)` for `idmap`.
    pub id_map: Option<bool>,
    /// Flags of mount(2) for a new file system.
    pub flags: u64,
    /// Attributes of the mount itself.
    pub own: Attributes,
    /// Attributes of the mount and of those below it.
    pub recursive: Attributes,
    /// Propagation types, in their order.
    pub propagation: Vec<Ms>,
    /// Whether a new tmpfs starts with what the destination held.
    pub copy_up: bool,
    /// What is left for the file system, joined by commas.
    pub data: String,
}

/// Attributes of mount_setattr(2) to set and to clear.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Attributes {
    /// The attributes that the mount gets.
    pub set: u64,
    /// The attributes that the mount loses.
    pub clear: u64,
}

/// What one option means.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Bind(bool),
    /// A flag of the superblock, to set or to clear.
    Flag(Ms, bool),
    /// A flag of the mount: for mount(2), and as an attribute, to set or to clear.
    Both(Ms, u64, bool),
    /// How times of access are kept: for mount(2), and as the attribute's value.
    Time(Ms, u64),
    /// A way to keep times of access that is taken back.
    NotTime(u64),
    Recursive(u64, bool),
    RecursiveTime(u64),
    RecursiveNotTime(u64),
    Propagation(Ms),
    CopyUp,
    IdMap(bool),
    Nothing,
}

use Meaning::{Both, Flag, NotTime, Nothing, Recursive, RecursiveNotTime, RecursiveTime, Time};

// The attributes that libc doesn't name for every target, from linux/mount.h.
/// The attribute of a mount that is read-only.
pub const RDONLY: u64 = 0x1;
const NOSUID: u64 = 0x2;
const NODEV: u64 = 0x4;
const NOEXEC: u64 = 0x8;
const RELATIME: u64 = 0x0;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const ATIME: u64 = 0x70;
const NODIRATIME: u64 = 0x80;
const NOSYMFOLLOW: u64 = 0x20_0000;

const TIMES: Ms = Ms::MS_NOATIME.union(Ms::MS_RELATIME).union(Ms::MS_STRICTATIME);
const LAZYTIME: Ms = Ms::from_bits_retain(libc::MS_LAZYTIME as _);
const MS_NOSYMFOLLOW: Ms = Ms::from_bits_retain(0x100);

/// The table of options. // [mounts.options-known] [mounts.options-preferably-known] [mounts.options-possibly-known]
const TABLE: &[(&str, Meaning)] = &[
    ("async", Flag(Ms::MS_SYNCHRONOUS, false)),
    ("atime", NotTime(NOATIME)),
    ("bind", Meaning::Bind(false)),
    ("defaults", Nothing),
    ("dev", Both(Ms::MS_NODEV, NODEV, false)),
    ("diratime", Both(Ms::MS_NODIRATIME, NODIRATIME, false)),
    ("dirsync", Flag(Ms::MS_DIRSYNC, true)),
    ("exec", Both(Ms::MS_NOEXEC, NOEXEC, false)),
    ("idmap", Meaning::IdMap(false)),
    ("iversion", Flag(Ms::MS_I_VERSION, true)),
    ("lazytime", Flag(LAZYTIME, true)),
    ("loud", Flag(Ms::MS_SILENT, false)),
    ("mand", Flag(Ms::MS_MANDLOCK, true)),
    ("noatime", Time(Ms::MS_NOATIME, NOATIME)),
    ("nodev", Both(Ms::MS_NODEV, NODEV, true)),
    ("nodiratime", Both(Ms::MS_NODIRATIME, NODIRATIME, true)),
    ("noexec", Both(Ms::MS_NOEXEC, NOEXEC, true)),
    ("noiversion", Flag(Ms::MS_I_VERSION, false)),
    ("nolazytime", Flag(LAZYTIME, false)),
    ("nomand", Flag(Ms::MS_MANDLOCK, false)),
    ("norelatime", Nothing),
    ("nostrictatime", NotTime(STRICTATIME)),
    ("nosuid", Both(Ms::MS_NOSUID, NOSUID, true)),
    ("nosymfollow", Both(MS_NOSYMFOLLOW, NOSYMFOLLOW, true)),
    ("private", Meaning::Propagation(Ms::MS_PRIVATE)),
    ("ratime", RecursiveNotTime(NOATIME)),
    ("rbind", Meaning::Bind(true)),
    ("rdev", Recursive(NODEV, false)),
    ("rdiratime", Recursive(NODIRATIME, false)),
    ("relatime", Time(Ms::MS_RELATIME, RELATIME)),
    ("remount", Flag(Ms::MS_REMOUNT, true)),
    ("rexec", Recursive(NOEXEC, false)),
    ("ridmap", Meaning::IdMap(true)),
    ("rnoatime", RecursiveTime(NOATIME)),
    ("rnodev", Recursive(NODEV, true)),
    ("rnodiratime", Recursive(NODIRATIME, true)),
    ("rnoexec", Recursive(NOEXEC, true)),
    ("rnorelatime", Nothing),
    ("rnostrictatime", RecursiveNotTime(STRICTATIME)),
    ("rnosuid", Recursive(NOSUID, true)),
    ("rnosymfollow", Recursive(NOSYMFOLLOW, true)),
    ("ro", Both(Ms::MS_RDONLY, RDONLY, true)),
    ("rprivate", Meaning::Propagation(Ms::MS_PRIVATE.union(Ms::MS_REC))),
    ("rrelatime", RecursiveTime(RELATIME)),
    ("rro", Recursive(RDONLY, true)),
    ("rrw", Recursive(RDONLY, false)),
    ("rshared", Meaning::Propagation(Ms::MS_SHARED.union(Ms::MS_REC))),
    ("rslave", Meaning::Propagation(Ms::MS_SLAVE.union(Ms::MS_REC))),
    ("rstrictatime", RecursiveTime(STRICTATIME)),
    ("rsuid", Recursive(NOSUID, false)),
    ("rsymfollow", Recursive(NOSYMFOLLOW, false)),
    ("runbindable", Meaning::Propagation(Ms::MS_UNBINDABLE.union(Ms::MS_REC))),
    ("rw", Both(Ms::MS_RDONLY, RDONLY, false)),
    ("shared", Meaning::Propagation(Ms::MS_SHARED)),
    ("silent", Flag(Ms::MS_SILENT, true)),
    ("slave", Meaning::Propagation(Ms::MS_SLAVE)),
    ("strictatime", Time(Ms::MS_STRICTATIME, STRICTATIME)),
    ("suid", Both(Ms::MS_NOSUID, NOSUID, false)),
    ("symfollow", Both(MS_NOSYMFOLLOW, NOSYMFOLLOW, false)),
    ("sync", Flag(Ms::MS_SYNCHRONOUS, true)),
    ("tmpcopyup", Meaning::CopyUp),
    ("unbindable", Meaning::Propagation(Ms::MS_UNBINDABLE)),
];

/// Every option of the table, sorted, for `features`.
pub fn known() -> Vec<String> {
    TABLE.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Reads the options of one entry; of opposite ones the later decides.
// [mounts.options-order]
pub fn parse(options: &[String]) -> Options {
    let mut parsed = Options::default();
    let mut data = Vec::new();
    for option in options {
        match TABLE.iter().find(|(name, _)| name == option) {
            Some((_, meaning)) => parsed.add(*meaning),
            // [mounts.options-unknown-passed]
            None => data.push(option.as_str()),
        }
    }
    parsed.data = data.join(",");
    parsed
}

impl Options {
    /// Whether the entry changes the mount that stands at its destination.
    pub fn remount(&self) -> bool {
        self.flags & Ms::MS_REMOUNT.bits() != 0
    }

    fn add(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Bind(recursive) => self.bind = Some(recursive),
            Flag(flag, on) => self.set_flag(flag, on),
            Both(flag, attribute, on) => {
                self.set_flag(flag, on);
                self.own.change(attribute, on);
            }
            Time(flag, value) => {
                self.set_flag(TIMES, false);
                self.set_flag(flag, true);
                self.own.set_time(value);
            }
            // A new file system is relatime if nothing else is asked for.
            NotTime(value) if self.own.leaves_time(value) => {
                self.set_flag(TIMES, false);
                self.own.set_time(RELATIME);
            }
            RecursiveNotTime(value) if self.recursive.leaves_time(value) => self.recursive.set_time(RELATIME),
            NotTime(_) | RecursiveNotTime(_) => {}
            Recursive(attribute, on) => self.recursive.change(attribute, on),
            RecursiveTime(value) => self.recursive.set_time(value),
            Meaning::Propagation(kind) => self.propagation.push(kind),
            Meaning::CopyUp => self.copy_up = true,
            Meaning::IdMap(recursive) => self.id_map = Some(recursive),
            Nothing => {}
        }
    }

    fn set_flag(&mut self, flag: Ms, on: bool) {
        self.flags = if on { self.flags | flag.bits() } else { self.flags & !flag.bits() };
    }
}

impl Attributes {
    fn change(&mut self, attribute: u64, on: bool) {
        self.set &= !attribute;
        self.clear &= !attribute;
        if on { self.set |= attribute } else { self.clear |= attribute }
    }

    /// The three ways to keep times of access are one value, which is cleared as a whole before it is set.
    fn set_time(&mut self, value: u64) {
        self.set = self.set & !ATIME | value;
        self.clear |= ATIME;
    }

    /// Whether no way to keep times was asked for, or just this one.
    fn leaves_time(self, value: u64) -> bool {
        self.clear & ATIME == 0 || self.set & ATIME == value
    }

    /// Whether nothing is asked for.
    pub fn is_empty(self) -> bool {
        self == Attributes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[&str]) -> Options {
        parse(&options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_later_of_opposite_options_decides() {
        assert_eq!(of(&["ro", "rw"]).own, Attributes { set: 0, clear: RDONLY });
        assert_eq!(of(&["rw", "ro"]).flags, Ms::MS_RDONLY.bits());
        assert_eq!(of(&["noatime", "atime"]).own, Attributes { set: RELATIME, clear: ATIME });
        assert_eq!(of(&["strictatime", "atime"]).own, Attributes { set: STRICTATIME, clear: ATIME });
        assert_eq!(of(&["noatime", "strictatime"]).own, Attributes { set: STRICTATIME, clear: ATIME });
    }

    #[test]
    fn recursive_options_leave_the_mount_alone_to_the_plain_ones() {
        let options = of(&["rbind", "rro"]);
        assert_eq!((options.own, options.recursive), (Attributes::default(), Attributes { set: RDONLY, clear: 0 }));
    }

    #[test]
    fn unknown_options_are_data() {
        assert_eq!(of(&["nosuid", "mode=755", "size=65536k"]).data, "mode=755,size=65536k");
    }

    #[test]
    fn the_table_is_sorted_and_names_each_option_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

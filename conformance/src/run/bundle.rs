//! Writes a case's bundle: the root file system with its copies of the witness, the hooks, and config.json.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use super::job::Job;
use super::sandbox::Places;
use crate::case::{Channel, Entry, MAIN, Node, Placeholders, Raw, Verb};
use crate::witness::{self, Instruction, Nonce, Program};

/// Where the journal is mounted in a container.
pub const JOURNAL_INSIDE: &str = "/.ocf";
/// Where hooks lie that are resolved in the container's root.
const HOOKS_INSIDE: &str = "/.ocf-hooks";

/// Bytes of the longest name that a file can have (NAME_MAX).
const LONGEST_NAME: usize = 255;

/// The bundle of one container, written.
pub struct Bundle {
    /// The config as written; none if it was no JSON.
    pub config: Option<Value>,
    /// The nonce of the witness that is the process.
    pub process: Nonce,
    /// The nonces of the hooks' witnesses, by `KIND/N`.
    pub hooks: BTreeMap<String, Nonce>,
}

/// The name of the witness that is a container's process, as the journal has it.
pub fn writer(container: &str) -> String {
    if container == MAIN { "process".to_owned() } else { format!("process:{container}") }
}

/// Writes the bundle of `container`. Everything is closed when this returns, so that it can be executed.
pub fn write(job: &Job, places: &Places, container: &str, known: &Placeholders) -> Result<Bundle, String> {
    let directory = Places::bundle(container);
    let rootfs = directory.join("rootfs");
    fs::create_dir_all(&rootfs).map_err(|e| format!("make {}: {e}", rootfs.display()))?;
    let mut known = known.clone();
    known.0.insert("bundle".into(), directory.display().to_string());
    known.0.insert("rootfs".into(), rootfs.display().to_string());
    let process = Nonce::fresh().map_err(|e| format!("nonce: {e}"))?;
    let witness = copy_of_process(job, container, &process)?;
    let entries = job.base.rootfs.iter().chain(&job.case.rootfs).collect::<BTreeMap<_, _>>();
    for (path, entry) in entries {
        plant(&rootfs, &known.fill(path).map_err(|e| e.to_string())?, entry, &witness, &known)
            .map_err(|e| format!("rootfs: {path}: {e}"))?;
    }
    let mut writer = ConfigWriter { job, places, container, known, rootfs: &rootfs, hooks: BTreeMap::new() };
    let (bytes, config) = writer.config()?;
    fs::write(directory.join("config.json"), bytes).map_err(|e| format!("write config.json: {e}"))?;
    if job.case.caller.is_ordinary() {
        super::ordinary::give(job, &directory, config.as_ref())?;
    }
    Ok(Bundle { config, process, hooks: writer.hooks })
}

/// What the process does: it reports, answers what is asked at the start, and serves until it is told to exit.
fn copy_of_process(job: &Job, container: &str, nonce: &Nonce) -> Result<Vec<u8>, String> {
    let runs =
        job.case.steps().iter().any(|step| step.calls().any(|c| c.verb == Verb::Run && c.container == container));
    let moment = job.started(container);
    let mut instructions: Vec<_> =
        job.case.before_report.iter().map(|order| Instruction::of_order(order, &moment)).collect();
    instructions.push(Instruction::report(&moment));
    instructions.extend(job.questions.iter().filter(|q| q.moment() == moment).map(Instruction::from));
    instructions.push(Instruction::done(&moment));
    // Nobody is there to give orders while `run` waits for the process.
    instructions.push(if runs { Instruction::exit(0) } else { Instruction::serve() });
    let journal = match job.case.channel {
        Channel::Journal => witness::Journal::Path(JOURNAL_INSIDE.into()),
        Channel::Stdout => witness::Journal::Fd(1),
    };
    let program = Program { nonce: nonce.clone(), writer: writer(container), journal, instructions };
    witness::copy(&program).map_err(|e| format!("witness: {e}"))
}

struct ConfigWriter<'a> {
    job: &'a Job,
    places: &'a Places,
    container: &'a str,
    known: Placeholders,
    rootfs: &'a Path,
    hooks: BTreeMap<String, Nonce>,
}

impl ConfigWriter<'_> {
    fn config(&mut self) -> Result<(Vec<u8>, Option<Value>), String> {
        let job = self.job;
        let raw = |text: &str| self.known.fill(text).map_err(|e| format!("raw: {e}"));
        match &job.case.raw {
            Some(Raw::Text(text)) => return Ok((raw(text)?.into_bytes(), None)),
            Some(Raw::Hex(digits)) => return Ok((from_hex(digits)?, None)),
            Some(Raw::Replace { .. } | Raw::Reversed(_)) | None => {}
        }
        let config = job.case.config(&job.base, job.spec).map_err(|e| e.to_string())?;
        let mut config = config.ok_or("config: none")?;
        if let Some(patch) = &job.adapter.config {
            json_patch::merge(&mut config, patch);
        }
        self.hooks_of(&mut config)?;
        let mut config = self.known.fill_value(&config).map_err(|e| format!("config: {e}"))?;
        if job.case.channel == Channel::Journal {
            self.mount_journal(&mut config)?;
        }
        let text = match job.case.raw {
            Some(Raw::Reversed(_)) => reversed(&config),
            _ => serde_json::to_string(&config).map_err(|e| e.to_string())?,
        };
        if let Some(Raw::Replace { find, with }) = &job.case.raw {
            if !text.contains(find.as_str()) {
                return Err(format!("raw: the config does not have {find:?}"));
            }
            let text = text.replacen(find.as_str(), with, 1);
            // What the text says is known only where every reader must agree on it.
            return Ok((text.into_bytes(), None));
        }
        Ok((text.into_bytes(), Some(config)))
    }

    /// The last of the mounts, after all patching, so that no case can take the witness's voice away by chance.
    fn mount_journal(&self, config: &mut Value) -> Result<(), String> {
        let Some(fields) = config.as_object_mut() else { return Ok(()) };
        let mount = json!({
            "destination": JOURNAL_INSIDE, "type": "none", "source": self.places.journal, "options": ["bind", "rw"],
        });
        match fields.entry("mounts").or_insert_with(|| json!([])) {
            Value::Array(mounts) => mounts.push(mount),
            // A case about a wrong type: nothing runs inside, so nothing is said there.
            _ => return Ok(()),
        }
        let point = self.rootfs.join(JOURNAL_INSIDE.trim_start_matches('/'));
        fs::write(&point, "").map_err(|e| format!("make {}: {e}", point.display()))
    }

    /// Gives each hook whose path is `${hook:NAME}` a copy of its own, so that each has its own nonce.
    fn hooks_of(&mut self, config: &mut Value) -> Result<(), String> {
        let Some(kinds) = config.pointer_mut("/hooks").and_then(Value::as_object_mut) else { return Ok(()) };
        for (kind, hooks) in kinds.iter_mut() {
            for (index, hook) in hooks.as_array_mut().into_iter().flatten().enumerate() {
                let Some(path) = hook.get_mut("path") else { continue };
                let name = path.as_str().and_then(|p| p.strip_prefix("${hook:")).and_then(|p| p.strip_suffix('}'));
                if let Some(name) = name {
                    *path = Value::String(self.hook(kind, index, name)?);
                }
            }
        }
        Ok(())
    }

    fn hook(&mut self, kind: &str, index: usize, name: &str) -> Result<String, String> {
        let job = self.job;
        let hook = job.case.hooks.get(name).ok_or_else(|| format!("hooks: no program is named {name}"))?;
        let place = format!("{kind}/{index}");
        let inside = kind == "startContainer";
        let nonce = Nonce::fresh().map_err(|e| format!("nonce: {e}"))?;
        let mut instructions = vec![Instruction::report("hook"), Instruction::stdin()];
        instructions.extend(hook.questions.iter().map(|ask| Instruction::from(&ask.at("hook"))));
        instructions.push(Instruction::done("hook"));
        if hook.hold {
            instructions.push(Instruction::hold());
        }
        instructions.push(Instruction::exit(hook.exit));
        let journal = if inside { PathBuf::from(JOURNAL_INSIDE) } else { self.places.journal.clone() };
        let writer = match self.container {
            MAIN => format!("hook:{place}"),
            other => format!("hook:{other}:{place}"),
        };
        let program = Program { nonce: nonce.clone(), writer, journal: witness::Journal::Path(journal), instructions };
        let bytes = witness::copy(&program).map_err(|e| format!("hooks: {name}: {e}"))?;
        let file = format!("{}-{kind}-{index}", self.container);
        let (real, told) = if inside {
            (self.rootfs.join(HOOKS_INSIDE.trim_start_matches('/')).join(&file), format!("{HOOKS_INSIDE}/{file}"))
        } else {
            let path = self.places.hooks.join(&file);
            (path.clone(), path.display().to_string())
        };
        executable(&real, &bytes)?;
        self.hooks.insert(place, nonce);
        Ok(told)
    }
}

fn executable(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("write {}: {e}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, bytes).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed)
}

/// Puts one entry into the root file system.
fn plant(rootfs: &Path, path: &str, entry: &Entry, witness: &[u8], known: &Placeholders) -> Result<(), String> {
    let below = path.strip_prefix('/').ok_or("the path is not absolute")?;
    let place = rootfs.join(below);
    let parent = place.parent().ok_or("the path is the root itself")?;
    for ancestor in parent.ancestors().take_while(|a| *a != rootfs) {
        // Writing through a link of ours would leave the root file system.
        if ancestor.is_symlink() {
            return Err(format!("{} is a symbolic link", ancestor.display()));
        }
    }
    let failed = |e: std::io::Error| e.to_string();
    fs::create_dir_all(parent).map_err(failed)?;
    let mode = entry.mode.as_deref().map(|digits| u32::from_str_radix(digits, 8)).transpose();
    let mode = mode.map_err(|e| format!("mode: {e}"))?;
    match &entry.node {
        Node::File(text) => fs::write(&place, known.fill(text).map_err(|e| e.to_string())?).map_err(failed)?,
        Node::Witness(_) => executable(&place, witness)?,
        Node::Directory(_) => fs::create_dir_all(&place).map_err(failed)?,
        Node::Symlink(target) => {
            return symlink(known.fill(target).map_err(|e| e.to_string())?, &place).map_err(failed);
        }
        Node::Fifo(_) => mkfifo(&place, Mode::from_bits_truncate(0o644)).map_err(|e| e.to_string())?,
        Node::Device { r#type, major, minor } => {
            let kind = if r#type == "b" { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
            mknod(&place, kind, Mode::from_bits_truncate(0o644), makedev(*major, *minor)).map_err(|e| e.to_string())?;
        }
    }
    chown(&place, Some(entry.uid), Some(entry.gid)).map_err(failed)?;
    match mode {
        Some(bits) => fs::set_permissions(&place, fs::Permissions::from_mode(bits)).map_err(failed),
        None => Ok(()),
    }
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = digits.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let text = std::str::from_utf8(&digits).map_err(|_| "raw: hex: not ASCII")?;
    (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or("raw: hex: no digits"))
        .collect::<Result<_, _>>()
        .map_err(str::to_owned)
}

/// The placeholders that every bundle of the case knows.
pub fn placeholders(places: &Places, containers: &[String]) -> Placeholders {
    let mut known = BTreeMap::from([
        ("long".to_owned(), "x".repeat(LONGEST_NAME)),
        ("host".to_owned(), places.host.display().to_string()),
        ("bundle".to_owned(), Places::bundle(MAIN).display().to_string()),
        ("rootfs".to_owned(), Places::bundle(MAIN).join("rootfs").display().to_string()),
    ]);
    known.insert("apparmor-profile".to_owned(), crate::host::profile_of_containers());
    for container in containers {
        known.insert(format!("id:{container}"), id(container));
        known.insert(format!("pid-file:{container}"), places.pid_file(container).display().to_string());
        known.insert(format!("bundle:{container}"), Places::bundle(container).display().to_string());
    }
    Placeholders(known)
}

/// The text of a value, the members of each object in the reverse order of their names.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let members: BTreeMap<_, _> = fields.iter().collect();
            let members = members.into_iter().rev().map(|(name, value)| format!("{}:{}", json!(name), reversed(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// The id under which the runtime knows a container.
pub fn id(container: &str) -> String {
    format!("ocf-{container}")
}

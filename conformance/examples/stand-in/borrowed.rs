//! Stand-ins that let a real runtime do the work, and spoil what it is given or what it answers.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::Failure;
use crate::call::Call;

/// Where the suite mounts the journal, as the last of all mounts.
const JOURNAL: &str = "/.ocf";

/// Whatever the real runtime says, the call has succeeded.
pub fn accept_everything(call: &Call) -> Result<ExitCode, Failure> {
    let mut real = real(call)?;
    real.status().map_err(|e| format!("start {:?}: {e}", real.get_program()))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the base bundle, rightly, and no other.
pub fn refuse_all_but_the_base(call: &Call) -> Result<ExitCode, Failure> {
    if call.takes_a_bundle() {
        let mut given = given(call)?;
        take_journal(&mut given);
        if given != base()? {
            return Err("this is not the base bundle".to_owned());
        }
    }
    hand_over(call)
}

/// Runs every bundle, rightly, that lacks one property.
pub fn refuse_a_property(call: &Call) -> Result<ExitCode, Failure> {
    let place = env::var("STAND_IN_REFUSES").map_err(|e| format!("STAND_IN_REFUSES: {e}"))?;
    if call.takes_a_bundle() && given(call)?.pointer(&place).is_some() {
        return Err(format!("{place} is not for me"));
    }
    hand_over(call)
}

/// Runs the base bundle, rightly, whatever the bundle says.
pub fn give_the_base_instead(call: &Call) -> Result<ExitCode, Failure> {
    if call.takes_a_bundle() {
        // What can't be read has no journal, and is replaced all the same.
        let journal = given(call).ok().as_mut().and_then(take_journal);
        let mut base = base()?;
        if let (Some(journal), Some(mounts)) = (journal, base["mounts"].as_array_mut()) {
            mounts.push(journal);
        }
        let file = call.bundle.join("config.json");
        fs::write(&file, base.to_string()).map_err(|e| format!("write {}: {e}", file.display()))?;
    }
    hand_over(call)
}

/// Becomes the real runtime.
pub fn hand_over(call: &Call) -> Result<ExitCode, Failure> {
    let mut real = real(call)?;
    let why = real.exec();
    Err(format!("execute {:?}: {why}", real.get_program()))
}

fn real(call: &Call) -> Result<Command, Failure> {
    let runtime = env::var_os("STAND_IN_RUNTIME").ok_or("STAND_IN_RUNTIME names no runtime")?;
    let mut command = Command::new(runtime);
    command.args(&call.words);
    Ok(command)
}

fn given(call: &Call) -> Result<Value, Failure> {
    let file = call.bundle.join("config.json");
    let text = fs::read(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))
}

/// The base's config, as the suite writes it but for the journal.
fn base() -> Result<Value, Failure> {
    let spec = env::var("STAND_IN_SPEC").map_err(|e| format!("STAND_IN_SPEC: {e}"))?;
    let (_, text) = ocf_fixtures::BASES.iter().find(|(stem, _)| *stem == "plain").ok_or("no base is named plain")?;
    let mut base: Value = serde_json::from_str(text).map_err(|e| format!("the base: {e}"))?;
    let mut config = base["config"].take();
    config["ociVersion"] = json!(spec);
    Ok(config)
}

fn take_journal(config: &mut Value) -> Option<Value> {
    let mounts = config.get_mut("mounts")?.as_array_mut()?;
    mounts.pop_if(|last| last["destination"].as_str().map(Path::new) == Some(Path::new(JOURNAL)))
}

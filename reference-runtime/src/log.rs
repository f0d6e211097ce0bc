//! The file in which a container engine looks for the reason of a failure.

use crate::command_line::LogFormat;
use nix::libc;
use ocf_runtime::error::Error;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Appends `error` to the file `path`.
pub fn write(path: &Path, format: LogFormat, error: &Error) {
    let (text, time) = (error.to_string(), time());
    let line = match format {
        LogFormat::Text => format!("time={time:?} level=error msg={text:?}\n"),
        LogFormat::Json => format!("{}\n", json!({ "level": "error", "msg": text, "time": time })),
    };
    // A FIFO without a reader must not keep us.
    let file = OpenOptions::new().create(true).append(true).custom_flags(libc::O_NONBLOCK).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("write {}: {error}", path.display());
    }
}

/// This moment, as RFC 3339 writes it; a reader that finds something else takes none of the line.
fn time() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = libc::time_t::try_from(seconds).unwrap_or(0);
    // SAFETY: all bytes zero is a valid tm, and the call writes to nothing else.
    let tm = unsafe {
        let mut tm = std::mem::zeroed();
        libc::gmtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    let (year, month) = (tm.tm_year + 1900, tm.tm_mon + 1);
    format!("{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec)
}

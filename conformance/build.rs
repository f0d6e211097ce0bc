//! Builds the witness: a static program of its own, which `src/witness.rs` embeds.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=witness");
    println!("cargo::rerun-if-changed=build.rs");
    let program = PathBuf::from(env::var("OUT_DIR")?).join("witness");
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args(["--edition", "2024", "--crate-name", "witness", "--target", &env::var("TARGET")?]);
    // Static, because the container has no libraries; abort, because nobody there could catch a panic.
    rustc.args(["-C", "target-feature=+crt-static", "-C", "panic=abort", "-C", "opt-level=s", "-C", "strip=symbols"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    let status = rustc.arg("-o").arg(&program).arg("witness/main.rs").status()?;
    if !status.success() {
        return Err(format!("compile witness/main.rs with {rustc:?}: {status}").into());
    }
    let start = slot(&fs::read(&program)?)?;
    fs::write(program.with_file_name("slot.rs"), start.to_string())?;
    Ok(())
}

/// Where the slot begins in the program; `witness/slot.rs` has the same magic, and nothing else may.
fn slot(program: &[u8]) -> Result<usize, String> {
    let magic = b"\xf5OCF\xc1slot\xfe\x8d\xa7\xc0\xf8\x99\xff";
    let starts: Vec<_> = program.windows(magic.len()).enumerate().filter(|(_, bytes)| bytes == magic).collect();
    match starts[..] {
        [(start, _)] => Ok(start),
        _ => Err(format!("the witness has {} slots where it must have one", starts.len())),
    }
}

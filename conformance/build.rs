//! Builds the witness: a static program of its own, which `src/witness.rs` embeds.

use std::env;
use std::error::Error;
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
    Ok(())
}

//! Has libseccomp linked from its archive, where there is one: so the program is whole, and starts faster.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, os::unix};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CC");
    // The one who links knows where libraries are, for the target at hand, too.
    let compiler = env::var_os("RUSTC_LINKER").or(env::var_os("CC")).unwrap_or("cc".into());
    let answer = Command::new(compiler).arg("-print-file-name=libseccomp.a").output()?;
    let archive = PathBuf::from(String::from_utf8(answer.stdout)?.trim());
    if archive.is_absolute() {
        println!("cargo:rerun-if-changed={}", archive.display());
        prefer(&archive)?;
    }
    Ok(())
}

/// Puts the archive into a directory without a shared library beside it, which the linker searches before the system's.
fn prefer(archive: &Path) -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?);
    let link = directory.join("libseccomp.a");
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    unix::fs::symlink(archive, link)?;
    println!("cargo:rustc-link-search=native={}", directory.display());
    Ok(())
}

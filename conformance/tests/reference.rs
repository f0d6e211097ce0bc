//! The suite against the reference runtime: one test a requirement. `OCF_RUNTIME` names its file, as `make test`
//! sets it; cargo can't name another package's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::var_os("OCF_RUNTIME") {
        Some(runtime) => ocf_conformance::libtest::main(std::path::PathBuf::from(runtime)),
        None => {
            eprintln!(
                "OCF_RUNTIME is not set: build with `cargo build -p ocf-runtime` and name target/debug/ocf-runtime, or use `make test`"
            );
            ExitCode::FAILURE
        }
    }
}

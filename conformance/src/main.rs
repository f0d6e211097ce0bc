//! The program `ocf`.

fn main() -> std::process::ExitCode {
    ocf_conformance::cli::main()
}

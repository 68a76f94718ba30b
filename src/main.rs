//! The `floe` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match floe::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floe: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

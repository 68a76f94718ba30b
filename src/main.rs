//! The `floe` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match floe::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            floe::cli::say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

//! The `floe` program: parse, run, exit code.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match floe::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A reader of standard error that has gone away is no reason to panic.
            let _ = writeln!(std::io::stderr(), "floe: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

//! The `floe` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's layer that picks a device looks for a desktop, and complains on standard error where there is none.
    if ["NODEVICE_SELECT", "XDG_RUNTIME_DIR"].iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: the first thing that the program does; there is no other thread yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    match floe::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            floe::cli::say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

//! `floe report`

use super::print;
use crate::error::Result;
use crate::report;
use std::path::PathBuf;

/// Write the figures and report of a run or a sweep again from its files
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of a run or a sweep
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    match report::sweep::is_sweep(&args.dir) {
        true => report::sweep::write(&args.dir)?,
        false => report::write(&args.dir)?,
    }
    print(&format!("{}\n", args.dir.join("report.html").display()));
    Ok(())
}

//! `floe report`

use super::{hear_signals, print};
use crate::error::Result;
use crate::lock::Lock;
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
    // Not while a run writes there. What is no directory is told by what can't be read in it.
    let _lock = if args.dir.is_dir() { Some(Lock::directory(&args.dir)?) } else { None };
    let drawn = match report::sweep::is_sweep(&args.dir) {
        true => report::sweep::draw(&args.dir)?,
        false if report::language::is_language(&args.dir) => report::language::draw(&args.dir)?,
        false => report::draw(&args.dir)?,
    };
    // From here on Ctrl-C waits: what is left takes a moment.
    hear_signals();
    drawn.save()?;
    print(&format!("{}\n", args.dir.join("report.html").display()))
}

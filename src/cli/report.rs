//! `floe report`

use super::print;
use crate::error::Result;
use crate::report;
use std::path::PathBuf;

/// Write a run's figures and report again from its files
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    report::write(&args.dir)?;
    print(&format!("{}\n", args.dir.join("report.html").display()));
    Ok(())
}

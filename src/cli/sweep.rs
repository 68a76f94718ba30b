//! `floe sweep`

use super::places::Places;
use super::print;
use super::progress::Show;
use super::run::{again, directory};
use super::source::{Device, Source};
use crate::config;
use crate::error::{Error, Result};
use crate::job::Machine;
use crate::job::sweep::{self, Members};
use crate::store::rundir::{self, Open, RunDir};
use std::path::PathBuf;

/// Train every method at every combination of the values under [sweep], many models at once, and report
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Directory to write; `runs/<name>` (numbered if taken) if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
    /// Go on with an interrupted sweep of the same configuration
    #[arg(long)]
    resume: bool,
}

pub fn run(args: Args) -> Result<()> {
    let sweep = config::load_sweep(&args.source.source, &args.source.sets)?;
    let out = directory(args.out, &args.source, args.resume, "sweep")?;
    let members = Members::open(sweep)?;
    let data = members.experiments.iter().fold(Places::default(), |all, e| all.read_data(e.config()));
    data.write_run(&out).check()?;
    let begun = if args.resume { rundir::begun(&out) } else { None };
    let (engine, tuning, chosen) = args.device.open_for(begun)?;
    let machine = Machine { chosen, ..Machine::new(&engine, tuning) };
    members.check(machine)?;
    let how = if args.resume { Open::Resume } else { Open::New };
    let dir = RunDir::open_sweep(&out, &members.identity, how)?;
    match sweep::run(&members, machine, &dir, &mut Show::new()) {
        Err(Error::Interrupted(at)) => {
            return Err(Error::Interrupted(format!("{at}, go on with `{}`", again("sweep", &out))));
        }
        other => other?,
    }
    print(&format!("{}\n", out.join("report.html").display()))
}

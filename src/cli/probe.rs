//! `floe probe`: prompts, predictions, loss and gradients of a checkpoint, for an outside check (tests/interop).

use super::print;
use super::source::{Device, config_of};
use crate::checkpoint;
use crate::error::Result;
use crate::probe;
use crate::run::{Experiment, Machine};
use crate::rundir;
use std::path::PathBuf;

/// Write what floe computes on a small batch for a checkpoint
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint to probe
    model: PathBuf,
    /// safetensors file to write
    out: PathBuf,
    /// Prompts
    #[arg(long, default_value_t = 64, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    batch: usize,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let experiment = Experiment::open(config_of(&args.model, &[])?)?;
    let params = rundir::load_model(&args.model, &experiment.table)?;
    let (engine, tuning) = args.device.open()?;
    checkpoint::write(
        &args.out,
        &probe::probe(&experiment, Machine::new(&engine, tuning), &params, args.batch)?,
    )?;
    print(&format!("{}\n", args.out.display()));
    Ok(())
}

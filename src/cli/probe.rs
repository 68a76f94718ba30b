//! `floe probe`: prompts, predictions, loss and gradients of a checkpoint, for an outside check (tests/interop).

use super::places::Places;
use super::print;
use super::source::{Borrowed, Device};
use crate::error::Result;
use crate::job::Machine;
use crate::probe;
use crate::store::{atomic, checkpoint};
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
    borrowed: Borrowed,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let mut experiments = Vec::new();
    let (own, found) = args.borrowed.open(&args.model, &mut experiments)?;
    let experiment = &experiments[own];
    let params = found.arena(&experiment.table)?;
    let places = Places::default().read("the checkpoint", &args.model).read_data(&experiment.config);
    places.write("the second argument", &args.out).check()?;
    atomic::check_writable(&args.out)?;
    let (engine, tuning) = args.device.open()?;
    checkpoint::write(
        &args.out,
        &probe::probe(experiment, Machine::new(&engine, tuning), &params, args.batch)?,
    )?;
    print(&format!("{}\n", args.out.display()))
}

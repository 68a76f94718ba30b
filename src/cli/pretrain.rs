//! `floe pretrain`

use super::finetune::train_to;
use super::source::{Device, Source};
use crate::error::Result;
use crate::run::Experiment;
use crate::rundir::Found;
use std::path::PathBuf;

/// Pre-train a model into a checkpoint
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Weights to start from instead of random ones: a checkpoint, or safetensors that another program saved
    #[arg(long, value_name = "FILE.safetensors")]
    from: Option<PathBuf>,
    /// Checkpoint to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    device: Device,
    /// Go on from the state that an interrupted pre-training left beside the checkpoint
    #[arg(long)]
    resume: bool,
}

pub fn run(args: Args) -> Result<()> {
    let experiment = Experiment::open(args.source.load()?)?;
    let (name, plan) = &experiment.plans[0];
    let init = match &args.from {
        Some(from) => Found::read(from)?.arena(&experiment.table)?,
        None => experiment.init(),
    };
    train_to(&experiment, (name, plan), init, &args.out, args.resume, &args.device)
}

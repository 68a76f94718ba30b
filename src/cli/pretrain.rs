//! `floe pretrain`

use super::finetune::{Again, train_to};
use super::places::Places;
use super::source::{Borrowed, Device};
use crate::config;
use crate::error::{Error, Result};
use crate::job::Experiment;
use crate::train::finished::Found;
use std::path::PathBuf;

/// Pre-train a model into a checkpoint
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A preset (see `floe presets`), a TOML file, or a run directory; --config does the same. Without either, the
    /// experiment that the checkpoint --from was made in
    #[arg(value_name = "PRESET|FILE.toml|DIR", conflicts_with = "config")]
    source: Option<String>,
    #[command(flatten)]
    borrowed: Borrowed,
    /// Weights to start from instead of random ones: a checkpoint, or safetensors that another program saved
    #[arg(long, value_name = "FILE.safetensors")]
    from: Option<PathBuf>,
    /// Checkpoint to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    device: Device,
    #[command(flatten)]
    again: Again,
}

pub fn run(args: Args) -> Result<()> {
    let borrowed = Borrowed { config: args.source.or(args.borrowed.config), sets: args.borrowed.sets };
    let found = args.from.as_deref().map(Found::read).transpose()?;
    let config = match (&found, &borrowed.config) {
        (Some(found), _) => borrowed.config(found)?,
        (None, Some(source)) => config::load(source, &borrowed.sets)?,
        (None, None) => {
            let mend = "give a PRESET, a FILE.toml or a DIR, or weights by --from";
            return Err(Error::Usage(format!("no experiment to pre-train; {mend}")));
        }
    };
    let experiment = Experiment::open(config)?;
    let (name, plan) = &experiment.plans[0];
    let mut places = Places::default();
    if let Some(source) = &borrowed.config {
        places = places.read_source(source);
    }
    if let Some(from) = &args.from {
        places = places.read("--from", from);
    }
    let init = match found {
        Some(found) => {
            borrowed.check(&found, &experiment)?;
            found.arena(&experiment.table)?
        }
        None => experiment.init(),
    };
    train_to(&experiment, (name, plan), init, (&args.out, places), args.again, &args.device)
}

//! `floe eval`

use super::places::Places;
use super::print;
use super::source::{Borrowed, Device};
use crate::error::Result;
use crate::job::run::several::{self, Model};
use crate::job::{Experiment, Machine};
use crate::store::atomic::{atomic_write, check_writable};
use crate::store::scores::to_csv;
use std::path::PathBuf;

/// Test error of checkpoints at every shot count, as CSV: each on the task of its own experiment
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoints, of one experiment or of several
    #[arg(required = true, value_name = "FILE.safetensors")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    borrowed: Borrowed,
    /// File to write; standard output if not given
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let mut experiments: Vec<Experiment> = Vec::new();
    let mut models = Vec::new();
    for (path, name) in args.models.iter().zip(several::names(&args.models)) {
        let (own, found) = args.borrowed.open(path, &mut experiments)?;
        let params = found.arena(&experiments[own].table)?;
        models.push(Model { name, experiment: own, params });
    }
    if let Some(out) = &args.out {
        let models = args.models.iter().fold(Places::default(), |all, path| all.read("a checkpoint", path));
        let all = experiments.iter().fold(models, |all, experiment| all.read_data(&experiment.config));
        all.write("--out", out).check()?;
        check_writable(out)?;
    }
    let (engine, tuning) = args.device.open()?;
    let rows = several::test(&experiments, models, Machine::new(&engine, tuning))?;
    let signs: Vec<String> = experiments.iter().map(|experiment| experiment.identity.short()).collect();
    let text = to_csv(rows.iter().map(|(own, row)| (row, signs[*own].as_str())));
    match args.out {
        Some(path) => atomic_write(&path, text.as_bytes()),
        None => print(&text),
    }
}

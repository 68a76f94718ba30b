//! `floe eval`

use super::places::Places;
use super::print;
use super::source::{Device, config_of};
use crate::checkpoint::{atomic_write, check_writable};
use crate::error::Result;
use crate::eval::to_csv;
use crate::run::{Experiment, Machine};
use crate::rundir;
use std::path::PathBuf;

/// Test error of checkpoints at every shot count, as CSV
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoints of one experiment; the first one's configuration is used
    #[arg(required = true, value_name = "FILE.safetensors")]
    models: Vec<PathBuf>,
    /// Change a key of the experiment, for instance `--set eval.prompts=1000`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// File to write; standard output if not given
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let experiment = Experiment::open(config_of(&args.models[0], &args.sets)?)?;
    let mut models = Vec::new();
    for path in &args.models {
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        models.push((stem, rundir::load_model(path, &experiment.table)?));
    }
    if let Some(out) = &args.out {
        let models = args.models.iter().fold(Places::default(), |all, path| all.read("a checkpoint", path));
        models.read_data(&experiment.config).write("--out", out).check()?;
        check_writable(out)?;
    }
    let (engine, tuning) = args.device.open()?;
    let evaluator = experiment.evaluator(Machine::new(&engine, tuning));
    let rows = evaluator.models(&models)?;
    match args.out {
        Some(path) => atomic_write(&path, to_csv(&rows).as_bytes()),
        None => print(&to_csv(&rows)),
    }
}

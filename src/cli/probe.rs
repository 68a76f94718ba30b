//! `floe probe`: prompts, predictions, loss and gradients of a checkpoint, for an outside check (tests/interop).

use super::language::probe as probe_text;
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
    #[arg(required_unless_present = "text", conflicts_with = "text")]
    out: Option<PathBuf>,
    /// The model is a language model, a .gguf file or a Hugging Face directory: its logits and loss on a text
    #[arg(long, value_name = "TEXT", requires = "to", conflicts_with_all = ["config", "sets", "batch"])]
    text: Option<String>,
    /// With --text: parameters whose gradients of the loss are written too, such as `*.v_proj.weight`
    #[arg(long, value_name = "PATTERN", requires = "text", conflicts_with = "adapter")]
    train: Vec<String>,
    /// With --text: a LoRA adapter of the model, whose gradients are written
    #[arg(long, value_name = "DIR", requires = "text")]
    adapter: Option<PathBuf>,
    /// safetensors file to write, of a language model
    #[arg(long = "out", id = "to", value_name = "FILE.safetensors", requires = "text")]
    to: Option<PathBuf>,
    /// Prompts
    #[arg(long, default_value_t = 64, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    batch: usize,
    #[command(flatten)]
    borrowed: Borrowed,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let out = match (args.out, args.text, args.to) {
        (_, Some(text), Some(out)) => {
            return probe_text::run(&probe_text::Asked {
                model: &args.model,
                adapter: args.adapter.as_deref(),
                text: &text,
                train: &args.train,
                out: &out,
                device: &args.device,
            });
        }
        (Some(out), ..) => out,
        _ => unreachable!("the parser asks for one or the other"),
    };
    let mut experiments = Vec::new();
    let (own, found) = args.borrowed.open(&args.model, &mut experiments)?;
    let experiment = &experiments[own];
    let params = found.arena(&experiment.table)?;
    let places = Places::default().read("the checkpoint", &args.model).read_data(&experiment.config);
    places.write("the second argument", &out).check()?;
    atomic::check_writable(&out)?;
    let (engine, tuning) = args.device.open()?;
    checkpoint::write(&out, &probe::probe(experiment, Machine::new(&engine, tuning), &params, args.batch)?)?;
    print(&format!("{}\n", out.display()))
}

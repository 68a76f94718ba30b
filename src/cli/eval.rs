//! `floe eval`

use super::language::eval as text;
use super::places::Places;
use super::print;
use super::source::{Borrowed, Device};
use crate::error::{Error, Result};
use crate::job::run::several::{self, Model};
use crate::job::{Experiment, Machine};
use crate::store::atomic::{atomic_write, check_writable};
use crate::store::scores::to_csv;
use std::path::PathBuf;

/// Test error of checkpoints at every shot count, as CSV: each on the task of its own experiment. Or, by --text, how well
/// a language model foretells texts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoints, of one experiment or of several; or a language model: a .gguf file or a Hugging Face directory
    #[arg(required = true, value_name = "FILE.safetensors|MODEL")]
    models: Vec<PathBuf>,
    /// Texts: nats a token, perplexity and bits a byte of a language model on each
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = ["config", "sets"])]
    text: Vec<PathBuf>,
    /// Tokens of a window of a text; 512, or the model's context if that is shorter
    #[arg(long, value_name = "N", requires = "text", value_parser = clap::value_parser!(u32).range(2..))]
    context: Option<u32>,
    /// Tokens from a window to the next; as many as a window has. With fewer, tokens have more before them
    #[arg(long, value_name = "N", requires = "text", value_parser = clap::value_parser!(u32).range(1..))]
    stride: Option<u32>,
    /// Most windows, from a text's beginning on
    #[arg(long, value_name = "N", requires = "text", value_parser = clap::value_parser!(u32).range(1..))]
    windows: Option<u32>,
    /// A LoRA adapter of the language model
    #[arg(long, value_name = "DIR", requires = "text")]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    borrowed: Borrowed,
    /// File to write; standard output if not given
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    if !args.text.is_empty() {
        let [model] = args.models.as_slice() else {
            return Err(Error::Usage("--text: texts are foretold by one model; give one".into()));
        };
        return text::run(&text::Asked {
            model,
            adapter: args.adapter.as_deref(),
            texts: &args.text,
            context: args.context,
            stride: args.stride,
            windows: args.windows,
            out: args.out.as_deref(),
            device: &args.device,
        });
    }
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

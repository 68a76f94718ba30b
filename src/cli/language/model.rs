//! `floe model`

use super::super::source::Device;
use super::super::{print, table};
use super::planned;
use crate::error::{Error, Result, shown};
use crate::finetune::slopes::starred;
use crate::models::learn::{self, Capacity, Training};
use crate::models::lm::{self, Room, Weights};
use crate::optim::{Optimizer, Rule};
use crate::params::Coverage;
use crate::params::mask;
use crate::pretrained::{Pretrained, Stored};
use crate::units::{grouped, megabytes};
use std::path::PathBuf;

/// What a language model is: sizes, parameters by layer and shape, and the memory that it asks for
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A .gguf file, or a Hugging Face directory
    model: PathBuf,
    /// What training these parameters reaches and takes, for instance `*.v_proj.weight` or `model.layers.3.*`
    #[arg(long, value_name = "PATTERN")]
    train: Vec<String>,
    /// Tokens that memory is planned for; the model's context if that is shorter
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..))]
    context: u32,
    #[command(flatten)]
    device: Device,
}

pub fn run(args: Args) -> Result<()> {
    let model = Pretrained::open(&args.model)?;
    let parameters = lm::table::table(model.decoder());
    let trained = (!args.train.is_empty())
        .then(|| mask::resolve(&args.train, &parameters).map_err(|e| Error::Usage(format!("--train: {e}"))))
        .transpose()?;
    print(&about(&model)?)?;
    print(&format!("\n{}", table(&tensors(&model.tensors()))))?;
    let (engine, tuning) = args.device.open()?;
    let tokens = model.decoder().context.min(args.context as usize);
    let room = Room { rows: tokens.min(256), tokens };
    let plan = lm::inference(model.decoder(), room, false, engine.adapter().storage_bytes, &tuning);
    let title = format!("to generate, {} tokens", grouped(tokens as u64));
    print(&format!("\n{}", table(&planned(&title, &plan))))?;
    if let Some(trained) = trained {
        let coverage = Coverage::of(&parameters, &trained);
        print(&format!("\n{}\n", coverage))?;
        let weights = Weights::new(model.decoder(), engine.adapter().storage_bytes, &tuning);
        let adamw = Optimizer { rule: Rule::AdamW, ..Optimizer::default() };
        let room = Capacity { sequences: 1, ..Capacity::any(tokens) };
        let training = Training { groups: &[(trained, adamw)], room, recompute: false, dropout: 0.0 };
        let plan = learn::plan(&weights, &training, &tuning)?;
        let title = format!("to train it by AdamW, a pass of {} tokens", grouped(tokens as u64));
        print(&format!("\n{}", table(&planned(&title, &plan))))?;
    }
    Ok(())
}

fn about(model: &Pretrained) -> Result<String> {
    let decoder = model.decoder();
    let tensors = model.tensors();
    let mut kinds: Vec<&str> = tensors.iter().map(|stored| stored.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let bytes = tensors.iter().map(|stored| stored.bytes).sum();
    let name = model.name().map_or_else(|| model.path().display().to_string(), shown);
    let groups = match decoder.kv_heads == decoder.heads {
        true => String::new(),
        false => format!(" that share {} of keys and values", decoder.kv_heads),
    };
    let mut mixers: Vec<&str> = decoder.mixing.mixers.iter().map(|mixer| mixer.name()).collect();
    if mixers.iter().all(|name| *name == mixers[0]) {
        mixers.truncate(1);
    }
    let mixers = if mixers.is_empty() { String::new() } else { format!(" ({})", mixers.join(", ")) };
    let tokenizer = model.tokenizer()?;
    let ends: Vec<String> =
        model.ends().iter().filter_map(|id| tokenizer.token(*id)).map(|t| shown(&t)).collect();
    Ok(format!(
        "{name}: {} parameters ({}, {}: {} of {})\n\
         {} layers{mixers}, width {}, {} heads of {}{groups}, MLP {}, context {}\n\
         {} tokens{}, {}; {}\n",
        grouped(decoder.parameters() as u64),
        model.architecture(),
        model.format(),
        megabytes(bytes),
        kinds.join(", "),
        decoder.layers,
        decoder.width,
        decoder.heads,
        decoder.head_dim,
        decoder.mlp,
        grouped(decoder.context as u64),
        grouped(decoder.vocabulary as u64),
        if decoder.tied { ", the head is the embedding" } else { "" },
        match ends.is_empty() {
            true => "none ends a text".to_string(),
            false => format!("{} ends a text", ends.join(" or ")),
        },
        if model.template().is_some() { "it has a chat template" } else { "it has no chat template" },
    ))
}

/// A row a tensor; those that all layers have alike in one.
fn tensors(all: &[Stored]) -> Vec<Vec<String>> {
    let mut alike: Vec<(String, &Stored, usize)> = Vec::new();
    for stored in all {
        let name = starred(&stored.name);
        let same = |(other, first, _): &&mut (String, &Stored, usize)| {
            (other as &String, &first.shape, &first.kind) == (&name, &stored.shape, &stored.kind)
        };
        match alike.iter_mut().find(same) {
            Some((_, _, times)) => *times += 1,
            None => alike.push((name, stored, 1)),
        }
    }
    let row = |(name, stored, times): (String, &Stored, usize)| {
        let elements = stored.shape.iter().product::<usize>() * times;
        let shape = stored.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        vec![name, shape, stored.kind.clone(), times.to_string(), grouped(elements as u64)]
    };
    let header = ["tensor", "shape", "kind", "times", "parameters"].map(String::from).to_vec();
    std::iter::once(header).chain(alike.into_iter().map(row)).collect()
}

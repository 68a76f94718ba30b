//! `floe finetune --model MODEL --text FILE…`

use super::super::finetune::Again;
use super::super::source::{Borrowed, Device};
use super::run::into;
use crate::config::{self, PRESETS};
use crate::error::{Error, Result};
use crate::store::rundir::Open;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What is asked for of a language model.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Language models")]
pub struct Args {
    /// A language model to start from: a .gguf file or a Hugging Face directory
    #[arg(long, value_name = "MODEL", requires = "text", conflicts_with_all = ["method", "config"])]
    model: Option<PathBuf>,
    /// Text to fine-tune on: plain files, or JSON lines of texts, prompts with completions, or chats
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "model")]
    text: Vec<PathBuf>,
    /// Text to validate on; a share of the other if not given
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "model")]
    validation: Vec<PathBuf>,
    /// Train a LoRA adapter on these projections instead of the model, for instance `q_proj,v_proj`
    #[arg(long, value_delimiter = ',', value_name = "TARGET", requires = "model", conflicts_with = "train")]
    lora: Vec<String>,
    /// Rank of the adapter
    #[arg(long, value_name = "R", default_value_t = 8, requires = "lora")]
    rank: u32,
    /// Optimizer steps
    #[arg(long, value_name = "N", requires = "model")]
    steps: Option<u32>,
    /// Learning rate; what the preset `finetune` has if not given
    #[arg(long, value_name = "RATE", requires = "model")]
    lr: Option<f64>,
}

/// What other ways of fine-tuning have too.
pub struct Asked<'a> {
    pub train: &'a [String],
    pub borrowed: &'a Borrowed,
    pub out: &'a Path,
    pub again: Again,
}

/// What the method is called.
const NAME: &str = "finetuned";

pub fn run(args: &Args, asked: &Asked, device: &Device) -> Result<()> {
    if asked.again.extend {
        return Err(Error::Usage("--extend: language models don't have it yet; leave it out".into()));
    }
    let model = args.model.as_ref().expect("the parser asks for it");
    let paths = |paths: &[PathBuf]| -> Result<Value> {
        let text = |path: &PathBuf| {
            let text = path.to_str().map(|text| Value::String(text.into()));
            text.ok_or_else(|| Error::file(path, "its name is not UTF-8; rename it"))
        };
        Ok(Value::Array(paths.iter().map(text).collect::<Result<_>>()?))
    };
    let mut method = Table::new();
    method.insert("name".into(), NAME.into());
    match args.lora.is_empty() {
        true => {
            let default = ["*.v_proj.weight".to_string()];
            let train = if asked.train.is_empty() { &default[..] } else { asked.train };
            method.insert("train".into(), Value::from(train.to_vec()));
        }
        false => {
            let mut lora = Table::new();
            lora.insert("rank".into(), i64::from(args.rank).into());
            lora.insert("targets".into(), Value::from(args.lora.clone()));
            method.insert("lora".into(), lora.into());
        }
    }
    let preset = PRESETS.iter().find(|preset| preset.name == "finetune").expect("it is shipped");
    let mut all: Table = preset.toml.parse().expect("the preset is TOML");
    let mut put = |section: &str, key: &str, value: Value| {
        let table = all.get_mut(section).and_then(Value::as_table_mut).expect("the preset has it");
        table.insert(key.into(), value);
    };
    put("model", "from", paths(std::slice::from_ref(model))?.as_array().expect("a list")[0].clone());
    put("task", "train", paths(&args.text)?);
    put("task", "validation", paths(&args.validation)?);
    if let Some(steps) = args.steps {
        put("finetune", "steps", i64::from(steps).into());
    }
    all.insert("methods".into(), Value::Array(vec![method.into()]));
    let mut sets: Vec<String> = args.lr.iter().map(|lr| format!("methods.{NAME}.lr={lr:?}")).collect();
    sets.extend(asked.borrowed.sets.iter().cloned());
    let text = toml::to_string(&all).expect("it was read as TOML");
    let config = config::resolve_language("the command line", &text, &sets)?;
    let how = if asked.again.resume { Open::Resume } else { Open::New };
    into(config, asked.out, how, device)
}

//! Experiments on language models: a pre-trained one is fine-tuned on text, by mask or by adapter.

mod model;
mod validate;

pub use model::{DecoderSizes, ModelKind, TextModel};

use super::{Optimizer, Record, Rule, Schedule};
use model::one_or_several;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// What `floe run` takes where `task.kind` is `text`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// Seeds the order of the examples, what adapters begin with, and dropout.
    pub seed: u64,
    /// Which model.
    pub model: TextModel,
    /// Which text.
    pub task: TextTask,
    /// What methods have in common.
    pub finetune: TextFinetune,
    /// What is looked at on the way, and at the end.
    pub eval: TextEval,
    /// What is written.
    pub record: TextRecord,
    /// The ways of fine-tuning, in order.
    pub methods: Vec<TextMethod>,
}

/// `[task]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextTask {
    /// `text`, which tells this kind of experiment from the others.
    pub kind: TextKind,
    /// Files to fine-tune on.
    pub train: Vec<PathBuf>,
    /// Files to validate on; none for a share of those to train on.
    pub validation: Vec<PathBuf>,
    /// That share of the examples.
    pub holdout: f64,
    /// What the files are.
    pub format: Format,
    /// Of a line of JSON: the text.
    pub field: String,
    /// Of a line of JSON: what is asked.
    pub prompt: String,
    /// Of a line of JSON: what is to be answered.
    pub completion: String,
    /// Of a line of JSON: the conversation.
    pub messages: String,
    /// Most tokens of a sequence.
    pub context: usize,
    /// Fills rows of `context` tokens with several sequences, which don't see each other.
    pub pack: bool,
    /// What is done with a conversation that is longer than `context`.
    pub long: Long,
}

/// `text`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextKind {
    /// The only one of these experiments.
    #[default]
    Text,
}

/// What a file of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// By its name and its first line.
    #[default]
    Auto,
    /// One text, which is cut into sequences.
    Plain,
    /// A JSON object a line, with a field of text.
    Jsonl,
    /// A JSON object a line, with a prompt and a completion, which alone counts.
    Pairs,
    /// A JSON object a line, with the messages of a conversation, of which answers count.
    Chat,
}

/// What is done with an example that is too long and can't be cut into several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Long {
    /// Stop, and name the line.
    #[default]
    Refuse,
    /// Leave it out, and count it.
    Drop,
    /// Leave its end out, and count it.
    Cut,
}

/// `[finetune]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextFinetune {
    /// Optimizer steps.
    pub steps: u64,
    /// Rows of a pass: of `context` tokens, packed; or examples.
    pub batch: usize,
    /// Passes of a step, whose gradients are added up.
    pub accumulate: usize,
    /// Layers' activations are computed a second time in the backward pass instead of kept.
    pub recompute: bool,
    /// GB of the device's memory that a method may take; 0 for what is there.
    pub memory_gb: f64,
    /// Which weights a method ends with.
    pub keep: Keep,
    /// Rule, learning rate, clipping.
    #[serde(deserialize_with = "over_defaults")]
    pub optimizer: Optimizer,
    /// Parameters with a rate or a decay of their own.
    pub groups: Vec<Group>,
}

/// Which weights a method ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the lowest validation loss.
    #[default]
    Best,
    /// Those of the last step.
    Last,
}

/// Parameters with a rate or a decay of their own: the last group that names one has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Patterns over parameter names.
    pub of: Vec<String>,
    /// Instead of `finetune.optimizer.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Instead of `finetune.optimizer.weight_decay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// `[eval]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextEval {
    /// Validation loss every so many steps, before the first and after the last.
    pub every: u64,
    /// Most rows to validate on.
    pub rows: usize,
    /// What the model goes on with before and after.
    pub samples: Vec<String>,
    /// Tokens of each.
    pub sample_tokens: usize,
    /// Samples every so many steps on the way too; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub sample_every: u64,
}

/// `[record]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextRecord {
    /// A line of `metrics.jsonl` every so many steps (the first and the last step always).
    pub every: u64,
    /// A resumable state every so many steps.
    pub checkpoint_every: u64,
    /// What numbers of finished models are written as.
    pub dtype: Written,
}

/// What numbers are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Written {
    /// As they were trained.
    #[default]
    F32,
    /// Rounded.
    Bf16,
    /// Rounded.
    F16,
}

/// A way of fine-tuning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextMethod {
    /// Names its files.
    pub name: String,
    /// Patterns over parameter names ([`crate::params::mask`]); none of an adapter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<String>,
    /// An adapter is trained instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// Instead of `finetune.steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Instead of `finetune.optimizer.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Instead of `model.mixer`, of a decoder from scratch.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_several")]
    pub mixer: Vec<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A low-rank adapter (Hu et al. 2021, arXiv 2106.09685): W + s B A of each target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lora {
    /// r.
    pub rank: usize,
    /// s is alpha / r.
    pub alpha: f64,
    /// Projections, such as `v_proj`, or patterns over the names of weights.
    pub targets: Vec<String>,
    /// Share of what A reads that is left out in a step.
    pub dropout: f64,
    /// s is alpha / √r (Kalajdzievski 2023, arXiv 2312.03732).
    pub rslora: bool,
}

impl Lora {
    /// s.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }
}

/// What is not given is at the value of [`optimizer`], and not at that of other experiments.
fn over_defaults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Optimizer, D::Error> {
    let given = toml::Table::deserialize(deserializer)?;
    let wrong = |e: toml::de::Error| serde::de::Error::custom(e.message());
    // What is wrong in what was given is said of that.
    toml::Value::Table(given.clone()).try_into::<Optimizer>().map_err(wrong)?;
    let mut all = toml::Table::try_from(optimizer()).map_err(serde::de::Error::custom)?;
    all.extend(given);
    toml::Value::Table(all).try_into().map_err(wrong)
}

/// AdamW, as language models are fine-tuned.
fn optimizer() -> Optimizer {
    Optimizer {
        rule: Rule::AdamW,
        lr: 1e-4,
        lr_schedule: Schedule::Cosine,
        warmup: 0,
        betas: [0.9, 0.999],
        eps: 1e-8,
        ..Optimizer::default()
    }
}

impl Default for TextTask {
    fn default() -> Self {
        TextTask {
            kind: TextKind::Text,
            train: Vec::new(),
            validation: Vec::new(),
            holdout: 0.1,
            format: Format::Auto,
            field: "text".into(),
            prompt: "prompt".into(),
            completion: "completion".into(),
            messages: "messages".into(),
            context: 256,
            pack: true,
            long: Long::Refuse,
        }
    }
}

impl Default for TextFinetune {
    fn default() -> Self {
        TextFinetune {
            steps: 100,
            batch: 4,
            accumulate: 1,
            recompute: false,
            memory_gb: 0.0,
            keep: Keep::Best,
            optimizer: optimizer(),
            groups: Vec::new(),
        }
    }
}

impl Default for TextEval {
    fn default() -> Self {
        TextEval { every: 20, rows: 32, samples: Vec::new(), sample_tokens: 48, sample_every: 0 }
    }
}

impl Default for TextRecord {
    fn default() -> Self {
        let Record { checkpoint_every, .. } = Record::default();
        TextRecord { every: 1, checkpoint_every: checkpoint_every.min(100), dtype: Written::F32 }
    }
}

impl Default for Lora {
    fn default() -> Self {
        Lora {
            rank: 8,
            alpha: 16.0,
            targets: vec!["q_proj".into(), "v_proj".into()],
            dropout: 0.0,
            rslora: false,
        }
    }
}

/// A configuration in which every key is there: lists have one element.
pub(super) fn example() -> TextConfig {
    let group = Group { of: vec!["*".into()], lr: Some(1.0), weight_decay: Some(0.0) };
    let method = TextMethod {
        name: "m".into(),
        train: vec!["*".into()],
        lora: Some(Lora::default()),
        steps: Some(1),
        lr: Some(1.0),
        mixer: vec!["m".into()],
    };
    let eval = TextEval { sample_every: 1, ..Default::default() };
    let finetune = TextFinetune { groups: vec![group], ..Default::default() };
    TextConfig { model: TextModel::example(), finetune, eval, methods: vec![method], ..Default::default() }
}

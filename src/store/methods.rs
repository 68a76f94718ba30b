//! `methods.json`: what came of each way of fine-tuning a language model. One record writes it and reads it.

use crate::params::Coverage;
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Methods {
    /// Which model.
    pub model: ModelFacts,
    /// On what.
    pub data: DataFacts,
    /// Before the first step; the same for all methods.
    pub before: Option<Judged>,
    /// Nats a token that counting has on the same text: unigram, bigram, trigram; none of published models.
    pub baselines: Vec<(String, f64)>,
    /// Finished ones, in order.
    pub methods: Vec<MethodFacts>,
}

/// A model that is fine-tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelFacts {
    /// What it calls itself, or its path.
    pub name: String,
    /// `llama` …
    pub architecture: String,
    /// `GGUF v3`, `safetensors` …
    pub format: String,
    /// Elements in all.
    pub parameters: u64,
    /// Layers.
    pub layers: u64,
    /// Of names, shapes and blocks of its files.
    pub fingerprint: String,
}

/// What it is fine-tuned on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataFacts {
    /// Names of the files, without directories.
    pub files: Vec<String>,
    /// Lines of JSON, or files of plain text.
    pub examples: usize,
    /// Too long, and left out.
    pub dropped: usize,
    /// Too long, and cut.
    pub cut: usize,
    /// To train on.
    pub train: SideFacts,
    /// To validate on.
    pub validation: SideFacts,
    /// Rows of an epoch.
    pub epoch_rows: usize,
}

/// Sequences of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFacts {
    /// How many.
    pub sequences: usize,
    /// Of all of them.
    pub tokens: usize,
    /// Tokens that count.
    pub counted: usize,
}

/// How a model judges what was kept back, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// On the sequences to validate on; none without any.
    pub loss: Option<Loss>,
    /// What it goes on with.
    pub samples: Vec<Sample>,
}

/// Nats a token that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Over tokens.
    pub mean: f64,
    /// Over sequences; none of a single one.
    pub stderr: Option<f64>,
    /// How many count.
    pub tokens: usize,
    /// Bytes that they stand for; 0 where it is not known.
    pub bytes: usize,
}

/// A text and what a model goes on with, greedily.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What it is given.
    pub prompt: String,
    /// What it says.
    pub said: String,
}

/// What came of a method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodFacts {
    /// Names its files.
    pub name: String,
    /// Patterns, or the adapter in words.
    pub trains: String,
    /// Elements of which groups.
    pub coverage: Option<Coverage>,
    /// Of the optimizer.
    pub steps: u64,
    /// The step whose weights were kept.
    pub kept_step: u64,
    /// Tokens trained on, in all passes.
    pub tokens: u64,
    /// Seconds of training, validation left out, resumed parts included.
    pub train_s: f64,
    /// Multiply-adds twice, of all passes.
    pub flops: f64,
    /// Measured multiply-add rate of the adapter, FLOP/s; 0 where it was not measured.
    pub roof: f64,
    /// Bytes by label, before anything was allocated.
    pub planned: Vec<(String, u64)>,
    /// The most that was held.
    pub held: u64,
    /// The gradient, checked on this adapter before the first step.
    pub check: Vec<Slope>,
    /// What it said on the way, by step.
    pub on_the_way: Vec<(u64, Vec<Sample>)>,
    /// Afterwards.
    pub after: Judged,
    /// How far tensors have moved.
    pub moved: Vec<Moved>,
    /// Where the model or the adapter is, from the run's directory.
    pub written: String,
}

/// A slope of the loss beside the gradient's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// Which parameters were moved together.
    pub group: String,
    /// In which direction: `along the gradient`, or `at random`.
    pub direction: String,
    /// By the gradient.
    pub gradient: f64,
    /// By losses on both sides.
    pub slope: f64,
    /// What losses in f32 tell it by.
    pub allowed: f64,
}

impl Slope {
    /// Whether they agree.
    pub fn agrees(&self) -> bool {
        (self.gradient - self.slope).abs() <= self.allowed
    }
}

/// How far a tensor has moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Its name.
    pub tensor: String,
    /// Root of the sum of squares of what was added.
    pub norm: f64,
    /// The same of what it was before.
    pub before: f64,
}

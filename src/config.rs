//! The experiment file: TOML in, validated [`Config`] out. Defaults are the paper's values.
//!
//! Every key is described where a user reads it, in the presets (`floe init paper`); a test holds that
//! each preset names every key.

mod load;
mod schema;
mod settings;
mod slips;
mod sweep;
mod tree;
mod validate;
mod values;
mod words;

pub use crate::optim::{Optimizer, Rule, Schedule};
pub use crate::prompt::{Loss, Model, QueryKey};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use load::{PRESETS, Preset, load, preset, resolve_made, resolve_text};
pub use settings::settings;
pub use sweep::{Axis, Cell, Sweep, load_sweep, sweep_text};
pub use words::{closest, missing_file};

/// A whole experiment: what `floe run` takes and `config.toml` in a run directory holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seeds everything: initialisation, prompts, θ0, splits, evaluation. At most 2^63 − 1 (TOML's integers).
    pub seed: u64,
    pub model: Model,
    pub task: Task,
    pub pretrain: Pretrain,
    pub finetune: Finetune,
    pub eval: Eval,
    pub record: Record,
    pub methods: Vec<Method>,
}

/// Where prompts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Task {
    Regression(Regression),
    Tables(Tables),
}

/// Linear regression with a hidden task vector: `y = θ·x + ε`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Regression {
    /// Covariates an example, d.
    pub dim: usize,
    /// Variance σ² of ε.
    pub noise: f64,
    /// Covariance Σ of x.
    pub covariance: Covariance,
    /// Law of a fresh θ.
    pub theta: Theta,
    /// Pairs in the fixed fine-tuning set.
    pub pool: usize,
}

/// Covariance of the covariates: `"identity"`, a diagonal, or a d×d matrix in a CSV file without header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covariance {
    #[default]
    Identity,
    Diagonal(Vec<f64>),
    File(PathBuf),
}

/// Law of a fresh task vector: uniform on the unit sphere, or N(0, I).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theta {
    #[default]
    Sphere,
    Gaussian,
}

/// Many small regression tables in one CSV file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// The CSV file; empty for the `diamonds` table that floe ships.
    pub path: PathBuf,
    /// Column that names the task of a row.
    pub task_column: String,
    /// Column to predict; empty for the last one.
    pub target_column: String,
    /// Columns to predict from; empty for all but those of the task and the target.
    pub features: Vec<String>,
    /// Columns replaced by log(1 + value).
    pub log1p: Vec<String>,
    /// What stands between two cells.
    pub delimiter: Delimiter,
    /// What stands before the fraction of a number.
    pub decimal: Decimal,
    /// What a missing value is taken for.
    pub missing: Missing,
    /// Share of the tasks kept from pre-training and fine-tuning.
    pub heldout: f64,
    /// Task to fine-tune on; empty for one drawn by the seed.
    pub target: String,
    /// Share of the target task's rows kept for its evaluation.
    pub target_test: f64,
    /// Draw a prompt's rows with replacement.
    pub replacement: bool,
}

/// What stands between two cells of a table. Spaces count as one, however many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delimiter {
    #[default]
    #[serde(rename = ",", alias = "comma")]
    Comma,
    #[serde(rename = ";", alias = "semicolon")]
    Semicolon,
    // A shell hands on `\t` as it is typed.
    #[serde(rename = "\t", alias = "tab", alias = "\\t")]
    Tab,
    #[serde(rename = "|", alias = "pipe")]
    Pipe,
    #[serde(rename = " ", alias = "space")]
    Space,
}

impl Delimiter {
    pub const ALL: [Delimiter; 5] =
        [Delimiter::Comma, Delimiter::Semicolon, Delimiter::Tab, Delimiter::Pipe, Delimiter::Space];

    pub fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Pipe => b'|',
            Delimiter::Space => b' ',
        }
    }

    /// As a configuration file has it, without quotes.
    pub fn shown(self) -> &'static str {
        match self {
            Delimiter::Comma => ",",
            Delimiter::Semicolon => ";",
            Delimiter::Tab => "\\t",
            Delimiter::Pipe => "|",
            Delimiter::Space => " ",
        }
    }
}

/// What stands before the fraction of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decimal {
    #[default]
    #[serde(rename = ".", alias = "point")]
    Point,
    #[serde(rename = ",", alias = "comma")]
    Comma,
}

/// What a missing value is taken for: a mistake, or a reason to leave its row out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    #[default]
    Error,
    Drop,
}

/// Pre-training: a fresh task per prompt, loss on the query after `shots` demonstrations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pretrain {
    pub steps: u64,
    /// Prompts a step, B.
    pub batch: usize,
    /// Demonstrations a prompt, n.
    pub shots: usize,
    pub optimizer: Optimizer,
}

/// Fine-tuning on the target task. A method may override `steps` and `optimizer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Finetune {
    pub steps: u64,
    pub batch: usize,
    pub shots: usize,
    pub optimizer: Optimizer,
}

/// Test error at every shot count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Eval {
    /// Prompts a task and a seed.
    pub prompts: usize,
    pub seeds: usize,
    /// Evaluates 0, 1, …, `shots` demonstrations.
    pub shots: usize,
}

/// What is written while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// A line of `metrics.jsonl` every so many steps (the first and the last step always).
    pub every: u64,
    /// A resumable checkpoint every so many steps.
    pub checkpoint_every: u64,
}

/// A way of fine-tuning: plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Names the checkpoint; letters, digits, `-`, `_` and `.`.
    pub name: String,
    pub loss: Loss,
    /// Patterns over parameter names; see `docs/MATH.md` and [`crate::params::mask`].
    pub train: Vec<String>,
    /// Schedule of the few-shot weight w_t (of `zs+fs` alone).
    #[serde(default)]
    pub schedule: Schedule,
    /// w_0, which the schedule multiplies.
    #[serde(default = "one")]
    pub weight: f64,
    /// Instead of `finetune.steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Instead of `finetune.optimizer.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Instead of `finetune.optimizer`, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
}

fn one() -> f64 {
    1.0
}

impl Default for Task {
    fn default() -> Self {
        Task::Regression(Regression::default())
    }
}

impl Default for Regression {
    fn default() -> Self {
        Regression {
            dim: 5,
            noise: 0.1,
            covariance: Covariance::Identity,
            theta: Theta::Sphere,
            pool: 100_000,
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Tables {
            path: PathBuf::new(),
            task_column: "task".into(),
            target_column: String::new(),
            features: Vec::new(),
            log1p: Vec::new(),
            delimiter: Delimiter::Comma,
            decimal: Decimal::Point,
            missing: Missing::Error,
            heldout: 0.3,
            target: String::new(),
            target_test: 0.5,
            replacement: false,
        }
    }
}

impl Default for Pretrain {
    fn default() -> Self {
        Pretrain { steps: 5000, batch: 5000, shots: 20, optimizer: Optimizer::default() }
    }
}

impl Default for Finetune {
    fn default() -> Self {
        Finetune { steps: 5000, batch: 5000, shots: 20, optimizer: Optimizer::default() }
    }
}

impl Default for Eval {
    fn default() -> Self {
        Eval { prompts: 50_000, seeds: 5, shots: 20 }
    }
}

impl Default for Record {
    fn default() -> Self {
        Record { every: 50, checkpoint_every: 1000 }
    }
}

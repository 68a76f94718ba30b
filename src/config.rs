//! The experiment file: TOML in, validated [`Config`] out. Defaults are the paper's values.
//!
//! Every key is described where a user reads it, in the presets (`floe init paper`); a test holds that
//! each preset names every key.

mod axes;
mod draft;
mod language;
mod load;
mod presets;
mod schema;
mod settings;
mod source;
mod sweep;
mod task;
mod validate;

pub use crate::optim::{Optimizer, Rule, Schedule};
pub use crate::prompt::{Loss, Model, QueryKey};

use serde::{Deserialize, Serialize};

pub use crate::document::words::{closest, missing_file};
pub use language::{
    DecoderSizes, Format, Group, Keep, Long, Lora, ModelKind, TextConfig, TextEval, TextFinetune, TextKind,
    TextMethod, TextModel, TextRecord, TextTask, Written,
};
pub use load::{Asked, load, load_any, resolve_language, resolve_made, resolve_text};
pub use presets::{PRESETS, Preset, preset};
pub use settings::settings;
pub use sweep::{Axis, Cell, Sweep, load_sweep, sweep_text};
pub use task::{Covariance, Decimal, Delimiter, Missing, OwnTask, Regression, Tables, Task, Theta};

/// A whole experiment: what `floe run` takes and `config.toml` in a run directory holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seeds everything: initialisation, prompts, θ0, splits, evaluation. At most 2^63 − 1 (TOML's integers).
    pub seed: u64,
    /// Sizes of the model.
    pub model: Model,
    /// Where prompts come from.
    pub task: Task,
    /// The phase that every method starts from.
    pub pretrain: Pretrain,
    /// What methods have in common.
    pub finetune: Finetune,
    /// How models are tested.
    pub eval: Eval,
    /// What is written on the way.
    pub record: Record,
    /// The ways of fine-tuning, in order.
    pub methods: Vec<Method>,
}

/// Pre-training: a fresh task per prompt, loss on the query after `shots` demonstrations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pretrain {
    /// Optimizer steps.
    pub steps: u64,
    /// Prompts a step, B.
    pub batch: usize,
    /// Demonstrations a prompt, n.
    pub shots: usize,
    /// Rule, learning rate, clipping.
    pub optimizer: Optimizer,
}

/// Fine-tuning on the target task. A method may override `steps` and `optimizer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Finetune {
    /// Optimizer steps.
    pub steps: u64,
    /// Prompts a step, B.
    pub batch: usize,
    /// Demonstrations a prompt, n.
    pub shots: usize,
    /// Rule, learning rate, clipping.
    pub optimizer: Optimizer,
}

/// Test error at every shot count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Eval {
    /// Prompts a task and a seed.
    pub prompts: usize,
    /// Evaluation seeds, each with prompts of its own.
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
    /// What is descended.
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

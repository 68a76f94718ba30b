//! The update rule and its numbers.

use super::Schedule;
use super::schedule::warmed;
use serde::{Deserialize, Serialize};

/// The update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// With momentum.
    #[default]
    Sgd,
    /// Decay in the gradient.
    Adam,
    /// Decay beside the gradient.
    AdamW,
}

/// An optimizer and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// How a gradient moves a parameter.
    pub rule: Rule,
    /// Learning rate.
    pub lr: f64,
    /// How the learning rate falls over the steps.
    pub lr_schedule: Schedule,
    /// Steps over which the learning rate rises from 0 before its schedule begins.
    pub warmup: u64,
    /// SGD's momentum.
    pub momentum: f64,
    /// Adam's and AdamW's decay rates of the two moments.
    pub betas: [f64; 2],
    /// ε of Adam's denominator.
    pub eps: f64,
    /// L2 term for SGD and Adam, decoupled for AdamW.
    pub weight_decay: f64,
    /// Largest global gradient norm over the trained parameters; 0 for no clipping.
    pub clip: f64,
}

impl Rule {
    /// Moments that it keeps of a trained element: one for SGD, two for Adam.
    pub fn moments(self) -> usize {
        if self == Rule::Sgd { 1 } else { 2 }
    }
}

impl Optimizer {
    /// What the learning rate is multiplied by at step `t` of a phase of so many.
    pub fn factor(&self, t: u64, steps: u64) -> f64 {
        warmed(self.lr_schedule, self.warmup, t, steps)
    }

    /// Learning rate at step `t` of a phase of so many.
    pub fn lr_at(&self, t: u64, steps: u64) -> f64 {
        self.lr * self.factor(t, steps)
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer {
            rule: Rule::Sgd,
            lr: 0.01,
            lr_schedule: Schedule::Constant,
            warmup: 0,
            momentum: 0.9,
            betas: [0.9, 0.9],
            eps: 1e-8,
            weight_decay: 0.0,
            clip: 1.0,
        }
    }
}

//! What a phase trains, on what, and how.

use crate::kernels::shared::masked_update;
use crate::models::Phase;
use crate::optim::schedule::factor;
use crate::optim::{Optimizer, Schedule};
use crate::params::Spans;
use crate::prompt::Loss;
use crate::prompt::law::Law;
use std::any::Any;

/// What a phase trains, on what, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where prompts come from.
    pub law: Law,
    /// What is descended.
    pub loss: Loss,
    /// Few-shot weight w_t = `weight` · `schedule`(t).
    pub weight: f64,
    /// Of the few-shot weight.
    pub schedule: Schedule,
    /// Optimizer steps.
    pub steps: u64,
    /// Prompts a step, B.
    pub batch: usize,
    /// Demonstrations a prompt, n.
    pub shots: usize,
    /// Rule, learning rate, clipping.
    pub optimizer: Optimizer,
    /// Trained elements of the arena.
    pub train: Spans,
}

impl Plan {
    /// Learning rate at step `t`.
    pub fn lr(&self, t: u64) -> f64 {
        self.optimizer.lr_at(t, self.steps)
    }

    /// Weight of the few-shot loss at step `t`: w_t of `zs+fs`, else 1.
    pub fn few(&self, t: u64) -> f64 {
        match self.loss {
            Loss::ZsFs => self.weight * factor(self.schedule, t, self.steps),
            Loss::Zs | Loss::Fs => 1.0,
        }
    }

    /// The numbers of step `t` as kernels read them.
    pub(super) fn row(&self, t: u64) -> [f32; 4] {
        masked_update::schedule_row(&self.optimizer, t, self.lr(t), self.few(t))
    }

    /// Whether models trained by the two can share steps: they draw the same prompts, descend the same losses by the
    /// same rule, and are done together. Trained sets, rates and weights may differ.
    pub fn joins(&self, other: &Plan) -> bool {
        let of = |p: &Plan| (p.loss, p.steps, p.batch, p.shots, p.optimizer.rule);
        of(self) == of(other) && self.law == other.law
    }
}

impl Phase for Plan {
    fn steps(&self) -> u64 {
        self.steps
    }

    fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    fn train(&self) -> &Spans {
        &self.train
    }

    fn descends(&self) -> &'static str {
        self.loss.name()
    }

    fn joins(&self, other: &dyn Phase) -> bool {
        (other as &dyn Any).downcast_ref::<Plan>().is_some_and(|other| Plan::joins(self, other))
    }

    fn moving(&self, step: u64) -> Vec<String> {
        let moves = self.loss == Loss::ZsFs && self.schedule != Schedule::Constant;
        moves.then(|| format!("so is the few-shot weight's, now {:.3}", self.few(step))).into_iter().collect()
    }
}

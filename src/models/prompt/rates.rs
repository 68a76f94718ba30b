//! What moves over the steps of a phase: learning rate, few-shot weight, Adam's corrections.

use super::Plan;
use crate::kernels::shared::masked_update;
use crate::optim::schedule::{factor, warmed};
use crate::optim::{Optimizer, Schedule};
use crate::prompt::Loss;

/// The part of a [`Plan`] that they go by.
#[derive(Clone, Debug)]
pub struct Rates {
    optimizer: Optimizer,
    loss: Loss,
    weight: f64,
    schedule: Schedule,
    steps: u64,
}

impl Rates {
    pub fn of(plan: &Plan) -> Self {
        let Plan { loss, weight, schedule, steps, .. } = *plan;
        Rates { optimizer: plan.optimizer.clone(), loss, weight, schedule, steps }
    }

    /// Learning rate at step `t`.
    pub fn lr(&self, t: u64) -> f64 {
        let Optimizer { lr, lr_schedule, warmup, .. } = self.optimizer;
        lr * warmed(lr_schedule, warmup, t, self.steps)
    }

    /// Weight of the few-shot loss at step `t`: w_t of `zs+fs`, else 1.
    pub fn few(&self, t: u64) -> f64 {
        match self.loss {
            Loss::ZsFs => self.weight * factor(self.schedule, t, self.steps),
            Loss::Zs | Loss::Fs => 1.0,
        }
    }

    /// The row of step `t` as kernels read it.
    pub fn row(&self, t: u64) -> [f32; 4] {
        masked_update::schedule_row(&self.optimizer, t, self.lr(t), self.few(t))
    }
}

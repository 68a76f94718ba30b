//! A step as a recording of a launch a kernel.

use super::sizes::Sizes;
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::prompt::{Source, prompt_step, qk};
use crate::kernels::shared::grad_reduce;
use crate::kernels::shared::masked_update::{self, Update};

impl Sizes {
    /// One step: a launch a kernel.
    pub fn record_step(
        &self,
        source: &Source,
        (step, lanes): (&prompt_step::Step, usize),
        update: &Update,
        buffers: &masked_update::Buffers,
        tuning: &Tuning,
    ) -> Recording {
        let mut recording = Recording::default();
        let words = self.models.places() * self.shape.weights_stride();
        let weights = if self.separate { Buffer::words("weights", words) } else { buffers.params.clone() };
        if self.separate {
            let places = (self.models.count, self.params);
            recording.extend(qk::record_fwd(&self.shape, places, &buffers.params, &weights, tuning));
        }
        let drawn = prompt_step::Buffers {
            weights: &weights,
            state: &buffers.state,
            schedule: &buffers.schedule,
            partials: &buffers.partials,
        };
        recording.extend(prompt_step::record(source, step, &drawn, lanes, tuning));
        let fused = update.fused.is_some();
        recording.extend(self.record_gradient(buffers, fused, tuning.parts(lanes), tuning));
        recording.extend(masked_update::record(update, buffers, tuning));
        recording
    }

    /// From partial sums to the gradient that the update reads.
    pub fn record_gradient(
        &self,
        buffers: &masked_update::Buffers,
        fused: bool,
        lanes: usize,
        tuning: &Tuning,
    ) -> Recording {
        let mut recording = Recording::default();
        let models = self.models.count;
        if !fused {
            let reduce = grad_reduce::Reduce { models, rows: self.first, lanes, stride: self.grads };
            recording.extend(grad_reduce::record(&reduce, &buffers.partials, &buffers.grads, tuning));
        }
        if self.separate && self.layout.qk.iter().any(|&needed| needed) {
            let trained = qk::Trained { q: self.need.q.clone(), k: self.need.k.clone() };
            let places = qk::Places { models, params: self.params, grads: self.grads, first: self.first };
            let (params, grads) = (&buffers.params, &buffers.grads);
            recording.extend(qk::record_bwd(&self.layout, &trained, &places, params, grads, tuning));
        }
        recording
    }
}

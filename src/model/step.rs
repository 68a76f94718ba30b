//! One training step as a recording: forward and backward, reduction, masked update. No host between steps.

use super::ParamTable;
use crate::config::{self, Loss, Optimizer, QueryKey, Schedule};
use crate::gpu::{Buffer, Recording};
use crate::kernels::masked_update::{self, NONE, Update};
use crate::kernels::{Source, Tuning, grad_reduce, prompt_step, qk};
use crate::law::Law;
use crate::optim::schedule::factor;
use crate::shape::{GradLayout, Shape};

/// What a phase trains, on what, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    pub law: Law,
    pub loss: Loss,
    /// Few-shot weight w_t = `weight` · `schedule`(t).
    pub weight: f64,
    pub schedule: Schedule,
    pub steps: u64,
    pub batch: usize,
    pub shots: usize,
    pub optimizer: Optimizer,
    /// Trained elements of the arena, ascending.
    pub train: Vec<u32>,
}

impl Plan {
    /// Learning rate at step `t`.
    pub fn lr(&self, t: u64) -> f64 {
        self.optimizer.lr * factor(self.optimizer.lr_schedule, t, self.steps)
    }

    /// Weight of the few-shot loss at step `t`: w_t of `zs+fs`, else 1.
    pub fn few(&self, t: u64) -> f64 {
        match self.loss {
            Loss::ZsFs => self.weight * factor(self.schedule, t, self.steps),
            Loss::Zs | Loss::Fs => 1.0,
        }
    }
}

/// A plan's buffers and the recording of one of its steps.
pub struct Stepper {
    /// One step; running it again is the next step.
    pub recording: Recording,
    /// The arena of parameters.
    pub params: Buffer,
    /// [1 or 2, trained].
    pub moments: Buffer,
    /// `[0]`: the step.
    pub state: Buffer,
    /// `[ring]` vec4: zero-shot loss, few-shot loss, gradient norm, 0.
    pub metrics: Buffer,
    /// The gradient of the last step run, by arena element: where in `grads` each stands.
    pub grads: Buffer,
    /// Place of each trained element's gradient in `grads` ([`NONE`]: zero by structure).
    pub places: Vec<u32>,
    /// Elements of `moments`.
    pub moment_count: usize,
}

/// Starting values of a [`Stepper`].
pub struct Start<'a> {
    pub params: &'a [f32],
    /// Empty for zeros.
    pub moments: &'a [f32],
    pub step: u64,
}

/// Which tensors of a layer have a trained element.
struct Touched {
    v: Vec<bool>,
    qk: Vec<bool>,
    q: Vec<bool>,
    k: Vec<bool>,
}

impl Stepper {
    /// Steps of `plan` on `model` from `start`; the metrics ring has `ring` rows.
    pub fn new(
        model: &config::Model,
        table: &ParamTable,
        plan: &Plan,
        start: Start,
        ring: usize,
        tuning: &Tuning,
    ) -> Self {
        let shape = Shape { layers: model.layers, heads: model.heads, dim: plan.law.dim() };
        let touched = touched(table, &plan.train);
        let separate = model.qk == QueryKey::Separate;
        let needed: Vec<bool> =
            (0..shape.layers).map(|l| touched.qk[l] || touched.q[l] || touched.k[l]).collect();
        let layout = GradLayout::new(shape, touched.v.clone(), needed);
        let losses = layout.entries;
        let behind = layout.entries + 2;
        let places = places(table, &plan.train, &layout, separate.then_some(behind));

        let params = Buffer::holding("params", start.params);
        let weights = if separate { Buffer::words("weights", shape.weights()) } else { params.clone() };
        let grads = Buffer::words("grads", behind + if separate { shape.weights() } else { 0 });
        let state = Buffer::holding("state", &[start.step as u32]);
        let rows: Vec<[f32; 4]> = (0..plan.steps)
            .map(|t| masked_update::schedule_row(&plan.optimizer, t, plan.lr(t), plan.few(t)))
            .collect();
        let schedule = Buffer::holding("schedule", rows.as_flattened());
        let metrics = Buffer::words("metrics", 4 * ring);
        let step = prompt_step::Step { layout, shots: plan.shots, batch: plan.batch, loss: plan.loss };
        let source = Source::new(&plan.law);
        let lanes = prompt_step::lanes(&source, &step, tuning);
        // The gradient of separate queries and keys is computed between the sums and the update.
        let fused = tuning.fused && !separate;
        let update = Update {
            rule: plan.optimizer.rule,
            trained: plan.train.len(),
            losses,
            batch: plan.batch,
            ring,
            fused: fused.then(|| tuning.parts(lanes)),
        };
        let moments = if start.moments.is_empty() {
            Buffer::words("moments", update.moments())
        } else {
            Buffer::holding("moments", start.moments)
        };

        let partials = Buffer::words("partials", behind * tuning.parts(lanes));
        let buffers = prompt_step::Buffers {
            weights: &weights,
            state: &state,
            schedule: &schedule,
            partials: &partials,
        };
        let mut recording = Recording::default();
        if separate {
            recording.extend(qk::record_fwd(&shape, &params, &weights, tuning));
        }
        recording.extend(prompt_step::record(&source, &step, &buffers, lanes, tuning));
        if !fused {
            recording.extend(grad_reduce::record(behind, tuning.parts(lanes), &partials, &grads, tuning));
        }
        if separate && step.layout.qk.iter().any(|&needed| needed) {
            let trained = qk::Trained { q: touched.q, k: touched.k };
            recording.extend(qk::record_bwd(&step.layout, &trained, behind, &params, &grads, tuning));
        }
        let pairs: Vec<[u32; 2]> = plan.train.iter().zip(&places).map(|(&p, &g)| [p, g]).collect();
        let update_buffers = masked_update::Buffers {
            hyper: Buffer::holding("hyper", &masked_update::hyper(&plan.optimizer)),
            schedule,
            trained: Buffer::holding("trained", pairs.as_flattened()),
            grads: grads.clone(),
            params: params.clone(),
            moments: moments.clone(),
            state: state.clone(),
            metrics: metrics.clone(),
            partials,
        };
        recording.extend(masked_update::record(&update, &update_buffers, tuning));
        Stepper { recording, params, moments, state, metrics, grads, places, moment_count: update.moments() }
    }
}

fn touched(table: &ParamTable, train: &[u32]) -> Touched {
    let layers = table.params.iter().filter(|p| p.name.ends_with(".v")).count();
    let of = |suffix: &str| -> Vec<bool> {
        (0..layers)
            .map(|l| {
                table.get(&format!("layers.{l}.attn.{suffix}")).is_some_and(|p| {
                    let from = train.partition_point(|&e| (e as usize) < p.offset);
                    train.get(from).is_some_and(|&e| (e as usize) < p.offset + p.len())
                })
            })
            .collect()
    };
    Touched { v: of("v"), qk: of("qk"), q: of("q"), k: of("k") }
}

/// Place of each trained element's gradient. `separate` is where qk_bwd writes [L][Q | K][H, D, D].
fn places(table: &ParamTable, train: &[u32], layout: &GradLayout, separate: Option<usize>) -> Vec<u32> {
    let tensor = layout.shape.tensor();
    let tensors = table.params.len() / layout.shape.layers;
    train
        .iter()
        .map(|&element| {
            let (which, inside) = (element as usize / tensor, element as usize % tensor);
            let (layer, kind) = (which / tensors, which % tensors);
            let place = match (kind, separate) {
                (0, _) => layout.entry_v(layer, inside),
                (_, None) => layout.entry_qk(layer, inside),
                (kind, Some(behind)) => Some(behind + (layer * 2 + kind - 1) * tensor + inside),
            };
            place.map_or(NONE, |p| p as u32)
        })
        .collect()
}

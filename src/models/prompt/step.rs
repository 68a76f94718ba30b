//! One training step as a recording: forward and backward, reduction, masked update. No host between steps.

use super::Rates;
use super::tensors::{Matrix, tensors};
use crate::error::Result;
use crate::gpu::{Buffer, Engine, Launch, Recording};
use crate::kernels::Tuning;
use crate::kernels::prompt::{Source, prompt_step, prompt_train, qk};
use crate::kernels::shared::grad_reduce;
use crate::kernels::shared::masked_update::{self, NONE, Update};
use crate::optim::{Optimizer, Schedule};
use crate::params::{Need, ParamTable, Spans};
use crate::prompt::law::Law;
use crate::prompt::shape::{GradLayout, Models, Shape};
use crate::prompt::{Loss, Model, QueryKey};
use std::ops::Range;

/// What a phase trains, on what, and how.
#[derive(Clone, Debug, PartialEq)]
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
    /// Trained elements of the arena.
    pub train: Spans,
}

impl Plan {
    /// Learning rate at step `t`.
    pub fn lr(&self, t: u64) -> f64 {
        Rates::of(self).lr(t)
    }

    /// Weight of the few-shot loss at step `t`: w_t of `zs+fs`, else 1.
    pub fn few(&self, t: u64) -> f64 {
        Rates::of(self).few(t)
    }

    /// Whether models trained by the two can share steps: they draw the same prompts, descend the same losses by the
    /// same rule, and are done together. Trained sets, rates and weights may differ.
    pub fn joins(&self, other: &Plan) -> bool {
        let of = |p: &Plan| (p.loss, p.steps, p.batch, p.shots, p.optimizer.rule);
        of(self) == of(other) && self.law == other.law
    }
}

/// The buffers of models that train together and the recording of one of their steps. Mostly it is a single model.
pub struct Stepper {
    /// One step of each model, or up to `steps` where `until` is; running it again goes on.
    pub recording: Recording,
    /// Steps that the recording makes.
    pub steps: u64,
    /// `[0]`: the step to stop before, if a recording makes several.
    until: Option<Buffer>,
    /// [ring, places] numbers of the steps at hand, written anew for every submission.
    schedule: Buffer,
    /// What they go by, one a model.
    rates: Vec<Rates>,
    /// Places for models.
    all: usize,
    /// The arenas of parameters, [M, stride].
    pub params: Buffer,
    /// [M, 1 or 2, trained]: of as many elements as the model has that trains most.
    pub moments: Buffer,
    /// `[M]` the step.
    pub state: Buffer,
    /// `[M, ring]` vec4: zero-shot loss, few-shot loss, gradient norm, 0.
    pub metrics: Buffer,
    /// The gradients of the last step run; `places` tells where an element's is.
    pub grads: Buffer,
    /// Of each model: place of each trained element's gradient in `grads` ([`NONE`]: zero by structure).
    pub places: Vec<Vec<u32>>,
    /// Elements of a model's moments.
    pub moment_count: usize,
    /// Words from one model's parameters to the next one's.
    stride: usize,
}

/// Starting values of a model.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub params: &'a [f32],
    /// Empty for zeros.
    pub moments: &'a [f32],
    /// The same for all models of a stepper.
    pub step: u64,
}

/// Which tensors of a layer have a trained element.
struct Touched {
    v: Vec<bool>,
    qk: Vec<bool>,
    q: Vec<bool>,
    k: Vec<bool>,
}

/// Where everything of a stepper stands.
struct Sizes {
    shape: Shape,
    models: Models,
    layout: GradLayout,
    touched: Touched,
    /// Query and key are two matrices.
    separate: bool,
    /// Words of a model's parameters and gradients, and where those of queries and keys start.
    params: usize,
    grads: usize,
    first: usize,
}

impl Stepper {
    /// Steps of `plan` on `model` from `start`; the rings of metrics and schedules have `ring` rows.
    pub fn new(
        model: &Model,
        table: &ParamTable,
        plan: &Plan,
        start: Start,
        ring: usize,
        tuning: &Tuning,
    ) -> Self {
        Self::together(model, table, &[(plan, start)], ring, tuning)
    }

    /// Steps of several models of one shape that share their prompts.
    ///
    /// # Panics
    /// If there is none, or their plans do not [join](Plan::joins).
    pub fn together(
        model: &Model,
        table: &ParamTable,
        members: &[(&Plan, Start)],
        ring: usize,
        tuning: &Tuning,
    ) -> Self {
        let plan = members[0].0;
        assert!(members.iter().all(|(other, _)| plan.joins(other)), "plans that do not join");
        let sizes = Sizes::new(model, table, members, tuning);
        let models = sizes.models;
        let source = Source::new(&plan.law);
        let step = prompt_step::Step {
            layout: sizes.layout.clone(),
            shots: plan.shots,
            batch: plan.batch,
            loss: plan.loss,
            models,
        };
        let lanes = prompt_step::lanes(&source, &step, tuning);
        let update = sizes.update(members, ring, tuning.parts(lanes), tuning);
        let places: Vec<Vec<u32>> = members
            .iter()
            .enumerate()
            .map(|(m, (plan, _))| sizes.places(model, table, &plan.train, m))
            .collect();
        let buffers = sizes.buffers(members, &update, &places, tuning.parts(lanes));
        let resident =
            prompt_train::steps(&plan.law, &step, &update, tuning, plan.steps).filter(|_| !sizes.separate);
        let (recording, until) = match resident {
            Some(steps) => {
                let until = Buffer::holding("until", &[u32::MAX]);
                let (slots, sizes) = (slots(members, &sizes), (&step, &update, steps));
                (prompt_train::record(&source, sizes, &buffers, (&slots, &until), tuning), Some(until))
            }
            None => (sizes.record_step(&source, (&step, lanes), &update, &buffers, tuning), None),
        };
        let steps = resident.unwrap_or(1) as u64;
        let masked_update::Buffers { schedule, params, moments, state, metrics, grads, .. } = buffers;
        let (moment_count, stride) = (update.moments(), sizes.params);
        Stepper {
            recording,
            steps,
            until,
            schedule,
            rates: members.iter().map(|(plan, _)| Rates::of(plan)).collect(),
            all: models.places(),
            params,
            moments,
            state,
            metrics,
            grads,
            places,
            moment_count,
            stride,
        }
    }

    /// Submits `count` steps from step `at` on, no more than the rings have rows.
    ///
    /// # Errors
    /// What [`Engine::submit`] gives.
    pub fn submit(&self, engine: &Engine, at: u64, count: u64) -> Result<()> {
        engine.submit(&self.recording, self.runs(engine, at, count)?)
    }

    /// As [`Stepper::submit`], and when each launch ran ([`Engine::submit_timed`]).
    pub fn submit_timed(&self, engine: &Engine, at: u64, count: u64) -> Result<Vec<Launch>> {
        engine.submit_timed(&self.recording, self.runs(engine, at, count)?)
    }

    /// How often the recording has to run. Writes the numbers of its steps; the device takes them up behind the
    /// submissions before.
    fn runs(&self, engine: &Engine, at: u64, count: u64) -> Result<u64> {
        let ring = self.schedule.bytes() as usize / (16 * self.all);
        assert!(
            count as usize <= ring,
            "{count} steps in a submission, for which schedules have {ring} rows"
        );
        engine.write(&self.schedule, rows(&self.rates, at..at + count, (ring, self.all)).as_flattened())?;
        if let Some(until) = &self.until {
            engine.write(until, &[(at + count) as u32])?;
        }
        Ok(count.div_ceil(self.steps))
    }

    /// Parameters of a model among the words of `params`.
    pub fn params_of<'a>(&self, words: &'a [f32], model: usize, table: &ParamTable) -> &'a [f32] {
        &words[model * self.stride..][..table.len()]
    }

    /// Moments of a model among the words of `moments`, in the layout of its own trained list.
    pub fn moments_of(&self, words: &[f32], model: usize, plan: &Plan) -> Vec<f32> {
        let own = &words[model * self.moment_count..][..self.moment_count];
        let longest = self.moment_count / masked_update::states(plan.optimizer.rule);
        own.chunks(longest).flat_map(|row| &row[..plan.train.len()]).copied().collect()
    }
}

impl Sizes {
    fn new(model: &Model, table: &ParamTable, members: &[(&Plan, Start)], tuning: &Tuning) -> Sizes {
        let shape = Shape { layers: model.layers, heads: model.heads, dim: members[0].0.law.dim() };
        let trained = members.iter().fold(Spans::default(), |all, (plan, _)| all.union(&plan.train));
        let touched = Touched::of(model, table, &trained);
        let separate = model.qk == QueryKey::Separate;
        let needed: Vec<bool> =
            (0..shape.layers).map(|l| touched.qk[l] || touched.q[l] || touched.k[l]).collect();
        let layout = GradLayout::new(shape, touched.v.clone(), needed);
        let passes = if members[0].0.loss == Loss::ZsFs { 2 } else { 1 };
        let models = tuning.models(members.len(), passes * (shape.weights() + layout.entries));
        let first = layout.entries + 2;
        Sizes {
            shape,
            models,
            touched,
            separate,
            params: table.len().next_multiple_of(4),
            grads: first + if separate { shape.weights() } else { 0 },
            first,
            layout,
        }
    }

    /// The update that all members share; `parts` partial sums are added up by it or before it.
    fn update(&self, members: &[(&Plan, Start)], ring: usize, parts: usize, tuning: &Tuning) -> Update {
        let plan = members[0].0;
        // The gradient of separate queries and keys is computed between the sums and the update.
        let fused = tuning.fused && !self.separate;
        Update {
            rule: plan.optimizer.rule,
            models: self.models.count,
            places: self.models.places(),
            trained: members.iter().map(|(plan, _)| plan.train.len()).max().unwrap_or(0),
            losses: self.layout.entries,
            stride: self.grads,
            batch: plan.batch,
            ring,
            fused: fused.then_some(parts),
        }
    }

    fn buffers(
        &self,
        members: &[(&Plan, Start)],
        update: &Update,
        places: &[Vec<u32>],
        parts: usize,
    ) -> masked_update::Buffers {
        let all = self.models.places();
        masked_update::Buffers {
            hyper: hyper(members, self.models),
            schedule: Buffer::words("schedule", 4 * all * update.ring),
            trained: trained(members, places, self, update.trained),
            grads: Buffer::words("grads", self.models.count * self.grads),
            params: arena(members, self),
            moments: moments(members, update),
            state: Buffer::holding("state", &vec![members[0].1.step as u32; all]),
            metrics: Buffer::words("metrics", all * 4 * update.ring),
            partials: Buffer::words("partials", all * (self.layout.entries + 2) * parts),
        }
    }

    /// One step: a launch a kernel.
    fn record_step(
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
    fn record_gradient(
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
            let trained = qk::Trained { q: self.touched.q.clone(), k: self.touched.k.clone() };
            let places = qk::Places { models, params: self.params, grads: self.grads, first: self.first };
            let (params, grads) = (&buffers.params, &buffers.grads);
            recording.extend(qk::record_bwd(&self.layout, &trained, &places, params, grads, tuning));
        }
        recording
    }

    /// Place of each trained element's gradient of member `m`. Behind `first`, `qk_bwd` writes [L][Q | K][H, D, D].
    fn places(&self, model: &Model, table: &ParamTable, train: &Spans, m: usize) -> Vec<u32> {
        let tensor = self.shape.tensor();
        let mut places = Vec::with_capacity(train.len());
        for ((layer, matrix), param) in tensors(model).zip(&table.params) {
            let place = |inside: usize| match matrix {
                Matrix::V => self.layout.entry_v(layer, inside),
                Matrix::Qk => self.layout.entry_qk(layer, inside),
                Matrix::Q => Some(self.first + 2 * layer * tensor + inside),
                Matrix::K => Some(self.first + (2 * layer + 1) * tensor + inside),
            };
            let own = train.within(param.place());
            let of = |element| place(element - param.offset).map_or(NONE, |at| (m * self.grads + at) as u32);
            places.extend(own.elements().map(of));
        }
        places
    }
}

/// All models' parameters; places of no model are zeros.
fn arena(members: &[(&Plan, Start)], sizes: &Sizes) -> Buffer {
    let mut words = vec![0.0f32; sizes.models.places() * sizes.params];
    for (own, (_, start)) in words.chunks_mut(sizes.params).zip(members) {
        own[..start.params.len()].copy_from_slice(start.params);
    }
    Buffer::holding("params", &words)
}

/// All models' moments; places of no model are zeros.
fn moments(members: &[(&Plan, Start)], update: &Update) -> Buffer {
    let mut words = vec![0.0f32; update.places * update.moments()];
    for (own, (plan, start)) in words.chunks_mut(update.moments()).zip(members) {
        let rows = own.chunks_mut(update.trained).zip(start.moments.chunks(plan.train.len()));
        rows.for_each(|(row, held)| row[..held.len()].copy_from_slice(held));
    }
    Buffer::holding("moments", &words)
}

fn hyper(members: &[(&Plan, Start)], models: Models) -> Buffer {
    let mut rows: Vec<[f32; 8]> = members.iter().map(|(p, _)| masked_update::hyper(&p.optimizer)).collect();
    rows.resize(models.places(), [0.0; 8]);
    Buffer::holding("hyper", rows.as_flattened())
}

/// [ring, places] rows of some steps, each at its step's place in the ring; those of no model are zeros.
fn rows(rates: &[Rates], steps: Range<u64>, (ring, places): (usize, usize)) -> Vec<[f32; 4]> {
    let mut rows = vec![[0.0f32; 4]; ring * places];
    for t in steps {
        let now = &mut rows[(t % ring as u64) as usize * places..][..places];
        now.iter_mut().zip(rates).for_each(|(row, rates)| *row = rates.row(t));
    }
    rows
}

/// [M, longest] parameter and gradient index of each trained element.
fn trained(members: &[(&Plan, Start)], places: &[Vec<u32>], sizes: &Sizes, longest: usize) -> Buffer {
    let mut pairs = vec![[NONE; 2]; members.len() * longest];
    for (model, (own, (plan, _))) in pairs.chunks_mut(longest).zip(members).enumerate() {
        let shift = (model * sizes.params) as u32;
        let listed = plan.train.elements().zip(&places[model]);
        own.iter_mut().zip(listed).for_each(|(pair, (p, &g))| *pair = [p as u32 + shift, g]);
    }
    Buffer::holding("trained", pairs.as_flattened())
}

/// [places, stride] each parameter's place among its model's trained, or [`NONE`].
fn slots(members: &[(&Plan, Start)], sizes: &Sizes) -> Buffer {
    let mut words = vec![NONE; sizes.models.places() * sizes.params];
    for (own, (plan, _)) in words.chunks_mut(sizes.params).zip(members) {
        plan.train.elements().zip(0..).for_each(|(p, slot)| own[p] = slot);
    }
    Buffer::holding("slots", &words)
}

impl Touched {
    fn of(model: &Model, table: &ParamTable, trained: &Spans) -> Self {
        let none = || vec![false; model.layers];
        let mut touched = Touched { v: none(), qk: none(), q: none(), k: none() };
        for ((layer, matrix), param) in tensors(model).zip(&table.params) {
            let of_kind = match matrix {
                Matrix::V => &mut touched.v,
                Matrix::Qk => &mut touched.qk,
                Matrix::Q => &mut touched.q,
                Matrix::K => &mut touched.k,
            };
            of_kind[layer] = table.need(param, trained) != Need::None;
        }
        touched
    }
}

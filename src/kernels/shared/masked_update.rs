//! `masked_update`: one optimizer step on the trained elements.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::OPTIMIZER;
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, read, uniform, write};
use crate::optim::{Optimizer, Rule};

/// Gradient index of a trained element whose gradient is zero by structure.
pub const NONE: u32 = u32::MAX;

/// Sizes of an update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// By which rule.
    pub rule: Rule,
    /// How many models, a workgroup each.
    pub models: usize,
    /// Places for models in `schedule`, at least as many.
    pub places: usize,
    /// Trained elements of the model that trains most.
    pub trained: usize,
    /// Where in a model's gradient the two loss sums stand.
    pub losses: usize,
    /// Words from one model's gradient to the next one's.
    pub stride: usize,
    /// Prompts of a loss, by which sums are divided.
    pub batch: usize,
    /// Rows of each model's metrics ring.
    pub ring: usize,
    /// Parts of each partial sum, if the update sums them itself; else the gradient is there.
    pub fused: Option<usize>,
}

impl Update {
    /// Words of a model's moments.
    pub fn moments(&self) -> usize {
        self.trained * self.rule.moments()
    }

    /// Rounds of an invocation's loops in a workgroup of so many: over the partial sums, twice over the trained elements,
    /// and over the invocations.
    fn rounds(&self, workgroup: usize) -> u64 {
        let sums = (self.losses + 2).div_ceil(workgroup) * (1 + self.fused.unwrap_or(0));
        (sums + 2 * self.trained.div_ceil(workgroup) + workgroup) as u64
    }
}

/// The update's buffers, in binding order.
pub struct Buffers {
    /// Numbers of each model's optimizer: [`hyper`].
    pub hyper: Buffer,
    /// `[ring, places]` vec4 of [`schedule_row`].
    pub schedule: Buffer,
    /// `[M, trained]` parameter and gradient index; a shorter list is filled up with [`NONE`].
    pub trained: Buffer,
    /// [M, stride] gradients.
    pub grads: Buffer,
    /// [M, stride] parameters.
    pub params: Buffer,
    /// [M, 1 or 2, trained] moments.
    pub moments: Buffer,
    /// `[M]` the step, counted up.
    pub state: Buffer,
    /// `[M, ring]` vec4: zero-shot loss, few-shot loss, gradient norm, 0.
    pub metrics: Buffer,
    /// [M, losses + 2, parts]; read if fused.
    pub partials: Buffer,
}

/// The optimizer's numbers as the kernel reads them.
pub fn hyper(o: &Optimizer) -> [f32; 8] {
    // What a beta leaves of 1 in f32 would be off by 1e-5 of it for 0.999.
    let rests = o.betas.map(|beta| 1.0 - beta);
    [o.momentum, o.betas[0], o.betas[1], o.eps, o.weight_decay, o.clip, rests[0], rests[1]].map(|x| x as f32)
}

/// A step's numbers: learning rate, few-shot weight and Adam's two bias corrections, for step `t` from 0.
pub fn schedule_row(o: &Optimizer, t: u64, lr: f64, few: f64) -> [f32; 4] {
    let correction = |beta: f64| 1.0 / (1.0 - beta.powf(t as f64 + 1.0));
    [lr, few, correction(o.betas[0]), correction(o.betas[1])].map(|x| x as f32)
}

/// What the rule's code is made by.
pub(in crate::kernels) fn rule_consts(consts: Consts, rule: Rule) -> Consts {
    let number = match rule {
        Rule::Sgd => 0,
        Rule::Adam => 1,
        Rule::AdamW => 2,
    };
    consts.u32("RULE", number).u32("STATES", rule.moments())
}

/// One step of each model, counted up in `state`.
pub fn record(update: &Update, b: &Buffers, tuning: &Tuning) -> Recording {
    let consts = rule_consts(Consts::default(), update.rule)
        .u32("MODELS", update.places)
        .u32("TRAINED", update.trained)
        .u32("LOSSES", update.losses)
        .u32("GRADS", update.stride)
        .u32("BATCH", update.batch)
        .u32("RING", update.ring)
        .u32("FUSED", update.fused.is_some().into())
        .u32("PARTS", update.fused.unwrap_or(0));
    let bindings = vec![
        uniform(0, "hyper"),
        read(1, "schedule"),
        read(2, "trained"),
        write(3, "grads"),
        write(4, "params"),
        write(5, "moments"),
        write(6, "state"),
        write(7, "metrics"),
        read(8, "partials"),
    ];
    let buffers = [
        &b.hyper,
        &b.schedule,
        &b.trained,
        &b.grads,
        &b.params,
        &b.moments,
        &b.state,
        &b.metrics,
        &b.partials,
    ];
    let parts = [OPTIMIZER, include_str!("../../../shaders/shared/masked_update.wgsl")];
    let workgroup = tuning.single(|workgroup| update.rounds(workgroup));
    let entry = Entry {
        kernel: "masked_update",
        name: "masked_update",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: update.rounds(workgroup),
    };
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    recording.launch(program, buffers.map(Buffer::clone).to_vec(), [update.models as u32, 1]);
    recording
}

//! `masked_update`: one optimizer step on the trained elements.

use super::case::{Bench, Case, values, wide};
use super::{Tuning, program, read, uniform, write};
use crate::config::{Optimizer, Rule};
use crate::gpu::{Buffer, Consts, Recording};
use crate::reference::masked_update as reference;

/// Gradient index of a trained element whose gradient is zero by structure.
pub const NONE: u32 = u32::MAX;

/// Sizes of an update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub rule: Rule,
    pub trained: usize,
    /// Where in the gradient the two loss sums stand.
    pub losses: usize,
    pub batch: usize,
    /// Rows of the metrics ring.
    pub ring: usize,
    /// Parts of each partial sum, if the update sums them itself; else the gradient is there.
    pub fused: Option<usize>,
}

impl Update {
    /// Words of the moments: one a trained element for SGD, two for Adam.
    pub fn moments(&self) -> usize {
        self.trained * if self.rule == Rule::Sgd { 1 } else { 2 }
    }
}

/// The update's buffers, in binding order.
pub struct Buffers {
    /// Numbers of the optimizer: [`hyper`].
    pub hyper: Buffer,
    /// `[steps]` vec4 of [`schedule_row`].
    pub schedule: Buffer,
    /// `[trained]` parameter and gradient index.
    pub trained: Buffer,
    pub grads: Buffer,
    pub params: Buffer,
    pub moments: Buffer,
    /// `[0]`: the step, counted up.
    pub state: Buffer,
    /// `[ring]` vec4: zero-shot loss, few-shot loss, gradient norm, 0.
    pub metrics: Buffer,
    /// [losses + 2, parts]; read if fused.
    pub partials: Buffer,
}

/// The optimizer's numbers as the kernel reads them.
pub fn hyper(o: &Optimizer) -> [f32; 6] {
    [o.momentum, o.betas[0], o.betas[1], o.eps, o.weight_decay, o.clip].map(|x| x as f32)
}

/// A step's numbers: learning rate, few-shot weight and Adam's two bias corrections, for step `t` from 0.
pub fn schedule_row(o: &Optimizer, t: u64, lr: f64, few: f64) -> [f32; 4] {
    let correction = |beta: f64| 1.0 / (1.0 - beta.powf(t as f64 + 1.0));
    [lr, few, correction(o.betas[0]), correction(o.betas[1])].map(|x| x as f32)
}

pub fn record(update: &Update, b: &Buffers, tuning: &Tuning) -> Recording {
    let rule = match update.rule {
        Rule::Sgd => 0,
        Rule::Adam => 1,
        Rule::AdamW => 2,
    };
    let consts = Consts::default()
        .u32("RULE", rule)
        .u32("TRAINED", update.trained)
        .u32("LOSSES", update.losses)
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
    let parts = [include_str!("../../shaders/masked_update.wgsl")];
    // Its loops go over the trained elements twice, and over the partial sums.
    let sums = update.fused.map_or(0, |parts| (update.losses + 2) * (parts + 1));
    let mut workgroup = tuning.update;
    let rounds = |workgroup: usize| ((2 * update.trained + sums).div_ceil(workgroup) + workgroup) as u64;
    while rounds(workgroup) > tuning.loops && workgroup < 1024 {
        workgroup *= 2;
    }
    let program =
        program("masked_update", "masked_update", &parts, consts, bindings, workgroup, 4 * workgroup);
    let mut recording = Recording::default();
    recording.dispatch(program, buffers.map(Buffer::clone).to_vec(), 1);
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let mut out = Vec::new();
    for rule in [Rule::Sgd, Rule::Adam, Rule::AdamW] {
        for (count, step_by, clip, fused) in
            [(98, 1, 1.0, None), (301, 3, 0.0, Some(11)), (5, 5, 1e-3, None), (98, 1, 1.0, Some(64))]
        {
            let optimizer =
                Optimizer { rule, clip, weight_decay: 0.1, betas: [0.9, 0.99], ..Optimizer::default() };
            let step = 4;
            let parts = fused.unwrap_or(1);
            let partials = values((count + 2) * parts, 0.7, 7);
            let grads: Vec<f64> = wide(&partials).chunks(parts).map(|row| row.iter().sum()).collect();
            let held: Vec<f32> = if fused.is_some() { vec![f32::NAN; count + 2] } else { partials.clone() };
            let params = values(count, 1.0, 8);
            // Every third trained element has no gradient of its own.
            let trained: Vec<[u32; 2]> = (0..count as u32)
                .step_by(step_by)
                .map(|p| [p, if p % 3 == 2 { NONE } else { count as u32 - 1 - p }])
                .collect();
            let update = Update { rule, trained: trained.len(), losses: count, batch: 10, ring: 3, fused };
            let moments: Vec<f32> = values(update.moments(), 0.2, 9).iter().map(|x| x.abs()).collect();
            let row = schedule_row(&optimizer, step, 0.05, 0.5);
            let schedule = [vec![[0.0f32; 4]; step as usize], vec![row]].concat();
            let buffers = Buffers {
                hyper: Buffer::holding("hyper", &hyper(&optimizer)),
                schedule: Buffer::holding("schedule", schedule.as_flattened()),
                trained: Buffer::holding("trained", trained.as_flattened()),
                grads: Buffer::holding("grads", &held),
                params: Buffer::holding("params", &params),
                moments: Buffer::holding("moments", &moments),
                state: Buffer::holding("state", &[step as u32]),
                metrics: Buffer::holding("metrics", &[0.0f32; 12]),
                partials: Buffer::holding("partials", &partials),
            };
            let (mut p, mut m) = (wide(&params), wide(&moments));
            let gradient: Vec<f64> =
                trained.iter().map(|t| if t[1] == NONE { 0.0 } else { grads[t[1] as usize] }).collect();
            let elements: Vec<usize> = trained.iter().map(|t| t[0] as usize).collect();
            let norm = reference::masked_update(&optimizer, 0.05, step, &elements, &gradient, &mut p, &mut m);
            let losses = [grads[count] / 10.0, grads[count + 1] / 10.0];
            let metrics = [vec![0.0; 4], vec![losses[0], losses[1], norm, 0.0], vec![0.0; 4]].concat();
            let name =
                format!("{rule:?}, {} of {count} trained, clip {clip}, fused {fused:?}", trained.len());
            out.push(
                Case::new(name, record(&update, &buffers, tuning))
                    .f32(&buffers.params, p)
                    .f32(&buffers.moments, m)
                    .f32(&buffers.metrics, metrics)
                    .u32(&buffers.state, vec![step as u32 + 1]),
            );
        }
    }
    out
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    // The paper's model whole and its value matrix alone; what a trained element costs is in the difference.
    [(98, "98 of 98 trained"), (49, "49 of 98 trained")]
        .into_iter()
        .map(|(count, name)| {
            let trained: Vec<[u32; 2]> = (0..count as u32).map(|i| [i, i]).collect();
            let update =
                Update { rule: Rule::Sgd, trained: count, losses: 98, batch: 5000, ring: 1, fused: None };
            let buffers = Buffers {
                hyper: Buffer::holding("hyper", &hyper(&Optimizer::default())),
                // The bench runs the same step over and over: its rate is 0, and the state counts on.
                schedule: Buffer::words("schedule", 4 << 16),
                trained: Buffer::holding("trained", trained.as_flattened()),
                grads: Buffer::holding("grads", &values(100, 0.1, 7)),
                params: Buffer::holding("params", &values(98, 1.0, 8)),
                moments: Buffer::words("moments", update.moments()),
                state: Buffer::words("state", 1),
                metrics: Buffer::words("metrics", 4),
                partials: Buffer::words("partials", 4),
            };
            let recording = record(&update, &buffers, tuning);
            Bench { name: name.into(), recording, flops: 9.0 * count as f64, bytes: 36.0 * count as f64 }
        })
        .collect()
}

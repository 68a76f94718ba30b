//! `masked_update`: one optimizer step on the trained elements.

use super::case::{Bench, Case, values, wide};
use super::{OPTIMIZER, Tuning, program, read, uniform, write};
use crate::config::{Optimizer, Rule};
use crate::gpu::{Buffer, Consts, Recording};
use crate::reference::masked_update as reference;

/// Gradient index of a trained element whose gradient is zero by structure.
pub const NONE: u32 = u32::MAX;

/// Sizes of an update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub rule: Rule,
    pub models: usize,
    /// Places for models in `schedule`, at least as many.
    pub places: usize,
    /// Trained elements of the model that trains most.
    pub trained: usize,
    /// Where in a model's gradient the two loss sums stand.
    pub losses: usize,
    /// Words from one model's gradient to the next one's.
    pub stride: usize,
    pub batch: usize,
    /// Rows of each model's metrics ring.
    pub ring: usize,
    /// Parts of each partial sum, if the update sums them itself; else the gradient is there.
    pub fused: Option<usize>,
}

impl Update {
    /// Words of a model's moments.
    pub fn moments(&self) -> usize {
        self.trained * states(self.rule)
    }
}

/// The update's buffers, in binding order.
pub struct Buffers {
    /// Numbers of each model's optimizer: [`hyper`].
    pub hyper: Buffer,
    /// `[steps, places]` vec4 of [`schedule_row`].
    pub schedule: Buffer,
    /// `[M, trained]` parameter and gradient index; a shorter list is filled up with [`NONE`].
    pub trained: Buffer,
    pub grads: Buffer,
    pub params: Buffer,
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
    [o.momentum, o.betas[0], o.betas[1], o.eps, o.weight_decay, o.clip, 0.0, 0.0].map(|x| x as f32)
}

/// A step's numbers: learning rate, few-shot weight and Adam's two bias corrections, for step `t` from 0.
pub fn schedule_row(o: &Optimizer, t: u64, lr: f64, few: f64) -> [f32; 4] {
    let correction = |beta: f64| 1.0 / (1.0 - beta.powf(t as f64 + 1.0));
    [lr, few, correction(o.betas[0]), correction(o.betas[1])].map(|x| x as f32)
}

/// Moments a trained element: one for SGD, two for Adam.
pub fn states(rule: Rule) -> usize {
    if rule == Rule::Sgd { 1 } else { 2 }
}

/// What the rule's code is made by.
pub(super) fn rule_consts(consts: Consts, rule: Rule) -> Consts {
    let number = match rule {
        Rule::Sgd => 0,
        Rule::Adam => 1,
        Rule::AdamW => 2,
    };
    consts.u32("RULE", number).u32("STATES", states(rule))
}

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
    let parts = [OPTIMIZER, include_str!("../../shaders/masked_update.wgsl")];
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
    recording.dispatch(program, buffers.map(Buffer::clone).to_vec(), [update.models as u32, 1]);
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let mut out = Vec::new();
    for rule in [Rule::Sgd, Rule::Adam, Rule::AdamW] {
        for (count, step_by, clip, fused, models) in [
            (98, 1, 1.0, None, 1),
            (301, 3, 0.0, Some(11), 1),
            (5, 5, 1e-3, None, 1),
            (98, 1, 1.0, Some(64), 1),
            (40, 2, 0.5, None, 3),
            (23, 1, 1.0, Some(5), 2),
        ] {
            out.push(case(rule, count, step_by, clip, fused, models, tuning));
        }
    }
    out
}

/// Models of `count` parameters that train every `step_by`-th, all but the first a few fewer.
fn case(
    rule: Rule,
    count: usize,
    step_by: usize,
    clip: f64,
    fused: Option<usize>,
    models: usize,
    tuning: &Tuning,
) -> Case {
    let (step, parts, stride) = (4, fused.unwrap_or(1), count + 3);
    let optimizer = |model: usize| Optimizer {
        rule,
        clip: clip * (1.0 + model as f64),
        weight_decay: 0.1,
        betas: [0.9, 0.99],
        momentum: 0.9 - 0.2 * model as f64,
        ..Optimizer::default()
    };
    let partials = values(models * (count + 2) * parts, 0.7, 7);
    let grads: Vec<f64> = wide(&partials).chunks(parts).map(|row| row.iter().sum()).collect();
    let mut held = vec![f32::NAN; models * stride];
    if fused.is_none() {
        for (own, sums) in held.chunks_mut(stride).zip(partials.chunks(count + 2)) {
            own[..count + 2].copy_from_slice(sums);
        }
    }
    let params = values(models * count, 1.0, 8);
    // Every third trained element has no gradient of its own.
    let lists: Vec<Vec<[u32; 2]>> = (0..models)
        .map(|m| {
            let own = (0..count as u32).step_by(step_by).skip(2 * m);
            let place = |p: u32| if p % 3 == 2 { NONE } else { (m * stride) as u32 + count as u32 - 1 - p };
            own.map(|p| [(m * count) as u32 + p, place(p)]).collect()
        })
        .collect();
    let (longest, places) = (lists[0].len(), models + 1);
    let update =
        Update { rule, models, places, trained: longest, losses: count, stride, batch: 10, ring: 3, fused };
    let trained: Vec<[u32; 2]> = lists
        .iter()
        .flat_map(|l| l.iter().copied().chain([[NONE; 2]].into_iter().cycle()).take(longest))
        .collect();
    let moments: Vec<f32> = values(models * update.moments(), 0.2, 9).iter().map(|x| x.abs()).collect();
    let rate = |m: usize| 0.05 * (1.0 + m as f64);
    let rows = (0..places).map(|m| schedule_row(&optimizer(m), step, rate(m), 0.5));
    let schedule: Vec<[f32; 4]> = vec![[0.0; 4]; places * step as usize].into_iter().chain(rows).collect();
    let hypers: Vec<[f32; 8]> = (0..places).map(|m| hyper(&optimizer(m))).collect();
    let buffers = Buffers {
        hyper: Buffer::holding("hyper", hypers.as_flattened()),
        schedule: Buffer::holding("schedule", schedule.as_flattened()),
        trained: Buffer::holding("trained", trained.as_flattened()),
        grads: Buffer::holding("grads", &held),
        params: Buffer::holding("params", &params),
        moments: Buffer::holding("moments", &moments),
        state: Buffer::holding("state", &vec![step as u32; models]),
        metrics: Buffer::holding("metrics", &vec![0.0f32; 12 * models]),
        partials: Buffer::holding("partials", &partials),
    };
    let (mut p, mut m, mut metrics) = (wide(&params), wide(&moments), Vec::new());
    for (model, list) in lists.iter().enumerate() {
        let sums = &grads[model * (count + 2)..][..count + 2];
        let own: Vec<f64> = list
            .iter()
            .map(|t| if t[1] == NONE { 0.0 } else { sums[t[1] as usize - model * stride] })
            .collect();
        let elements: Vec<usize> = list.iter().map(|t| t[0] as usize).collect();
        // The reference has moments of the list's length, the device of the longest's.
        let at = |which: usize| model * update.moments() + which * longest;
        let states = update.moments() / longest;
        let mut held: Vec<f64> = (0..states).flat_map(|w| m[at(w)..at(w) + list.len()].to_vec()).collect();
        let norm = reference::masked_update(
            &optimizer(model),
            rate(model),
            step,
            &elements,
            &own,
            &mut p,
            &mut held,
        );
        for (w, own) in held.chunks(list.len()).enumerate() {
            m[at(w)..at(w) + list.len()].copy_from_slice(own);
        }
        let row = [sums[count] / 10.0, sums[count + 1] / 10.0, norm, 0.0];
        metrics.extend([[0.0; 4], row, [0.0; 4]].concat());
    }
    let name = format!("{rule:?}, {longest} of {count} trained, clip {clip}, fused {fused:?}, M = {models}");
    Case::new(name, record(&update, &buffers, tuning))
        .f32(&buffers.params, p)
        .f32(&buffers.moments, m)
        .f32(&buffers.metrics, metrics)
        .u32(&buffers.state, vec![step as u32 + 1; models])
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    // The paper's model whole and its value matrix alone; what a trained element costs is in the difference.
    [(98, 1, "98 of 98 trained"), (49, 1, "49 of 98 trained"), (98, 32, "98 of 98 trained, 32 models")]
        .into_iter()
        .map(|(count, models, name)| {
            let stride = 100;
            let trained: Vec<[u32; 2]> = (0..models as u32)
                .flat_map(|m| (0..count as u32).map(move |i| [m * stride + i; 2]))
                .collect();
            let update = Update {
                rule: Rule::Sgd,
                models,
                places: models,
                trained: count,
                losses: 98,
                stride: stride as usize,
                batch: 5000,
                ring: 1,
                fused: None,
            };
            let hypers = vec![hyper(&Optimizer::default()); models];
            let words = models * stride as usize;
            let buffers = Buffers {
                hyper: Buffer::holding("hyper", hypers.as_flattened()),
                // The bench runs the same step over and over: its rate is 0, and the state counts on.
                schedule: Buffer::words("schedule", models << 16),
                trained: Buffer::holding("trained", trained.as_flattened()),
                grads: Buffer::holding("grads", &values(words, 0.1, 7)),
                params: Buffer::holding("params", &values(words, 1.0, 8)),
                moments: Buffer::words("moments", models * update.moments()),
                state: Buffer::words("state", models),
                metrics: Buffer::words("metrics", 4 * models),
                partials: Buffer::words("partials", 4),
            };
            let recording = record(&update, &buffers, tuning);
            let elements = (models * count) as f64;
            Bench { name: name.into(), recording, flops: 9.0 * elements, bytes: 36.0 * elements }
        })
        .collect()
}

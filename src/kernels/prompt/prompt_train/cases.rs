//! Parity cases and benches of `prompt_train`.

use super::*;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::reference::masked_update as reference;
use crate::reference::prompts::Drawn;

/// A model of a parity case: parameters, the gradient's place of each, and which are trained.
struct Member {
    optimizer: Optimizer,
    few: f64,
    trained: Vec<usize>,
    params: Vec<f64>,
    moments: Vec<f64>,
    metrics: Vec<f64>,
}

impl Member {
    /// Steps by the reference.
    fn train(&mut self, law: &Law, step: &Step, drawn: Drawn, (from, count): (u32, u32), ring: usize) {
        let layout = &step.layout;
        let tensor = layout.shape.tensor();
        for t in from..from + count {
            let sums = prompt_step::cases::expected(law, step, &self.params, t, self.few, 1, drawn);
            let place = |p: usize| match (p / tensor % 2, p / tensor / 2) {
                (0, layer) => layout.entry_v(layer, p % tensor),
                (_, layer) => layout.entry_qk(layer, p % tensor),
            };
            let gradient: Vec<f64> =
                self.trained.iter().map(|&p| place(p).map_or(0.0, |at| sums[at])).collect();
            let norm = reference::masked_update(
                &self.optimizer,
                self.optimizer.lr,
                t as u64,
                &self.trained,
                &gradient,
                &mut self.params,
                &mut self.moments,
            );
            let losses = &sums[layout.entries..];
            let row = [losses[0] / step.batch as f64, losses[1] / step.batch as f64, norm, 0.0];
            self.metrics[4 * (t as usize % ring)..][..4].copy_from_slice(&row);
        }
    }
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    if tuning.subgroup == 1 {
        // It needs sums over a subgroup, and the variants that have none do not use it.
        return Vec::new();
    }
    let fixtures = source::fixtures();
    let law = |name: &str| &fixtures.iter().find(|(n, _)| n.starts_with(name)).expect("a fixture").1;
    let table = [
        ("d = 5, pool", (1, 1), 0, 21, Loss::Zs, Rule::Sgd, 1, Models::ONE),
        ("d = 3, fixed", (1, 2), 2, 13, Loss::ZsFs, Rule::Adam, 2, Models { count: 3, group: 1 }),
        ("d = 5, sphere", (1, 1), 12, 13, Loss::Fs, Rule::Sgd, 1, Models { count: 2, group: 1 }),
        ("d = 1", (2, 1), 3, 9, Loss::Fs, Rule::AdamW, 3, Models::ONE),
        ("tables, d = 3", (1, 1), 4, 17, Loss::ZsFs, Rule::Sgd, 1, Models { count: 2, group: 1 }),
    ];
    let case = |(name, (layers, heads), shots, batch, loss, rule, step_by, models)| {
        let law = law(name);
        let shape = Shape { layers, heads, dim: law.dim() };
        let step = Step { layout: GradLayout::full(shape), shots, batch, loss, models };
        let name = format!(
            "{name}, L = {layers}, H = {heads}, n = {shots}, B = {batch}, {loss:?}, {rule:?}, M = {}",
            models.count
        );
        parity(name, law, &step, rule, step_by, tuning)
    };
    table.into_iter().map(case).collect()
}

/// Five steps asked for, of which `until` allows three; every `step_by`-th element is trained.
fn parity(name: String, law: &Law, step: &Step, rule: Rule, step_by: usize, tuning: &Tuning) -> Case {
    let (shape, places) = (step.layout.shape, step.models.places());
    let (stride, ring, start, done) = (shape.weights_stride(), 4, 2u32, 3u32);
    let mut members: Vec<Member> = (0..places)
        .map(|m| {
            let trained: Vec<usize> = (m..shape.weights()).step_by(step_by).collect();
            let optimizer = Optimizer {
                rule,
                lr: 0.02 * (1.0 + m as f64),
                clip: 0.3 * m as f64,
                weight_decay: 0.05,
                betas: [0.9, 0.95],
                ..Optimizer::default()
            };
            let params = wide(&values(shape.weights(), 0.2, 11 + m as u32));
            let states = rule.moments();
            let moments: Vec<f64> = wide(&values(states * trained.len(), 0.1, 21 + m as u32));
            let moments = moments.into_iter().map(f64::abs).collect();
            Member {
                optimizer,
                few: 0.7 - 0.2 * m as f64,
                trained,
                params,
                moments,
                metrics: vec![0.0; 4 * ring],
            }
        })
        .collect();
    let longest = members[0].trained.len();
    let update = Update {
        rule,
        models: step.models.count,
        places,
        trained: longest,
        losses: 0,
        stride: 0,
        batch: step.batch,
        ring,
        fused: None,
    };
    let (buffers, slots) = state(&members, &update, stride, (start, start + done));
    let until = Buffer::holding("until", &[start + done]);
    let recording = record(&Source::new(law), (step, &update, 5), &buffers, (&slots, &until), tuning);
    let drawn = Source::new(law).drawn(step.shots, tuning);
    members.iter_mut().for_each(|m| m.train(law, step, drawn, (start, done), ring));
    let (params, moments) = words(&members, &update, stride);
    let metrics: Vec<f64> = members.iter().flat_map(|m| m.metrics.clone()).collect();
    Case::new(name, recording)
        .f32(&buffers.params, params)
        .f32(&buffers.moments, moments)
        .f32(&buffers.metrics, metrics)
        .u32(&buffers.state, vec![start + done; places])
}

/// Parameters [places, stride] and moments [places, states, longest] of members.
fn words(members: &[Member], update: &Update, stride: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut params, mut moments) = (Vec::new(), Vec::new());
    for member in members {
        params.extend(&member.params);
        params.resize(params.len().next_multiple_of(stride), 0.0);
        for row in member.moments.chunks(member.trained.len()) {
            moments.extend(row);
            moments.resize(moments.len().next_multiple_of(update.trained), 0.0);
        }
    }
    (params, moments)
}

fn state(members: &[Member], update: &Update, stride: usize, (start, end): (u32, u32)) -> (Buffers, Buffer) {
    let (params, moments) = words(members, update, stride);
    let narrow = |words: Vec<f64>| words.into_iter().map(|x| x as f32).collect::<Vec<f32>>();
    let mut slots = vec![NONE; members.len() * stride];
    for (own, member) in slots.chunks_mut(stride).zip(members) {
        member.trained.iter().zip(0..).for_each(|(&p, slot)| own[p] = slot);
    }
    let mut schedule = Vec::new();
    for t in 0..end as u64 {
        let row = |m: &Member| masked_update::schedule_row(&m.optimizer, t, m.optimizer.lr, m.few);
        schedule.extend(members.iter().map(row));
    }
    let hyper: Vec<[f32; 8]> = members.iter().map(|m| masked_update::hyper(&m.optimizer)).collect();
    let none = || Buffer::words("unused", 1);
    let buffers = Buffers {
        hyper: Buffer::holding("hyper", hyper.as_flattened()),
        schedule: Buffer::holding("schedule", schedule.as_flattened()),
        trained: none(),
        grads: none(),
        params: Buffer::holding("params", &narrow(params)),
        moments: Buffer::holding("moments", &narrow(moments)),
        state: Buffer::holding("state", &vec![start; members.len()]),
        metrics: Buffer::holding("metrics", &vec![0; members.len() * 4 * update.ring]),
        partials: none(),
    };
    (buffers, Buffer::holding("slots", &slots))
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    if tuning.subgroup == 1 {
        return Vec::new();
    }
    let shape = Shape { layers: 1, heads: 1, dim: 5 };
    let law = source::paper_target();
    [(1, "8 steps of zs, all")]
        .into_iter()
        .map(|(count, name)| {
            let layout = GradLayout::full(shape);
            let models = tuning.models(count, shape.weights() + layout.entries);
            let step = Step { layout, shots: 20, batch: 5000, loss: Loss::Zs, models };
            let members: Vec<Member> = (0..models.places())
                .map(|m| Member {
                    optimizer: Optimizer { lr: 0.0, ..Optimizer::default() },
                    few: 1.0,
                    trained: (0..shape.weights()).collect(),
                    params: wide(&values(shape.weights(), 0.2, m as u32)),
                    moments: vec![0.0; shape.weights()],
                    metrics: Vec::new(),
                })
                .collect();
            let update = Update {
                rule: Rule::Sgd,
                models: count,
                places: models.places(),
                trained: shape.weights(),
                losses: 0,
                stride: 0,
                batch: 5000,
                ring: 1,
                fused: None,
            };
            // Its launches count steps on.
            let (buffers, slots) = state(&members, &update, shape.weights_stride(), (0, 1 << 15));
            let until = Buffer::holding("until", &[u32::MAX]);
            let recording =
                record(&Source::new(&law), (&step, &update, 8), &buffers, (&slots, &until), tuning);
            let flops = 8.0 * models.groups() as f64 * prompt_step::group_operations(&law, &step, tuning);
            let bytes = 4.0 * 4.0 * (count * shape.weights()) as f64;
            Bench { name: name.into(), recording, flops, bytes }
        })
        .collect()
}

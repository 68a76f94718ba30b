//! Parity cases and benches of `masked_update`.

use super::*;
use crate::kernels::case::{Bench, Case, KEPT, values, wide};
use crate::reference::masked_update as reference;

/// A parity case: models of `count` parameters that train every `step_by`-th, each a few fewer than the one before.
struct Fixture {
    rule: Rule,
    count: usize,
    step_by: usize,
    clip: f64,
    fused: Option<usize>,
    models: usize,
}

/// The step of the parity cases.
const STEP: usize = 4;

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let table = [
        (98, 1, 1.0, None, 1),
        (301, 3, 0.0, Some(11), 1),
        (5, 5, 1e-3, None, 1),
        (98, 1, 1.0, Some(64), 1),
        (40, 2, 0.5, None, 3),
        (23, 1, 1.0, Some(5), 2),
    ];
    let rules = [Rule::Sgd, Rule::Adam, Rule::AdamW].into_iter();
    let all = rules.flat_map(|rule| table.into_iter().map(move |row| (rule, row)));
    all.map(|(rule, (count, step_by, clip, fused, models))| {
        Fixture { rule, count, step_by, clip, fused, models }.case(tuning)
    })
    .collect()
}

impl Fixture {
    fn optimizer(&self, model: usize) -> Optimizer {
        Optimizer {
            rule: self.rule,
            lr: 0.05 * (1.0 + model as f64),
            clip: self.clip * (1.0 + model as f64),
            weight_decay: 0.1,
            betas: [0.9, 0.99],
            momentum: 0.9 - 0.2 * model as f64,
            ..Optimizer::default()
        }
    }

    /// A model's parameter and gradient indexes; every third trained element has no gradient of its own.
    fn list(&self, model: usize) -> Vec<[u32; 2]> {
        let (count, stride) = (self.count as u32, self.stride() as u32);
        let first = model as u32 * stride + count - 1;
        let own = (0..count).step_by(self.step_by).skip(2 * model);
        own.map(|p| [model as u32 * count + p, if p % 3 == 2 { NONE } else { first - p }]).collect()
    }

    fn stride(&self) -> usize {
        self.count + 3
    }

    fn update(&self) -> Update {
        Update {
            rule: self.rule,
            models: self.models,
            places: self.models + 1,
            trained: self.list(0).len(),
            losses: self.count,
            stride: self.stride(),
            batch: 10,
            ring: 3,
            fused: self.fused,
        }
    }

    /// [M, count + 2, parts]
    fn partials(&self) -> Vec<f32> {
        values(self.models * (self.count + 2) * self.fused.unwrap_or(1), 0.7, 7)
    }

    fn buffers(&self) -> Buffers {
        let (update, stride, partials) = (self.update(), self.stride(), self.partials());
        let mut grads = vec![f32::NAN; self.models * stride];
        if self.fused.is_none() {
            for (own, sums) in grads.chunks_mut(stride).zip(partials.chunks(self.count + 2)) {
                own[..self.count + 2].copy_from_slice(sums);
            }
        }
        let filled = |m| self.list(m).into_iter().chain(std::iter::repeat([NONE; 2])).take(update.trained);
        let trained: Vec<[u32; 2]> = (0..self.models).flat_map(filled).collect();
        let row = |m| schedule_row(&self.optimizer(m), STEP as u64, self.optimizer(m).lr, 0.5);
        let rows = (0..update.places).map(row);
        let schedule: Vec<[f32; 4]> = vec![[0.0; 4]; update.places * STEP].into_iter().chain(rows).collect();
        let hypers: Vec<[f32; 8]> = (0..update.places).map(|m| hyper(&self.optimizer(m))).collect();
        let moments = values(self.models * update.moments(), 0.2, 9);
        Buffers {
            hyper: Buffer::holding("hyper", hypers.as_flattened()),
            schedule: Buffer::holding("schedule", schedule.as_flattened()),
            trained: Buffer::holding("trained", trained.as_flattened()),
            grads: Buffer::holding("grads", &grads),
            params: Buffer::holding("params", &values(self.models * self.count, 1.0, 8)),
            moments: Buffer::holding("moments", &moments.iter().map(|x| x.abs()).collect::<Vec<_>>()),
            state: Buffer::holding("state", &vec![STEP as u32; self.models]),
            metrics: Buffer::holding("metrics", &vec![0.0f32; 12 * self.models]),
            partials: Buffer::holding("partials", &partials),
        }
    }

    /// A model's step by the reference, on all models' parameters and moments; returns the losses and the norm.
    fn train(&self, model: usize, params: &mut [f64], moments: &mut [f64]) -> [f64; 3] {
        let (update, list) = (self.update(), self.list(model));
        let sums: Vec<f64> = wide(&self.partials())
            .chunks(self.fused.unwrap_or(1))
            .skip(model * (self.count + 2))
            .map(|row| row.iter().sum())
            .collect();
        let gradient =
            |t: &[u32; 2]| if t[1] == NONE { 0.0 } else { sums[t[1] as usize - model * self.stride()] };
        let gradients: Vec<f64> = list.iter().map(gradient).collect();
        let elements: Vec<usize> = list.iter().map(|t| t[0] as usize).collect();
        // The reference has moments of the list's length, the device of the longest list's.
        let own = &mut moments[model * update.moments()..][..update.moments()];
        let mut held: Vec<f64> =
            own.chunks(update.trained).flat_map(|row| row[..list.len()].to_vec()).collect();
        let optimizer = self.optimizer(model);
        let norm = reference::masked_update(
            &optimizer,
            optimizer.lr,
            STEP as u64,
            &elements,
            &gradients,
            params,
            &mut held,
        );
        for (row, new) in own.chunks_mut(update.trained).zip(held.chunks(list.len())) {
            row[..list.len()].copy_from_slice(new);
        }
        [sums[self.count] / 10.0, sums[self.count + 1] / 10.0, norm]
    }

    /// Gradients after a step that sums `parts` of each itself.
    fn sums(&self, parts: usize) -> Vec<f64> {
        let rows = self.count + 2;
        let own = |model: &[f64]| {
            let sums: Vec<f64> = model.chunks(parts).map(|row| row.iter().sum()).collect();
            sums.into_iter().chain(vec![KEPT; self.stride() - rows])
        };
        wide(&self.partials()).chunks(parts * rows).flat_map(own).collect()
    }

    fn case(&self, tuning: &Tuning) -> Case {
        let (update, buffers) = (self.update(), self.buffers());
        let floats = |buffer: &Buffer, count: usize| -> Vec<f64> {
            buffer.contents()[..count].iter().map(|&w| f32::from_bits(w) as f64).collect()
        };
        let mut params = floats(&buffers.params, self.models * self.count);
        let mut moments = floats(&buffers.moments, self.models * update.moments());
        let mut metrics = Vec::new();
        for model in 0..self.models {
            let [zs, fs, norm] = self.train(model, &mut params, &mut moments);
            metrics.extend([[0.0; 4], [zs, fs, norm, 0.0], [0.0; 4]].concat());
        }
        let name = format!(
            "{:?}, {} of {} trained, clip {}, fused {:?}, M = {}",
            self.rule, update.trained, self.count, self.clip, self.fused, self.models
        );
        let case = Case::new(name, record(&update, &buffers, tuning));
        let case = match self.fused {
            Some(parts) => case.f32(&buffers.grads, self.sums(parts)),
            None => case.u32(&buffers.grads, buffers.grads.contents().to_vec()),
        };
        case.f32(&buffers.params, params)
            .f32(&buffers.moments, moments)
            .f32(&buffers.metrics, metrics)
            .u32(&buffers.state, vec![STEP as u32 + 1; self.models])
    }
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
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

//! Parity cases and benches of `prompt_step`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::reference::prompts::{self, Drawn};
use crate::reference::transformer;

/// What the reference makes of a step: partials [entries + 2, lanes].
pub fn expected(
    law: &Law,
    step: &Step,
    weights: &[f64],
    number: u32,
    few: f64,
    lanes: usize,
    drawn: Drawn,
) -> Vec<f64> {
    let layout = &step.layout;
    let shape = layout.shape;
    let tensor = shape.tensor();
    let (mut v, mut qk) = (Vec::new(), Vec::new());
    for layer in weights.chunks(2 * tensor) {
        v.extend_from_slice(&layer[..tensor]);
        qk.extend_from_slice(&layer[tensor..]);
    }
    let model = transformer::Weights {
        layers: shape.layers,
        heads: shape.heads,
        width: shape.width(),
        v: &v,
        qk: &qk,
    };
    let mut out = vec![0.0; (layout.entries + 2) * lanes];
    for prompt in 0..step.batch {
        let lane = prompt % lanes;
        let (tokens, y) = prompts::draw(law, prompt as u32, number, step.shots, drawn);
        let query = &tokens[tokens.len() - shape.width()..];
        let (mut dv, mut dqk) = (vec![0.0; v.len()], vec![0.0; qk.len()]);
        let parts = [(step.loss != Loss::Fs, query, 1.0), (step.loss != Loss::Zs, &tokens[..], few)];
        for (which, (on, tokens, weight)) in parts.into_iter().enumerate() {
            if on {
                let err = transformer::forward(&model, tokens) - y;
                out[(layout.entries + which) * lanes + lane] += err * err;
                transformer::backward(
                    &model,
                    tokens,
                    2.0 * err * weight / step.batch as f64,
                    &mut dv,
                    &mut dqk,
                );
            }
        }
        for layer in 0..shape.layers {
            for element in 0..tensor {
                if let Some(entry) = layout.entry_v(layer, element) {
                    out[entry * lanes + lane] += dv[layer * tensor + element];
                }
                if let Some(entry) = layout.entry_qk(layer, element) {
                    out[entry * lanes + lane] += dqk[layer * tensor + element];
                }
            }
        }
    }
    out
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let fixtures = source::fixtures();
    let law = |name: &str| &fixtures.iter().find(|(n, _)| n.starts_with(name)).expect("a fixture").1;
    // (law, layers, heads, shots, batch, loss, V trained, QK trained per layer)
    let all = |layers: usize| vec![true; layers];
    let one = Models::ONE;
    let table = [
        ("d = 5, sphere", 1, 1, 20, 75, Loss::Fs, vec![true], vec![true], one),
        ("d = 5, pool", 1, 1, 0, 75, Loss::Zs, vec![true], vec![false], one),
        ("d = 5, pool", 1, 1, 7, 75, Loss::ZsFs, vec![false], vec![true], one),
        ("d = 1", 1, 3, 4, 5, Loss::ZsFs, all(1), all(1), one),
        // Deep models are narrow: their D³ nests are most of what compiles. Width is the business of one layer.
        ("d = 1", 2, 2, 5, 21, Loss::ZsFs, all(2), all(2), one),
        ("d = 4", 1, 2, 6, 21, Loss::ZsFs, all(1), all(1), one),
        ("d = 1", 3, 1, 3, 9, Loss::Fs, vec![true, false, true], vec![false, true, true], one),
        ("d = 3", 2, 1, 5, 11, Loss::Fs, vec![true, false], vec![true, false], one),
        ("tables, d = 3", 1, 2, 5, 33, Loss::ZsFs, all(1), all(1), one),
        ("tables, d = 6", 1, 1, 5, 11, Loss::Fs, all(1), all(1), one),
        // The fewest shots that are drawn by moments, and one less; covariance, even and odd degrees of freedom.
        ("d = 3", 1, 1, 8, 20, Loss::ZsFs, all(1), all(1), one),
        ("d = 3", 1, 1, 7, 20, Loss::ZsFs, all(1), all(1), one),
        ("d = 4", 1, 2, 20, 21, Loss::Fs, all(1), all(1), one),
        ("d = 1", 2, 2, 12, 21, Loss::Fs, all(2), all(2), one),
        ("d = 1", 1, 2, 33, 9, Loss::Fs, vec![true], vec![false], one),
        ("d = 3", 1, 1, 15, 35, Loss::ZsFs, all(1), all(1), Models { count: 5, group: 3 }),
        // A short last group; groups of one; layers and heads.
        ("d = 3", 1, 1, 6, 35, Loss::ZsFs, all(1), all(1), Models { count: 5, group: 3 }),
        ("d = 3", 1, 2, 4, 20, Loss::Fs, all(1), vec![false], Models { count: 3, group: 1 }),
        ("d = 1", 2, 1, 3, 9, Loss::Fs, all(2), all(2), Models { count: 2, group: 2 }),
    ];
    let mut out = Vec::new();
    for (name, layers, heads, shots, batch, loss, v, qk, models) in table {
        let law = law(name);
        let shape = Shape { layers, heads, dim: law.dim() };
        let step = Step { layout: GradLayout::new(shape, v, qk), shots, batch, loss, models };
        let (number, source, places) = (3, Source::new(law), models.places());
        let lanes = lanes(&source, &step, tuning);
        let drawn = source.drawn(shots, tuning);
        let weights = values(places * shape.weights_stride(), 0.2, 1);
        let few: Vec<f32> = (0..places).map(|m| 0.7 - 0.1 * m as f32).collect();
        let row: Vec<[f32; 4]> = few.iter().map(|&few| [0.0, few, 0.0, 0.0]).collect();
        let target = poisoned("partials", places * (step.layout.entries + 2) * tuning.parts(lanes));
        let buffers = Buffers {
            weights: &Buffer::holding("weights", &weights),
            state: &Buffer::holding("state", &vec![number; places]),
            schedule: &Buffer::holding("schedule", row.repeat(number as usize + 1).as_flattened()),
            partials: &target,
        };
        let each = weights.chunks(shape.weights_stride()).zip(&few);
        let by_lane: Vec<f64> = each
            .flat_map(|(w, &few)| {
                expected(law, &step, &wide(&w[..shape.weights()]), number, few as f64, lanes, drawn)
            })
            .collect();
        let values = by_lane.chunks(lanes / tuning.parts(lanes)).map(|lanes| lanes.iter().sum()).collect();
        let recording = record(&source, &step, &buffers, lanes, tuning);
        let name = format!(
            "{name}, L = {layers}, H = {heads}, n = {shots}, B = {batch}, {loss:?}, M = {}",
            models.count
        );
        out.push(Case::new(name, recording).f32(&target, values));
    }
    out
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let shape = Shape { layers: 1, heads: 1, dim: 5 };
    let table = [
        ("pre-training, all", source::paper(), Loss::Fs, true, 1),
        ("zs, all", source::paper_target(), Loss::Zs, true, 1),
        ("zs, v alone", source::paper_target(), Loss::Zs, false, 1),
        ("zs+fs, all", source::paper_target(), Loss::ZsFs, true, 1),
        ("zs+fs, v alone", source::paper_target(), Loss::ZsFs, false, 1),
        ("pre-training, all, 32 models", source::paper(), Loss::Fs, true, 32),
        ("zs, all, 32 models", source::paper_target(), Loss::Zs, true, 32),
    ];
    table
        .into_iter()
        .map(|(name, law, loss, qk, models)| {
            let layout = GradLayout::new(shape, vec![true], vec![qk]);
            let models = tuning.models(models, shape.weights() + layout.entries);
            let (places, stride) = (models.places(), shape.weights_stride());
            let step = Step { layout, shots: 20, batch: 5000, loss, models };
            let source = Source::new(&law);
            let lanes = lanes(&source, &step, tuning);
            let words = places * (step.layout.entries + 2) * tuning.parts(lanes);
            let buffers = Buffers {
                weights: &Buffer::holding("weights", &values(places * stride, 0.2, 1)),
                state: &Buffer::words("state", places),
                schedule: &Buffer::holding("schedule", &[0.0f32, 1.0, 0.0, 0.0].repeat(places)),
                partials: &Buffer::words("partials", words),
            };
            Bench {
                name: name.into(),
                recording: record(&source, &step, &buffers, lanes, tuning),
                flops: models.groups() as f64 * group_operations(&law, &step, tuning),
                bytes: 4.0 * (words + places * shape.weights()) as f64,
            }
        })
        .collect()
}

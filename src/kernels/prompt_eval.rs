//! `prompt_eval`: squared test error of a model after 0, 1, …, n demonstrations of the same prompts.

use super::case::{Bench, Case, poisoned, values, wide};
use super::prompt_step::model_consts;
use super::source::{self, Source};
use super::{LINEAR_ATTENTION, RANDOM, Tuning, program, uniform, write};
use crate::gpu::{Buffer, Recording};
use crate::reference::{prompts, transformer};
use crate::shape::Shape;

/// Words of `sums` [2, n + 1, lanes]: the sums of the squared error and of its square.
pub fn words(shots: usize, batch: usize, tuning: &Tuning) -> usize {
    2 * (shots + 1) * tuning.lanes(batch)
}

/// Evaluates `batch` prompts of step 0 of the source.
pub fn record(
    source: &Source,
    shape: &Shape,
    shots: usize,
    batch: usize,
    weights: &Buffer,
    sums: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let (bindings, buffers) = source.bind(&[uniform(1, "weights"), write(2, "sums")], &[weights, sums]);
    let lanes = tuning.lanes(batch);
    let consts = model_consts(source.consts(shots), shape).u32("BATCH", batch).u32("LANES", lanes);
    let parts = [RANDOM, source.wgsl, LINEAR_ATTENTION, include_str!("../../shaders/prompt_eval.wgsl")];
    let program = program("prompt_eval", "prompt_eval", &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.dispatch(program, buffers, (lanes / tuning.workgroup) as u32);
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let fixtures = source::fixtures();
    let mut out = Vec::new();
    for (name, layers, heads, shots, batch) in [
        ("d = 5, sphere", 1, 1, 20, 70),
        ("d = 4", 2, 2, 3, 13),
        ("tables, d = 3", 1, 2, 5, 9),
        ("d = 1", 1, 1, 0, 9),
    ] {
        let law = &fixtures.iter().find(|(n, _)| n.starts_with(name)).expect("a fixture").1;
        let shape = Shape { layers, heads, dim: law.dim() };
        let weights = values(shape.weights(), 0.3, 2);
        let (tensor, lanes) = (shape.tensor(), tuning.lanes(batch));
        let (mut v, mut qk) = (Vec::new(), Vec::new());
        for layer in wide(&weights).chunks(2 * tensor) {
            v.extend_from_slice(&layer[..tensor]);
            qk.extend_from_slice(&layer[tensor..]);
        }
        let model = transformer::Weights { layers, heads, width: shape.width(), v: &v, qk: &qk };
        let mut expected = vec![0.0; 2 * (shots + 1) * lanes];
        for prompt in 0..batch {
            let (tokens, y) = prompts::draw(law, prompt as u32, 0, shots);
            let (demonstrations, query) = tokens.split_at(shots * shape.width());
            for shot in 0..=shots {
                let prefix = [&demonstrations[..shot * shape.width()], query].concat();
                let square = (transformer::forward(&model, &prefix) - y).powi(2);
                expected[shot * lanes + prompt % lanes] += square;
                expected[(shots + 1 + shot) * lanes + prompt % lanes] += square * square;
            }
        }
        let sums = poisoned("sums", expected.len());
        let buffer = Buffer::holding("weights", &weights);
        let recording = record(&Source::new(law), &shape, shots, batch, &buffer, &sums, tuning);
        let name = format!("{name}, L = {layers}, H = {heads}, n = {shots}, B = {batch}");
        out.push(Case::new(name, recording).f32(&sums, expected));
    }
    out
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (batch, shots, law) = (50_000, 20, source::paper());
    let shape = Shape { layers: 1, heads: 1, dim: law.dim() };
    let weights = Buffer::holding("weights", &values(shape.weights(), 0.3, 2));
    let sums = Buffer::words("sums", words(shots, batch, tuning));
    let recording = record(&Source::new(&law), &shape, shots, batch, &weights, &sums, tuning);
    let width = shape.width() as f64;
    // A prediction an evaluated shot count: two products of D^2 a head, and the mean of G.
    let predict = (shots + 1) as f64 * width * width * (4.0 * shape.heads as f64 + 1.0);
    let flops = batch as f64 * (source::operations(&law, shots) + predict);
    vec![Bench {
        name: "paper, 21 shot counts".into(),
        recording,
        flops,
        bytes: 4.0 * shape.weights() as f64,
    }]
}

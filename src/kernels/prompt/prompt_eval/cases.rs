//! Parity cases and benches of `prompt_eval`.

use super::*;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::reference::prompts::{self, Drawn};
use crate::reference::transformer;

/// What the reference makes of one model: sums [2, n + 1, lanes].
fn expected(law: &Law, eval: &Eval, part: &Range<usize>, weights: &[f32], lanes: usize) -> Vec<f64> {
    let (shape, shots, width) = (eval.shape, eval.shots, eval.shape.width());
    let (mut v, mut qk) = (Vec::new(), Vec::new());
    for layer in wide(weights).chunks(2 * shape.tensor()) {
        v.extend_from_slice(&layer[..shape.tensor()]);
        qk.extend_from_slice(&layer[shape.tensor()..]);
    }
    let model = transformer::Weights { layers: shape.layers, heads: shape.heads, width, v: &v, qk: &qk };
    let mut out = vec![0.0; 2 * (shots + 1) * lanes];
    for (place, prompt) in part.clone().enumerate() {
        let (tokens, y) = prompts::draw(law, prompt as u32, 0, shots, Drawn::Tokens);
        let (demonstrations, query) = tokens.split_at(shots * width);
        for shot in 0..=shots {
            let prefix = [&demonstrations[..shot * width], query].concat();
            let square = (transformer::forward(&model, &prefix) - y).powi(2);
            out[shot * lanes + place % lanes] += square;
            out[(shots + 1 + shot) * lanes + place % lanes] += square * square;
        }
    }
    out
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let fixtures = source::fixtures();
    let mut out = Vec::new();
    for (name, layers, heads, shots, (batch, part), models) in [
        ("d = 5, sphere", 1, 1, 20, (70, 0..70), Models::ONE),
        ("d = 4", 1, 2, 3, (13, 0..13), Models::ONE),
        ("d = 1", 2, 2, 3, (13, 0..13), Models::ONE),
        ("tables, d = 3", 1, 2, 5, (9, 0..9), Models::ONE),
        ("d = 1", 1, 1, 0, (9, 0..9), Models::ONE),
        // The last of several launches, and one in the middle.
        ("d = 5, pool", 1, 1, 4, (20, 60..77), Models { count: 5, group: 3 }),
        ("d = 1", 2, 1, 3, (9, 9..18), Models { count: 2, group: 2 }),
    ] {
        let law = &fixtures.iter().find(|(n, _)| n.starts_with(name)).expect("a fixture").1;
        let shape = Shape { layers, heads, dim: law.dim() };
        let weights = values(models.places() * shape.weights_stride(), 0.3, 2);
        let source = Source::new(law);
        let eval = Eval { source: &source, shape, shots, batch, models };
        let lanes = eval.lanes(tuning);
        let each = weights.chunks(shape.weights_stride());
        let expected: Vec<f64> =
            each.flat_map(|w| expected(law, &eval, &part, &w[..shape.weights()], lanes)).collect();
        let sums = poisoned("sums", expected.len());
        let buffer = Buffer::holding("weights", &weights);
        let recording = eval.record_part(part.clone(), (&buffer, &sums), lanes, tuning);
        let name =
            format!("{name}, L = {layers}, H = {heads}, n = {shots}, prompts {part:?}, M = {}", models.count);
        out.push(Case::new(name, recording).f32(&sums, expected));
    }
    out
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (batch, shots, law) = (50_000, 20, source::paper());
    let shape = Shape { layers: 1, heads: 1, dim: law.dim() };
    let source = Source::new(&law);
    [(1, "paper, 21 shot counts"), (7, "paper, 21 shot counts, 7 models")]
        .into_iter()
        .map(|(count, name)| {
            let models = models(&shape, count, tuning);
            let eval = Eval { source: &source, shape, shots, batch, models };
            let lanes = eval.lanes(tuning);
            let words = models.places() * shape.weights_stride();
            let weights = Buffer::holding("weights", &values(words, 0.3, 2));
            let sums = Buffer::words("sums", eval.words(lanes));
            let predict = count as f64 * operations(&shape, shots);
            let prompt = models.groups() as f64 * source::operations(&law, shots) + predict;
            Bench {
                name: name.into(),
                recording: eval.record(&weights, &sums, lanes, tuning),
                flops: batch as f64 * prompt,
                bytes: 4.0 * (words + eval.words(lanes)) as f64,
            }
        })
        .collect()
}

//! `prompt_eval`: squared test error of a model after 0, 1, …, n demonstrations of the same prompts.

use super::case::{Bench, Case, poisoned, values, wide};
use super::prompt_step::model_consts;
use super::source::{self, Source};
use super::{LINEAR_ATTENTION, RANDOM, Tuning, program, uniform, write};
use crate::gpu::{Binding, Buffer, Program, Recording};
use crate::law::Law;
use crate::reference::prompts::{self, Drawn};
use crate::reference::transformer;
use crate::shape::{Models, Shape};

/// What is evaluated: the sizes of `sums` [M, 2, n + 1, lanes], sums of the squared error and of its square.
pub struct Eval<'a> {
    pub source: &'a Source,
    pub shape: Shape,
    pub shots: usize,
    /// Prompts, of step 0 of the source.
    pub batch: usize,
    pub models: Models,
}

/// How models share the drawing of prompts. Half as many in a group as where they train: errors at each shot count are
/// sums in memory, and with eight models of the paper's they took twice the time of four.
pub fn models(shape: &Shape, count: usize, tuning: &Tuning) -> Models {
    tuning.models(count, 3 * shape.weights())
}

impl Eval<'_> {
    /// Invocations that share the prompts.
    pub fn lanes(&self, tuning: &Tuning) -> usize {
        tuning.lanes(self.batch, |lanes| self.assemble(Vec::new(), lanes, tuning).loops)
    }

    /// Words of `sums`, of whole groups of models.
    pub fn words(&self, lanes: usize) -> usize {
        self.models.places() * 2 * (self.shots + 1) * lanes
    }

    /// `weights` are `[M][L][V | QK][H, D, D]`, each model's in whole vec4; `lanes` is what [`Eval::lanes`] says.
    pub fn record(&self, weights: &Buffer, sums: &Buffer, lanes: usize, tuning: &Tuning) -> Recording {
        let own = [uniform(1, "weights"), write(2, "sums")];
        let (bindings, buffers) = self.source.bind(&own, &[weights, sums]);
        let mut recording = Recording::default();
        let program = self.assemble(bindings, lanes, tuning);
        recording.launch(program, buffers, [(lanes / tuning.workgroup) as u32, self.models.groups() as u32]);
        recording
    }

    fn assemble(&self, bindings: Vec<Binding>, lanes: usize, tuning: &Tuning) -> Program {
        let consts = model_consts(self.source.consts(self.shots), &self.shape, &self.models)
            .u32("BATCH", self.batch)
            .u32("LANES", lanes);
        let own = include_str!("../../shaders/prompt_eval.wgsl");
        let parts = [RANDOM, self.source.wgsl, LINEAR_ATTENTION, own];
        program("prompt_eval", "prompt_eval", &parts, consts, bindings, tuning.workgroup, 0)
    }
}

/// What the reference makes of one model: sums [2, n + 1, lanes].
fn expected(law: &Law, eval: &Eval, weights: &[f32], lanes: usize) -> Vec<f64> {
    let (shape, shots, width) = (eval.shape, eval.shots, eval.shape.width());
    let (mut v, mut qk) = (Vec::new(), Vec::new());
    for layer in wide(weights).chunks(2 * shape.tensor()) {
        v.extend_from_slice(&layer[..shape.tensor()]);
        qk.extend_from_slice(&layer[shape.tensor()..]);
    }
    let model = transformer::Weights { layers: shape.layers, heads: shape.heads, width, v: &v, qk: &qk };
    let mut out = vec![0.0; 2 * (shots + 1) * lanes];
    for prompt in 0..eval.batch {
        let (tokens, y) = prompts::draw(law, prompt as u32, 0, shots, Drawn::Tokens);
        let (demonstrations, query) = tokens.split_at(shots * width);
        for shot in 0..=shots {
            let prefix = [&demonstrations[..shot * width], query].concat();
            let square = (transformer::forward(&model, &prefix) - y).powi(2);
            out[shot * lanes + prompt % lanes] += square;
            out[(shots + 1 + shot) * lanes + prompt % lanes] += square * square;
        }
    }
    out
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let fixtures = source::fixtures();
    let mut out = Vec::new();
    for (name, layers, heads, shots, batch, models) in [
        ("d = 5, sphere", 1, 1, 20, 70, Models::ONE),
        ("d = 4", 1, 2, 3, 13, Models::ONE),
        ("d = 1", 2, 2, 3, 13, Models::ONE),
        ("tables, d = 3", 1, 2, 5, 9, Models::ONE),
        ("d = 1", 1, 1, 0, 9, Models::ONE),
        ("d = 5, pool", 1, 1, 4, 20, Models { count: 5, group: 3 }),
        ("d = 1", 2, 1, 3, 9, Models { count: 2, group: 2 }),
    ] {
        let law = &fixtures.iter().find(|(n, _)| n.starts_with(name)).expect("a fixture").1;
        let shape = Shape { layers, heads, dim: law.dim() };
        let weights = values(models.places() * shape.weights_stride(), 0.3, 2);
        let source = Source::new(law);
        let eval = Eval { source: &source, shape, shots, batch, models };
        let lanes = eval.lanes(tuning);
        let each = weights.chunks(shape.weights_stride());
        let expected: Vec<f64> =
            each.flat_map(|w| expected(law, &eval, &w[..shape.weights()], lanes)).collect();
        let sums = poisoned("sums", expected.len());
        let buffer = Buffer::holding("weights", &weights);
        let recording = eval.record(&buffer, &sums, lanes, tuning);
        let name =
            format!("{name}, L = {layers}, H = {heads}, n = {shots}, B = {batch}, M = {}", models.count);
        out.push(Case::new(name, recording).f32(&sums, expected));
    }
    out
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
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
            let width = shape.width() as f64;
            // A token is scored and valued by each model's head, and an error squared twice; the query's keys come once.
            let predict = (shots + 1) as f64 * (4.0 * width + 7.0) + 2.0 * width * width;
            let prompt = models.groups() as f64 * source::operations(&law, shots) + count as f64 * predict;
            Bench {
                name: name.into(),
                recording: eval.record(&weights, &sums, lanes, tuning),
                flops: batch as f64 * prompt,
                bytes: 4.0 * (words + eval.words(lanes)) as f64,
            }
        })
        .collect()
}

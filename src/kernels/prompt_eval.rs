//! `prompt_eval`: squared test error of a model after 0, 1, …, n demonstrations of the same prompts.

use super::case::{Bench, Case, poisoned, values, wide};
use super::prompt_step::model_consts;
use super::source::{self, Source};
use super::{LINEAR_ATTENTION, RANDOM, Tuning, program, uniform, write};
use crate::gpu::{Binding, Buffer, Program, Recording};
use crate::reference::{prompts, transformer};
use crate::shape::Shape;

/// What is evaluated: the sizes of `sums` [2, n + 1, lanes], sums of the squared error and of its square.
pub struct Eval<'a> {
    pub source: &'a Source,
    pub shape: Shape,
    pub shots: usize,
    /// Prompts, of step 0 of the source.
    pub batch: usize,
}

impl Eval<'_> {
    /// Invocations that share the prompts.
    pub fn lanes(&self, tuning: &Tuning) -> usize {
        tuning.lanes(self.batch, |lanes| self.assemble(Vec::new(), lanes, tuning).loops)
    }

    /// Words of `sums`.
    pub fn words(&self, lanes: usize) -> usize {
        2 * (self.shots + 1) * lanes
    }

    /// `lanes` is what [`Eval::lanes`] says.
    pub fn record(&self, weights: &Buffer, sums: &Buffer, lanes: usize, tuning: &Tuning) -> Recording {
        let own = [uniform(1, "weights"), write(2, "sums")];
        let (bindings, buffers) = self.source.bind(&own, &[weights, sums]);
        let mut recording = Recording::default();
        let program = self.assemble(bindings, lanes, tuning);
        recording.dispatch(program, buffers, (lanes / tuning.workgroup) as u32);
        recording
    }

    fn assemble(&self, bindings: Vec<Binding>, lanes: usize, tuning: &Tuning) -> Program {
        let consts = model_consts(self.source.consts(self.shots), &self.shape)
            .u32("BATCH", self.batch)
            .u32("LANES", lanes);
        let own = include_str!("../../shaders/prompt_eval.wgsl");
        let parts = [RANDOM, self.source.wgsl, LINEAR_ATTENTION, own];
        program("prompt_eval", "prompt_eval", &parts, consts, bindings, tuning.workgroup, 0)
    }
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
        let source = Source::new(law);
        let eval = Eval { source: &source, shape, shots, batch };
        let (tensor, lanes) = (shape.tensor(), eval.lanes(tuning));
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
        let recording = eval.record(&buffer, &sums, lanes, tuning);
        let name = format!("{name}, L = {layers}, H = {heads}, n = {shots}, B = {batch}");
        out.push(Case::new(name, recording).f32(&sums, expected));
    }
    out
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (batch, shots, law) = (50_000, 20, source::paper());
    let shape = Shape { layers: 1, heads: 1, dim: law.dim() };
    let weights = Buffer::holding("weights", &values(shape.weights(), 0.3, 2));
    let source = Source::new(&law);
    let eval = Eval { source: &source, shape, shots, batch };
    let lanes = eval.lanes(tuning);
    let sums = Buffer::words("sums", eval.words(lanes));
    let recording = eval.record(&weights, &sums, lanes, tuning);
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

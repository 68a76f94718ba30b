//! `prompt_step`: loss and gradient of a batch of prompts, sampled, pushed forward and backward in one launch.

use super::source::{self, Source};
use super::{DESCENT, LINEAR_ATTENTION, PARTIALS_SUBGROUP, PARTIALS_WORKGROUP, SUBGROUP, program};
use crate::gpu::{Binding, Buffer, Consts, Program, Recording};
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Tuning, read, uniform, write};
use crate::prompt::Loss;
use crate::prompt::law::Law;
use crate::prompt::shape::{GradLayout, Models, Shape};
use crate::reference::prompts::{self, Drawn};
use crate::reference::transformer;

/// A step's sizes and what it descends.
#[derive(Clone, Debug)]
pub struct Step {
    pub layout: GradLayout,
    pub shots: usize,
    pub batch: usize,
    pub loss: Loss,
    pub models: Models,
}

/// The step's buffers.
pub struct Buffers<'a> {
    /// Effective weights `[M][L][V | QK][H, D, D]`, each model's in whole vec4.
    pub weights: &'a Buffer,
    /// `[M]` the step, of all the same.
    pub state: &'a Buffer,
    /// `[ring, M]` vec4: y is the few-shot weight.
    pub schedule: &'a Buffer,
    /// [M, entries + 2, parts]: gradient, then zero-shot and few-shot loss, summed over a part's prompts.
    pub partials: &'a Buffer,
}

/// Invocations that share the batch.
pub fn lanes(source: &Source, step: &Step, tuning: &Tuning) -> usize {
    tuning.lanes(step.batch, |lanes| assemble(source, step, Vec::new(), lanes, tuning).loops)
}

/// The effective weights' constants.
pub(in crate::kernels) fn model_consts(consts: Consts, shape: &Shape, models: &Models) -> Consts {
    consts
        .u32("LAYERS", shape.layers)
        .u32("HEADS", shape.heads)
        .u32("MODELS", models.places())
        .u32("GROUP", models.group)
        .u32("WEIGHTS4", shape.weights_stride() / 4)
}

/// `lanes` is what [`lanes`] says; buffers have room for whole groups of models.
pub fn record(source: &Source, step: &Step, buffers: &Buffers, lanes: usize, tuning: &Tuning) -> Recording {
    let own = [uniform(1, "weights"), read(2, "state"), read(3, "schedule"), write(4, "partials")];
    let handles = [buffers.weights, buffers.state, buffers.schedule, buffers.partials];
    let (bindings, handles) = source.bind(&own, &handles);
    let mut recording = Recording::default();
    let program = assemble(source, step, bindings, lanes, tuning);
    source.launch(
        &mut recording,
        program,
        handles,
        [(lanes / tuning.workgroup) as u32, step.models.groups() as u32],
    );
    recording
}

/// What a step's code is made by, but for how it is split: the sum over demonstrations, and constants.
pub(in crate::kernels) fn consts(source: &Source, step: &Step, tuning: &Tuning) -> (&'static str, Consts) {
    let layout = &step.layout;
    let (demonstrations, consts) = source.demonstrations(step.shots, step.loss != Loss::Zs, tuning);
    let consts = model_consts(consts, &layout.shape, &step.models)
        .u32("BATCH", step.batch)
        .u32("ENTRIES", layout.entries)
        // Branches of frozen blocks are dropped, but validated first: their constant indexes must fit.
        .u32("ROOM", layout.entries.max(layout.shape.tensor()))
        // The zero-shot loss reads no demonstration.
        .flags("PASSES", &[step.loss != Loss::Fs, step.loss != Loss::Zs])
        .flags("TRAIN_V", &layout.v)
        .flags("TRAIN_QK", &layout.qk)
        .indexes("AT_V", &layout.at_v)
        .indexes("AT_QK", &layout.at_qk);
    (demonstrations, consts)
}

/// Most rows of a gradient that are in workgroup memory at a time: few enough to leave 14 waves of 16 on RDNA3, as many as
/// the registers of pre-training allow (docs/PERFORMANCE.md).
const SHARED_ROWS: usize = 16;

/// The subgroup's constants, and how many values are added up at a time.
pub(in crate::kernels) fn subgroup_consts(consts: Consts, tuning: &Tuning) -> Consts {
    let block = if tuning.shared { SHARED_ROWS.min(tuning.workgroup) } else { tuning.subgroup };
    let stages = tuning.subgroup.ilog2() as usize;
    consts.u32("SUBGROUP", tuning.subgroup).u32("STAGES", stages).u32("BLOCK", block)
}

fn assemble(source: &Source, step: &Step, bindings: Vec<Binding>, lanes: usize, tuning: &Tuning) -> Program {
    let (demonstrations, consts) = consts(source, step, tuning);
    let consts = subgroup_consts(consts, tuning).u32("LANES", lanes).u32("PARTS", tuning.parts(lanes));
    let own = include_str!("../../../shaders/prompt/prompt_step.wgsl");
    let (partials, words) = match tuning.shared {
        true => (PARTIALS_WORKGROUP, SHARED_ROWS.min(tuning.workgroup) * (tuning.workgroup + 1)),
        false => (PARTIALS_SUBGROUP, 0),
    };
    let parts = [RANDOM, source.wgsl(), demonstrations, LINEAR_ATTENTION, DESCENT, SUBGROUP, partials, own];
    program("prompt_step", "prompt_step", &parts, consts, bindings, tuning.workgroup, 4 * words)
}

/// What the reference makes of a step: partials [entries + 2, lanes].
pub(in crate::kernels) fn expected(
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

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
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

/// Arithmetic of the forward and backward pass of one loss of one prompt.
fn operations(layout: &GradLayout) -> f64 {
    let (shape, width) = (layout.shape, layout.shape.width() as f64);
    let (heads, square) = (shape.heads as f64, width * width);
    // The last layer: Q^T z, G v, G Q^T z; the outer product of QK's gradient.
    let last = heads * square * (6.0 + 2.0 * layout.qk.last().is_some_and(|&q| q) as u32 as f64);
    // A middle layer: products of D^3, forward 2 a head and 2, backward 5 a head and 4.
    let middle = (shape.layers - 1) as f64 * 2.0 * square * width * (7.0 * heads + 6.0);
    last + middle
}

/// The same of the zero-shot loss of one layer, whose G is of rank one.
fn operations_alone(layout: &GradLayout) -> f64 {
    let width = layout.shape.width() as f64;
    let outer = if layout.qk[0] { 2.0 * width * width + width } else { 0.0 };
    layout.shape.heads as f64 * (2.0 * width * width + 6.0 * width + outer)
}

/// Arithmetic of a step for one group of models: the prompts drawn once, each model forward and backward.
pub fn group_operations(law: &Law, step: &Step, tuning: &Tuning) -> f64 {
    let shots = if step.loss == Loss::Zs { 0 } else { step.shots };
    let layout = &step.layout;
    let alone = if layout.shape.layers == 1 { operations_alone(layout) } else { operations(layout) };
    let passes = match step.loss {
        Loss::Zs => alone,
        Loss::Fs => operations(layout),
        Loss::ZsFs => alone + operations(layout),
    };
    let width = step.layout.shape.width() as f64;
    let query = source::operations(law, 0) + width * (width + 1.0);
    let models = step.models.group as f64 * passes;
    step.batch as f64 * (query + source::moment_operations(law, shots, tuning) + models)
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
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

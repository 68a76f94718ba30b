//! `prompt_step`: loss and gradient of a batch of prompts, sampled, pushed forward and backward in one launch.

pub(in crate::kernels) mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::rounds::{self, Prompt, Sums};
use super::source::{self, Source};
use super::{DESCENT, LINEAR_ATTENTION, PARTIALS_SUBGROUP, PARTIALS_WORKGROUP, SUBGROUP, program};
use crate::gpu::{Binding, Buffer, Consts, Program, Recording};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Entry, Tuning, read, uniform, write};
use crate::prompt::Loss;
use crate::prompt::law::Law;
use crate::prompt::shape::{GradLayout, Models, Shape};

/// A step's sizes and what it descends.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which gradients there are, and where.
    pub layout: GradLayout,
    /// Demonstrations of a few-shot prompt.
    pub shots: usize,
    /// Prompts of a loss.
    pub batch: usize,
    /// What is descended.
    pub loss: Loss,
    /// How many models, and how they share prompts.
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
    tuning.lanes(step.batch, |lanes| rounds(source, step, lanes, tuning))
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
    let groups = [(lanes / tuning.workgroup) as u32, step.models.groups() as u32];
    source.launch(&mut recording, program, handles, groups);
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
    let stages = tuning.subgroup.ilog2() as usize;
    consts.u32("SUBGROUP", tuning.subgroup).u32("STAGES", stages).u32("BLOCK", sums(tuning).block)
}

/// Rounds of the loops of an invocation, of so many.
fn rounds(source: &Source, step: &Step, lanes: usize, tuning: &Tuning) -> u64 {
    let each = step.batch.div_ceil(lanes);
    rounds::prompt_step(&prompt(source, step, tuning), &step.layout, &step.models, &sums(tuning), each)
}

/// What rounds go by.
pub(super) fn prompt(source: &Source, step: &Step, tuning: &Tuning) -> Prompt {
    let drawn = source.one_by_one(step.shots, step.loss != Loss::Zs, tuning);
    Prompt::of(source, step.layout.shape, step.shots, drawn)
}

/// How sums are made.
pub(super) fn sums(tuning: &Tuning) -> Sums {
    let block = if tuning.shared { SHARED_ROWS.min(tuning.workgroup) } else { tuning.subgroup };
    Sums { subgroup: tuning.subgroup, block, shared: tuning.shared.then_some(tuning.workgroup) }
}

fn assemble(source: &Source, step: &Step, bindings: Vec<Binding>, lanes: usize, tuning: &Tuning) -> Program {
    let (demonstrations, consts) = consts(source, step, tuning);
    let consts = subgroup_consts(consts, tuning).u32("LANES", lanes).u32("PARTS", tuning.parts(lanes));
    let own = include_str!("../../../shaders/prompt/prompt_step.wgsl");
    let (partials, words) = match tuning.shared {
        true => (PARTIALS_WORKGROUP, SHARED_ROWS.min(tuning.workgroup) * (tuning.workgroup + 1)),
        false => (PARTIALS_SUBGROUP, 0),
    };
    let entry = Entry {
        kernel: "prompt_step",
        name: "prompt_step",
        workgroup: tuning.workgroup,
        shared_bytes: 4 * words,
        loops: rounds(source, step, lanes, tuning),
    };
    let parts = [RANDOM, source.wgsl(), demonstrations, LINEAR_ATTENTION, DESCENT, SUBGROUP, partials, own];
    program(entry, &parts, consts, bindings)
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

//! `qk`: separate query and key matrices to the merged product that the attention kernels take, and its gradient back.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, read, write};
use crate::prompt::shape::{GradLayout, Shape};

/// Which of query and key are trained, per layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    /// `[L]`: whether anything of a layer's query matrices is trained.
    pub q: Vec<bool>,
    /// `[L]`: whether anything of a layer's key matrices is trained.
    pub k: Vec<bool>,
}

/// Where each model's words stand.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// How many models.
    pub models: usize,
    /// Words from one model's parameters to the next one's.
    pub params: usize,
    /// Words from one model's gradient to the next one's.
    pub grads: usize,
    /// Where in a model's gradient those of queries and keys start.
    pub first: usize,
}

/// Parameters `[M][L][V | Q | K][H, D, D]`, `params` words a model, to effective weights `[M][L][V | QK][H, D, D]`,
/// each model's in whole vec4.
pub fn record_fwd(
    shape: &Shape,
    (models, stride): (usize, usize),
    params: &Buffer,
    weights: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let layout = GradLayout::full(*shape);
    let trained = Trained { q: vec![false; shape.layers], k: vec![false; shape.layers] };
    let places = Places { models, params: stride, grads: 0, first: 0 };
    let bindings = vec![read(0, "params"), write(1, "weights")];
    record("qk_fwd", &layout, &trained, &places, (bindings, vec![params.clone(), weights.clone()]), tuning)
}

/// Gradients of trained queries and keys, [L][Q | K][H, D, D] from word `first` of each model's in `grads`, from those
/// of QK in it.
pub fn record_bwd(
    layout: &GradLayout,
    trained: &Trained,
    places: &Places,
    params: &Buffer,
    grads: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let bindings = vec![read(0, "params"), write(2, "grads")];
    record("qk_bwd", layout, trained, places, (bindings, vec![params.clone(), grads.clone()]), tuning)
}

fn record(
    name: &'static str,
    layout: &GradLayout,
    trained: &Trained,
    places: &Places,
    (bindings, buffers): (Vec<crate::gpu::Binding>, Vec<Buffer>),
    tuning: &Tuning,
) -> Recording {
    let shape = layout.shape;
    let consts = Consts::default()
        .u32("LAYERS", shape.layers)
        .u32("HEADS", shape.heads)
        .u32("D", shape.width())
        .u32("PARAMS", places.params)
        .u32("WEIGHTS", shape.weights_stride())
        .u32("GRADS", places.grads)
        .u32("FIRST", places.first)
        .flags("TRAIN_QK", &layout.qk)
        .flags("TRAIN_Q", &trained.q)
        .flags("TRAIN_K", &trained.k)
        .indexes("AT_QK", &layout.at_qk);
    let (workgroup, loops) = (tuning.workgroup, shape.width() as u64);
    let entry = Entry { kernel: "qk", name, workgroup, shared_bytes: 0, loops };
    let parts = [include_str!("../../../shaders/prompt/qk.wgsl")];
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    recording.launch(program, buffers, [tuning.groups(shape.weights()), places.models as u32]);
    recording
}

//! `qk`: separate query and key matrices to the merged product that the attention kernels take, and its gradient back.

use super::program;
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::{Tuning, read, write};
use crate::prompt::shape::{GradLayout, Shape};
use crate::reference::transformer;

/// Which of query and key are trained, per layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    pub q: Vec<bool>,
    pub k: Vec<bool>,
}

/// Where each model's words stand.
#[derive(Clone, Copy, Debug)]
pub struct Places {
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
    entry: &'static str,
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
    let parts = [include_str!("../../../shaders/prompt/qk.wgsl")];
    let program = program("qk", entry, &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.launch(program, buffers, [tuning.groups(shape.weights()), places.models as u32]);
    recording
}

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    let mut out = Vec::new();
    for (layers, heads, dim, models) in [(1, 1, 5, 1), (2, 3, 2, 3)] {
        let shape = Shape { layers, heads, dim };
        let (tensor, width) = (shape.tensor(), shape.width());
        let stride = (layers * 3 * tensor).next_multiple_of(4);
        let params = values(models * stride, 0.5, 5);
        let wide_params = wide(&params);
        let part = |model: usize, layer: usize, which: usize| {
            &wide_params[model * stride + (layer * 3 + which) * tensor..][..tensor]
        };
        // Words between one model's and the next one's are left alone.
        let before = values(models * shape.weights_stride(), 1.0, 4);
        let mut expected = wide(&before);
        for model in 0..models {
            for layer in 0..layers {
                let at = model * shape.weights_stride() + 2 * layer * tensor;
                expected[at..at + tensor].copy_from_slice(part(model, layer, 0));
                let merged = transformer::merge(part(model, layer, 1), part(model, layer, 2), width);
                expected[at + tensor..at + 2 * tensor].copy_from_slice(&merged);
            }
        }
        let input = Buffer::holding("params", &params);
        let weights = Buffer::holding("weights", &before);
        let recording = record_fwd(&shape, (models, stride), &input, &weights, tuning);
        let name = format!("L = {layers}, H = {heads}, d = {dim}, M = {models}");
        out.push(Case::new(format!("forward, {name}"), recording).f32(&weights, expected));

        // The last layer trains the key alone.
        let layout = GradLayout::full(shape);
        let trained = Trained { q: (0..layers).map(|l| l + 1 < layers).collect(), k: vec![true; layers] };
        let first = layout.entries + 2;
        let places = Places { models, params: stride, grads: first + shape.weights(), first };
        let start = values(models * places.grads, 1.0, 6);
        let mut expected = wide(&start);
        for (model, layer) in (0..models).flat_map(|m| (0..layers).map(move |l| (m, l))) {
            let own = model * places.grads;
            let dqk = wide(&start)[own + layout.at_qk[layer]..][..tensor].to_vec();
            let (mut dq, mut dk) = (vec![0.0; tensor], vec![0.0; tensor]);
            let (q, k) = (part(model, layer, 1), part(model, layer, 2));
            transformer::merge_backward(q, k, &dqk, &mut dq, &mut dk, width);
            let at = own + first + layer * 2 * tensor;
            if trained.q[layer] {
                expected[at..at + tensor].copy_from_slice(&dq);
            }
            expected[at + tensor..at + 2 * tensor].copy_from_slice(&dk);
        }
        let grads = Buffer::holding("grads", &start);
        let recording = record_bwd(&layout, &trained, &places, &input, &grads, tuning);
        out.push(Case::new(format!("backward, {name}"), recording).f32(&grads, expected));
    }
    out
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let shape = Shape { layers: 1, heads: 1, dim: 5 };
    let layout = GradLayout::full(shape);
    let trained = Trained { q: vec![true], k: vec![true] };
    let first = layout.entries + 2;
    let params = Buffer::holding("params", &values(3 * shape.tensor(), 0.5, 5));
    let weights = Buffer::words("weights", shape.weights());
    let grads = Buffer::words("grads", first + shape.weights());
    let places = Places { models: 1, params: 3 * shape.tensor(), grads: first + shape.weights(), first };
    let (tensor, width) = (shape.tensor() as f64, shape.width() as f64);
    vec![
        Bench {
            name: "forward, paper".into(),
            recording: record_fwd(&shape, (1, 3 * shape.tensor()), &params, &weights, tuning),
            flops: 2.0 * tensor * width,
            bytes: 4.0 * tensor * (2.0 * width + 3.0),
        },
        Bench {
            name: "backward, paper".into(),
            recording: record_bwd(&layout, &trained, &places, &params, &grads, tuning),
            flops: 4.0 * tensor * width,
            bytes: 4.0 * tensor * (4.0 * width + 2.0),
        },
    ]
}

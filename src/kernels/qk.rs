//! `qk`: separate query and key matrices to the merged product that the attention kernels take, and its gradient back.

use super::case::{Bench, Case, poisoned, values, wide};
use super::{Tuning, program, read, write};
use crate::gpu::{Buffer, Consts, Recording};
use crate::reference::transformer;
use crate::shape::{GradLayout, Shape};

/// Which of query and key are trained, per layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    pub q: Vec<bool>,
    pub k: Vec<bool>,
}

/// Parameters [L][V | Q | K][H, D, D] to effective weights [L][V | QK][H, D, D].
pub fn record_fwd(shape: &Shape, params: &Buffer, weights: &Buffer, tuning: &Tuning) -> Recording {
    let layout = GradLayout::full(*shape);
    let trained = Trained { q: vec![false; shape.layers], k: vec![false; shape.layers] };
    let bindings = vec![read(0, "params"), write(1, "weights")];
    record("qk_fwd", &layout, &trained, 0, bindings, vec![params.clone(), weights.clone()], tuning)
}

/// Gradients of trained queries and keys, [L][Q | K][H, D, D] from word `first` of `grads`, from those of QK in it.
pub fn record_bwd(
    layout: &GradLayout,
    trained: &Trained,
    first: usize,
    params: &Buffer,
    grads: &Buffer,
    tuning: &Tuning,
) -> Recording {
    let bindings = vec![read(0, "params"), write(2, "grads")];
    record("qk_bwd", layout, trained, first, bindings, vec![params.clone(), grads.clone()], tuning)
}

fn record(
    entry: &'static str,
    layout: &GradLayout,
    trained: &Trained,
    first: usize,
    bindings: Vec<crate::gpu::Binding>,
    buffers: Vec<Buffer>,
    tuning: &Tuning,
) -> Recording {
    let shape = layout.shape;
    let consts = Consts::default()
        .u32("LAYERS", shape.layers)
        .u32("HEADS", shape.heads)
        .u32("D", shape.width())
        .u32("FIRST", first)
        .flags("TRAIN_QK", &layout.qk)
        .flags("TRAIN_Q", &trained.q)
        .flags("TRAIN_K", &trained.k)
        .indexes("AT_QK", &layout.at_qk);
    let parts = [include_str!("../../shaders/qk.wgsl")];
    let program = program("qk", entry, &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.dispatch(program, buffers, tuning.groups(shape.weights()));
    recording
}

pub(super) fn cases(tuning: &Tuning) -> Vec<Case> {
    let mut out = Vec::new();
    for (layers, heads, dim) in [(1, 1, 5), (2, 3, 2)] {
        let shape = Shape { layers, heads, dim };
        let (tensor, width) = (shape.tensor(), shape.width());
        let params = values(layers * 3 * tensor, 0.5, 5);
        let wide_params = wide(&params);
        let part = |layer: usize, which: usize| &wide_params[(layer * 3 + which) * tensor..][..tensor];
        let mut expected = Vec::new();
        for layer in 0..layers {
            expected.extend_from_slice(part(layer, 0));
            expected.extend(transformer::merge(part(layer, 1), part(layer, 2), width));
        }
        let input = Buffer::holding("params", &params);
        let weights = poisoned("weights", shape.weights());
        let recording = record_fwd(&shape, &input, &weights, tuning);
        let name = format!("forward, L = {layers}, H = {heads}, d = {dim}");
        out.push(Case::new(name, recording).f32(&weights, expected));

        // The last layer trains the key alone.
        let layout = GradLayout::full(shape);
        let trained = Trained { q: (0..layers).map(|l| l + 1 < layers).collect(), k: vec![true; layers] };
        let start = values(layout.entries + 2 + shape.weights(), 1.0, 6);
        let mut expected = wide(&start);
        for layer in 0..layers {
            let dqk = wide(&start)[layout.at_qk[layer]..][..tensor].to_vec();
            let (mut dq, mut dk) = (vec![0.0; tensor], vec![0.0; tensor]);
            transformer::merge_backward(part(layer, 1), part(layer, 2), &dqk, &mut dq, &mut dk, width);
            let at = layout.entries + 2 + layer * 2 * tensor;
            if trained.q[layer] {
                expected[at..at + tensor].copy_from_slice(&dq);
            }
            expected[at + tensor..at + 2 * tensor].copy_from_slice(&dk);
        }
        let grads = Buffer::holding("grads", &start);
        let recording = record_bwd(&layout, &trained, layout.entries + 2, &input, &grads, tuning);
        let name = format!("backward, L = {layers}, H = {heads}, d = {dim}");
        out.push(Case::new(name, recording).f32(&grads, expected));
    }
    out
}

pub(super) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let shape = Shape { layers: 1, heads: 1, dim: 5 };
    let layout = GradLayout::full(shape);
    let trained = Trained { q: vec![true], k: vec![true] };
    let first = layout.entries + 2;
    let params = Buffer::holding("params", &values(3 * shape.tensor(), 0.5, 5));
    let weights = Buffer::words("weights", shape.weights());
    let grads = Buffer::words("grads", first + shape.weights());
    let (tensor, width) = (shape.tensor() as f64, shape.width() as f64);
    vec![
        Bench {
            name: "forward, paper".into(),
            recording: record_fwd(&shape, &params, &weights, tuning),
            flops: 2.0 * tensor * width,
            bytes: 4.0 * tensor * (2.0 * width + 3.0),
        },
        Bench {
            name: "backward, paper".into(),
            recording: record_bwd(&layout, &trained, first, &params, &grads, tuning),
            flops: 4.0 * tensor * width,
            bytes: 4.0 * tensor * (4.0 * width + 2.0),
        },
    ]
}

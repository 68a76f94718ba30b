//! Parity cases and benches of `qk`.

use super::*;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::reference::transformer;

pub fn cases(tuning: &Tuning) -> Vec<Case> {
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

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
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

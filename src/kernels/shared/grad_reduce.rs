//! `grad_reduce`: a batch's gradient and losses from the lanes' partial sums.

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::prompt::program;
use crate::kernels::{Tuning, read, write};
use crate::reference;

/// Sizes of a reduction.
#[derive(Clone, Copy, Debug)]
pub struct Reduce {
    pub models: usize,
    /// Sums of a model.
    pub rows: usize,
    pub lanes: usize,
    /// Words from one model's sums to the next one's in `grads`.
    pub stride: usize,
}

/// Sums `partials` [M, rows, lanes] over lanes, in order, into the first `rows` of each model's words in `grads`.
pub fn record(r: &Reduce, partials: &Buffer, grads: &Buffer, tuning: &Tuning) -> Recording {
    let consts = Consts::default()
        .u32("MODELS", r.models)
        .u32("ROWS", r.rows)
        .u32("LANES", r.lanes)
        .u32("GRADS", r.stride);
    let bindings = vec![read(0, "partials"), write(1, "grads")];
    let parts = [include_str!("../../../shaders/shared/grad_reduce.wgsl")];
    let program = program("grad_reduce", "grad_reduce", &parts, consts, bindings, tuning.workgroup, 0);
    let mut recording = Recording::default();
    recording.launch(program, vec![partials.clone(), grads.clone()], [tuning.groups(r.models * r.rows), 1]);
    recording
}

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    [(1, 58, 64), (1, 1, 1), (3, 5, 77)]
        .into_iter()
        .map(|(models, rows, lanes)| {
            let input = values(models * rows * lanes, 1.0, 4);
            let grads = poisoned("grads", models * rows);
            let partials = Buffer::holding("partials", &input);
            let recording = record(&Reduce { models, rows, lanes, stride: rows }, &partials, &grads, tuning);
            let expected = reference::grad_reduce::grad_reduce(&wide(&input), lanes);
            Case::new(format!("{models} x {rows} x {lanes}"), recording).f32(&grads, expected)
        })
        .collect()
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, lanes) = (58, tuning.parts(tuning.lanes));
    let (partials, grads) = (Buffer::words("partials", rows * lanes), Buffer::words("grads", rows));
    let count = (rows * lanes) as f64;
    let recording = record(&Reduce { models: 1, rows, lanes, stride: rows }, &partials, &grads, tuning);
    vec![Bench { name: "paper".into(), recording, flops: count, bytes: 4.0 * count }]
}

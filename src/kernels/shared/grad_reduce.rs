//! `grad_reduce`: a batch's gradient and losses from the lanes' partial sums.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::prompt::program;
use crate::kernels::{Tuning, read, write};

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

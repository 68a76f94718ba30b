//! `grad_reduce`: a batch's gradient and losses from the lanes' partial sums.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, read, write};

/// Sizes of a reduction.
#[derive(Clone, Copy, Debug)]
pub struct Reduce {
    /// How many models.
    pub models: usize,
    /// Sums of a model.
    pub rows: usize,
    /// Parts of each sum.
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
    let entry = Entry {
        kernel: "grad_reduce",
        name: "grad_reduce",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: r.lanes as u64,
    };
    let parts = [include_str!("../../../shaders/shared/grad_reduce.wgsl")];
    let program = program(entry, &parts, consts, bindings);
    let mut recording = Recording::default();
    recording.launch(program, vec![partials.clone(), grads.clone()], [tuning.groups(r.models * r.rows), 1]);
    recording
}

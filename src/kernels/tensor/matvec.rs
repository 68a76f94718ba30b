//! `matvec`: products of few rows with a weight, which is read once a row: decoding.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::matmul::{Parts, Product};
use crate::gpu::Recording;
use crate::kernels::{Entry, Tuning, program};

/// A launch.
pub(super) fn record(product: &Product, tuning: &Tuning) -> Recording {
    let parts = Parts::of(product);
    let ([m, n, k], workgroup) = (parts.sizes, tuning.workgroup);
    let stages = workgroup.ilog2() as usize;
    let text = parts.text();
    let consts = parts.consts.u32("COLS", n).u32("K4", k.div_ceil(4)).u32("STAGES", stages);
    let entry = Entry {
        kernel: "matvec",
        name: "matvec",
        workgroup,
        shared_bytes: 16 * workgroup,
        loops: (k.div_ceil(4).div_ceil(workgroup) + stages) as u64,
    };
    let shader = include_str!("../../../shaders/tensor/matvec.wgsl");
    let program = program(entry, &[&text, shader], consts, parts.bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, parts.bound.resources, [n.div_ceil(4) as u32, m as u32]);
    recording
}

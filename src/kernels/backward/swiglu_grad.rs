//! `swiglu_grad`: the gradient of what stands between the two layers of an MLP.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::tensor::EXP;
use crate::kernels::{Entry, Tuning, program};

/// `dgate` and `dup` of `act = silu(gate) ∘ up`, `[rows, F]` each.
pub fn record(
    [gate, up, dact]: [&Operand; 3],
    [dgate, dup]: [&Operand; 2],
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    let (quads, rows) = (gate.cols().div_ceil(4), gate.rows());
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .read(gate, 1, "gate", rows)
        .read(up, 2, "up", rows)
        .read(dact, 3, "dact", rows)
        .write(dgate, 4, "dgate", rows)
        .write(dup, 5, "dup", rows);
    let entry = Entry {
        kernel: "swiglu_grad",
        name: "swiglu_grad",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: 0,
    };
    let shader = include_str!("../../../shaders/backward/swiglu_grad.wgsl");
    let consts = Consts::default().u32("QUADS", quads);
    let program = program(entry, &[&bound.text, EXP, shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
    recording
}

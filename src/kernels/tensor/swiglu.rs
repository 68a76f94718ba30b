//! `swiglu`: what stands between the two layers of an MLP.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::EXP;
use crate::gpu::{Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, program};

/// `act = silu(gate) ∘ up`, `[rows, F]` each.
pub fn record(gate: &Operand, up: &Operand, act: &Operand, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let (quads, rows) = (gate.cols().div_ceil(4), gate.rows());
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .read(gate, 1, "gate", rows)
        .read(up, 2, "up", rows)
        .write(act, 3, "act", rows);
    let entry =
        Entry { kernel: "swiglu", name: "swiglu", workgroup: tuning.workgroup, shared_bytes: 0, loops: 0 };
    let shader = include_str!("../../../shaders/tensor/swiglu.wgsl");
    let program =
        program(entry, &[&bound.text, EXP, shader], Consts::default().u32("QUADS", quads), bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
    recording
}

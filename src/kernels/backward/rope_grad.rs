//! `rope_grad`: gradients of queries and keys turned back by their positions.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::layout::starts::Starts;
use crate::kernels::tensor::rope::Heads;
use crate::kernels::{Entry, Tuning, program, read};

/// What a launch takes and where it goes.
pub struct RopeGrad<'a> {
    /// `[rows, H D]`: of the turned queries.
    pub dqueries: &'a Operand,
    /// `[rows, G D]`: of the turned keys.
    pub dkeys: &'a Operand,
    /// [`turns`](crate::kernels::tensor::rope::turns).
    pub turns: &'a Buffer,
    /// `[rows, H D]`.
    pub dq: &'a Operand,
    /// `[rows, G D]`.
    pub dk: &'a Operand,
    /// Where each row's sequence begins.
    pub starts: &'a Starts,
    /// Rows, behind no past.
    pub cursor: &'a Cursor,
}

/// A launch.
pub fn record(grad: &RopeGrad, heads: Heads, tuning: &Tuning) -> Recording {
    let (half, rows) = (heads.dim / 8, grad.dq.rows());
    let bound = Bound::default()
        .with(Cursor::binding(0), grad.cursor.view())
        .with(read(1, "turns"), grad.turns.clone())
        .read(grad.dqueries, 2, "dqueries", rows)
        .read(grad.dkeys, 3, "dkeys", rows)
        .write(grad.dq, 4, "dq", rows)
        .write(grad.dk, 5, "dk", rows);
    let bound = grad.starts.bind(bound, 6, rows);
    let consts = Consts::default().u32("HALF", half).u32("HEADS", heads.queries).u32("GROUPS", heads.groups);
    let entry = Entry {
        kernel: "rope_grad",
        name: "rope_grad",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: 0,
    };
    let shader = include_str!("../../../shaders/backward/rope_grad.wgsl");
    let program = program(entry, &[&bound.text, shader], consts, bound.bindings);
    let units = (heads.queries + heads.groups) * half;
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(units), rows as u32]);
    recording
}

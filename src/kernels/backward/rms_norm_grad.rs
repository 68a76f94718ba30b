//! `rms_norm_grad`: the gradient of rows brought to a root mean square of 1.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording, View};
use crate::kernels::lanes;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, program, read, write};

/// What a launch takes and where it goes.
pub struct NormGrad<'a> {
    /// `[rows, C]`: what was normalised.
    pub x: &'a Operand,
    /// `[C]`.
    pub weight: &'a View,
    /// As the forward pass had it.
    pub eps: f32,
    /// `[rows, C]`: the gradient of what came out.
    pub dy: &'a Operand,
    /// `[rows, C]`: what is added, such as the residual's gradient.
    pub plus: Option<&'a Operand>,
    /// `[rows, C]`.
    pub dx: &'a Operand,
    /// `[rows]`: takes 1 / sqrt(mean(x²) + eps), which the weight's gradient asks for.
    pub scales: &'a Buffer,
}

/// A launch.
pub fn record(grad: &NormGrad, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let NormGrad { x, weight, eps, dy, plus, dx, scales } = *grad;
    let (rows, quads) = (dx.rows(), x.cols().div_ceil(4));
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .read(x, 1, "x", rows)
        .with(read(2, "weight").words(x.cols()), weight.clone())
        .read(dy, 3, "dy", rows)
        .write(dx, 4, "dx", rows);
    let bound = bound.plus(plus, 5, rows).with(write(6, "scales").words(rows), scales.clone());
    let consts = Consts::default().u32("QUADS", quads).f32("COLS", x.cols() as f64).f32("EPS", eps.into());
    let entry = Entry {
        kernel: "rms_norm_grad",
        name: "rms_norm_grad",
        workgroup: tuning.workgroup,
        shared_bytes: lanes::shared(tuning),
        loops: 2 * quads.div_ceil(tuning.workgroup) as u64,
    };
    let shader = include_str!("../../../shaders/backward/rms_norm_grad.wgsl");
    let program = program(entry, &[&bound.text, &lanes::text(tuning), shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [rows as u32, 1]);
    recording
}

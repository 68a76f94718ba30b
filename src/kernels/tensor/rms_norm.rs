//! `rms_norm`: rows brought to a root mean square of 1, times a weight.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Consts, Recording, View};
use crate::kernels::lanes;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, program, read};

/// What a launch takes and where it goes.
pub struct Normed<'a> {
    /// `[rows, C]`.
    pub x: &'a Operand,
    /// `[C]`.
    pub weight: &'a View,
    /// What keeps a row of zeros from being divided by.
    pub eps: f32,
    /// `[rows, C]`, or `[1, C]`.
    pub h: &'a Operand,
    /// The last row alone is taken.
    pub last: bool,
}

/// `h = x / sqrt(mean(x²) + eps) ∘ weight`.
pub fn record(normed: &Normed, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let Normed { x, weight, eps, h, last } = *normed;
    let rows = if last { 1 } else { x.rows() };
    let quads = x.cols().div_ceil(4);
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .read(x, 1, "x", x.rows())
        .with(read(2, "weight").words(x.cols()), weight.clone())
        .write(h, 3, "h", rows);
    let consts = Consts::default().u32("QUADS", quads).f32("COLS", x.cols() as f64).f32("EPS", eps.into());
    let consts = consts.u32("LAST", last.into());
    let entry = Entry {
        kernel: "rms_norm",
        name: "rms_norm",
        workgroup: tuning.workgroup,
        shared_bytes: lanes::shared(tuning),
        loops: 2 * quads.div_ceil(tuning.workgroup) as u64,
    };
    let parts = [&bound.text, &lanes::text(tuning), include_str!("../../../shaders/tensor/rms_norm.wgsl")];
    let program = program(entry, &parts, consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [rows as u32, 1]);
    recording
}

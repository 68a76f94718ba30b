//! `dropout`: what a layer reads with some numbers left out by chance.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::shared::RANDOM;
use crate::kernels::{Entry, Tuning, program, uniform};

/// The device's words for a step: what is drawn, and how much is kept.
pub fn draw(step: u32, key: u32, share: f64) -> [u32; 4] {
    let first = (share * 2f64.powi(32)) as u64;
    [step, key, first.min(u32::MAX.into()) as u32, ((1.0 / (1.0 - share)) as f32).to_bits()]
}

/// An array that numbers are left out of.
pub struct Dropped<'a> {
    /// `[rows, cols]`.
    pub x: &'a Operand,
    /// What is added.
    pub plus: Option<&'a Operand>,
    /// `[rows, cols]`.
    pub y: &'a Operand,
    /// [`draw`] of the step.
    pub draw: &'a Buffer,
    /// `[which, 0, 0, 0]`: tells arrays of a step apart.
    pub site: &'a Buffer,
}

/// `y = x ∘ m (+ plus)`, m being 0 with the probability `share` and else 1 / (1 − share).
pub fn record(dropped: &Dropped, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let (quads, rows) = (dropped.y.cols().div_ceil(4), dropped.y.rows());
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .with(uniform(1, "draw").words(4), dropped.draw.clone())
        .with(uniform(2, "site").words(4), dropped.site.clone())
        .read(dropped.x, 3, "x", rows)
        .write(dropped.y, 4, "y", rows)
        .plus(dropped.plus, 5, rows);
    let entry =
        Entry { kernel: "dropout", name: "dropout", workgroup: tuning.workgroup, shared_bytes: 0, loops: 0 };
    let shader = include_str!("../../../shaders/tensor/dropout.wgsl");
    let consts = Consts::default().u32("QUADS", quads);
    let program = program(entry, &[&bound.text, RANDOM, shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
    recording
}

//! `col_sums`: gradients of vectors that every row was given, a bias or a norm's weight.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording, View};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, program, read, write};

/// What is added up.
#[derive(Clone, Copy)]
pub enum Terms<'a> {
    /// `dy`: of what a bias was added to.
    Bias(&'a Operand),
    /// `dy ∘ x` times the row's scale: of what a norm's weight was multiplied with.
    Weight {
        /// `[rows, C]`.
        dy: &'a Operand,
        /// `[rows, C]`: what was normalised.
        x: &'a Operand,
        /// `[rows]`: [`NormGrad::scales`](super::rms_norm_grad::NormGrad).
        scales: &'a Buffer,
    },
}

/// Sums to `[C]`, with zeros up to a vec4; `add` to what stands there.
pub fn record(terms: &Terms, sums: &View, add: bool, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let (Terms::Bias(dy) | Terms::Weight { dy, .. }) = *terms;
    let (rows, quads) = (dy.rows(), dy.cols().div_ceil(4));
    let mut bound = Bound::default().with(Cursor::binding(0), cursor.view()).read(dy, 1, "dy", rows);
    match *terms {
        Terms::Bias(_) => {
            bound.text += "fn term(row: u32, quad: u32) -> vec4f { return get_dy(row, quad); }\n"
        }
        Terms::Weight { x, scales, .. } => {
            bound = bound.read(x, 2, "x", rows).with(read(3, "scales").words(rows), scales.clone());
            bound.text += "@group(0) @binding(3) var<storage, read> scales: array<f32>;   // [rows]\n";
            let term = "get_dy(row, quad) * (get_x(row, quad) * scales[row])";
            bound.text += &format!("fn term(row: u32, quad: u32) -> vec4f {{ return {term}; }}\n");
        }
    }
    let bound = bound.with(write(4, "sums").words(4 * quads), sums.clone());
    let entry = Entry {
        kernel: "col_sums",
        name: "col_sums",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: rows as u64,
    };
    let shader = include_str!("../../../shaders/backward/col_sums.wgsl");
    let consts = Consts::default().u32("QUADS", quads).u32("ADD", add.into());
    let program = program(entry, &[&bound.text, shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), 1]);
    recording
}

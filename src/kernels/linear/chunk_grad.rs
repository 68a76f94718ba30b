//! `chunk_grad`: what a token's own gradients add up to: of gates, and with the delta rule of keys and values; and sums over the
//! heads that share keys and values.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::chunk_product::Gates;
use super::{Frame, units};
use crate::gpu::{Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::{Entry, Tuning, program};

/// What tokens' gates get, `[chunks H, 4 c]` each.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The gradient of b_i, and what keys give to that of β_i.
    pub keys: Operand,
    /// With the delta rule: what values give to it.
    pub values: Option<Operand>,
}

impl Marks {
    /// Room for them.
    pub fn new(label: &'static str, frame: &Frame, tuning: &Tuning) -> Self {
        let new = || Operand::new(label, frame.gate_rows(), 4 * frame.chunks.length, tuning);
        Marks { keys: new(), values: frame.rule.delta.then(new) }
    }
}

/// What is there of a token, `[rows, H …]` each but for keys and values.
pub struct Terms<'a> {
    /// `[rows, H K]`.
    pub q: &'a Operand,
    /// `[rows, G K]`.
    pub k: &'a Operand,
    /// `[rows, H K]`.
    pub dq: &'a Operand,
    /// `[rows, H K]`: of what has exp(−b_i) in it.
    pub dk: &'a Operand,
    /// With the delta rule.
    pub delta: Option<DeltaTerms<'a>>,
}

/// More of it.
pub struct DeltaTerms<'a> {
    /// `[rows, G V]`.
    pub v: &'a Operand,
    /// N K, `[rows, H K]`.
    pub nk: &'a Operand,
    /// Tᵀ dY, `[rows, H K]`.
    pub ty: &'a Operand,
    /// Tᵀ dU, `[rows, H V]`.
    pub tu: &'a Operand,
    /// `[rows, H K]`: takes the gradient of keys.
    pub dk: &'a Operand,
    /// `[rows, H V]`: takes the gradient of values.
    pub dv: &'a Operand,
}

const SHADER: &str = include_str!("../../../shaders/linear/chunk_grad.wgsl");
const PLAIN: &str = include_str!("../../../shaders/linear/common/grad_plain.wgsl");
const DELTA: &str = include_str!("../../../shaders/linear/common/grad_delta.wgsl");
const VALUES: &str = include_str!("../../../shaders/linear/common/grad_values.wgsl");
const SUMS: &str = include_str!("../../../shaders/linear/common/head_sums.wgsl");

/// Marks of every token.
pub fn record(terms: &Terms, gates: &Gates, marks: &Marks, frame: &Frame, tuning: &Tuning) -> Recording {
    let sizes = frame.sizes;
    let mut bound = units(Bound::default(), &frame.chunks.all(), sizes.heads)
        .read(terms.q, 1, "q", terms.q.rows())
        .read(terms.k, 2, "k", terms.k.rows())
        .read(terms.dq, 3, "dq", terms.dq.rows())
        .read(terms.dk, 4, "dk", terms.dk.rows())
        .write(&marks.keys, 5, "marks", marks.keys.rows());
    let mut body = PLAIN;
    if let Some(delta) = &terms.delta {
        bound = bound
            .read(&gates.gates, 6, "gates", gates.gates.rows())
            .read(delta.nk, 7, "nk", delta.nk.rows())
            .read(delta.ty, 8, "ty", delta.ty.rows())
            .write(delta.dk, 9, "dkeys", delta.dk.rows());
        body = DELTA;
    }
    let mut recording = launch("chunk_grad", bound, body, sizes.keys, frame, tuning);
    if let (Some(delta), Some(values)) = (&terms.delta, &marks.values) {
        // Apart: one launch has no room for so many textures on every device.
        let bound = units(Bound::default(), &frame.chunks.all(), sizes.heads)
            .read(&gates.gates, 1, "gates", gates.gates.rows())
            .read(delta.v, 2, "v", delta.v.rows())
            .read(delta.tu, 3, "tu", delta.tu.rows())
            .write(delta.dv, 4, "dvalues", delta.dv.rows())
            .write(values, 5, "marks", values.rows());
        recording.extend(launch("chunk_grad_values", bound, VALUES, sizes.values, frame, tuning));
    }
    recording
}

/// A token of a chunk and head an invocation.
fn launch(
    name: &'static str,
    bound: Bound,
    body: &str,
    width: usize,
    frame: &Frame,
    tuning: &Tuning,
) -> Recording {
    let (sizes, length) = (frame.sizes, frame.chunks.length);
    let loops = (width / 4) as u64;
    let entry = Entry { kernel: "chunk_grad", name, workgroup: tuning.workgroup, shared_bytes: 0, loops };
    let consts = Consts::default()
        .u32("K4", sizes.keys / 4)
        .u32("V4", sizes.values / 4)
        .u32("SHARING", sizes.heads / sizes.groups);
    let program = program(entry, &[&bound.text, SHADER, body], consts, bound.bindings);
    let mut recording = Recording::default();
    let groups = [tuning.groups(length), 1, frame.gate_rows() as u32];
    recording.launch(program, bound.resources, groups);
    recording
}

/// `[rows, G D]`: sums over the heads of `[rows, H D]` that share a group.
pub fn head_sums(
    x: &Operand,
    y: &Operand,
    sharing: usize,
    dim: usize,
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    let bound = Bound::default().with(Cursor::binding(0), cursor.view()).read(x, 1, "x", y.rows()).write(
        y,
        2,
        "y",
        y.rows(),
    );
    let entry = Entry {
        kernel: "chunk_grad",
        name: "head_sums",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: sharing as u64,
    };
    let quads = y.cols() / 4;
    let consts = Consts::default().u32("QUADS", quads).u32("D4", dim / 4).u32("SHARING", sharing);
    let program = program(entry, &[&bound.text, SUMS], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), y.rows() as u32]);
    recording
}

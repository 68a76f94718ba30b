//! `grad_norm`: the norm of a gradient over the trained elements of an arena of any size.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::{BLOCKS, WIDE, groups, rounds};
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::{Entry, Tuning, program, read, write};

/// The gradient of a segment.
pub struct Piece<'a> {
    /// [`super::records`], and how many.
    pub blocks: &'a Buffer,
    pub count: usize,
    pub grads: &'a Buffer,
}

/// Where sums and norms go.
pub struct Buffers<'a> {
    /// [`partials`] words.
    pub partials: &'a Buffer,
    /// `[0]` the step.
    pub state: &'a Buffer,
    /// `[ring]`: row step % ring is written.
    pub norms: &'a Buffer,
    /// Rows of `norms`.
    pub ring: usize,
}

/// Partial sums a block.
fn parts(tuning: &Tuning) -> usize {
    if tuning.shared { 1 } else { tuning.workgroup }
}

/// Partial sums of so many blocks.
pub fn partials(blocks: usize, tuning: &Tuning) -> usize {
    blocks * parts(tuning)
}

/// The global norm over all pieces, in the order given: the same bits every time.
pub fn record(pieces: &[Piece], b: &Buffers, tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    let mut first = 0;
    for piece in pieces.iter().filter(|piece| piece.count > 0) {
        recording.extend(sums(piece, first, b.partials, tuning));
        first += partials(piece.count, tuning);
    }
    let total = |workgroup: usize| (first.div_ceil(4).div_ceil(workgroup) + workgroup) as u64;
    let workgroup = tuning.single(total);
    let entry = Entry {
        kernel: "grad_norm",
        name: "grad_norm_total",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: total(workgroup),
    };
    let consts =
        consts(tuning, 0, 0).u32("COUNT", first).u32("COUNT4", first.div_ceil(4)).u32("RING", b.ring);
    let bindings = vec![read(3, "summed"), read(4, "state"), write(5, "norms")];
    let program = program(entry, &PARTS, consts, bindings);
    let buffers = vec![b.partials.clone(), b.state.clone(), b.norms.clone()];
    recording.launch(program, buffers, [1, 1]);
    recording
}

const PARTS: [&str; 2] = [BLOCKS, include_str!("../../../shaders/tensor/grad_norm.wgsl")];

/// What both entry points are made by: they stand in one text.
fn consts(tuning: &Tuning, blocks: usize, first: usize) -> Consts {
    Consts::default()
        .u32("BLOCKS", blocks)
        .u32("WIDE", WIDE)
        .u32("FIRST", first)
        .u32("SHARED", tuning.shared.into())
}

/// Sums of squares of a piece, from word `first` of `partials`.
fn sums(piece: &Piece, first: usize, partials: &Buffer, tuning: &Tuning) -> Recording {
    let workgroup = tuning.workgroup;
    let entry = Entry {
        kernel: "grad_norm",
        name: "grad_norm",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: rounds(tuning) + workgroup as u64,
    };
    let consts = consts(tuning, piece.count, first).u32("COUNT", 0).u32("COUNT4", 0).u32("RING", 1);
    let bindings = vec![read(0, "blocks"), read(1, "grads"), write(2, "partials")];
    let program = program(entry, &PARTS, consts, bindings);
    let mut recording = Recording::default();
    let buffers = vec![piece.blocks.clone(), piece.grads.clone(), partials.clone()];
    recording.launch(program, buffers, groups(piece.count));
    recording
}

//! `lone_update`: one optimizer step with its norm on few elements, in one launch of a single workgroup.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::arena::{Piece, Update, rounds as item_rounds};
use super::{BLOCKS, STEP};
use crate::gpu::Recording;
use crate::kernels::shared::OPTIMIZER;
use crate::kernels::{Entry, Tuning, program, write};

/// Rounds of an invocation's loops, by a workgroup of so many.
fn rounds(piece: &Piece, workgroup: usize) -> u64 {
    workgroup as u64 + 2 * piece.items(workgroup) as u64 * (1 + item_rounds(workgroup))
}

/// Whether the adapter's loops go round often enough.
pub fn fits(piece: &Piece, tuning: &Tuning) -> bool {
    rounds(piece, tuning.update) <= tuning.loops
}

/// A step on a piece; its norm goes to `norms`.
pub fn record(update: &Update, piece: &Piece, tuning: &Tuning) -> Recording {
    let workgroup = tuning.update;
    let entry = Entry {
        kernel: "lone_update",
        name: "lone_update",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: rounds(piece, workgroup),
    };
    let (bindings, views) = update.bind(piece, write(4, "norms"));
    let parts = [OPTIMIZER, BLOCKS, STEP, include_str!("../../../shaders/update/lone_update.wgsl")];
    let mut recording = Recording::default();
    recording.launch(program(entry, &parts, update.consts(piece, workgroup), bindings), views, [1, 1]);
    recording
}

//! `block_update`: one optimizer step on the trained elements of an arena of any size, grid-wide.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::arena::{Piece, Turns, Update};
use super::{BLOCKS, STEP};
use crate::gpu::Recording;
use crate::kernels::shared::OPTIMIZER;
use crate::kernels::{Entry, Tuning, program, read};

/// A launch a piece, behind [`super::grad_norm`]'s.
pub fn record(update: &Update, pieces: &[&Piece], tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    for piece in pieces {
        let turns = Turns::new(piece, tuning);
        let entry = Entry {
            kernel: "block_update",
            name: "block_update",
            workgroup: tuning.workgroup,
            shared_bytes: 0,
            loops: turns.rounds(tuning),
        };
        let (bindings, views) = update.bind(piece, read(4, "norms"));
        let parts = [OPTIMIZER, BLOCKS, STEP, include_str!("../../../shaders/update/block_update.wgsl")];
        let program = program(entry, &parts, turns.consts(update.consts(piece, tuning.workgroup)), bindings);
        recording.launch(program, views, turns.groups());
    }
    recording
}

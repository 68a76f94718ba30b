//! `block_update`: one optimizer step on the trained elements of an arena of any size.

pub(in crate::kernels::tensor) mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::{BLOCKS, WIDE, groups, rounds};
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::shared::OPTIMIZER;
use crate::kernels::shared::masked_update::rule_consts;
use crate::kernels::{Entry, Tuning, program, read, uniform, write};
use crate::optim::Rule;

/// A segment of the arena, and what goes with it.
pub struct Piece<'a> {
    /// [`super::records`], and how many.
    pub blocks: &'a Buffer,
    pub count: usize,
    pub grads: &'a Buffer,
    pub params: &'a Buffer,
    /// [quads, 1 or 2] vec4.
    pub moments: &'a Buffer,
}

/// What all segments share.
pub struct Update<'a> {
    pub rule: Rule,
    /// `[groups]` of [`hyper`](crate::kernels::shared::masked_update::hyper).
    pub hyper: &'a Buffer,
    pub groups: usize,
    /// `[ring, groups]` of [`schedule_row`](crate::kernels::shared::masked_update::schedule_row).
    pub schedule: &'a Buffer,
    /// `[0]` the step. It is not counted on: who ends the step does that.
    pub state: &'a Buffer,
    /// `[ring]`, of [`grad_norm`](super::grad_norm).
    pub norms: &'a Buffer,
    pub ring: usize,
}

/// A launch a piece.
pub fn record(update: &Update, pieces: &[Piece], tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    for piece in pieces.iter().filter(|piece| piece.count > 0) {
        let entry = Entry {
            kernel: "block_update",
            name: "block_update",
            workgroup: tuning.workgroup,
            shared_bytes: 0,
            loops: rounds(tuning),
        };
        let consts = rule_consts(Consts::default(), update.rule)
            .u32("GROUPS", update.groups)
            .u32("RING", update.ring)
            .u32("BLOCKS", piece.count)
            .u32("WIDE", WIDE);
        let bindings = vec![
            uniform(0, "hyper"),
            read(1, "schedule"),
            read(2, "blocks"),
            read(3, "state"),
            read(4, "norms"),
            read(5, "grads"),
            write(6, "params"),
            write(7, "moments"),
        ];
        let parts = [OPTIMIZER, BLOCKS, include_str!("../../../shaders/tensor/block_update.wgsl")];
        let program = program(entry, &parts, consts, bindings);
        let buffers = [
            update.hyper,
            update.schedule,
            piece.blocks,
            update.state,
            update.norms,
            piece.grads,
            piece.params,
            piece.moments,
        ];
        recording.launch(program, buffers.map(Buffer::clone).to_vec(), groups(piece.count));
    }
    recording
}

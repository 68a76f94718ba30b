//! `embed`: rows of the embedding, by token.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::layout::weight::Weight;
use crate::kernels::{Entry, Tuning, program, read};

/// `x[row] = table[ids[row]]`: a launch a piece of the table. Ids are known to be in it: who uploads them looks.
pub fn record(table: &Weight, ids: &Buffer, x: &Operand, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let (quads, rows) = (x.cols().div_ceil(4), x.rows());
    let mut recording = Recording::default();
    for piece in &table.pieces {
        let bound = Bound::default()
            .with(Cursor::binding(0), cursor.view())
            .with(read(1, "ids").words(rows), ids.clone())
            .read(&piece.operand, 2, "table", piece.operand.rows())
            .write(x, 3, "x", rows);
        let consts = Consts::default().u32("QUADS", quads);
        let consts = consts.u32("FROM", piece.rows.start).u32("TO", piece.rows.end);
        let entry =
            Entry { kernel: "embed", name: "embed", workgroup: tuning.workgroup, shared_bytes: 0, loops: 0 };
        let shader = include_str!("../../../shaders/tensor/embed.wgsl");
        let program = program(entry, &[&bound.text, shader], consts, bound.bindings);
        recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
    }
    recording
}

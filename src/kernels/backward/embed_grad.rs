//! `embed_grad`: the gradient of the embedding, rows of one token added up in their order.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::operand::{Bound, Operand, Rows};
use crate::kernels::{Entry, Tuning, program, read, uniform, write};
use std::ops::Range;

/// Which rows took which token: as [`Taken::of`] lays them out.
#[derive(Clone, Debug)]
pub struct Taken {
    /// `[4]`: how many different tokens.
    pub count: Buffer,
    /// `[rows, 4]`: a token, its first place in `order`, the place behind its last.
    pub tokens: Buffer,
    /// `[rows]`.
    pub order: Buffer,
}

impl Taken {
    /// Room for so many rows.
    pub fn new(rows: usize) -> Self {
        Taken {
            count: Buffer::words("taken", 4),
            tokens: Buffer::words("taken", 4 * rows),
            order: Buffer::words("taken", rows),
        }
    }

    /// What goes into the three for rows of these tokens.
    pub fn of(ids: &[u32]) -> [Vec<u32>; 3] {
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        // Rows of a token stay in their order.
        order.sort_by_key(|row| ids[*row as usize]);
        let (mut tokens, mut count): (Vec<u32>, u32) = (Vec::new(), 0);
        for (place, row) in order.iter().enumerate() {
            let id = ids[*row as usize];
            match tokens.len().checked_sub(4).filter(|at| tokens[*at] == id) {
                Some(at) => tokens[at + 2] = place as u32 + 1,
                None => {
                    tokens.extend([id, place as u32, place as u32 + 1, 0]);
                    count += 1;
                }
            }
        }
        [vec![count, 0, 0, 0], tokens, order]
    }
}

/// Adds `dx` `[rows, C]` to a piece of the table's gradient, of some of its tokens.
pub fn record(
    dx: &Operand,
    taken: &Taken,
    (tokens, table): (Range<usize>, &Rows),
    tuning: &Tuning,
) -> Recording {
    let (quads, rows) = (dx.cols().div_ceil(4), dx.rows());
    let mut bound = Bound::default()
        .with(uniform(0, "taken").words(4), taken.count.clone())
        .with(read(1, "tokens").words(4 * rows), taken.tokens.clone())
        .with(read(2, "order").words(rows), taken.order.clone())
        .read(dx, 3, "dx", rows)
        .with(write(4, "table").words(table.words(table.rows)), table.view.clone());
    bound.text +=
        "@group(0) @binding(4) var<storage, read_write> table: array<vec4f>;   // [tokens, PITCH]\n";
    let consts = Consts::default().u32("QUADS", quads).u32("PITCH", table.pitch / 4);
    let consts = consts.u32("FROM", tokens.start).u32("TO", tokens.end);
    let entry = Entry {
        kernel: "embed_grad",
        name: "embed_grad",
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: rows as u64,
    };
    let shader = include_str!("../../../shaders/backward/embed_grad.wgsl");
    let program = program(entry, &[&bound.text, shader], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
    recording
}

//! `cross_entropy`: losses of tokens, a chunk of the vocabulary at a time: logits of a chunk are all that is stored.

pub(in crate::kernels) mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::EXP;
use super::matmul::{self, Product};
use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::lanes;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::layout::weight::Weight;
use crate::kernels::{Entry, Tuning, program, read, uniform, write};
use std::ops::Range;

/// Of a target: the row does not count, and its loss is 0.
pub const NONE: u32 = u32::MAX;

/// What losses are reckoned from and in.
pub struct Losses {
    /// `[rows]`: the token that comes next, or [`NONE`].
    pub targets: Buffer,
    /// `[rows]`: nats.
    pub losses: Buffer,
    /// `[rows, chunk]`: logits of a chunk.
    pub chunk: Operand,
    /// `[rows, 4]`: largest logit, sum of exponentials over it, the target's logit.
    pub(in crate::kernels) sums: Buffer,
}

/// Most tokens of a chunk: as many rows as a piece of a weight in a texture has.
pub const CHUNK: usize = 8192;

impl Losses {
    /// For so many rows and a head.
    pub fn new(rows: usize, head: &Weight, tuning: &Tuning) -> Self {
        Losses {
            targets: Buffer::words("targets", rows),
            losses: Buffer::words("losses", rows),
            chunk: Operand::new("logits of a chunk", rows, head.rows.min(CHUNK), tuning),
            sums: Buffer::words("sums", 4 * rows),
        }
    }
}

/// `-log softmax(h headᵀ)[target]` of every row.
pub fn record(h: &Operand, head: &Weight, out: &Losses, cursor: &Cursor, tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    for (tokens, operand) in chunks(head) {
        let logits = out.chunk.narrow(tokens.len()).first(h.rows());
        let product = Product { cursor: Some(cursor), ..Product::nt(h, &operand, &logits) };
        recording.extend(matmul::record(&product, tuning));
        recording.extend(add(&logits, tokens.start, head.rows, out, cursor, tuning));
    }
    recording
}

/// The chunks of a head: which tokens, and their rows.
pub(in crate::kernels) fn chunks(head: &Weight) -> impl Iterator<Item = (Range<usize>, Operand)> {
    head.pieces.iter().flat_map(|piece| {
        let start = piece.rows.start;
        (0..piece.rows.len()).step_by(CHUNK).map(move |from| {
            let count = CHUNK.min(piece.rows.len() - from);
            (start + from..start + from + count, piece.operand.some(from, count))
        })
    })
}

/// Takes a chunk of logits, of tokens from `first` on, of `all`.
fn add(
    logits: &Operand,
    first: usize,
    all: usize,
    out: &Losses,
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    let rows = logits.rows();
    let last = first + logits.cols() == all;
    let words = [first, logits.cols(), (first == 0).into(), last.into()].map(|n| n as u32);
    let bound = Bound::default()
        .with(Cursor::binding(0), cursor.view())
        .with(uniform(1, "chunk").words(4), Buffer::holding("chunk", &words))
        .read(logits, 2, "logits", rows)
        .with(read(3, "targets").words(rows), out.targets.clone())
        .with(write(4, "sums").words(4 * rows), out.sums.clone())
        .with(write(5, "losses").words(rows), out.losses.clone());
    let entry = Entry {
        kernel: "cross_entropy",
        name: "cross_entropy",
        workgroup: tuning.workgroup,
        shared_bytes: lanes::shared(tuning),
        loops: 2 * CHUNK.div_ceil(4 * tuning.workgroup) as u64,
    };
    let shader = include_str!("../../../shaders/tensor/cross_entropy.wgsl");
    let parts = [&bound.text, &lanes::text(tuning), EXP, shader];
    let program = program(entry, &parts, Consts::default(), bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [rows as u32, 1]);
    recording
}

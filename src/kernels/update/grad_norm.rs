//! `grad_norm`: the norm of a gradient over the trained elements of an arena of any size.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::BLOCKS;
use super::arena::{Piece, Turns, Update};
use crate::gpu::{Buffer, Consts, Recording, View};
use crate::kernels::{Entry, Tuning, program, read, write};

/// Partial sums of a piece.
fn partials(piece: &Piece, tuning: &Tuning) -> usize {
    Turns::new(piece, tuning).all * if tuning.shared { 1 } else { tuning.workgroup }
}

/// The global norm over all pieces, in the order given: the same bits every time.
pub fn record(pieces: &[&Piece], update: &Update, tuning: &Tuning) -> Recording {
    let count = pieces.iter().map(|piece| partials(piece, tuning)).sum();
    let summed = Buffer::words("partials", count);
    let mut recording = Recording::default();
    let mut first = 0;
    for piece in pieces {
        recording.extend(sums(piece, first, &summed, tuning));
        first += partials(piece, tuning);
    }
    recording.extend(total(&summed, count, update, tuning));
    recording
}

const PARTS: [&str; 2] = [BLOCKS, include_str!("../../../shaders/update/grad_norm.wgsl")];

/// What the first stage is made by; the second stands in the same text.
fn consts(piece: &Piece, tuning: &Tuning) -> Consts {
    let consts = Turns::new(piece, tuning).consts(Consts::default()).u32("SHARED", tuning.shared.into());
    piece.consts(consts, tuning.workgroup)
}

/// Sums of squares of a piece, from word `first` of `partials` on.
fn sums(piece: &Piece, first: usize, summed: &Buffer, tuning: &Tuning) -> Recording {
    let (workgroup, turns) = (tuning.workgroup, Turns::new(piece, tuning));
    let entry = Entry {
        kernel: "grad_norm",
        name: "grad_norm",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: turns.rounds(tuning) + workgroup as u64,
    };
    let consts = consts(piece, tuning).u32("FIRST", first).u32("COUNT", 0).u32("COUNT4", 0).u32("RING", 1);
    let most = first + partials(piece, tuning);
    let bindings =
        vec![read(0, "blocks").words(piece.words()), read(1, "grads"), write(2, "partials").words(most)];
    let mut recording = Recording::default();
    let views = vec![piece.blocks(), piece.grads(), View::from(summed)];
    recording.launch(program(entry, &PARTS, consts, bindings), views, turns.groups());
    recording
}

/// The root of so many sums.
fn total(summed: &Buffer, count: usize, update: &Update, tuning: &Tuning) -> Recording {
    let rounds = |workgroup: usize| (count.div_ceil(4).div_ceil(workgroup) + workgroup) as u64;
    let workgroup = tuning.single(rounds);
    let entry = Entry {
        kernel: "grad_norm",
        name: "grad_norm_total",
        workgroup,
        shared_bytes: 4 * workgroup,
        loops: rounds(workgroup),
    };
    let consts = ["ALL", "TURNS", "WIDE", "SHARED", "BLOCKS", "LONG", "ITEMS", "FIRST"]
        .into_iter()
        .fold(Consts::default(), |consts, name| consts.u32(name, 0))
        .u32("COUNT", count)
        .u32("COUNT4", count.div_ceil(4))
        .u32("RING", update.ring);
    let bindings =
        vec![read(3, "summed").words(count), read(4, "state").words(1), write(5, "norms").words(update.ring)];
    let mut recording = Recording::default();
    let buffers = [summed, update.state, update.norms].map(Buffer::clone).to_vec();
    recording.launch(program(entry, &PARTS, consts, bindings), buffers, [1, 1]);
    recording
}

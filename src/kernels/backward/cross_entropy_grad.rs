//! `cross_entropy_grad`: the gradient of losses of tokens, a chunk of the vocabulary at a time; logits are made again.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Buffer, Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand, Rows, other};
use crate::kernels::layout::weight::Weight;
use crate::kernels::tensor::EXP;
use crate::kernels::tensor::cross_entropy::{Losses, chunks};
use crate::kernels::tensor::matmul::{self, Form, Plus, Product};
use crate::kernels::{Entry, Tuning, program, read, uniform};
use std::ops::Range;

/// A gradient's rows of some tokens.
pub type Tokens = (Range<usize>, Rows);

/// What a launch takes and where it goes.
pub struct LossGrad<'a> {
    /// `[rows, C]`: what the head was given.
    pub h: &'a Operand,
    /// `[W, C]`.
    pub head: &'a Weight,
    /// Of the forward pass.
    pub losses: &'a Losses,
    /// `[rows]`: what each row's loss counts.
    pub weights: &'a Buffer,
    /// `[rows, chunk]`: logits of a chunk take turns with their gradient.
    pub dlogits: &'a Operand,
    /// `[rows, C]`: sums over chunks go from one to the other.
    pub dh: &'a [Operand; 2],
    /// Pieces of the head's gradient, by tokens, and whether they are added to; none where it is not trained.
    pub dhead: Option<(&'a [Tokens], bool)>,
}

impl<'a> LossGrad<'a> {
    /// All launches, and which of the two has `dh`.
    pub fn record(&self, cursor: &Cursor, tuning: &Tuning) -> (Recording, &'a Operand) {
        let (mut recording, rows) = (Recording::default(), self.h.rows());
        let mut sums: Option<&Operand> = None;
        for (tokens, weight) in chunks(self.head) {
            let logits = self.losses.chunk.narrow(tokens.len()).first(rows);
            let product = Product { cursor: Some(cursor), ..Product::nt(self.h, &weight, &logits) };
            recording.extend(matmul::record(&product, tuning));
            let dlogits = self.dlogits.narrow(tokens.len()).first(rows);
            recording.extend(self.chunk(&logits, &dlogits, tokens.start, cursor, tuning));
            let to = other(self.dh, sums);
            let plus = sums.map_or(Plus::Nothing, Plus::Other);
            let product =
                Product { form: Form::Nn, plus, cursor: Some(cursor), ..Product::nt(&dlogits, &weight, to) };
            recording.extend(matmul::record(&product, tuning));
            sums = Some(to);
            if let Some((pieces, add)) = self.dhead {
                let own = pieces.iter().find(|(own, _)| own.contains(&tokens.start));
                let (own, piece) = own.expect("pieces hold all tokens");
                assert!(tokens.end <= own.end, "a chunk in two pieces");
                let to = Operand::Rows(piece.clone()).some(tokens.start - own.start, tokens.len());
                let plus = if add { Plus::Itself } else { Plus::Nothing };
                let depth = Some(cursor);
                let product = Product { form: Form::Tn, plus, depth, ..Product::nt(&dlogits, self.h, &to) };
                recording.extend(matmul::record(&product, tuning));
            }
        }
        (recording, sums.expect("a head has tokens"))
    }

    /// Logits of a chunk, from token `first` on, to their gradient.
    fn chunk(
        &self,
        logits: &Operand,
        dlogits: &Operand,
        first: usize,
        cursor: &Cursor,
        tuning: &Tuning,
    ) -> Recording {
        let (rows, quads) = (logits.rows(), logits.cols().div_ceil(4));
        let words = [first, logits.cols(), 0, 0].map(|n| n as u32);
        let bound = Bound::default()
            .with(Cursor::binding(0), cursor.view())
            .with(uniform(1, "chunk").words(4), Buffer::holding("chunk", &words))
            .read(logits, 2, "logits", rows)
            .with(read(3, "targets").words(rows), self.losses.targets.clone())
            .with(read(4, "sums").words(4 * rows), self.losses.sums.clone())
            .with(read(5, "weights").words(rows), self.weights.clone())
            .write(dlogits, 6, "dlogits", rows);
        let entry = Entry {
            kernel: "cross_entropy_grad",
            name: "cross_entropy_grad",
            workgroup: tuning.workgroup,
            shared_bytes: 0,
            loops: 0,
        };
        let shader = include_str!("../../../shaders/backward/cross_entropy_grad.wgsl");
        let program = program(entry, &[&bound.text, EXP, shader], Consts::default(), bound.bindings);
        let mut recording = Recording::default();
        recording.launch(program, bound.resources, [tuning.groups(quads), rows as u32]);
        recording
    }
}

//! The rows that count: taken from the last layer for the head, their gradients put back.

use super::grads::Grads;
use super::{Batch, Capacity};
use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::backward::col_sums::{self, Terms};
use crate::kernels::backward::cross_entropy_grad::LossGrad;
use crate::kernels::backward::rms_norm_grad::{self, NormGrad};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::weight::{Piece, Weight};
use crate::kernels::tensor::cross_entropy::{self, CHUNK, Losses};
use crate::kernels::tensor::embed;
use crate::kernels::tensor::rms_norm::{self, Normed};
use crate::models::lm::Weights;

pub(super) struct Picked {
    /// How many.
    cursor: Cursor,
    /// `[counted]`: which rows.
    which: Buffer,
    /// `[rows]`: where each row is among them; `counted` where it does not count.
    back: Buffer,
    /// `[counted]`.
    weights: Buffer,
    /// `[counted, C]`: what left the last layer, and the same normalised.
    x: Operand,
    h: Operand,
    losses: Losses,
    dlogits: Operand,
    dh: [Operand; 2],
    /// `[counted + 1, C]`: the last row is zeros.
    dx: Operand,
    scales: Buffer,
    eps: f32,
}

/// An operand as rows to take from.
fn rows_of(operand: &Operand) -> Weight {
    let (rows, cols) = (operand.rows(), operand.cols());
    Weight { pieces: vec![Piece { rows: 0..rows, operand: operand.clone() }], rows, cols }
}

impl Picked {
    pub fn new(weights: &Weights, room: Capacity, tuning: &Tuning) -> Self {
        let (head, count) = (weights.head(), room.counted);
        let new = |label, rows| Operand::new(label, rows, weights.decoder.width, tuning);
        Picked {
            cursor: Cursor::default(),
            which: Buffer::words("counted", count),
            back: Buffer::words("counted", room.rows),
            weights: Buffer::words("counted", count),
            x: new("counted", count),
            h: new("counted", count),
            losses: Losses::new(count, head, tuning),
            dlogits: Operand::new("gradient of a chunk", count, head.rows.min(CHUNK), tuning),
            dh: [new("counted", count), new("counted", count)],
            dx: new("counted", count + 1),
            scales: Buffer::words("counted", count),
            eps: weights.decoder.eps,
        }
    }

    /// Puts what counts where passes read it.
    pub fn put(&self, engine: &Engine, batch: &Batch, room: Capacity) -> Result<()> {
        let count = batch.counted.len();
        assert!(count > 0 && count <= room.counted, "{count} rows that count, of {}", room.counted);
        let mut back = vec![room.counted as u32; batch.ids.len()];
        for (own, at) in batch.counted.iter().zip(0..) {
            back[own.row as usize] = at;
        }
        let of = |f: fn(&super::Counted) -> u32| batch.counted.iter().map(f).collect::<Vec<_>>();
        engine.write(&self.which, &of(|own| own.row))?;
        engine.write(&self.losses.targets, &of(|own| own.target))?;
        engine.write(&self.weights, &of(|own| own.weight.to_bits()))?;
        engine.write(&self.back, &back)?;
        engine.write(&self.cursor.0, &[count as u32, 0, 0, 0])
    }

    /// Losses of the first so many.
    pub fn losses(&self, count: usize) -> View {
        self.losses.losses.view(DType::F32).slice(0..count)
    }

    pub fn forward(&self, weights: &Weights, end: &Operand, tuning: &Tuning) -> Recording {
        let mut recording = embed::record(&rows_of(end), &self.which, &self.x, &self.cursor, tuning);
        let normed = Normed { x: &self.x, weight: &weights.norm, eps: self.eps, h: &self.h, last: false };
        recording.extend(rms_norm::record(&normed, &self.cursor, tuning));
        recording.extend(cross_entropy::record(&self.h, weights.head(), &self.losses, &self.cursor, tuning));
        recording
    }

    /// The loss's gradient of what left the last layer, zeros where a row does not count; of the head and the last norm
    /// where they are trained.
    pub fn backward(
        &self,
        weights: &Weights,
        grads: &Grads,
        add: bool,
        (dend, cursor): (&Operand, &Cursor),
        tuning: &Tuning,
    ) -> Recording {
        let grad = LossGrad {
            h: &self.h,
            head: weights.head(),
            losses: &self.losses,
            weights: &self.weights,
            dlogits: &self.dlogits,
            dh: &self.dh,
            dhead: grads.head().map(|pieces| (pieces, add)),
        };
        let (mut recording, dh) = grad.record(&self.cursor, tuning);
        let norm = NormGrad {
            x: &self.x,
            weight: &weights.norm,
            eps: self.eps,
            dy: dh,
            plus: None,
            dx: &self.dx.first(self.x.rows()),
            scales: &self.scales,
        };
        recording.extend(rms_norm_grad::record(&norm, &self.cursor, tuning));
        if let Some(sums) = grads.vector("model.norm.weight") {
            let terms = Terms::Weight { dy: dh, x: &self.x, scales: &self.scales };
            recording.extend(col_sums::record(&terms, sums, add, &self.cursor, tuning));
        }
        recording.extend(embed::record(&rows_of(&self.dx), &self.back, dend, cursor, tuning));
        recording
    }
}

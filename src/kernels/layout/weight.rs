//! A weight on the device, in as many pieces as the device's limits ask for.

use super::operand::{Operand, PITCH, Panel, Rows, texels, textured};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::given;
use half::f16;
use std::ops::Range;

/// A matrix `[out, in]`, cut by rows.
#[derive(Clone, Debug)]
pub struct Weight {
    /// In order.
    pub pieces: Vec<Piece>,
    /// Outputs of the layer.
    pub rows: usize,
    /// Inputs of the layer.
    pub cols: usize,
}

/// Some rows of a weight.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which.
    pub rows: Range<usize>,
    /// Where they are.
    pub operand: Operand,
}

/// Rows of a panel of a weight in a texture: all textures may be so high, and a row's number then is a shift and a mask.
const HIGH: usize = 8192;

impl Weight {
    /// A weight that nothing is written to yet, none of whose buffers is larger than so many bytes.
    ///
    /// # Panics
    /// If one row is.
    pub fn new(label: &'static str, rows: usize, cols: usize, most_bytes: u64, tuning: &Tuning) -> Self {
        let operands: Vec<Operand> = if textured(tuning) {
            Panel::beside(label, rows, cols, HIGH).into_iter().map(Operand::Panel).collect()
        } else {
            let pitch = cols.next_multiple_of(4);
            let dtype = if tuning.half { DType::F16 } else { DType::F32 };
            let most = (most_bytes / (dtype.bytes() * pitch as u64)) as usize;
            assert!(most > 0, "a row of {cols} in {most_bytes} bytes");
            // Columns of what a piece gives begin where operands' may.
            let most = if most > PITCH { most / PITCH * PITCH } else { most };
            let piece = |from: usize| {
                let count = most.min(rows - from);
                let words = (count * pitch) as u64 * dtype.bytes() / 4;
                let view = Buffer::words(label, words as usize).view(dtype);
                Operand::Rows(Rows::of(view, count, cols, pitch))
            };
            (0..rows).step_by(most).map(piece).collect()
        };
        let mut from = 0;
        let piece = |operand: Operand| {
            let start = from;
            from += operand.rows();
            Piece { rows: start..from, operand }
        };
        Weight { pieces: operands.into_iter().map(piece).collect(), rows, cols }
    }
}

/// Weights of a case as the variant keeps them.
pub(in crate::kernels) fn kept(data: Vec<f32>, tuning: &Tuning) -> Vec<f32> {
    match tuning.half {
        true => data.into_iter().map(|x| f16::from_f32(x).to_f32()).collect(),
        false => data,
    }
}

/// Numbers as the bits of the nearest ones in half precision.
pub fn halves(data: &[f32]) -> Vec<u16> {
    data.iter().map(|x| f16::from_f32(*x).to_bits()).collect()
}

impl Weight {
    /// The same of numbers `[rows, cols]`, for cases: buffers that hold them, or textures that the recording fills.
    pub(in crate::kernels) fn holding(&self, data: &[f32], recording: &mut Recording) -> Weight {
        let piece = |piece: &Piece| {
            let own = &data[piece.rows.start * self.cols..piece.rows.end * self.cols];
            let operand = match &piece.operand {
                Operand::Rows(rows) => {
                    let (label, laid) = (rows.view.buffer().label(), rows.lay(own));
                    let buffer = match rows.view.dtype() {
                        DType::F16 => Buffer::holding(label, &halves(&laid)),
                        _ => Buffer::holding(label, &laid),
                    };
                    let view = buffer.view(rows.view.dtype());
                    Operand::Rows(Rows { view, ..rows.clone() })
                }
                Operand::Panel(panel) => {
                    let rows = given::held("staged", own, self.cols);
                    recording.fill_texture(texels(&rows, panel, 0));
                    piece.operand.clone()
                }
            };
            Piece { rows: piece.rows.clone(), operand }
        };
        Weight { pieces: self.pieces.iter().map(piece).collect(), ..*self }
    }
}

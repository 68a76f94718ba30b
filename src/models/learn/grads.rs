//! Where gradients are: of each tensor of which anything is trained, the smallest rectangle that products can write.

use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, View};
use crate::kernels::backward::cross_entropy_grad::Tokens;
use crate::kernels::layout::operand::{PITCH, Rows};
use crate::kernels::layout::weight::Weight;
use crate::models::lm::Weights;
use crate::models::lm::weights::Target;
use crate::params::{Param, ParamTable, Spans};
use std::collections::BTreeMap;
use std::ops::Range;

/// A rectangle of a piece of a weight that holds what is trained of it.
pub(super) struct Rectangle {
    /// Which of the weight's pieces.
    pub piece: usize,
    /// Of the weight, the first a multiple of [`PITCH`], as operands' columns begin there.
    pub rows: Range<usize>,
    /// Likewise.
    pub cols: Range<usize>,
    /// Its gradient, `[rows, cols]`.
    pub grad: Rows,
}

/// A tensor's.
pub(super) enum Grad {
    Matrix(Vec<Rectangle>),
    Vector(View),
}

/// By name, of tensors of which anything is trained.
pub(super) struct Grads {
    all: BTreeMap<String, Grad>,
    /// The head's by tokens, if it is trained.
    head: Option<Vec<Tokens>>,
    /// The embedding's likewise.
    embedding: Option<Vec<Tokens>>,
}

const EMBEDDING: &str = "model.embed_tokens.weight";

impl Grads {
    pub fn new(weights: &Weights, table: &ParamTable, trained: &Spans) -> Self {
        let head = if weights.decoder.tied { EMBEDDING } else { "lm_head.weight" };
        let mut all = BTreeMap::new();
        for (name, target) in weights.targets() {
            // An adapter's table has no other weights.
            let Some(param) = table.get(&name) else { continue };
            let own = trained.within(param.place());
            if own.is_empty() {
                continue;
            }
            let grad = match target {
                Target::Vector(_) => {
                    let words = param.len().next_multiple_of(4);
                    Grad::Vector(Buffer::words("gradients", words).view(DType::F32))
                }
                // Their gradients are written by tokens.
                Target::Matrix(weight) if name == head || name == EMBEDDING => {
                    Grad::Matrix((0..weight.pieces.len()).map(|piece| whole(weight, piece)).collect())
                }
                Target::Matrix(weight) => Grad::Matrix(rectangles(weight, param, &own)),
            };
            all.insert(name, grad);
        }
        let by_tokens = |name: &str| match all.get(name) {
            Some(Grad::Matrix(pieces)) => {
                Some(pieces.iter().map(|piece| (piece.rows.clone(), piece.grad.clone())).collect())
            }
            _ => None,
        };
        Grads { head: by_tokens(head), embedding: by_tokens(EMBEDDING), all }
    }

    pub fn head(&self) -> Option<&[Tokens]> {
        self.head.as_deref()
    }

    pub fn embedding(&self) -> Option<&[Tokens]> {
        self.embedding.as_deref()
    }

    /// Of a matrix, if anything of it is trained.
    pub fn matrix(&self, name: &str) -> Option<&[Rectangle]> {
        match self.all.get(name) {
            Some(Grad::Matrix(all)) => Some(all),
            _ => None,
        }
    }

    /// Of a vector, likewise.
    pub fn vector(&self, name: &str) -> Option<&View> {
        match self.all.get(name) {
            Some(Grad::Vector(view)) => Some(view),
            _ => None,
        }
    }

    /// Whether anything is trained whose name begins so.
    pub fn any(&self, begins: &str) -> bool {
        self.all.keys().any(|name| name.starts_with(begins))
    }

    /// What is there of a tensor's gradient, zeros elsewhere.
    pub fn read(&self, engine: &Engine, param: &Param) -> Result<Vec<f32>> {
        let mut data = vec![0.0; param.len()];
        match self.all.get(&param.name) {
            None => {}
            Some(Grad::Vector(view)) => {
                data.copy_from_slice(&engine.read::<f32>(view.slice(0..param.len()))?)
            }
            Some(Grad::Matrix(all)) => {
                let cols = param.shape[1];
                for own in all {
                    let words: Vec<f32> = engine.read(&own.grad.view)?;
                    for (row, from) in own.rows.clone().zip(words.chunks(own.grad.pitch)) {
                        let to = &mut data[row * cols..][own.cols.clone()];
                        to.copy_from_slice(&from[..own.cols.len()]);
                    }
                }
            }
        }
        Ok(data)
    }
}

fn rectangle(piece: usize, rows: Range<usize>, cols: Range<usize>) -> Rectangle {
    let pitch = cols.len().next_multiple_of(4);
    let view = Buffer::words("gradients", rows.len() * pitch).view(DType::F32);
    Rectangle { piece, grad: Rows::of(view, rows.len(), cols.len(), pitch), rows, cols }
}

fn whole(weight: &Weight, piece: usize) -> Rectangle {
    rectangle(piece, weight.pieces[piece].rows.clone(), 0..weight.cols)
}

/// One a piece in which anything is trained.
fn rectangles(weight: &Weight, param: &Param, trained: &Spans) -> Vec<Rectangle> {
    let mut all = Vec::new();
    for (at, piece) in weight.pieces.iter().enumerate() {
        let elements = |row: usize| param.offset + row * weight.cols;
        let own = trained.within(elements(piece.rows.start)..elements(piece.rows.end));
        let (Some(first), Some(last)) = (own.ranges().first(), own.ranges().last()) else { continue };
        let row = |element: usize| (element - param.offset) / weight.cols;
        let rows = row(first.start) / PITCH * PITCH..row(last.end - 1) + 1;
        let mut cols = weight.cols..0;
        for range in own.ranges() {
            let (from, to) = (range.start - param.offset, range.end - 1 - param.offset);
            // What goes on in another row has all columns between.
            let several = from / weight.cols != to / weight.cols;
            cols.start = cols.start.min(if several { 0 } else { from % weight.cols });
            cols.end = cols.end.max(if several { weight.cols } else { to % weight.cols + 1 });
        }
        all.push(rectangle(at, rows, cols.start / PITCH * PITCH..cols.end));
    }
    all
}

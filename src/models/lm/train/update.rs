//! A masked optimizer step on what is trained: on weights where they are, or, of those in textures, on some rows at a time that
//! are copied out and back.

use super::super::Weights;
use super::super::weights::Target;
use super::grads::{Grads, Rectangle};
use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, Recording, TexelRows, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, texels};
use crate::kernels::layout::weight::Weight;
use crate::kernels::shared::masked_update::{hyper, schedule_row};
use crate::kernels::update::arena::{Piece, Update};
use crate::kernels::update::{block_update, grad_norm};
use crate::optim::Optimizer;
use crate::params::blocks::{Blocks, Part};
use crate::params::{Param, ParamTable, Spans};

pub(super) struct Stepped {
    optimizer: Optimizer,
    pieces: Vec<Own>,
    hyper: Buffer,
    schedule: Buffer,
    state: Buffer,
    norms: Buffer,
}

/// What is updated in a launch.
struct Own {
    piece: Piece,
    /// Where it is copied from and to, if it is in a texture.
    copied: Option<TexelRows>,
}

impl Stepped {
    pub fn new(
        weights: &Weights,
        table: &ParamTable,
        trained: &Spans,
        grads: &Grads,
        optimizer: &Optimizer,
    ) -> Self {
        let targets: Vec<(&Param, Target)> = weights
            .targets()
            .into_iter()
            .map(|(name, target)| (table.get(&name).expect("a target's name is the table's"), target))
            .collect();
        let words = targets.iter().map(|(param, target)| match (target, grads.matrix(&param.name)) {
            (Target::Matrix(weight), Some(all)) => {
                all.iter().map(|own| out(weight, own).0).max().unwrap_or(0)
            }
            _ => 0,
        });
        // As large as the largest that is copied out.
        let staging = Buffer::words("weights on their way", words.max().unwrap_or(0).max(4));
        let mut pieces = Vec::new();
        let mut add = |blocks: Blocks, grad: &View, params: View, copied| {
            let words = 4 * blocks.quads * optimizer.rule.moments();
            let moments = Buffer::words("moments", words.max(4)).view(DType::F32);
            pieces.push(Own { piece: Piece::new(&blocks, grad.clone(), params, moments), copied });
        };
        for (param, target) in &targets {
            let own = trained.within(param.place());
            if let (Target::Vector(view), Some(grad)) = (target, grads.vector(&param.name)) {
                let ranges = own.ranges().iter().map(|r| r.start - param.offset..r.end - param.offset);
                let parts = ranges.map(|r| Part { elements: r.clone(), grad: r.start, group: 0 });
                add(laid(parts), grad, (*view).clone(), None);
            }
            let (Target::Matrix(weight), Some(all)) = (target, grads.matrix(&param.name)) else { continue };
            for rectangle in all {
                let (_, pitch) = out(weight, rectangle);
                let blocks = blocks(&own, param, rectangle, pitch);
                let piece = &weight.pieces[rectangle.piece];
                let from = rectangle.rows.start - piece.rows.start;
                let (params, copied) = match &piece.operand {
                    Operand::Rows(rows) => (rows.view.slice(from * pitch..rows.view.len()), None),
                    Operand::Panel(panel) => {
                        let view = staging.view(DType::F32);
                        let rows = Rows::of(view.clone(), rectangle.rows.len(), weight.cols, pitch);
                        (view, Some(texels(&rows, panel, from)))
                    }
                };
                add(blocks, &rectangle.grad.view, params, copied);
            }
        }
        Stepped {
            optimizer: optimizer.clone(),
            pieces,
            hyper: Buffer::holding("optimizer", &hyper(optimizer)),
            schedule: Buffer::words("optimizer", 4),
            state: Buffer::words("optimizer", 1),
            norms: Buffer::words("optimizer", 1),
        }
    }

    pub fn record(&self, tuning: &Tuning) -> Recording {
        let update = Update {
            rule: self.optimizer.rule,
            hyper: &self.hyper,
            groups: 1,
            schedule: &self.schedule,
            state: &self.state,
            norms: &self.norms,
            ring: 1,
        };
        let all: Vec<&Piece> = self.pieces.iter().map(|own| &own.piece).collect();
        let mut recording = grad_norm::record(&all, &update, tuning);
        for own in &self.pieces {
            if let Some(copied) = &own.copied {
                recording.read_texture(copied.clone());
            }
            recording.extend(block_update::record(&update, &[&own.piece], tuning));
            if let Some(copied) = &own.copied {
                recording.fill_texture(copied.clone());
            }
        }
        recording
    }

    /// Puts a step's numbers where it reads them.
    pub fn put(&self, engine: &Engine, step: u64, lr: f64) -> Result<()> {
        engine.write(&self.schedule, &schedule_row(&self.optimizer, step, lr, 0.0))
    }

    /// The gradient's norm before it was clipped.
    pub fn norm(&self, engine: &Engine) -> Result<f32> {
        Ok(engine.read::<f32>(&self.norms)?[0])
    }
}

/// Words that a rectangle's rows take where they are copied out, and words from a row to the next one wherever they are updated.
fn out(weight: &Weight, own: &Rectangle) -> (usize, usize) {
    match &weight.pieces[own.piece].operand {
        Operand::Rows(rows) => (0, rows.pitch),
        Operand::Panel(_) => {
            let pitch = weight.cols.next_multiple_of(PITCH);
            (own.rows.len() * pitch, pitch)
        }
    }
}

/// What is trained of a rectangle, in elements of its rows, `pitch` apart.
fn blocks(trained: &Spans, param: &Param, own: &Rectangle, pitch: usize) -> Blocks {
    let cols = param.shape[1];
    let within = trained.within(param.offset + own.rows.start * cols..param.offset + own.rows.end * cols);
    let rows = within.ranges().iter().flat_map(|range| {
        let (from, to) = (range.start - param.offset, range.end - param.offset);
        (from / cols..to.div_ceil(cols)).map(move |row| (row, from.max(row * cols)..to.min((row + 1) * cols)))
    });
    laid(rows.map(|(row, elements)| {
        let (below, from) = (row - own.rows.start, elements.start - row * cols);
        let at = below * pitch + from;
        let grad = below * own.grad.pitch + from - own.cols.start;
        Part { elements: at..at + elements.len(), grad, group: 0 }
    }))
}

/// Parts of one group, whose gradients stand in their vec4 as they do.
fn laid(parts: impl Iterator<Item = Part>) -> Blocks {
    Blocks::new(parts).expect("one group, and rows of whole vec4")
}

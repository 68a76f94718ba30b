//! A masked optimizer step on what is trained: on weights where they are, or, of those in textures, on some rows at a time that
//! are copied out and back.

use super::grads::{Grads, Rectangle};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, DType, Engine, Recording, TexelRows, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, texels};
use crate::kernels::layout::weight::Weight;
use crate::kernels::shared::masked_update::{hyper, schedule_row};
use crate::kernels::update::arena::{Piece, Update};
use crate::kernels::update::{block_update, grad_norm};
use crate::models::lm::Weights;
use crate::models::lm::weights::Target;
use crate::optim::Optimizer;
use crate::params::blocks::{Blocks, Part};
use crate::params::{Param, ParamTable, Spans};
use std::ops::Range;

pub(super) struct Stepped {
    /// Of each group.
    optimizers: Vec<Optimizer>,
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
        grads: &Grads,
        groups: &[(Spans, Optimizer)],
    ) -> Result<Self> {
        let optimizers: Vec<Optimizer> = groups.iter().map(|(_, optimizer)| optimizer.clone()).collect();
        let optimizer = optimizers.first().expect("a group");
        let targets: Vec<(&Param, Target)> = weights
            .targets()
            .into_iter()
            .filter_map(|(name, target)| Some((table.get(&name)?, target)))
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
            let own = ranges(groups, param.place());
            if let (Target::Vector(view), Some(grad)) = (target, grads.vector(&param.name)) {
                let place = |r: &Range<usize>| r.start - param.offset..r.end - param.offset;
                let parts = own.iter().map(|(r, group)| (place(r), *group));
                let parts = parts.map(|(r, group)| Part { grad: r.start, elements: r, group });
                add(laid(parts)?, grad, (*view).clone(), None);
            }
            let (Target::Matrix(weight), Some(all)) = (target, grads.matrix(&param.name)) else { continue };
            for rectangle in all {
                let (_, pitch) = out(weight, rectangle);
                let blocks = blocks(groups, param, rectangle, pitch)?;
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
        let numbers: Vec<f32> = optimizers.iter().flat_map(hyper).collect();
        Ok(Stepped {
            pieces,
            hyper: Buffer::holding("optimizer", &numbers),
            schedule: Buffer::words("optimizer", 4 * optimizers.len()),
            state: Buffer::words("optimizer", 1),
            norms: Buffer::words("optimizer", 1),
            optimizers,
        })
    }

    pub fn record(&self, tuning: &Tuning) -> Recording {
        let update = Update {
            rule: self.optimizers[0].rule,
            hyper: &self.hyper,
            groups: self.optimizers.len(),
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
    pub fn put(&self, engine: &Engine, step: u64, factor: f64) -> Result<()> {
        let row = |own: &Optimizer| schedule_row(own, step, own.lr * factor, 0.0);
        engine.write(&self.schedule, &self.optimizers.iter().flat_map(row).collect::<Vec<f32>>())
    }

    pub fn moments(&self) -> Vec<View> {
        self.pieces.iter().map(|own| own.piece.moments()).collect()
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

/// What is trained within a range, ascending, with its group.
fn ranges(groups: &[(Spans, Optimizer)], within: Range<usize>) -> Vec<(Range<usize>, u32)> {
    let own = |(i, (spans, _)): (usize, &(Spans, Optimizer))| {
        spans.within(within.clone()).ranges().iter().map(|r| (r.clone(), i as u32)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = groups.iter().enumerate().flat_map(own).collect();
    all.sort_by_key(|(range, _)| range.start);
    all
}

/// What is trained of a rectangle, in elements of its rows, `pitch` apart.
fn blocks(groups: &[(Spans, Optimizer)], param: &Param, own: &Rectangle, pitch: usize) -> Result<Blocks> {
    let cols = param.shape[1];
    let within = ranges(groups, param.offset + own.rows.start * cols..param.offset + own.rows.end * cols);
    let rows = within.iter().flat_map(|(range, group)| {
        let (from, to) = (range.start - param.offset, range.end - param.offset);
        let row = move |row: usize| (row, from.max(row * cols)..to.min((row + 1) * cols), *group);
        (from / cols..to.div_ceil(cols)).map(row)
    });
    laid(rows.map(|(row, elements, group)| {
        let (below, from) = (row - own.rows.start, elements.start - row * cols);
        let at = below * pitch + from;
        let grad = below * own.grad.pitch + from - own.cols.start;
        Part { elements: at..at + elements.len(), grad, group }
    }))
}

/// Parts whose gradients stand in their vec4 as they do.
fn laid(parts: impl Iterator<Item = Part>) -> Result<Blocks> {
    Blocks::new(parts)
        .map_err(|why| Error::Usage(format!("groups of parameters: {why}; name whole rows or tensors")))
}

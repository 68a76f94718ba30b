//! A masked optimizer step on an arena of any size: what its kernels are given, and which of them take it.

pub(super) mod fixture;

use super::{block_update, grad_norm, lone_update};
use crate::gpu::{Binding, Buffer, Consts, Recording, View};
use crate::kernels::shared::masked_update::rule_consts;
use crate::kernels::{Tuning, read, uniform, write};
use crate::optim::Rule;
use crate::params::blocks::{Block, Blocks, QUADS};

/// Blocks of fewer vec4 are short: an invocation takes one for itself, as most of a workgroup would have nothing to do.
pub(super) const SHORT: usize = 8;

/// A segment of the arena, with what of it is trained.
#[derive(Clone, Debug)]
pub struct Piece {
    /// [long, then short] [`Block`](crate::params::Block), each in ascending order.
    blocks: Buffer,
    long: usize,
    short: usize,
    /// vec4 in all blocks.
    quads: usize,
    grads: View,
    params: View,
    /// [quads, 1 or 2] vec4.
    moments: View,
}

impl Piece {
    /// What is trained of a segment, its gradient, itself, and its moments: [`Blocks::spread`].
    ///
    /// # Panics
    /// If a block lies beyond the gradient or the segment: kernels don't look.
    pub fn new(
        blocks: &Blocks,
        grads: impl Into<View>,
        params: impl Into<View>,
        moments: impl Into<View>,
    ) -> Self {
        let (grads, params) = (grads.into(), params.into());
        let within = |view: &View, first: fn(&Block) -> u32| {
            let ends = blocks.list.iter().map(|block| first(block) as u64 + block.quads() as u64);
            16 * ends.max().unwrap_or(0) <= view.bytes()
        };
        assert!(within(&grads, |block| block.grad), "blocks beyond `{}`", grads.buffer().label());
        assert!(within(&params, |block| block.param), "blocks beyond `{}`", params.buffer().label());
        let (mut list, short): (Vec<_>, Vec<_>) =
            blocks.list.iter().copied().partition(|block| block.quads() >= SHORT);
        let long = list.len();
        list.extend(&short);
        Piece {
            blocks: Buffer::holding("blocks", bytemuck::cast_slice::<_, u32>(&list)),
            long,
            short: short.len(),
            quads: blocks.quads,
            grads,
            params,
            moments: moments.into(),
        }
    }

    fn is_empty(&self) -> bool {
        self.long + self.short == 0
    }

    /// What a workgroup of so many takes at a time: a long block, or a short one an invocation.
    pub(super) fn items(&self, workgroup: usize) -> usize {
        self.long + self.short.div_ceil(workgroup)
    }

    pub(super) fn consts(&self, consts: Consts, workgroup: usize) -> Consts {
        let (blocks, items) = (self.long + self.short, self.items(workgroup));
        consts.u32("BLOCKS", blocks).u32("LONG", self.long).u32("ITEMS", items)
    }

    /// Words of `blocks`.
    pub(super) fn words(&self) -> usize {
        4 * (self.long + self.short)
    }

    pub(super) fn blocks(&self) -> View {
        View::from(&self.blocks)
    }

    /// The moments of its blocks.
    pub fn moments(&self) -> View {
        self.moments.clone()
    }

    pub(super) fn grads(&self) -> View {
        self.grads.clone()
    }
}

/// What all segments share.
pub struct Update<'a> {
    /// By which rule; its numbers stand in `hyper` and `schedule`.
    pub rule: Rule,
    /// `[groups]` of [`hyper`](crate::kernels::shared::masked_update::hyper).
    pub hyper: &'a Buffer,
    /// Groups of hyperparameters.
    pub groups: usize,
    /// `[ring, groups]` of [`schedule_row`](crate::kernels::shared::masked_update::schedule_row).
    pub schedule: &'a Buffer,
    /// `[0]` the step. It is not counted on: who ends the step does that.
    pub state: &'a Buffer,
    /// `[ring]`: row step % ring takes the norm of the gradient before it is clipped.
    pub norms: &'a Buffer,
    /// Rows of `schedule` and `norms`.
    pub ring: usize,
}

impl Update<'_> {
    pub(super) fn consts(&self, piece: &Piece, workgroup: usize) -> Consts {
        let consts = rule_consts(Consts::default(), self.rule);
        piece.consts(consts.u32("GROUPS", self.groups).u32("RING", self.ring), workgroup)
    }

    /// Bindings and buffers of a step on a piece.
    pub(super) fn bind(&self, piece: &Piece, norms: Binding) -> (Vec<Binding>, Vec<View>) {
        let moments = 4 * piece.quads * self.rule.moments();
        let bindings = vec![
            uniform(0, "hyper").words(8 * self.groups),
            read(1, "schedule").words(4 * self.ring * self.groups),
            read(2, "blocks").words(piece.words()),
            read(3, "state").words(1),
            norms.words(self.ring),
            read(5, "grads"),
            write(6, "params"),
            write(7, "moments").words(moments),
        ];
        let views = [self.hyper, self.schedule, &piece.blocks, self.state, self.norms].map(View::from);
        let own = [piece.grads.clone(), piece.params.clone(), piece.moments.clone()];
        (bindings, views.into_iter().chain(own).collect())
    }
}

/// Most vec4 of a step that a single workgroup takes. On the software adapter with two cores it is as fast as three launches
/// at 16,384 vec4 and takes 60 % of their time at 1,024 (docs/PERFORMANCE.md); the more cores or units, the sooner it loses.
const LONE: usize = 1024;

/// A step on all pieces, and its norm: by a single workgroup where there is little, grid-wide where there is more.
pub fn record(update: &Update, pieces: &[Piece], tuning: &Tuning) -> Recording {
    let pieces: Vec<&Piece> = pieces.iter().filter(|piece| !piece.is_empty()).collect();
    match pieces[..] {
        [] => Recording::default(),
        [piece] if piece.quads <= LONE && lone_update::fits(piece, tuning) => {
            lone_update::record(update, piece, tuning)
        }
        _ => {
            let mut recording = grad_norm::record(&pieces, update, tuning);
            recording.extend(block_update::record(update, &pieces, tuning));
            recording
        }
    }
}

/// Workgroups in x; more go on in y, as no dimension takes more than 65,535.
pub(super) const WIDE: usize = 1 << 15;

/// How workgroups share the blocks of a piece.
pub(super) struct Turns {
    /// Workgroups in all.
    pub all: usize,
    /// Items that each takes, one after another.
    pub turns: usize,
}

impl Turns {
    /// As few workgroups as fill the device; more where their loops would go round too often.
    pub fn new(piece: &Piece, tuning: &Tuning) -> Self {
        let items = piece.items(tuning.workgroup);
        let most = (tuning.loops / (1 + rounds(tuning.workgroup))).clamp(1, 1 << 20) as usize;
        let turns = items.div_ceil(tuning.spread).clamp(1, most);
        Turns { all: items.div_ceil(turns), turns }
    }

    pub fn consts(&self, consts: Consts) -> Consts {
        consts.u32("ALL", self.all).u32("TURNS", self.turns).u32("WIDE", WIDE)
    }

    /// Workgroups of a launch.
    pub fn groups(&self) -> [u32; 2] {
        [self.all.min(WIDE) as u32, self.all.div_ceil(WIDE) as u32]
    }

    /// Rounds of an invocation's loops over its items.
    pub fn rounds(&self, tuning: &Tuning) -> u64 {
        self.turns as u64 * (1 + rounds(tuning.workgroup))
    }
}

/// Rounds of an invocation over the vec4 of an item.
pub(super) fn rounds(workgroup: usize) -> u64 {
    QUADS.div_ceil(workgroup).max(SHORT) as u64
}

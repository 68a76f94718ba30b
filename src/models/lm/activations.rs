//! Arrays that a decoder's rows pass through, and the keys, values or states that they leave.

use super::adapter::Chance;
use super::mixing::{Mix, Shared};
use super::weights::{Layer, Weights};
use crate::gpu::Buffer;
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::starts::Starts;
use crate::kernels::linear::chunks::{Chunks, Room};
use crate::kernels::tensor::rope::{self, Cache, Heads};
use crate::pretrained::{Decoder, Mixer};
use std::collections::BTreeMap;

/// What a layer reads and leaves, `[rows, …]` each.
#[derive(Clone)]
pub(in crate::models) struct Block {
    /// What enters it, what leaves attention, and what leaves it: the residual stream.
    pub x: Operand,
    pub mid: Operand,
    pub next: Operand,
    /// The two normalised.
    pub h: Operand,
    pub h_mid: Operand,
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    /// Turned by their positions.
    pub queries: Operand,
    pub cache: Cache,
    pub out: Operand,
    /// `[rows, H]`, for a gradient.
    pub sums: Option<Buffer>,
    /// Where attention is linear.
    pub mix: Option<Mix>,
    pub gate: Operand,
    pub up: Operand,
    pub act: Operand,
    /// `[rows, r]` of each linear map that has an adapter.
    pub low: [Option<Operand>; 7],
}

/// Arrays that rows pass through, and the keys and values that they leave.
pub struct Activations {
    /// `[rows]`.
    pub ids: Buffer,
    /// Rows and past.
    pub cursor: Cursor,
    /// Where each row's sequence begins.
    pub starts: Starts,
    /// Most rows of a pass.
    pub rows: usize,
    /// A layer's each.
    pub(in crate::models) blocks: Vec<Block>,
    pub(in crate::models) turns: Buffer,
    /// `[rows, C]`: the last layer's, normalised.
    pub(super) h: Operand,
    /// `[1, C]`.
    pub(super) last: Operand,
    pub(in crate::models) heads: Heads,
    /// Whether layers take turns with all but what enters them, so that a backward pass computes it a second time.
    pub(in crate::models) recompute: bool,
    /// Where adapters give what they add.
    pub(in crate::models) adapted: Adapted,
    /// What adapters don't read, while they are trained.
    pub(in crate::models) chance: Option<Chance>,
    /// How sequences are cut for linear attention.
    pub(in crate::models) chunks: Chunks,
}

/// What adapters give and, where numbers are left out, read: an array for each width.
#[derive(Default)]
pub(in crate::models) struct Adapted {
    pub out: BTreeMap<usize, Operand>,
    pub read: BTreeMap<usize, Operand>,
}

/// Sizes of a decoder's attention.
pub(in crate::models) fn heads(decoder: &Decoder) -> Heads {
    Heads { queries: decoder.heads, groups: decoder.kv_heads, dim: decoder.head_dim }
}

impl Activations {
    /// Room for passes of so many rows, and for so many tokens in all: layers take turns with all but keys and values.
    pub fn new(weights: &Weights, rows: usize, tokens: usize, tuning: &Tuning) -> Self {
        let decoder = &weights.decoder;
        let first = block(decoder, rows, rows, tuning);
        let chunks = Chunks::new(tuning.chunk, Room { rows, sequences: 1, longest: rows });
        let mut shared = Shared::default();
        let low = weights.rank().map(|rank| Operand::new("activations", rows, rank, tuning));
        let layer = |(i, layer): (usize, &Layer)| {
            let mix = shared.layer(decoder, decoder.mixing.mixer(i), &chunks, false, tuning);
            // What came before stands in the state of linear attention.
            let own = match mix {
                Some(_) => Block { mix, ..first.clone() },
                None => Block { cache: Cache::new(tokens, heads(decoder), tuning), ..first.clone() },
            };
            Block { low: layer.low(|_| low.clone().expect("a rank of an adapter")), ..own }
        };
        let blocks = weights.layers.iter().enumerate().map(layer).collect();
        Activations { chunks, ..Activations::of(weights, blocks, (rows, tokens), Starts::One, tuning) }
    }

    /// Room for sequences of so many rows in all, packed, each layer's kept for a backward pass: all of it, or what enters
    /// it alone.
    pub(in crate::models) fn kept(weights: &Weights, room: Room, recompute: bool, tuning: &Tuning) -> Self {
        let (decoder, rows) = (&weights.decoder, room.rows);
        let chunks = Chunks::new(tuning.chunk, room);
        let mut of_mixers = Shared::default();
        let scratch = block(decoder, rows, rows, tuning);
        let mut x = scratch.x.clone();
        let new = |cols: usize| Operand::new("activations", rows, cols, tuning);
        let own = |layer: &Layer, mixer: Mixer, of_mixers: &mut Shared| {
            let own = block(decoder, rows, rows, tuning);
            let mix = of_mixers.layer(decoder, mixer, &chunks, true, tuning);
            // What is turned, or kept among the values, is not read again; what is mapped is.
            let [q, k, v] = match mixer.turns() {
                true => [&scratch.q, &scratch.k, &scratch.v].map(Operand::clone),
                false => [&own.q, &own.k, &own.v].map(Operand::clone),
            };
            let sums = (!mixer.is_linear()).then(|| Buffer::words("activations", rows * decoder.heads));
            let low = layer.low(|low| new(low.a.rows));
            Block { q, k, v, sums, mix, h_mid: new(decoder.width), low, ..own }
        };
        // Adapters may be in some layers alone: what they need stands with each.
        let mut shared: BTreeMap<Mixer, Block> = BTreeMap::new();
        let layer = |(i, layer): (usize, &Layer)| {
            let mixer = decoder.mixing.mixer(i);
            let next = new(decoder.width);
            let before = std::mem::replace(&mut x, next.clone());
            let all = match recompute {
                true => {
                    let make = || own(layer, mixer, &mut of_mixers);
                    let shared = shared.entry(mixer).or_insert_with(make);
                    Block { low: layer.low(|low| new(low.a.rows)), ..shared.clone() }
                }
                false => own(layer, mixer, &mut of_mixers),
            };
            Block { x: before, next, ..all }
        };
        let blocks = weights.layers.iter().enumerate().map(layer).collect();
        let starts = Starts::Packed(Buffer::words("starts", rows));
        Activations { recompute, chunks, ..Activations::of(weights, blocks, (rows, rows), starts, tuning) }
    }

    fn of(
        weights: &Weights,
        blocks: Vec<Block>,
        (rows, tokens): (usize, usize),
        starts: Starts,
        tuning: &Tuning,
    ) -> Self {
        let (decoder, first) = (&weights.decoder, blocks.first().expect("a model has layers"));
        let mut adapted = Adapted::default();
        for linear in
            weights.layers.iter().flat_map(|layer| &layer.linears).filter(|linear| linear.low.is_some())
        {
            let cols = linear.weight.rows;
            adapted.out.entry(cols).or_insert_with(|| Operand::new("activations", rows, cols, tuning));
        }
        Activations {
            recompute: false,
            adapted,
            chance: None,
            chunks: Chunks::new(tuning.chunk, Room { rows: 1, sequences: 1, longest: 1 }),
            ids: Buffer::words("ids", rows),
            cursor: Cursor::default(),
            starts,
            rows,
            turns: {
                let positions = if decoder.mixing.turns(decoder.layers) { tokens } else { 1 };
                Buffer::holding("turns", &rope::turns(positions, decoder.head_dim, decoder.theta))
            },
            h: first.h.clone(),
            last: Operand::new("activations", 1, decoder.width, tuning),
            heads: heads(decoder),
            blocks,
        }
    }

    /// Leaves out some of what adapters read.
    pub(in crate::models) fn drop_out(&mut self, weights: &Weights, share: f64, tuning: &Tuning) {
        self.chance = Some(Chance::new(share));
        for linear in
            weights.layers.iter().flat_map(|layer| &layer.linears).filter(|linear| linear.low.is_some())
        {
            let cols = linear.weight.cols;
            let new = || Operand::new("activations", self.rows, cols, tuning);
            self.adapted.read.entry(cols).or_insert_with(new);
        }
    }
}

/// A layer's arrays, nothing of which is kept for a gradient.
fn block(decoder: &Decoder, rows: usize, tokens: usize, tuning: &Tuning) -> Block {
    let heads = heads(decoder);
    let (queries, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let new = |cols: usize| Operand::new("activations", rows, cols, tuning);
    let (x, h) = (new(decoder.width), new(decoder.width));
    Block {
        mid: new(decoder.width),
        next: x.clone(),
        x,
        h_mid: h.clone(),
        h,
        q: new(queries),
        k: new(shared),
        v: new(shared),
        queries: new(queries),
        cache: Cache::new(tokens, heads, tuning),
        out: new(queries),
        sums: None,
        mix: None,
        gate: new(decoder.mlp),
        up: new(decoder.mlp),
        act: new(decoder.mlp),
        low: Default::default(),
    }
}

//! The forward pass, recorded: every token of some rows through all layers, behind those of the cache.

use super::adapter::{Chance, Low};
use super::mixing::{Mix, Shared};
use super::weights::{DOWN, GATE, Gating, K, Layer, Linear, O, Q, UP, V, Weights};
use crate::error::Result;
use crate::gpu::{Buffer, Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Operand, Rows};
use crate::kernels::layout::starts::Starts;
use crate::kernels::layout::weight::Weight;
use crate::kernels::linear::chunks::{Chunks, Room};
use crate::kernels::tensor::attention::{self, Attention};
use crate::kernels::tensor::cross_entropy::{self, Losses};
use crate::kernels::tensor::embed;
use crate::kernels::tensor::matmul::{self, Plus, Product};
use crate::kernels::tensor::rms_norm::{self, Normed};
use crate::kernels::tensor::rope::{self, Cache, Heads, Rope};
use crate::kernels::tensor::swiglu;
use crate::pretrained::{Decoder, Mixer};
use std::collections::BTreeMap;

/// What a pass leaves of a model's judgement.
pub enum Head {
    /// Nothing: keys and values alone.
    None,
    /// Logits of the last row: `[1, W]`.
    Last(Rows),
    /// Logits of every row: `[rows, W]`.
    All(Rows),
    /// The loss of every row.
    Losses(Losses),
}

/// What a layer reads and leaves, `[rows, …]` each.
#[derive(Clone)]
pub(super) struct Block {
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
    pub(super) blocks: Vec<Block>,
    pub(super) turns: Buffer,
    /// `[rows, C]`: the last layer's, normalised.
    h: Operand,
    /// `[1, C]`.
    last: Operand,
    pub(super) heads: Heads,
    /// Whether layers take turns with all but what enters them, so that a backward pass computes it a second time.
    pub(super) recompute: bool,
    /// Where adapters give what they add.
    pub(super) adapted: Adapted,
    /// What adapters don't read, while they are trained.
    pub(super) chance: Option<Chance>,
    /// How sequences are cut for linear attention.
    pub(super) chunks: Chunks,
}

/// What adapters give and, where numbers are left out, read: an array for each width.
#[derive(Default)]
pub(super) struct Adapted {
    out: BTreeMap<usize, Operand>,
    pub read: BTreeMap<usize, Operand>,
}

/// Sizes of a decoder's attention.
pub(super) fn heads(decoder: &Decoder) -> Heads {
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
    pub(super) fn kept(weights: &Weights, room: Room, recompute: bool, tuning: &Tuning) -> Self {
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
            turns: Buffer::holding("turns", &rope::turns(tokens, decoder.head_dim, decoder.theta)),
            h: first.h.clone(),
            last: Operand::new("activations", 1, decoder.width, tuning),
            heads: heads(decoder),
            blocks,
        }
    }

    /// Leaves out some of what adapters read.
    pub(super) fn drop_out(&mut self, weights: &Weights, share: f64, tuning: &Tuning) {
        self.chance = Some(Chance::new(share));
        for linear in
            weights.layers.iter().flat_map(|layer| &layer.linears).filter(|linear| linear.low.is_some())
        {
            let cols = linear.weight.cols;
            let new = || Operand::new("activations", self.rows, cols, tuning);
            self.adapted.read.entry(cols).or_insert_with(new);
        }
    }

    /// What an adapter of a layer reads of `x`, and the launch that makes it.
    pub(super) fn read_by_adapter(
        &self,
        x: &Operand,
        site: [usize; 2],
        recording: &mut Recording,
        tuning: &Tuning,
    ) -> Operand {
        let Some(chance) = &self.chance else { return x.clone() };
        let to = self.adapted.read[&x.cols()].first(x.rows());
        recording.extend(chance.record((x, None), &to, site, &self.cursor, tuning));
        to
    }

    /// Puts where a pass of so many rows of one text begins: chunks of linear attention, and states of nothing before the first
    /// token.
    pub(super) fn place(&self, engine: &Engine, rows: usize, past: usize) -> Result<()> {
        let mixes = || self.blocks.iter().filter_map(|block| block.mix.as_ref());
        if mixes().next().is_none() {
            return Ok(());
        }
        self.chunks.put(engine, &[rows], past)?;
        if past == 0 {
            let mut nothing = Recording::default();
            mixes().filter_map(|mix| mix.state.as_ref()).for_each(|state| nothing.clear(state.view.clone()));
            engine.submit(&nothing, 1)?;
        }
        Ok(())
    }

    /// What leaves the last layer.
    pub(super) fn end(&self) -> &Operand {
        &self.blocks.last().expect("a model has layers").next
    }

    /// A layer's arrays, but for what leaves it, computed a second time.
    pub(super) fn again(&self, weights: &Weights, at: usize, tuning: &Tuning) -> Recording {
        let pass =
            Pass { all: self, decoder: &weights.decoder, eps: weights.decoder.eps, rows: self.rows, tuning };
        let mut recording = Recording::default();
        pass.layer(&weights.layers[at], at, false, &mut recording);
        recording
    }

    /// A pass of so many rows.
    pub fn record(&self, weights: &Weights, rows: usize, head: &Head, tuning: &Tuning) -> Recording {
        let pass = Pass { all: self, decoder: &weights.decoder, eps: weights.decoder.eps, rows, tuning };
        let x = self.blocks.first().expect("a model has layers").x.first(rows);
        let mut recording = embed::record(&weights.embedding, &self.ids, &x, &self.cursor, tuning);
        for at in 0..weights.layers.len() {
            pass.layer(&weights.layers[at], at, true, &mut recording);
        }
        pass.head(weights, head, &mut recording);
        recording
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

/// A recording on its way.
struct Pass<'a> {
    all: &'a Activations,
    decoder: &'a Decoder,
    eps: f32,
    rows: usize,
    tuning: &'a Tuning,
}

impl Pass<'_> {
    fn rows(&self, operand: &Operand) -> Operand {
        operand.first(self.rows)
    }

    /// `c = a weightᵀ (+ bias) (+ other)`, by the weight's pieces.
    fn linear(
        &self,
        a: &Operand,
        weight: &Weight,
        bias: Option<&View>,
        other: Option<&Operand>,
        c: &Operand,
        recording: &mut Recording,
    ) {
        self.sum((a, weight, bias), None, other, c, recording);
    }

    /// The same, plus a second product by a weight of the same pieces.
    fn sum(
        &self,
        (a, weight, bias): (&Operand, &Weight, Option<&View>),
        also: Option<(&Operand, &Weight)>,
        other: Option<&Operand>,
        c: &Operand,
        recording: &mut Recording,
    ) {
        for (i, piece) in weight.pieces.iter().enumerate() {
            let (from, count) = (piece.rows.start, piece.rows.len());
            let (c, other) = (c.columns(from, count), other.map(|other| other.columns(from, count)));
            let bias = bias.map(|bias| bias.slice(from..from + count.next_multiple_of(4)));
            let product = Product {
                also: also.map(|(a, weight)| [a, &weight.pieces[i].operand]),
                bias: bias.as_ref(),
                plus: other.as_ref().map_or(Plus::Nothing, Plus::Other),
                // A product of one row alone has nothing to ask.
                cursor: (c.rows() > 1).then_some(&self.all.cursor),
                ..Product::nt(a, &piece.operand, &c)
            };
            recording.extend(matmul::record(&product, self.tuning));
        }
    }

    fn norm(&self, x: &Operand, weight: &View, h: &Operand, recording: &mut Recording) -> Operand {
        let h = self.rows(h);
        let normed = Normed { x, weight, eps: self.eps, h: &h, last: false };
        recording.extend(rms_norm::record(&normed, &self.all.cursor, self.tuning));
        h
    }

    /// A layer's linear map, with what its adapter adds.
    fn mapped(
        &self,
        linear: &Linear,
        (layer, which): (usize, usize),
        x: &Operand,
        other: Option<&Operand>,
        y: &Operand,
        recording: &mut Recording,
    ) {
        let (weight, bias) = (&linear.weight, linear.bias.as_ref());
        let Some(low) = &linear.low else { return self.linear(x, weight, bias, other, y, recording) };
        let u = self.rows(self.all.blocks[layer].low[which].as_ref().expect("an adapter's"));
        let read = self.all.read_by_adapter(x, [layer, which], recording, self.tuning);
        self.down(&read, low, &u, recording);
        if matmul::takes_two(self.tuning) && low.b.pieces.len() == weight.pieces.len() {
            return self.sum((x, weight, bias), Some((&u, &low.b)), other, y, recording);
        }
        let added = self.rows(&self.all.adapted.out[&weight.rows]);
        self.linear(&u, &low.b, None, other, &added, recording);
        self.linear(x, weight, bias, Some(&added), y, recording);
    }

    /// `u = scale x Aᵀ`.
    fn down(&self, x: &Operand, low: &Low, u: &Operand, recording: &mut Recording) {
        for piece in &low.a.pieces {
            let u = u.columns(piece.rows.start, piece.rows.len());
            let cursor = (u.rows() > 1).then_some(&self.all.cursor);
            let product = Product { scale: low.scale, cursor, ..Product::nt(x, &piece.operand, &u) };
            recording.extend(matmul::record(&product, self.tuning));
        }
    }

    /// `whole`: with what leaves the layer.
    fn layer(&self, layer: &Layer, at: usize, whole: bool, recording: &mut Recording) {
        let (all, tuning) = (self.all, self.tuning);
        let block = &all.blocks[at];
        let linears = &layer.linears;
        let [x, mid, next] = [&block.x, &block.mid, &block.next].map(|operand| self.rows(operand));
        let [q, k, v] = [&block.q, &block.k, &block.v].map(|operand| self.rows(operand));
        let h = self.norm(&x, &layer.input_norm, &block.h, recording);
        for (which, to) in [(Q, &q), (K, &k), (V, &v)] {
            self.mapped(&linears[which], (at, which), &h, None, to, recording);
        }
        let (queries, out) = (self.rows(&block.queries), self.rows(&block.out));
        let (turns, starts, cursor, cache) = (&all.turns, &all.starts, &all.cursor, &block.cache);
        if block.mix.as_ref().is_none_or(|mix| mix.mixer.turns()) {
            let behind = block.mix.is_none();
            let turned =
                Rope { q: &q, k: &k, v: &v, turns, queries: &queries, cache, starts, cursor, behind };
            recording.extend(rope::record(&turned, all.heads, tuning));
        }
        match &block.mix {
            Some(mix) => {
                self.gates(&layer.gating, mix, &h, recording);
                let of = (layer, self.decoder);
                recording.extend(mix.record(block, of, self.rows, cursor, tuning));
            }
            None => {
                let sums = block.sums.as_ref();
                let seen =
                    Attention { queries: &queries, cache, out: &out, sums, starts, cursor, rows: self.rows };
                recording.extend(attention::record(&seen, all.heads, tuning));
            }
        }
        self.mapped(&linears[O], (at, O), &out, Some(&x), &mid, recording);

        let h = self.norm(&mid, &layer.post_norm, &block.h_mid, recording);
        let [gate, up, act] = [&block.gate, &block.up, &block.act].map(|operand| self.rows(operand));
        self.mapped(&linears[GATE], (at, GATE), &h, None, &gate, recording);
        self.mapped(&linears[UP], (at, UP), &h, None, &up, recording);
        recording.extend(swiglu::record(&gate, &up, &act, cursor, tuning));
        if whole {
            self.mapped(&linears[DOWN], (at, DOWN), &act, Some(&mid), &next, recording);
        }
    }

    /// What decays and shares come from.
    fn gates(&self, gating: &Gating, mix: &Mix, h: &Operand, recording: &mut Recording) {
        if let (Some((_, weight, bias)), Some(to)) = (&gating.decay, &mix.decay) {
            self.linear(h, weight, bias.as_ref(), None, &self.rows(to), recording);
        }
        if let (Some(weight), Some(to)) = (&gating.share, &mix.share) {
            self.linear(h, weight, None, None, &self.rows(to), recording);
        }
    }

    fn head(&self, weights: &Weights, head: &Head, recording: &mut Recording) {
        let x = self.rows(self.all.end());
        match head {
            Head::None => {}
            Head::Last(logits) => {
                let (weight, h) = (&weights.norm, &self.all.last);
                let normed = Normed { x: &x, weight, eps: self.eps, h, last: true };
                recording.extend(rms_norm::record(&normed, &self.all.cursor, self.tuning));
                self.linear(h, weights.head(), None, None, &Operand::Rows(logits.clone()), recording);
            }
            Head::All(logits) => {
                let h = self.norm(&x, &weights.norm, &self.all.h, recording);
                let logits = Operand::Rows(logits.clone()).first(self.rows);
                self.linear(&h, weights.head(), None, None, &logits, recording);
            }
            Head::Losses(losses) => {
                let h = self.norm(&x, &weights.norm, &self.all.h, recording);
                let cursor = &self.all.cursor;
                recording.extend(cross_entropy::record(&h, weights.head(), losses, cursor, self.tuning));
            }
        }
    }
}

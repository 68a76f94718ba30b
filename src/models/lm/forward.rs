//! The forward pass, recorded: every token of some rows through all layers, behind those of the cache.

use super::activations::Activations;
use super::adapter::Low;
use super::mixing::Mix;
use super::weights::{DOWN, GATE, Gating, K, Layer, Linear, O, Q, UP, V, Weights};
use crate::error::Result;
use crate::gpu::{Engine, Recording, View};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, Rows};
use crate::kernels::layout::weight::Weight;
use crate::kernels::tensor::attention::{self, Attention};
use crate::kernels::tensor::cross_entropy::{self, Losses};
use crate::kernels::tensor::embed;
use crate::kernels::tensor::matmul::{self, Plus, Product};
use crate::kernels::tensor::rms_norm::{self, Normed};
use crate::kernels::tensor::rope::{self, Rope};
use crate::kernels::tensor::swiglu;
use crate::pretrained::Decoder;

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

impl Activations {
    /// What an adapter of a layer reads of `x`, and the launch that makes it.
    pub(in crate::models) fn read_by_adapter(
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
    pub(in crate::models) fn place(&self, engine: &Engine, rows: usize, past: usize) -> Result<()> {
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
    pub(in crate::models) fn end(&self) -> &Operand {
        &self.blocks.last().expect("a model has layers").next
    }

    /// A layer's arrays, but for what leaves it, computed a second time.
    pub(in crate::models) fn again(&self, weights: &Weights, at: usize, tuning: &Tuning) -> Recording {
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
